//! Power cuts under load: ext4 in a loop file, shut down without its journal, and mounted again.

use std::time::Duration;

use anyhow::{Context, Result};

use super::kill::stir;
use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::disk::{self, Ext4};
use crate::oracle::Verdict;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    if let Some(why) = disk::why_not() {
        return Ok(Outcome::Skipped(why));
    }
    let disk = Ext4::make()?;
    let wanted = Wanted { lost_after: "1s", data_parent: Some(disk.path()), ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let mut slowest = Duration::ZERO;
    for trial in 0..play.trials {
        stir(&mut branch, &mut play)?;
        let started = branch.start().await.with_context(|| format!("behind power cut {trial}"));
        let (mut daemon, subscriber) = started?;
        if play.dice.below(5) > 0 {
            daemon.until_ready().await?;
            slowest = slowest.max(daemon.age());
            stir(&mut branch, &mut play)?;
        }
        tokio::time::sleep(play.dice.millis(0, 400)).await;
        disk.cut_power()?;
        daemon.kill().await?;
        subscriber.await??;
        for panic in &daemon.log().panics {
            verdict.wrong(format!("panic: {panic}"));
        }
        disk.reboot()?;
    }
    let (daemon, _subscriber) = branch.start().await?;
    branch.settle(Duration::from_secs(20)).await;
    verdict.expect(slowest < Duration::from_secs(5), || format!("reading again only after {slowest:?}"));
    verdict.detail(format!(
        "{} power cuts on ext4 without its journal; the store opened by itself each time; reading again within {} ms",
        play.trials,
        slowest.as_millis()
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
