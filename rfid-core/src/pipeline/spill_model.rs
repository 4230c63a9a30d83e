//! Random schedules of failing sinks, failing disks, restarts and crashes against what is
//! promised: each event reaches the sink, in order, at least once under its id, or is counted in a
//! loss.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use super::{Backlog, FailurePolicy, Owed, SinkHandle};
use crate::clock::UtcTime;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::name::Name;
use crate::sink::{EventBatch, Loss, Sink};

/// Small, so that schedules get beyond it.
const MOST_IN_MEMORY: usize = 30;

#[derive(Clone, Copy, Debug, PartialEq)]
enum SinkMode {
    Works,
    /// Takes longer than the patience.
    Slow,
    FailsForAWhile,
    FailsHopelessly,
    /// Takes the events and then says that it failed.
    FailsAfterwards,
    Panics,
    /// Does not come back until the mode changes.
    Hangs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum DiskMode {
    Works,
    Full,
    /// Neither written nor read.
    Broken,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Deliver(u64),
    Sink(SinkMode),
    Disk(DiskMode),
    Wait(u64),
    Restart,
    /// A crash, this many milliseconds after further events were handed over.
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    use SinkMode::*;
    let sink = prop::sample::select(vec![
        Works,
        Works,
        Slow,
        FailsForAWhile,
        FailsForAWhile,
        FailsHopelessly,
        FailsAfterwards,
        Panics,
        Hangs,
    ]);
    let disk = prop::sample::select(vec![DiskMode::Works, DiskMode::Works, DiskMode::Full, DiskMode::Broken]);
    prop_oneof![
        8 => (1u64..12).prop_map(Step::Deliver),
        4 => sink.prop_map(Step::Sink),
        2 => disk.prop_map(Step::Disk),
        4 => (1u64..4_000).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => (0u64..1_500).prop_map(Step::Crash),
    ]
}

/// What stays when a run ends: the disk, and what the sink has taken.
#[derive(Default)]
struct World {
    sink: Mutex<Option<SinkMode>>,
    disk: Mutex<Option<DiskMode>>,
    records: Mutex<Records>,
    taken: Mutex<Vec<Taken>>,
}

#[derive(Default)]
struct Records {
    owed: VecDeque<(u64, Owed)>,
    next: u64,
    /// Done, but not yet written down as done.
    done_lately: VecDeque<(u64, Owed)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Taken {
    Event(u64),
    Lost(Loss),
}

impl World {
    fn sink_mode(&self) -> SinkMode {
        self.sink.lock().unwrap().unwrap_or(SinkMode::Works)
    }

    fn disk(&self, writes: bool) -> Result<std::sync::MutexGuard<'_, Records>> {
        match self.disk.lock().unwrap().unwrap_or(DiskMode::Works) {
            DiskMode::Broken => Err(Error::new(ErrorKind::Io, "disk")),
            DiskMode::Full if writes => Err(Error::new(ErrorKind::Busy, "disk")),
            _ => Ok(self.records.lock().unwrap()),
        }
    }

    /// What was not yet written down as done comes again.
    fn crash(&self) {
        let mut records = self.records.lock().unwrap();
        while let Some(record) = records.done_lately.pop_back() {
            records.owed.push_front(record);
        }
    }
}

struct Disk(Arc<World>);

#[async_trait]
impl Backlog for Disk {
    async fn open(&mut self) -> Result<()> {
        self.0.disk(false).map(drop)
    }
    fn len(&self) -> u64 {
        self.0.records.lock().unwrap().owed.len() as u64
    }
    async fn push(&mut self, owed: &[Owed]) -> Result<()> {
        let mut records = self.0.disk(true)?;
        for owed in owed {
            let number = records.next;
            records.owed.push_back((number, owed.clone()));
            records.next += 1;
        }
        Ok(())
    }
    async fn peek(&mut self, limit: usize) -> Result<Vec<(u64, Owed)>> {
        // Small portions, so that some end in the middle of what is owed.
        Ok(self.0.disk(false)?.owed.iter().take(limit.min(7)).cloned().collect())
    }
    async fn done(&mut self, number: u64) -> Result<()> {
        let mut records = self.0.disk(false)?;
        while let Some(record) = records.owed.pop_front_if(|(first, _)| *first <= number) {
            records.done_lately.push_back(record);
        }
        while records.done_lately.len() > 10 {
            records.done_lately.pop_front();
        }
        Ok(())
    }
    async fn close(&mut self) {
        self.0.records.lock().unwrap().done_lately.clear();
    }
}

struct Taker(Arc<World>);

impl Taker {
    async fn behave(&self, takes: impl Fn()) -> Result<()> {
        while self.0.sink_mode() == SinkMode::Hangs {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mode = self.0.sink_mode();
        if mode == SinkMode::Slow {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        match mode {
            SinkMode::FailsForAWhile => Err(Error::new(ErrorKind::Io, "deliver")),
            SinkMode::FailsHopelessly => Err(Error::new(ErrorKind::Denied, "deliver")),
            SinkMode::Panics => panic!("the schedule says so"),
            SinkMode::FailsAfterwards => {
                takes();
                Err(Error::new(ErrorKind::Timeout, "deliver"))
            }
            _ => {
                takes();
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Sink for Taker {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }
    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        let taken = batch.events.iter().map(|event| Taken::Event(event.read_count));
        let taken: Vec<Taken> = taken.collect();
        self.behave(|| self.0.taken.lock().unwrap().extend(taken.clone())).await
    }
    async fn lost(&mut self, loss: &Loss) -> Result<()> {
        self.behave(|| self.0.taken.lock().unwrap().push(Taken::Lost(loss.clone()))).await
    }
    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

fn time(number: u64) -> UtcTime {
    Event::sample().time.plus(Duration::from_secs(number))
}

fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    let sample = Event::sample();
    let event = |number: u64| Event {
        event_id: EventId::derive("model", &sample.tag, sample.first_seen, number as u32),
        time: time(number),
        read_count: number,
        ..sample.clone()
    };
    numbers.map(event).collect()
}

/// What has happened over all runs.
#[derive(Default)]
struct Account {
    /// Events from 0 up to here have been handed over.
    handed: u64,
    /// Those from here on were not given back before a crash.
    unanswered: u64,
    /// Counted as lost by any run.
    lost: u64,
    /// Whether a run ended with events that could be kept nowhere: then nobody tells the sink.
    untold: bool,
    disk_broke: bool,
}

/// How a run ended.
enum End {
    OfSteps,
    Restart,
    Crash,
}

async fn run(world: &Arc<World>, steps: &mut std::vec::IntoIter<Step>, account: &mut Account) -> End {
    let again = Arc::clone(world);
    let sink = SinkHandle::builder(Name::from("model"), Box::new(Taker(Arc::clone(world))))
        .policy(FailurePolicy::default())
        .backlog(Box::new(Disk(Arc::clone(world))))
        .remade_by(Box::new(move || Ok(Box::new(Taker(Arc::clone(&again))))))
        .most_in_memory(MOST_IN_MEMORY)
        .spawn();
    // What the checkpoint of the crashed run owes.
    if account.unanswered < account.handed {
        sink.deliver(events(account.unanswered..account.handed)).await;
    }
    account.unanswered = account.handed;
    let mut end = End::OfSteps;
    for step in steps {
        match step {
            Step::Deliver(count) => {
                let from = account.handed;
                account.handed += count;
                let back = sink.deliver(events(from..account.handed)).await;
                assert_eq!(back.len() as u64, count, "what is handed over comes back");
                account.unanswered = account.handed;
            }
            Step::Sink(mode) => *world.sink.lock().unwrap() = Some(mode),
            Step::Disk(mode) => {
                account.disk_broke |= mode == DiskMode::Broken;
                *world.disk.lock().unwrap() = Some(mode);
            }
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::Restart => {
                end = End::Restart;
                break;
            }
            Step::Crash(millis) => {
                // What only memory has is lost with it, so a host does not promise it; the
                // model stops cleanly then.
                let is_on_disk = || {
                    let owed = sink.status().backlog.load(Ordering::Relaxed);
                    sink.status().backlog_error().is_none()
                        && owed <= world.records.lock().unwrap().owed.len() as u64
                };
                if !is_on_disk() {
                    end = End::Restart;
                    break;
                }
                let from = account.handed;
                account.handed += 3;
                let limit = Duration::from_millis(millis);
                let answered = tokio::time::timeout(limit, sink.deliver(events(from..account.handed))).await;
                if answered.is_err() || is_on_disk() {
                    account.lost += sink.status().lost.load(Ordering::Relaxed);
                    if answered.is_ok() {
                        account.unanswered = account.handed;
                    }
                    world.crash();
                    return End::Crash;
                }
                account.unanswered = account.handed;
                end = End::Restart;
                break;
            }
        }
    }
    let status = Arc::clone(sink.status());
    if matches!(end, End::OfSteps) {
        *world.disk.lock().unwrap() = Some(DiskMode::Works);
    }
    sink.hurry();
    let before = status.lost.load(Ordering::Relaxed);
    sink.close().await;
    account.lost += status.lost.load(Ordering::Relaxed);
    account.untold |= status.lost.load(Ordering::Relaxed) > before;
    end
}

fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // Dropping the runtime ends all tasks where they stand.
    runtime.block_on(work)
}

fn check(world: &World, account: &Account) {
    let taken = world.taken.lock().unwrap().clone();
    let mut seen = BTreeSet::new();
    let mut losses: Vec<Loss> = Vec::new();
    let mut latest = None;
    for taken in taken {
        match taken {
            Taken::Event(number) if seen.insert(number) => {
                if !account.disk_broke {
                    assert!(latest < Some(number), "{number} came after {latest:?}");
                }
                latest = latest.max(Some(number));
            }
            Taken::Event(_) => {}
            Taken::Lost(loss) if !losses.contains(&loss) => losses.push(loss),
            Taken::Lost(_) => {}
        }
    }
    let missing: Vec<u64> = (0..account.handed).filter(|number| !seen.contains(number)).collect();
    let is_told = |number: &&u64| losses.iter().any(|loss| (loss.from..=loss.to).contains(&time(**number)));
    let told = missing.iter().filter(is_told).count() as u64;
    let counted: u64 = losses.iter().map(|loss| loss.count).sum();
    assert!(told <= counted, "{told} are missing where {counted} were told: {losses:?}");
    assert!(missing.len() as u64 <= account.lost, "{missing:?} are missing, {} were counted", account.lost);
    if !account.untold {
        assert_eq!(missing.len() as u64, told, "{missing:?} are missing; told {losses:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_event_reaches_the_sink_in_order_or_is_counted_as_lost(
        steps in proptest::collection::vec(step(), 1..60), breaks in any::<bool>(),
    ) {
        let is_left_out = |step: &Step| !breaks && matches!(step, Step::Disk(DiskMode::Broken));
        let steps: Vec<Step> = steps.into_iter().filter(|step| !is_left_out(step)).collect();
        let world = Arc::new(World::default());
        let mut account = Account::default();
        let mut steps = steps.into_iter();
        while !matches!(in_a_runtime(run(&world, &mut steps, &mut account)), End::OfSteps) {}
        *world.sink.lock().unwrap() = Some(SinkMode::Works);
        let last = in_a_runtime(async {
            run(&world, &mut vec![Step::Wait(3_600_000)].into_iter(), &mut account).await
        });
        assert!(matches!(last, End::OfSteps));
        prop_assert!(world.records.lock().unwrap().owed.is_empty(), "everything owed was delivered");
        check(&world, &account);
    }
}
