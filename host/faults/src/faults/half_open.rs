//! Links that are open and dead: nothing comes through, and nobody says so.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::oracle::Verdict;

/// A dead link must be noticed within this time.
const NOTICED: Duration = Duration::from_secs(15);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let wanted = Wanted { readers: 3, with_proxy: true, ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    let mut verdict = Verdict::default();
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    for station in 0..branch.stations.len() {
        branch.present(station, 5)?;
    }
    branch.settle(Duration::from_secs(10)).await;
    let mut noticed = Vec::new();
    for round in 0..play.trials {
        // One of the readers stays well throughout.
        let station = play.dice.below(2) as usize;
        let name = branch.stations.get(station).map(|station| station.name.clone()).unwrap_or_default();
        let before = daemon.metrics().await?;
        let begin = Instant::now();
        let Some(there) = branch.stations.get(station) else { bail!("no reader") };
        there.proxy()?.freeze();
        // Somebody comes while nobody can hear.
        branch.present(station, 2)?;
        match daemon.until_reader(&name, false, NOTICED).await {
            Ok(_) => noticed.push(begin.elapsed()),
            Err(_) => verdict.wrong(format!("round {round}: {name} dead and not noticed within {NOTICED:?}")),
        }
        daemon.until_reader(&name, true, NOTICED).await?;
        let settled = branch.settle(Duration::from_secs(10)).await;
        verdict.expect(settled, || format!("round {round}: not all arrived after the link was back"));
        // The frozen links are open for ever on this side; beside them there is one.
        let Some(there) = branch.stations.get(station) else { bail!("no reader") };
        let (links, frozen) = (there.proxy()?.live(), there.proxy()?.frozen());
        verdict
            .expect(links == frozen + 1, || format!("round {round}: {links} links, {frozen} of them dead"));
        let after = daemon.metrics().await?;
        let untouched = after.reader("rfid_reader_connects_total", "r2") == 1;
        verdict.expect(untouched, || "a reader beside it was connected anew".to_owned());
        let reads = |metrics: &crate::daemon::Metrics| metrics.reader("rfid_reader_reads_total", "r2");
        verdict.expect(reads(&after) > reads(&before), || "a reader beside it stood still".to_owned());
    }
    let slowest = noticed.iter().max().copied().unwrap_or_default();
    verdict.detail(format!("{} dead links, noticed within {:.1} s", play.trials, slowest.as_secs_f64()));
    verdict.add(branch.judge(daemon).await?);
    Ok(Outcome::Played(verdict))
}
