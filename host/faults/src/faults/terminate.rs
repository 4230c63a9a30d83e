//! SIGTERM at a random moment: an orderly end, in time, and nothing to repair afterwards.

use std::time::Duration;

use anyhow::Result;

use super::kill::stir;
use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::oracle::Verdict;

/// Words that a start after an orderly end has no reason to say.
const RECOVERY: [&str; 5] = ["taken off", "recover", "damaged", "set aside", "half written"];

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { lost_after: "1s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let mut slowest = Duration::ZERO;
    for trial in 0..play.trials {
        stir(&mut branch, &mut play)?;
        let (mut daemon, subscriber) = branch.start().await?;
        if play.dice.below(3) > 0 {
            daemon.until_ready().await?;
            stir(&mut branch, &mut play)?;
        }
        tokio::time::sleep(play.dice.millis(0, 300)).await;
        // Some hold the key down.
        for _ in 0..play.dice.below(3) {
            daemon.signal("TERM").await?;
        }
        let (status, took) = match daemon.ended() {
            Some(status) => (status, Duration::ZERO),
            None => match daemon.terminate().await {
                Ok(end) => end,
                // It had ended between the two.
                Err(_) if daemon.ended().is_some() => continue,
                Err(error) => return Err(error),
            },
        };
        slowest = slowest.max(took);
        verdict.expect(status.success(), || format!("trial {trial}: ended with {status}"));
        subscriber.await??;
        let log = daemon.log();
        for line in log.panics.iter() {
            verdict.wrong(format!("panic: {line}"));
        }
        for line in log.warnings().filter(|line| RECOVERY.iter().any(|word| line.text.contains(word))) {
            verdict.wrong(format!("trial {trial}: something to repair: {}", line.text));
        }
    }
    let (daemon, _subscriber) = branch.start().await?;
    branch.settle(Duration::from_secs(20)).await;
    verdict.expect(slowest < Duration::from_secs(5), || format!("ending took {slowest:?}"));
    verdict.detail(format!("{} ends, the slowest in {} ms", play.trials, slowest.as_millis()));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
