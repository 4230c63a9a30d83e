use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::pipeline::backlog::MockBacklog;
use crate::pipeline::{SinkBuilder, SinkHandle};
use crate::settings::DurationText;
use crate::sink::{EventBatch, MockSink, Sink};

const PATIENCE: Duration = Duration::from_secs(30);

fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    let sample = Event::sample();
    let id = |number: u64| crate::EventId::derive("test", &sample.tag, sample.first_seen, number as u32);
    numbers.map(|number| Event { event_id: id(number), read_count: number, ..sample.clone() }).collect()
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.read_count).collect()
}

fn is_marked(events: &[Event]) -> bool {
    events.iter().all(|event| event.unconfirmed_by == [Name::from("visits")])
}

fn builder(sink: MockSink, on_failure: OnFailure) -> SinkBuilder {
    let policy = FailurePolicy { on_failure, patience: DurationText(PATIENCE) };
    SinkHandle::builder(Name::from("visits"), Box::new(sink)).policy(policy)
}

fn handle(sink: MockSink) -> SinkHandle {
    builder(sink, OnFailure::Pass).spawn()
}

fn fails() -> Result<()> {
    Err(Error::new(ErrorKind::Io, "deliver"))
}

fn quiet() -> MockSink {
    let mut sink = MockSink::new();
    sink.expect_takes_late().return_const(true);
    sink.expect_only_adds().return_const(false);
    sink.expect_flush().returning(|| Ok(()));
    sink.expect_close().returning(|| Ok(()));
    sink
}

fn well_behaved() -> MockSink {
    let mut sink = quiet();
    sink.expect_open().returning(|| Ok(()));
    sink
}

/// A sink that works while it is told to, and what it was given.
fn switched() -> (MockSink, Arc<AtomicBool>, Arc<Mutex<Vec<u64>>>) {
    let (works, given) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let mut sink = well_behaved();
    let (switch, seen) = (Arc::clone(&works), Arc::clone(&given));
    sink.expect_deliver().returning(move |batch| {
        if !switch.load(Ordering::Relaxed) {
            return fails();
        }
        seen.lock().unwrap().extend(numbers(&batch.events));
        Ok(())
    });
    (sink, works, given)
}

async fn until(condition: impl Fn() -> bool) {
    let limit = Duration::from_secs(3600);
    let waited = tokio::time::timeout(limit, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_adds_comes_back_in_order() {
    let mut sink = well_behaved();
    sink.expect_deliver().returning(|batch| {
        for event in &mut batch.events {
            event.dwell_ms = 7;
        }
        Ok(())
    });
    let sink = handle(sink);
    let back = sink.deliver(events(0..3)).await;
    assert_eq!(
        back.iter().map(|event| (event.read_count, event.dwell_ms)).collect::<Vec<_>>(),
        [(0, 7), (1, 7), (2, 7)]
    );
    assert!(sink.status().is_well());
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_gets_the_same_events_without_what_the_failed_try_added() {
    let mut sink = well_behaved();
    let mut tries = 0;
    sink.expect_deliver().times(3).returning(move |batch| {
        tries += 1;
        assert!(batch.events.iter().all(|event| event.record.is_none()));
        batch.events[0].record = Some(crate::Record::new());
        if tries < 3 { fails() } else { Ok(()) }
    });
    let sink = handle(sink);
    let back = sink.deliver(events(0..1)).await;
    assert!(back[0].record.is_some() && back[0].unconfirmed_by.is_empty());
    assert_eq!(sink.status().retries.load(Ordering::Relaxed), 2);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn events_pass_on_with_a_mark_when_retrying_is_no_use() {
    let mut sink = well_behaved();
    sink.expect_deliver().times(1).returning(|_| Err(Error::new(ErrorKind::Denied, "deliver")));
    let sink = handle(sink);
    assert!(is_marked(&sink.deliver(events(0..2)).await));
    assert!(!sink.status().is_well());
    assert!(sink.status().last_error().unwrap().contains("denied"));
    assert!(sink.status().complaint().unwrap().ends_with("its events pass on without it, marked"));
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn patience_is_used_up_once_and_comes_back_with_health() {
    let (sink, works, _) = switched();
    let sink = handle(sink);
    let start = Instant::now();
    assert!(is_marked(&sink.deliver(events(0..1)).await));
    let first = start.elapsed();
    assert!(first >= PATIENCE - LONGEST_WAIT && first <= PATIENCE, "{first:?}");
    let start = Instant::now();
    assert!(is_marked(&sink.deliver(events(1..2)).await));
    assert!(start.elapsed() < Duration::from_secs(1), "a sink known to be ill holds nothing up");
    works.store(true, Ordering::Relaxed);
    assert!(sink.deliver(events(2..3)).await[0].unconfirmed_by.is_empty());
    assert!(sink.status().is_well());
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_swallows_events_does_not_lose_them() {
    let mut sink = well_behaved();
    sink.expect_deliver().returning(|batch| {
        batch.events.clear();
        Ok(())
    });
    let sink = handle(sink);
    let back = sink.deliver(events(0..2)).await;
    assert_eq!(numbers(&back), [0, 1]);
    assert!(is_marked(&back));
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_be_opened_is_opened_later() {
    let mut sink = quiet();
    let mut tries = 0;
    sink.expect_open().returning(move || {
        tries += 1;
        if tries < 4 { Err(Error::new(ErrorKind::Connect, "open")) } else { Ok(()) }
    });
    let sink = handle(sink);
    until(|| sink.status().is_well()).await;
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn other_handles_of_a_closed_sink_pass_events_on() {
    let mut sink = well_behaved();
    sink.expect_deliver().returning(|_| Ok(()));
    let sink = handle(sink);
    let other = sink.clone();
    sink.close().await;
    assert!(is_marked(&other.deliver(events(0..1)).await));
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_wait_are_delivered_together() {
    let mut sink = well_behaved();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    sink.expect_deliver().returning(move |batch| {
        seen.lock().unwrap().push(batch.events.len());
        Ok(())
    });
    let sink = handle(sink);
    let both = tokio::join!(sink.deliver(events(0..2)), sink.deliver(events(2..5)));
    assert_eq!((numbers(&both.0), numbers(&both.1)), (vec![0, 1], vec![2, 3, 4]));
    assert_eq!(*sizes.lock().unwrap(), [5], "one delivery, hence one sync of a log");
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn spilled_events_pass_on_marked_and_reach_the_sink_later_in_order_and_unmarked() {
    let (sink, works, given) = switched();
    let sink = builder(sink, OnFailure::Spill).spawn();
    assert!(is_marked(&sink.deliver(events(0..2)).await), "patience is over");
    let start = Instant::now();
    assert!(is_marked(&sink.deliver(events(2..3)).await));
    assert!(start.elapsed() < Duration::from_millis(10), "behind a backlog nobody waits");
    let status = Arc::clone(sink.status());
    assert_eq!(status.backlog.load(Ordering::Relaxed), 3);
    let complaint = status.complaint().unwrap();
    assert!(
        complaint.starts_with("fails since 20") && complaint.contains("deliver failed (io); 3 events wait")
    );
    works.store(true, Ordering::Relaxed);
    until(|| status.is_well()).await;
    assert_eq!(*given.lock().unwrap(), [0, 1, 2]);
    assert!(sink.deliver(events(3..4)).await[0].unconfirmed_by.is_empty());
    assert_eq!(status.spilled.load(Ordering::Relaxed), 3);
    assert_eq!(status.delivered.load(Ordering::Relaxed), 4);
    assert_eq!((status.complaint(), status.failing_since()), (None, None));
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn with_retry_events_wait_until_the_sink_works() {
    let (sink, works, given) = switched();
    let sink = builder(sink, OnFailure::Retry).spawn();
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { sink.deliver(events(0..1)).await }
    });
    tokio::time::sleep(PATIENCE * 10).await;
    assert!(!waiting.is_finished());
    assert!(sink.status().complaint().unwrap().ends_with("its events wait, and everything behind it"));
    works.store(true, Ordering::Relaxed);
    assert!(waiting.await.unwrap()[0].unconfirmed_by.is_empty());
    assert_eq!(*given.lock().unwrap(), [0]);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_does_not_wait_for_a_sink_with_retry() {
    let (sink, _, _) = switched();
    let mut backlog = MockBacklog::new();
    backlog.expect_open().returning(|| Ok(()));
    backlog.expect_len().return_const(0u64);
    backlog.expect_push().times(1).withf(|owed| owed.len() == 2).returning(|_| Ok(()));
    backlog.expect_close().returning(|| ());
    let sink = builder(sink, OnFailure::Retry).backlog(Box::new(backlog)).spawn();
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { sink.deliver(events(0..2)).await }
    });
    tokio::time::sleep(PATIENCE).await;
    let start = Instant::now();
    sink.hurry();
    assert!(is_marked(&waiting.await.unwrap()), "it goes into the backlog, for the next start");
    sink.close().await;
    assert!(start.elapsed() <= HURRY + END_LIMIT, "{:?}", start.elapsed());
}

/// A sink that never comes back from a call.
struct Hangs;

#[async_trait::async_trait]
impl Sink for Hangs {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }
    async fn deliver(&mut self, _: &mut EventBatch) -> Result<()> {
        std::future::pending().await
    }
    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_costs_as_little_as_one_that_fails() {
    for on_failure in [OnFailure::Spill, OnFailure::Pass] {
        let policy = FailurePolicy { on_failure, ..FailurePolicy::default() };
        let sink = SinkHandle::builder(Name::from("visits"), Box::new(Hangs)).policy(policy).spawn();
        let start = Instant::now();
        assert!(is_marked(&sink.deliver(events(0..1)).await));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert!(is_marked(&sink.deliver(events(1..2)).await));
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        let complaint = sink.status().complaint().unwrap();
        assert!(complaint.contains("the sink has not answered for 1s"), "{complaint}");
        sink.close().await;
        assert!(start.elapsed() <= Duration::from_secs(1) + END_LIMIT * 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_late_but_well_is_not_made_again() {
    /// Takes two seconds for a call.
    struct Slow(Arc<Mutex<Vec<u64>>>);
    #[async_trait::async_trait]
    impl Sink for Slow {
        async fn open(&mut self) -> Result<()> {
            Ok(())
        }
        async fn deliver(&mut self, batch: &mut EventBatch) -> Result<()> {
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.0.lock().unwrap().extend(numbers(&batch.events));
            Ok(())
        }
        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }
        async fn close(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let given = Arc::default();
    let sink = SinkHandle::spawn(Name::from("visits"), Box::new(Slow(Arc::clone(&given))));
    for number in 0..3 {
        assert!(is_marked(&sink.deliver(events(number..number + 1)).await));
    }
    until(|| sink.status().is_well()).await;
    assert_eq!(*given.lock().unwrap(), [0, 1, 2]);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_without_use_for_late_events_is_passed() {
    let mut sink = MockSink::new();
    sink.expect_takes_late().return_const(false);
    sink.expect_only_adds().return_const(true);
    sink.expect_open().returning(|| Ok(()));
    sink.expect_flush().returning(|| Ok(()));
    sink.expect_close().returning(|| Ok(()));
    sink.expect_deliver().returning(|_| fails());
    let sink = builder(sink, OnFailure::Spill).spawn();
    assert!(is_marked(&sink.deliver(events(0..2)).await));
    assert_eq!(sink.status().backlog.load(Ordering::Relaxed), 0);
    assert_eq!(sink.status().spilled.load(Ordering::Relaxed), 0);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_without_a_factory_is_out_of_service_and_costs_nobody_else_anything() {
    let mut sink = well_behaved();
    sink.expect_deliver().times(1).returning(|_| panic!("a fault of the sink"));
    let sink = handle(sink);
    for number in 0..2 {
        assert!(is_marked(&sink.deliver(events(number..number + 1)).await));
    }
    assert!(sink.status().last_error().unwrap().contains("a fault of the sink"));
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panicked_is_made_anew_and_gets_what_it_missed() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let mut first = well_behaved();
    first.expect_deliver().times(1).returning(|_| panic!("a fault of the sink"));
    let seen = Arc::clone(&given);
    let make = move || -> Result<Box<dyn Sink>> {
        let mut sink = well_behaved();
        let seen = Arc::clone(&seen);
        sink.expect_deliver().returning(move |batch| {
            seen.lock().unwrap().extend(numbers(&batch.events));
            Ok(())
        });
        Ok(Box::new(sink))
    };
    let sink = builder(first, OnFailure::Spill).remade_by(Box::new(make)).spawn();
    assert!(is_marked(&sink.deliver(events(0..2)).await));
    until(|| sink.status().is_well()).await;
    assert_eq!(*given.lock().unwrap(), [0, 1]);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_five_times_in_ten_minutes_is_out_of_service() {
    let made = Arc::new(Mutex::new(0));
    let panics = || {
        let mut sink = well_behaved();
        sink.expect_deliver().returning(|_| panic!("a fault of the sink"));
        sink
    };
    let count = Arc::clone(&made);
    let make = move || -> Result<Box<dyn Sink>> {
        *count.lock().unwrap() += 1;
        Ok(Box::new(panics()))
    };
    let sink = builder(panics(), OnFailure::Spill).remade_by(Box::new(make)).spawn();
    assert!(is_marked(&sink.deliver(events(0..2)).await));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(*made.lock().unwrap(), 4, "the first one and four more");
    assert!(is_marked(&sink.deliver(events(2..3)).await));
    assert_eq!(sink.status().backlog.load(Ordering::Relaxed), 3, "for the next start");
    sink.close().await;
}

/// A backlog in memory that works while it is told to.
#[derive(Clone, Default)]
struct Kept {
    works: Arc<AtomicBool>,
    owed: Arc<Mutex<(u64, VecDeque<Owed>)>>,
}

impl Kept {
    fn call(&self) -> Result<std::sync::MutexGuard<'_, (u64, VecDeque<Owed>)>> {
        let full = || Error::new(ErrorKind::Io, "push").with_detail("no space left on device");
        if self.works.load(Ordering::Relaxed) { Ok(self.owed.lock().unwrap()) } else { Err(full()) }
    }
}

#[async_trait::async_trait]
impl crate::pipeline::Backlog for Kept {
    async fn open(&mut self) -> Result<()> {
        self.call().map(|_| ())
    }
    fn len(&self) -> u64 {
        self.owed.lock().unwrap().1.len() as u64
    }
    async fn push(&mut self, owed: &[Owed]) -> Result<()> {
        self.call()?.1.extend(owed.iter().cloned());
        Ok(())
    }
    async fn peek(&mut self, limit: usize) -> Result<Vec<(u64, Owed)>> {
        let kept = self.call()?;
        Ok((kept.0..).zip(kept.1.iter().take(limit).cloned()).collect())
    }
    async fn done(&mut self, number: u64) -> Result<()> {
        let mut kept = self.call()?;
        while kept.0 <= number {
            kept.1.pop_front();
            kept.0 += 1;
        }
        Ok(())
    }
    async fn close(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_events_in_memory_and_tells_the_sink_what_did_not_fit() {
    const MORE: u64 = 7;
    let (mut sink, works, given) = switched();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (losses, before) = (Arc::clone(&told), Arc::clone(&given));
    sink.expect_lost().returning(move |loss| {
        losses.lock().unwrap().push((before.lock().unwrap().len(), loss.clone()));
        Ok(())
    });
    let backlog = Kept::default();
    backlog.works.store(true, Ordering::Relaxed);
    let sink = builder(sink, OnFailure::Spill).backlog(Box::new(backlog.clone())).spawn();
    sink.deliver(events(0..5)).await;
    backlog.works.store(false, Ordering::Relaxed);
    let all = 5 + 10_000 + MORE;
    for start in (5..all).step_by(100) {
        sink.deliver(events(start..all.min(start + 100))).await;
    }
    let status = Arc::clone(sink.status());
    assert_eq!(status.lost.load(Ordering::Relaxed), MORE);
    backlog.works.store(true, Ordering::Relaxed);
    until(|| backlog.len_now() > 10_000).await;
    works.store(true, Ordering::Relaxed);
    until(|| status.is_well()).await;
    let expected: Vec<u64> = (0..5).chain(5 + MORE..all).collect();
    assert_eq!(*given.lock().unwrap(), expected);
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told.iter().map(|(at, loss)| (*at, loss.count)).collect::<Vec<_>>(),
        [(5, MORE)],
        "in its place"
    );
    assert!(told[0].1.reason.contains("no space left on device"), "{}", told[0].1.reason);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_failed_is_no_complaint_once_the_sink_has_everything() {
    let (sink, works, given) = switched();
    let backlog = Kept::default();
    backlog.works.store(true, Ordering::Relaxed);
    let sink = builder(sink, OnFailure::Spill).backlog(Box::new(backlog.clone())).spawn();
    tokio::time::sleep(Duration::from_secs(1)).await;
    backlog.works.store(false, Ordering::Relaxed);
    assert!(is_marked(&sink.deliver(events(0..5)).await));
    assert!(sink.status().backlog_error().is_some());
    works.store(true, Ordering::Relaxed);
    until(|| sink.status().complaint().is_none()).await;
    assert_eq!(*given.lock().unwrap(), [0, 1, 2, 3, 4]);
    sink.close().await;
}

/// A sink that takes its time, once it works.
struct Slow(Arc<AtomicBool>);

#[async_trait::async_trait]
impl Sink for Slow {
    async fn open(&mut self) -> Result<()> {
        Ok(())
    }
    async fn deliver(&mut self, _: &mut EventBatch) -> Result<()> {
        if !self.0.load(Ordering::Relaxed) {
            return fails();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }
    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_works_again_is_well_although_somebody_comes_all_the_time() {
    let works = Arc::new(AtomicBool::new(false));
    let patience = DurationText(Duration::from_secs(1));
    let policy = FailurePolicy { on_failure: OnFailure::Spill, patience };
    let sink = SinkHandle::builder(Name::from("visits"), Box::new(Slow(Arc::clone(&works))));
    let sink = sink.policy(policy).backlog(Box::new(Kept::default())).spawn();
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..4_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        works.store(number > 400, Ordering::Relaxed);
        let sink = sink.clone();
        callers.spawn(async move { is_marked(&sink.deliver(events(number..number + 1)).await) });
    }
    let marked = callers.join_all().await.into_iter().filter(|marked| *marked).count();
    assert!((300..1_000).contains(&marked), "{marked} of 4,000 were not registered in time");
    assert_eq!(sink.status().delivered.load(Ordering::Relaxed), 4_000);
    sink.close().await;
}

impl Kept {
    fn len_now(&self) -> usize {
        self.owed.lock().unwrap().1.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_an_earlier_run_left_is_delivered_before_anything_new() {
    let backlog = Kept::default();
    backlog.works.store(true, Ordering::Relaxed);
    let (sink, ..) = switched();
    let sink = builder(sink, OnFailure::Spill).backlog(Box::new(backlog.clone())).spawn();
    sink.deliver(events(0..3)).await;
    sink.close().await;
    assert_eq!(backlog.len_now(), 3);

    let (sink, works, given) = switched();
    works.store(true, Ordering::Relaxed);
    let sink = builder(sink, OnFailure::Spill).backlog(Box::new(backlog.clone())).spawn();
    sink.deliver(events(3..4)).await;
    until(|| sink.status().is_well()).await;
    assert_eq!(*given.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(backlog.len_now(), 0);
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_cannot_be_read_does_not_keep_a_healthy_sink_from_its_events() {
    let (sink, works, given) = switched();
    works.store(true, Ordering::Relaxed);
    let mut backlog = MockBacklog::new();
    backlog.expect_open().returning(|| Ok(()));
    backlog.expect_len().return_const(4u64);
    backlog.expect_push().returning(|_| Ok(()));
    backlog.expect_peek().returning(|_| Err(Error::new(ErrorKind::Damaged, "peek")));
    let sink = builder(sink, OnFailure::Spill).backlog(Box::new(backlog)).spawn();
    until(|| sink.status().backlog_error().is_some()).await;
    assert!(sink.deliver(events(0..1)).await[0].unconfirmed_by.is_empty());
    assert_eq!(*given.lock().unwrap(), [0]);
    let complaint = sink.status().complaint().unwrap();
    assert!(complaint.starts_with("cannot keep events on disk: peek failed (damaged)"), "{complaint}");
    sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_an_earlier_backlog_is_delivered_stays_behind_it_even_with_pass() {
    let (sink, works, given) = switched();
    let backlog = Kept::default();
    backlog.works.store(true, Ordering::Relaxed);
    backlog.owed.lock().unwrap().1.extend(events(0..3).into_iter().map(Owed::Event));
    let sink = builder(sink, OnFailure::Pass).backlog(Box::new(backlog)).spawn();
    until(|| !sink.status().is_well() && sink.status().backlog.load(Ordering::Relaxed) == 3).await;
    assert!(is_marked(&sink.deliver(events(3..4)).await));
    works.store(true, Ordering::Relaxed);
    until(|| sink.status().is_well()).await;
    assert!(!is_marked(&sink.deliver(events(4..5)).await));
    sink.close().await;
    assert_eq!(*given.lock().unwrap(), [0, 1, 2, 4], "3 came while the sink failed, and was passed");
}
