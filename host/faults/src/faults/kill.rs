//! kill -9 at a random moment, from the first instruction of the process on.

use std::time::Duration;

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::Daemon;
use crate::oracle::Verdict;

/// Cards that stand before a reader before some leave.
const MOST_STANDING: usize = 12;

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { lost_after: "1s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let mut slowest = Duration::ZERO;
    for _ in 0..play.trials {
        stir(&mut branch, &mut play)?;
        let mut daemon = Daemon::spawn(&branch.launch())?;
        if play.dice.below(4) == 0 {
            // In the middle of starting.
            tokio::time::sleep(play.dice.millis(0, 60)).await;
            daemon.kill().await?;
            continue;
        }
        daemon.serving().await?;
        let subscriber = branch.attach(&daemon).await?;
        daemon.until_ready().await?;
        slowest = slowest.max(daemon.age());
        stir(&mut branch, &mut play)?;
        tokio::time::sleep(play.dice.millis(0, 400)).await;
        daemon.kill().await?;
        subscriber.await??;
        for panic in &daemon.log().panics {
            verdict.wrong(format!("panic: {panic}"));
        }
    }
    let (daemon, _subscriber) = branch.start().await?;
    branch.settle(Duration::from_secs(20)).await;
    verdict.expect(slowest < Duration::from_secs(5), || format!("reading again only after {slowest:?}"));
    verdict.detail(format!("{} kills; reading again within {} ms", play.trials, slowest.as_millis()));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}

/// People come, and some of those who are known to be here go.
pub(super) fn stir(branch: &mut Branch, play: &mut Play) -> Result<()> {
    for station in 0..branch.stations.len() {
        let coming = play.dice.range(0, 3) as usize;
        if coming > 0 {
            branch.present(station, coming)?;
        }
        let announced = branch.announced_at(station);
        if announced.len() > MOST_STANDING {
            let going = announced.get(..MOST_STANDING / 2).unwrap_or_default();
            branch.leave(station, going)?;
        }
        if play.dice.below(8) == 0 {
            branch.glimpse(station)?;
        }
    }
    Ok(())
}
