//! A second host on the same data folder: it is refused at once, and the first does not notice.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::Daemon;
use crate::oracle::Verdict;

/// How long the second host may take to be refused.
const REFUSED: Duration = Duration::from_secs(2);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: 2, lost_after: "1s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    let mut slowest = Duration::ZERO;
    let mut said = String::new();
    for trial in 0..play.trials {
        let here = branch.present(0, 2)?;
        let begin = Instant::now();
        let mut second = Daemon::spawn(&branch.launch())?;
        let status = second.end().await?;
        slowest = slowest.max(begin.elapsed());
        verdict.expect(!status.success(), || format!("trial {trial}: a second host ran and ended well"));
        said = second.log().lines().last().map(|line| line.text.clone()).unwrap_or_default();
        verdict.expect(said.contains("in use by another process"), || {
            format!("trial {trial}: refused with: {said}")
        });
        branch.settle(Duration::from_secs(10)).await;
        branch.leave(0, &here)?;
    }
    let settled = branch.settle(Duration::from_secs(10)).await;
    verdict.expect(settled, || "the first host did not go on".to_owned());
    verdict.expect(slowest <= REFUSED, || format!("refused only after {slowest:?}"));
    verdict.detail(format!("{} refused within {} ms: {said}", play.trials, slowest.as_millis()));
    verdict.add(branch.judge(daemon).await.context("the first host")?);
    Ok(Outcome::Played(verdict))
}
