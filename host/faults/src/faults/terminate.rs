//! SIGTERM at a random moment: an orderly end, in time, and nothing to repair afterwards.

use std::time::Duration;

use anyhow::Result;

use super::kill::stir;
use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::oracle::Verdict;

/// Words that a start after an orderly end has no reason to say.
const RECOVERY: [&str; 6] = ["taken off", "recover", "damaged", "set aside", "half written", "interrupted"];

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { lost_after: "1s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let mut slowest = Duration::ZERO;
    let (mut hasty, mut was_hasty) = (0, false);
    for trial in 0..play.trials {
        stir(&mut branch, &mut play)?;
        let (mut daemon, subscriber) = branch.start().await?;
        if play.dice.below(3) > 0 {
            daemon.until_ready().await?;
            stir(&mut branch, &mut play)?;
        }
        tokio::time::sleep(play.dice.millis(0, 300)).await;
        // A second signal ends it at once, as a crash would.
        let is_hasty = play.dice.below(4) == 0;
        if is_hasty {
            daemon.signal("TERM").await?;
            hasty += 1;
        }
        let (status, took) = match daemon.terminate().await {
            Ok(end) => end,
            Err(error) => match daemon.ended() {
                // The first signal was enough.
                Some(status) if is_hasty => (status, Duration::ZERO),
                _ => return Err(error),
            },
        };
        slowest = slowest.max(took);
        let is_right = status.success() || is_hasty && status.code() == Some(1);
        verdict.expect(is_right, || format!("trial {trial}: ended with {status}"));
        subscriber.await??;
        let log = daemon.log();
        for line in log.panics.iter() {
            verdict.wrong(format!("panic: {line}"));
        }
        let repairs = log.warnings().filter(|line| RECOVERY.iter().any(|word| line.text.contains(word)));
        for line in repairs.filter(|_| !was_hasty) {
            verdict.wrong(format!("trial {trial}: something to repair: {}", line.text));
        }
        was_hasty = is_hasty;
    }
    let (daemon, _subscriber) = branch.start().await?;
    branch.settle(Duration::from_secs(20)).await;
    verdict.expect(slowest < Duration::from_secs(5), || format!("ending took {slowest:?}"));
    verdict.detail(format!(
        "{} ends, {hasty} of them by two signals, the slowest in {} ms",
        play.trials,
        slowest.as_millis()
    ));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
