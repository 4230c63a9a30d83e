use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::Listening;
use rfid_core::pipeline::{Checkpoint, CheckpointChange, Checkpoints, FailurePolicy, OnFailure};
use rfid_core::presence::PresenceSettings;
use rfid_core::{
    Clock, Error, ErrorKind, EventBatch, EventKind, Name, Pipeline, ReadBuf, Result, Sink, SinkHandle,
    SystemClock, TagIdKind,
};
use tokio::sync::Semaphore;

use crate::scripted_reader::{Memory, door};

fn batch(clock: &dyn Clock, tags: impl IntoIterator<Item = u32>, count: u16) -> ReadBuf {
    let mut batch = ReadBuf::with_capacity(4096);
    for tag in tags {
        batch.record(TagIdKind::Epc, &tag.to_be_bytes()).unwrap().set_count(count);
    }
    batch.set_received(clock.now());
    batch
}

/// A sink that delivers only when it is let, and fails when it never will be.
struct Gate {
    permits: Arc<Semaphore>,
    memory: Memory,
}

#[async_trait]
impl Sink for Gate {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
        let permit = self.permits.acquire().await.map_err(|_| Error::new(ErrorKind::Internal, "deliver"))?;
        permit.forget();
        self.memory.deliver(batch).await
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Keeps checkpoints in memory, so that a second run finds what the first one left.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Checkpoint>>);

#[async_trait]
impl Checkpoints for Kept {
    async fn load(&mut self) -> Result<Checkpoint> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        let mut kept = self.0.lock().unwrap();
        for (tag, visit) in &change.visits {
            kept.visits.retain(|kept| kept.tag != *tag);
            kept.visits.extend(visit.clone());
        }
        kept.undelivered.drain(..change.delivered as usize);
        kept.undelivered.extend(change.undelivered.clone());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn one_reader_may_feed_two_pipelines() {
    let clock = SystemClock::new();
    let mut ends = Vec::new();
    let mut outlets = Vec::new();
    for name in ["screens", "statistics"] {
        let memory = Memory::default();
        let sink = SinkHandle::spawn(Name::from(name), Box::new(memory.clone()));
        let pipeline =
            Pipeline::builder(name).reader(door("hubin_door")).sink(sink.clone()).start().await.unwrap();
        outlets.push(pipeline.outlet("hubin_door").unwrap());
        ends.push((pipeline, sink, memory));
    }
    let reads = batch(&clock, [1, 2], 3);
    for outlet in &outlets {
        outlet.put(&reads);
    }
    for (pipeline, sink, memory) in ends {
        pipeline.stop().await;
        sink.close().await;
        assert_eq!(memory.events().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_before_a_slow_sink_merges_and_reports_every_tag() {
    const TAGS: u32 = 200;
    const ROUNDS: u32 = 8_000;
    let clock = Arc::new(SystemClock::new());
    let permits = Arc::new(Semaphore::new(0));
    let memory = Memory::default();
    let gate = Gate { permits: Arc::clone(&permits), memory: memory.clone() };
    let policy = FailurePolicy { on_failure: OnFailure::Retry, ..FailurePolicy::default() };
    let sink = SinkHandle::builder(Name::from("slow"), Box::new(gate)).policy(policy).spawn();
    // A repeat for every read, so that presence has something to say for each batch and the
    // line behind it fills.
    let settings = PresenceSettings {
        confirm_reads: 1,
        repeat_every: Some(rfid_core::DurationText(Duration::from_nanos(1))),
        ..PresenceSettings::default()
    };
    let pipeline = Pipeline::builder("hubin")
        .presence(settings)
        .reader(door("hubin_door"))
        .sink(sink.clone())
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let outlet = pipeline.outlet("hubin_door").unwrap();
    outlet.set_listening(Listening::All, clock.now());
    for round in 0..ROUNDS {
        tokio::time::advance(Duration::from_millis(1)).await;
        outlet.put(&batch(&*clock, [round % TAGS], 1));
        tokio::task::yield_now().await;
    }
    assert!(pipeline.counters().merged.load(Ordering::Relaxed) > 0, "the line behind was to be slow");
    assert_eq!(pipeline.counters().shed.load(Ordering::Relaxed), 0);
    permits.add_permits(1_000_000);
    let counters = Arc::clone(pipeline.counters());
    pipeline.stop().await;
    sink.close().await;
    assert_eq!(counters.sightings.load(Ordering::Relaxed), u64::from(ROUNDS), "no sighting is lost");
    let arrived = memory.events().iter().filter(|event| event.kind == EventKind::Arrived).count();
    assert_eq!(arrived, TAGS as usize, "every tag's arrival is reported, once");
}

#[tokio::test(start_paused = true)]
async fn a_second_run_goes_on_where_the_first_one_was_stopped() {
    let kept = Kept::default();
    let clock = Arc::new(SystemClock::new());
    let mut all = Vec::new();
    for _run in 0..2 {
        let memory = Memory::default();
        let sink = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
        let pipeline = Pipeline::builder("hubin")
            .reader(door("hubin_door"))
            .sink(sink.clone())
            .checkpoints(Box::new(kept.clone()))
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        pipeline.outlet("hubin_door").unwrap().put(&batch(&*clock, [7], 3));
        pipeline.stop().await;
        sink.close().await;
        all.extend(memory.events());
    }
    assert_eq!(all.len(), 1, "the second run knows who is inside: {all:#?}");
    assert_eq!(kept.0.lock().unwrap().undelivered, [], "everything was delivered");
    assert_eq!(kept.0.lock().unwrap().visits[0].read_count, 6, "the end of a run keeps the last state");
}

#[tokio::test(start_paused = true)]
async fn a_slow_sink_costs_those_before_it_nothing_and_those_behind_it_no_more_than_its_patience() {
    /// Notes how old events are when they come, and takes its time.
    #[derive(Clone)]
    struct Timed {
        clock: Arc<SystemClock>,
        takes: Duration,
        ages: Arc<Mutex<Vec<(u64, Duration)>>>,
    }
    #[async_trait]
    impl Sink for Timed {
        async fn open(&mut self) -> Result<()> {
            Ok(())
        }
        async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
            let now = self.clock.now().monotonic;
            // Reads are numbered by the millisecond in which they come.
            let ages = batch.events.iter().map(|event| {
                let at = u32::from_be_bytes(event.tag.bytes().try_into().unwrap());
                (u64::from(at), now.saturating_sub(Duration::from_millis(u64::from(at))))
            });
            self.ages.lock().unwrap().extend(ages);
            tokio::time::sleep(self.takes).await;
            Ok(())
        }
        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
        async fn close(&mut self) -> Result<()> {
            Ok(())
        }
    }
    const ARRIVALS: u32 = 300;
    let clock = Arc::new(SystemClock::new());
    let timed = |takes: u64| {
        let takes = Duration::from_millis(takes);
        Timed { clock: Arc::clone(&clock), takes, ages: Arc::default() }
    };
    let chain = [("first", timed(3)), ("screens", timed(1)), ("slow", timed(2_000)), ("behind", timed(1))];
    let mut builder = Pipeline::builder("hubin").reader(door("hubin_door")).clock(clock.clone());
    let mut sinks = Vec::new();
    for (name, sink) in &chain {
        sinks.push(SinkHandle::spawn(Name::from(*name), Box::new(sink.clone())));
        builder = builder.sink(sinks.last().unwrap().clone());
    }
    let pipeline = builder.start().await.unwrap();
    let outlet = pipeline.outlet("hubin_door").unwrap();
    for _ in 0..ARRIVALS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        outlet.put(&batch(&*clock, [clock.now().monotonic.as_millis() as u32], 3));
    }
    let counters = Arc::clone(pipeline.counters());
    pipeline.stop().await;
    close_all(sinks).await;
    let p99 = |sink: &Timed| {
        let seen = sink.ages.lock().unwrap().clone();
        assert!(seen.is_sorted_by(|one, other| one.0 < other.0), "in order, each once");
        assert_eq!(seen.len(), ARRIVALS as usize);
        let mut ages: Vec<Duration> = seen.into_iter().map(|(_, age)| age).collect();
        ages.sort_unstable();
        ages[ages.len() * 99 / 100]
    };
    let [first, screens, _, behind] = chain.each_ref().map(|(_, sink)| p99(sink));
    assert!(first <= Duration::from_millis(2), "{first:?}");
    assert!(screens <= Duration::from_millis(6), "{screens:?}");
    assert!(behind <= Duration::from_millis(1_010), "{behind:?}");
    assert_eq!(counters.merged.load(Ordering::Relaxed), 0, "nothing was pushed back to the reader");
}

async fn close_all(sinks: Vec<SinkHandle>) {
    for sink in sinks {
        sink.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_a_crash_held_up_are_delivered_again_under_their_ids() {
    let kept = Kept::default();
    let clock = Arc::new(SystemClock::new());
    let permits = Arc::new(Semaphore::new(0));
    let gate = Gate { permits, memory: Memory::default() };
    let stuck = SinkHandle::spawn(Name::from("stuck"), Box::new(gate));
    let pipeline = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(stuck)
        .checkpoints(Box::new(kept.clone()))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    pipeline.outlet("hubin_door").unwrap().put(&batch(&*clock, [7], 3));
    while kept.0.lock().unwrap().undelivered.is_empty() {
        tokio::task::yield_now().await;
    }
    // The crash: the first run is never heard of again.
    std::mem::forget(pipeline);
    let left = kept.0.lock().unwrap().clone();

    let memory = Memory::default();
    let sink = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
    let pipeline = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(sink.clone())
        .checkpoints(Box::new(kept.clone()))
        .clock(clock)
        .start()
        .await
        .unwrap();
    pipeline.stop().await;
    sink.close().await;
    assert_eq!(memory.events(), left.undelivered);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_failed_is_written_when_it_works_again_although_nothing_happens() {
    /// A disk that comes back after some tries.
    struct Failing {
        failures: u32,
        kept: Kept,
    }
    #[async_trait]
    impl Checkpoints for Failing {
        async fn load(&mut self) -> Result<Checkpoint> {
            self.kept.load().await
        }
        async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
            match self.failures.checked_sub(1) {
                Some(left) => {
                    self.failures = left;
                    Err(Error::new(ErrorKind::Io, "save"))
                }
                None => self.kept.save(change).await,
            }
        }
    }
    let clock = Arc::new(SystemClock::new());
    let kept = Kept::default();
    let sink = SinkHandle::spawn(Name::from("memory"), Box::new(Memory::default()));
    let pipeline = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(sink.clone())
        .checkpoints(Box::new(Failing { failures: 4, kept: kept.clone() }))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    pipeline.outlet("hubin_door").unwrap().put(&batch(&*clock, [7], 3));
    // Well before presence hands on the state of all visits.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(kept.0.lock().unwrap().visits.len(), 1);
    pipeline.stop().await;
    sink.close().await;
}

/// Adds to events and notes that it was asked.
struct Adder {
    only_adds: bool,
    asked: Arc<Semaphore>,
}

#[async_trait]
impl Sink for Adder {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }

    async fn deliver(&mut self, _: &mut EventBatch) -> Result<()> {
        self.asked.add_permits(1);
        Ok(())
    }

    fn only_adds(&self) -> bool {
        self.only_adds
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Saves the first step, and any other only when it is let; fails if that is asked for.
struct Held {
    saves: Arc<Semaphore>,
    fails: bool,
    finds_again: bool,
}

#[async_trait]
impl Checkpoints for Held {
    async fn load(&mut self) -> Result<Checkpoint> {
        Ok(Checkpoint::default())
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        if change.undelivered.is_empty() {
            return Ok(());
        }
        let permit = self.saves.acquire().await.map_err(|_| Error::new(ErrorKind::Internal, "save"))?;
        permit.forget();
        if self.fails { Err(Error::new(ErrorKind::Io, "save")) } else { Ok(()) }
    }

    fn finds_again(&self, _: &Name) -> bool {
        self.finds_again
    }
}

#[tokio::test(start_paused = true)]
async fn only_sinks_that_merely_add_are_asked_before_the_events_are_saved() {
    for (only_adds, fails) in [(true, false), (true, true), (false, false)] {
        let (asked, saves) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let clock = Arc::new(SystemClock::new());
        let memory = Memory::default();
        let adder = Adder { only_adds, asked: Arc::clone(&asked) };
        let adder = SinkHandle::spawn(Name::from("names"), Box::new(adder));
        let behind = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
        let pipeline = Pipeline::builder("hubin")
            .reader(door("hubin_door"))
            .sink(adder.clone())
            .sink(behind.clone())
            .checkpoints(Box::new(Held { saves: Arc::clone(&saves), fails, finds_again: false }))
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        pipeline.outlet("hubin_door").unwrap().put(&batch(&*clock, [7], 3));
        // With time standing still this is as long as anything takes that can go on.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(asked.available_permits(), usize::from(only_adds));
        assert_eq!(memory.events(), [], "nobody else hears of what is not saved");
        saves.add_permits(1_000);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(asked.available_permits(), 1, "it is asked once");
        assert_eq!(memory.events().len(), 1, "also where it could not be saved");
        pipeline.stop().await;
        adder.close().await;
        behind.close().await;
    }
}

/// Notes what is saved, and finds again what the sink `log` has taken.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<CheckpointChange>>>);

impl Noted {
    fn take(&self) -> Vec<CheckpointChange> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl Checkpoints for Noted {
    async fn load(&mut self) -> Result<Checkpoint> {
        Ok(Checkpoint::default())
    }

    async fn save(&mut self, change: &CheckpointChange) -> Result<()> {
        if !change.is_empty() {
            self.0.lock().unwrap().push(change.clone());
        }
        Ok(())
    }

    fn finds_again(&self, sink: &Name) -> bool {
        sink.as_str() == "log"
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_log_has_passes_on_and_is_saved_later_with_others() {
    let clock = Arc::new(SystemClock::new());
    let (noted, memory) = (Noted::default(), Memory::default());
    let permits = Arc::new(Semaphore::new(2));
    let adder = Adder { only_adds: true, asked: Arc::new(Semaphore::new(0)) };
    let adder = SinkHandle::spawn(Name::from("names"), Box::new(adder));
    let log = Gate { permits: Arc::clone(&permits), memory: Memory::default() };
    let log = SinkHandle::spawn(Name::from("log"), Box::new(log));
    let behind = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
    let pipeline = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(adder.clone())
        .sink(log.clone())
        .sink(behind.clone())
        .checkpoints(Box::new(noted.clone()))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let outlet = pipeline.outlet("hubin_door").unwrap();
    for tag in [7, 8] {
        outlet.put(&batch(&*clock, [tag], 3));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(memory.events().len(), 2);
    assert_eq!(noted.take(), []);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let saved = noted.take();
    assert_eq!(saved.iter().map(|change| change.visits.len()).collect::<Vec<_>>(), [2]);
    assert_eq!(saved[0].undelivered, [], "they had been through all sinks");

    // A log that does not answer for a while keeps nothing from being saved.
    outlet.put(&batch(&*clock, [9], 3));
    tokio::time::sleep(Duration::from_millis(102)).await;
    assert_eq!(noted.take().iter().map(|change| change.undelivered.len()).collect::<Vec<_>>(), [1]);
    assert_eq!(memory.events().len(), 2);
    permits.add_permits(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(memory.events().len(), 3);
    pipeline.stop().await;
    assert_eq!(noted.take().iter().map(|change| change.delivered).sum::<u64>(), 1);
    for sink in [adder, log, behind] {
        sink.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_log_could_not_take_is_saved_before_it_passes_on() {
    let clock = Arc::new(SystemClock::new());
    let (saves, memory) = (Arc::new(Semaphore::new(0)), Memory::default());
    let policy = FailurePolicy {
        on_failure: OnFailure::Pass,
        patience: rfid_core::DurationText(Duration::from_millis(10)),
    };
    let closed = Semaphore::new(0);
    closed.close();
    let log = Gate { permits: Arc::new(closed), memory: Memory::default() };
    let log = SinkHandle::builder(Name::from("log"), Box::new(log)).policy(policy).spawn();
    let behind = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
    let pipeline = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(log.clone())
        .sink(behind.clone())
        .checkpoints(Box::new(Held { saves: Arc::clone(&saves), fails: false, finds_again: true }))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    pipeline.outlet("hubin_door").unwrap().put(&batch(&*clock, [7], 3));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(log.status().passed_on.load(Ordering::Relaxed), 1);
    assert_eq!(memory.events(), []);
    // As it is not yet the time to save it with others, it was asked for.
    saves.add_permits(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(memory.events().len(), 1);
    saves.add_permits(1_000);
    pipeline.stop().await;
    log.close().await;
    behind.close().await;
}
