//! Segments of 1 to 7 bytes, and joined ones: the same events as from an untouched link.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::lock;
use crate::oracle::Verdict;
use crate::proxy::Way;

/// An event without what differs from run to run.
type Step = (String, String, String);

pub(super) async fn play(mut play: Play) -> Result<Outcome> {
    let mut verdict = Verdict::default();
    let mut reference: Option<Vec<Step>> = None;
    let ways = [
        ("untouched", Way::Clear),
        ("1 byte", Way::Split(1, 1)),
        ("1 to 7 bytes", Way::Split(1, 7)),
        ("joined over 500 ms", Way::Coalesce(Duration::from_millis(500))),
    ];
    for (what, way) in ways {
        let (steps, part) = script(&mut play, way).await.with_context(|| what.to_owned())?;
        verdict.detail(format!("{what}: {} events", steps.len()));
        match &reference {
            None => reference = Some(steps),
            Some(reference) => verdict.expect(*reference == steps, || {
                let at = reference.iter().zip(&steps).position(|(left, right)| left != right);
                format!("{what}: other events than untouched, from number {at:?} on")
            }),
        }
        verdict.add(part);
    }
    Ok(Outcome::Played(verdict))
}

/// Cards that come and go one after another.
async fn script(play: &mut Play, way: Way) -> Result<(Vec<Step>, Verdict)> {
    let wanted = Wanted { readers: 1, with_proxy: true, lost_after: "2s", ..Wanted::default() };
    let mut branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
    branch.stations.first().context("no reader")?.proxy()?.set_way(way);
    let (daemon, _subscriber) = branch.start().await?;
    daemon.until_ready().await?;
    let limit = Duration::from_secs(20);
    for card in 0..play.trials {
        let here = branch.present(0, 1)?;
        branch.settle(limit).await;
        if card % 3 == 2 {
            branch.leave(0, &here)?;
            branch.settle(limit).await;
        }
    }
    let heard = |heard: &crate::oracle::Heard| {
        (heard.fact.kind.clone(), heard.fact.card.clone(), heard.fact.zone.clone())
    };
    let steps = lock(&branch.oracle).heard.iter().map(heard).collect();
    Ok((steps, branch.judge(daemon).await?))
}
