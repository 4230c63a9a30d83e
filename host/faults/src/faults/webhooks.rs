//! Receivers of webhooks that are dead or slow: nobody else notices, and what waited arrives in
//! the order of each tag.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, Play};
use crate::branch::{Branch, Wanted};
use crate::daemon::{Daemon, command, lock, until};
use crate::oracle::Verdict;
use crate::receiver::{Port, Posted, Receiver};
use crate::watch::Sample;

/// Cards that come together.
const GROUP: usize = 50;
/// Cards that stand before a reader before the first of them go.
const STANDING: usize = 150;
/// What a visit may take on the disk while it waits.
const BYTES_A_VISIT: u64 = 2 * 1024;
/// Notices a second at least once the receiver is well.
const DRAINED_A_SECOND: u64 = 500;
/// Tries of a dead receiver are this far apart at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const SCREEN: Duration = Duration::from_secs(1);

/// Nobody listens; then somebody does.
pub(super) async fn dead(play: Play) -> Result<Outcome> {
    let port = Port::take()?;
    let Some(mut run) = Run::open(play, port.address).await? else { return Ok(no_webhooks()) };
    let disk_before = size(&run.branch.data());
    run.people_come().await?;
    let waiting = size(&run.branch.data()).saturating_sub(disk_before);
    let notices = lock(&run.branch.oracle).heard.len() as u64;
    let each = waiting / notices.max(1);
    // The log itself, its index and what presence keeps are in the same folder.
    run.verdict.detail(format!("{notices} notices; the data folder grew by {each} bytes for each"));
    if !run.play.quick {
        run.verdict.expect(each <= 2 * BYTES_A_VISIT, || format!("{each} bytes on disk for each notice"));
    }
    let _receiver = Receiver::listen(port, Duration::ZERO, Arc::clone(&run.posted))?;
    run.drain().await
}

/// Each call takes two seconds; then it is quick.
pub(super) async fn slow(play: Play) -> Result<Outcome> {
    let port = Port::take()?;
    let Some(mut run) = Run::open(play, port.address).await? else { return Ok(no_webhooks()) };
    let receiver = Receiver::listen(port, Duration::from_secs(2), Arc::clone(&run.posted))?;
    run.people_come().await?;
    let early = lock(&run.posted).facts.len();
    run.verdict.detail(format!("{early} posted while it was slow"));
    receiver.set_delay(Duration::ZERO);
    run.drain().await
}

fn no_webhooks() -> Outcome {
    Outcome::Skipped("this binary has no webhooks".to_owned())
}

struct Run {
    play: Play,
    branch: Branch,
    daemon: Daemon,
    posted: Arc<Mutex<Posted>>,
    verdict: Verdict,
}

impl Run {
    async fn open(mut play: Play, address: SocketAddr) -> Result<Option<Self>> {
        let described = command(&play.binary, &["sinks", "describe", "notify"]).await?;
        if !described.stdout.contains("webhooks") {
            return Ok(None);
        }
        let screens =
            format!("webhooks = [{{ url = \"http://{address}/hook\", secret = \"env:FAULTS_SECRET\" }}]\n");
        let secret = ("FAULTS_SECRET".to_owned(), "a secret of at least thirty-two characters".to_owned());
        let wanted = Wanted { lost_after: "1s", screens, environment: vec![secret], ..Wanted::default() };
        let branch = Branch::open(&play.binary, wanted, &mut play.dice).await?;
        let (daemon, _) = branch.start().await?;
        daemon.until_reader("r0", true, crate::daemon::LIMIT).await?;
        Ok(Some(Self { play, branch, daemon, posted: Arc::default(), verdict: Verdict::default() }))
    }

    /// As many notices as are wanted: half of them arrivals, half departures.
    async fn people_come(&mut self) -> Result<()> {
        let cards = (self.play.trials as usize).div_ceil(2);
        let readers = self.branch.stations.len();
        for group in 0..cards.div_ceil(GROUP) {
            let station = group % readers;
            self.branch.present(station, GROUP.min(cards))?;
            let announced = self.branch.announced_at(station);
            if announced.len() >= STANDING {
                self.branch.leave(station, announced.get(..GROUP).unwrap_or_default())?;
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        self.branch.settle(Duration::from_secs(20)).await;
        for station in 0..readers {
            let announced = self.branch.announced_at(station);
            self.branch.leave(station, &announced)?;
        }
        self.branch.settle(Duration::from_secs(20)).await;
        let latencies = lock(&self.branch.oracle).latencies();
        let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
        let memory = Sample::of(self.daemon.pid())?.rss_kib / 1024;
        self.verdict.expect(p99 <= SCREEN, || format!("card to screen at the 99th percentile: {p99:?}"));
        self.verdict.detail(format!(
            "{} cards beside it: card to screen p99 {} ms, memory {memory} MiB",
            latencies.len(),
            p99.as_millis()
        ));
        Ok(())
    }

    /// Waits until all notices were posted and judges what came.
    async fn drain(mut self) -> Result<Outcome> {
        let notices: Vec<String> =
            lock(&self.branch.oracle).heard.iter().map(|heard| heard.fact.id.clone()).collect();
        let limit = LONGEST_WAIT + Duration::from_secs(5 + notices.len() as u64 / DRAINED_A_SECOND);
        let begin = Instant::now();
        let all = until("all posts", limit, async || {
            let posted = lock(&self.posted);
            Ok(notices.iter().all(|id| posted.has(id)).then_some(()))
        });
        let _ = all.await;
        let posted = std::mem::take(&mut *lock(&self.posted));
        self.verdict.detail(format!(
            "{} of {} posted {:.1} s after the receiver was well, {} of them more than once",
            posted.facts.len(),
            notices.len(),
            begin.elapsed().as_secs_f64(),
            posted.repeats
        ));
        for id in notices.iter().filter(|id| !posted.has(id)) {
            self.verdict.lost(format!("{id} was never posted"));
        }
        for body in &posted.unreadable {
            self.verdict.wrong(format!("posted {body}"));
        }
        let mut last: HashMap<&str, &str> = HashMap::new();
        for fact in &posted.facts {
            let before = last.insert(&fact.card, &fact.kind);
            let in_order =
                matches!((before, fact.kind.as_str()), (None, "arrived") | (Some("arrived"), "departed"));
            self.verdict
                .expect(in_order, || format!("{} {} was posted behind {before:?}", fact.kind, fact.card));
        }
        self.verdict.add(self.branch.judge(self.daemon).await?);
        Ok(Outcome::Played(self.verdict))
    }
}

/// Bytes of all files below a folder, without what only keeps room for a full disk.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let each = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(_) if entry.file_name().to_string_lossy().starts_with("reserve") => 0,
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    each.sum()
}
