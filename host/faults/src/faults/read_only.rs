//! A disk that fails every write, and one that takes its place.
//!
//! ext4 is shut down under the daemon, so each write and each sync fails from then on. A file
//! system in this state cannot be brought back below open files; so the disk as it was is mounted
//! in its place, as after a controller's reset: files opened before stay dead, new ones are good.

use anyhow::Result;

use super::disk_full::{announce_without_disk, register};
use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::disk::{self, Ext4};
use crate::oracle::Verdict;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    if let Some(why) = disk::why_not() {
        return Ok(Outcome::Skipped(why));
    }
    let disk = Ext4::make()?;
    let wanted = Wanted { readers: 2, data_parent: Some(disk.path()), ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (mut daemon, subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    branch.present(0, 5)?;
    branch.settle(crate::daemon::LIMIT).await;

    disk.cut_power()?;
    announce_without_disk(&mut branch, &daemon, &mut verdict, "failing").await?;
    disk.replace()?;
    register(&branch, &daemon, &mut verdict, "the disk came back").await?;
    branch.end(&mut daemon, &mut verdict).await?;
    subscriber.await??;
    verdict.add(branch.compare().await?);
    Ok(Outcome::Played(verdict))
}
