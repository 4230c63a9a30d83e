//! Cases for drivers that have many sessions, one beside the other or one after the other.

use std::fs;
use std::time::Duration;

use rfid_core::{ErrorKind, ReadBuf};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::driver::wait_for_tags;
use crate::report::Verdict;
use crate::rig::{Rig, session};

/// Sessions at the same time.
const BESIDE: usize = 10;

/// Connections one after the other.
const AFTER: usize = 100;

/// One after the other they start and stop, since what a reader holds may be common to its clients;
/// reading is done by all at once.
pub(crate) async fn side_by_side(rig: &mut dyn Rig) -> Verdict {
    let tags = rig.lay_tags(1).await;
    let mut reading = JoinSet::new();
    let mut sessions = Vec::new();
    for number in 0..BESIDE {
        let mut session = session(rig, &rig.settings())?;
        match session.open().await {
            Ok(_) => {}
            Err(error) if number > 0 && error.kind() == ErrorKind::Busy => {
                return Ok(Some("this reader has one client at a time"));
            }
            Err(error) => return Err(format!("open, beside {number} others: {error:#}")),
        }
        session.start().await.map_err(|error| format!("start, beside {number} others: {error:#}"))?;
        sessions.push(session);
    }
    for mut session in sessions {
        let tags = tags.clone();
        reading.spawn(async move {
            wait_for_tags(&mut *session, &tags, ReadBuf::DEFAULT_CAPACITY).await?;
            Ok::<_, String>(session)
        });
    }
    let mut sessions = Vec::new();
    while let Some(ended) = reading.join_next().await {
        sessions.push(ended.map_err(|panic| panic.to_string())??);
    }
    for mut session in sessions {
        session.stop().await.map_err(|error| format!("stop: {error:#}"))?;
        session.close().await.map_err(|error| format!("close: {error:#}"))?;
    }
    Ok(None)
}

pub(crate) async fn again_and_again(rig: &mut dyn Rig) -> Verdict {
    let mut session = session(rig, &rig.settings())?;
    let mut before = (0, 0);
    // The first time makes what lasts.
    for turn in 0..=AFTER {
        session.open().await.map_err(|error| format!("open, for the {turn}. time: {error:#}"))?;
        session.close().await.map_err(|error| format!("close, for the {turn}. time: {error:#}"))?;
        if turn == 0 {
            before = (tasks(), descriptors());
        }
    }
    // One for each connection is what is looked for: other tests may have some at this moment.
    let some = AFTER / 2;
    let start = Instant::now();
    loop {
        let (tasks, descriptors) = (tasks(), descriptors());
        if tasks < before.0 + some && descriptors < before.1 + some {
            return Ok(None);
        }
        // Both sides of a connection take a moment to end.
        if start.elapsed() > Duration::from_secs(2) {
            return Err(format!(
                "{} tasks and {} descriptors were left by {AFTER} connections",
                tasks.saturating_sub(before.0),
                descriptors.saturating_sub(before.1)
            ));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Open descriptors of this process; none where they cannot be counted.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
