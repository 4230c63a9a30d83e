use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rfid_core::{
    Clock, ErrorKind, EventKind, Name, Pipeline, ReaderState, SinkHandle, Supervisor, SystemClock,
};

use crate::scripted_reader::{Act, Memory, Script, ScriptedReader, door, script};
use rfid_core::recording::{Happened, Kept, Moment};

struct Line {
    clock: Arc<SystemClock>,
    pipeline: Pipeline,
    reader: Supervisor,
    memory: Memory,
    sink: SinkHandle,
}

impl Line {
    async fn start(script: &Script) -> Self {
        Self::expecting(None, script).await
    }

    /// With a reader that must have this serial number.
    async fn expecting(serial: Option<&str>, script: &Script) -> Self {
        let clock = Arc::new(SystemClock::new());
        let memory = Memory::default();
        let sink = SinkHandle::spawn(Name::from("memory"), Box::new(memory.clone()));
        let pipeline = Pipeline::builder("hubin")
            .reader(door("hubin_door"))
            .sink(sink.clone())
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        let script = Arc::clone(script);
        let reader = Supervisor::spawn(
            Name::from("hubin_door"),
            serial.map(str::to_owned),
            Box::new(move |_| ScriptedReader::make(Arc::clone(&script))),
            vec![pipeline.outlet("hubin_door").unwrap()],
            clock.clone(),
            1,
        );
        Self { clock, pipeline, reader, memory, sink }
    }

    async fn stop(self) -> Memory {
        self.reader.stop().await;
        self.pipeline.stop().await;
        self.sink.close().await;
        self.memory
    }
}

const WAIT_A_SECOND: Act = Act::Wait(Duration::from_secs(1));

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_absent_at_first_is_reached_later() {
    let script = script([Act::Refuse, Act::Refuse, Act::Refuse, Act::Accept, Act::Tag(1, 3)]);
    let line = Line::start(&script).await;
    let events = line.memory.wait_for(1).await;
    assert_eq!(events[0].kind, EventKind::Arrived);
    assert_eq!(line.reader.counters().failures.load(Ordering::Relaxed), 3);
    assert_eq!(line.reader.counters().connects.load(Ordering::Relaxed), 1);
    assert!(
        matches!(&*line.reader.state().borrow(), ReaderState::Reading { model, .. } if model == "scripted")
    );
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn another_reader_at_the_same_address_is_not_trusted() {
    let script = script([
        Act::AcceptWithSerial("one"),
        Act::Tag(1, 3),
        Act::Break,
        Act::AcceptWithSerial("other"),
        Act::AcceptWithSerial("one"),
        Act::Tag(2, 3),
    ]);
    let line = Line::start(&script).await;
    let mut state = line.reader.state().clone();
    let is_another = |state: &ReaderState| matches!(state, ReaderState::Down { reason, .. } if reason.contains("serial number other where one was"));
    state.wait_for(is_another).await.unwrap();
    // The first one is taken again when it is back.
    line.memory.wait_for(2).await;
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_must_have_the_serial_number_that_is_asked_for() {
    let script = script([
        Act::AcceptWithSerial("other"),
        Act::Accept,
        Act::AcceptWithSerial("wanted"),
        Act::Tag(1, 3),
    ]);
    let line = Line::expecting(Some("wanted"), &script).await;
    let mut state = line.reader.state().clone();
    for complaint in
        ["serial number other where the configuration asks for wanted", "does not tell its serial"]
    {
        let complains = |state: &ReaderState| matches!(state, ReaderState::Down { reason, .. } if reason.contains(complaint));
        state.wait_for(complains).await.unwrap();
    }
    assert_eq!(line.memory.wait_for(1).await.len(), 1);
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_while_somebody_is_inside_is_neither_an_exit_nor_an_arrival() {
    let outage = (0..40).map(|_| Act::Refuse);
    let script =
        script([Act::Accept, Act::Tag(1, 3), WAIT_A_SECOND, Act::Break].into_iter().chain(outage).chain([
            Act::Accept,
            Act::Tag(1, 1),
            WAIT_A_SECOND,
            Act::Tag(1, 1),
        ]));
    let line = Line::start(&script).await;
    line.memory.wait_for(1).await;
    let mut state = line.reader.state().clone();
    state.wait_for(|state| matches!(state, ReaderState::Down { .. })).await.unwrap();
    state.wait_for(|state| matches!(state, ReaderState::Reading { .. })).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let kinds: Vec<_> = line.stop().await.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Arrived]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_falls_silent_is_noticed_and_replaced() {
    let script = script([Act::Accept, Act::Tag(1, 3), Act::Hang, Act::Accept, Act::Tag(2, 3)]);
    let line = Line::start(&script).await;
    let mut state = line.reader.state().clone();
    let down = state.wait_for(|state| matches!(state, ReaderState::Down { .. })).await.unwrap().clone();
    let ReaderState::Down { reason, kind, .. } = down else { unreachable!() };
    assert_eq!(kind, ErrorKind::Timeout);
    assert!(reason.contains("no sign of life"), "{reason}");
    assert_eq!(line.memory.wait_for(2).await.len(), 2);
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_gets_a_new_session() {
    let script = script([Act::Accept, Act::Tag(1, 3), Act::Panic, Act::Accept, Act::Tag(2, 3)]);
    let line = Line::start(&script).await;
    assert_eq!(line.memory.wait_for(2).await.len(), 2);
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn waits_grow_while_a_reader_is_away_and_are_short_enough_for_who_plugs_it_in_again() {
    let script = script((0..8).map(|_| Act::Refuse));
    let line = Line::start(&script).await;
    let start = tokio::time::Instant::now();
    while !script.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(9), "eight tries within {waited:?} are a storm");
    script.lock().unwrap().extend((0..100).map(|_| Act::Refuse));
    tokio::time::sleep(Duration::from_secs(200)).await;
    script.lock().unwrap().clear();
    let plugged_in = tokio::time::Instant::now();

    script.lock().unwrap().extend([Act::Accept, Act::Wait(Duration::from_secs(61)), Act::Break, Act::Accept]);
    let mut state = line.reader.state().clone();
    state.wait_for(|state| matches!(state, ReaderState::Reading { .. })).await.unwrap();
    assert!(plugged_in.elapsed() <= Duration::from_secs(4), "{:?}", plugged_in.elapsed());
    state.wait_for(|state| matches!(state, ReaderState::Down { .. })).await.unwrap();
    let broken = tokio::time::Instant::now();
    state.wait_for(|state| matches!(state, ReaderState::Reading { .. })).await.unwrap();
    assert!(broken.elapsed() <= Duration::from_millis(500));
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_what_is_inside_through_to_the_sinks() {
    let script = script([Act::Accept, Act::Tag(1, 3), Act::Tag(2, 3), Act::Tag(3, 3), Act::Hang]);
    let line = Line::start(&script).await;
    while !script.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(line.stop().await.events().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_hangs_in_open_can_be_stopped() {
    let line = Line::start(&script([])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    line.stop().await;
}

/// What a reload does: the reader's reads go to another pipeline from one batch to the next.
#[tokio::test(start_paused = true)]
async fn a_reader_is_attached_to_another_pipeline_without_losing_a_read() {
    let a_moment = Act::Wait(Duration::from_millis(200));
    let script =
        script([Act::Accept, Act::Tag(1, 2), a_moment.clone(), Act::Tag(2, 3), a_moment, Act::Tag(1, 1)]);
    let line = Line::start(&script).await;
    while line.reader.counters().reads.load(Ordering::Relaxed) < 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let next = Pipeline::builder("hubin")
        .reader(door("hubin_door"))
        .sink(line.sink.clone())
        .clock(line.clock.clone())
        .prepare();
    line.reader.attach(vec![next.outlet("hubin_door").unwrap()], line.clock.now());
    // Tag 2 comes before the next pipeline is started and waits in it.
    while line.reader.counters().reads.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let glimpses = line.pipeline.stop().await;
    let next = next.start(glimpses).await.unwrap();
    let arrived = line.memory.wait_for(2).await;
    assert_eq!(arrived.len(), 2, "three reads of tag 1 are three, whoever took them: {arrived:#?}");
    assert_eq!(line.reader.counters().connects.load(Ordering::Relaxed), 1);
    line.reader.stop().await;
    next.stop().await;
    line.sink.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_tap_hears_what_the_pipeline_hears() {
    let script = script([Act::Accept, Act::Tag(1, 3)]);
    let line = Line::start(&script).await;
    let mut tap = line.reader.observer().tap();
    let batch = tap.recv().await.unwrap();
    assert_eq!(batch.iter().map(|sighting| sighting.read.count()).collect::<Vec<_>>(), [3]);
    assert_eq!(line.reader.counters().reads_by_port(1), 1);
    line.memory.wait_for(1).await;
    line.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_recording_begins_with_an_opening_and_has_every_read_and_outage() {
    let acts = script([Act::Accept, Act::Tag(1, 3)]);
    let line = Line::start(&acts).await;
    line.memory.wait_for(1).await;
    acts.lock().unwrap().extend([Act::Accept, Act::Tag(2, 3), Act::Break, Act::Refuse, Act::Accept]);
    let observer = line.reader.observer();
    let mut recording = observer.record(Kept::Bytes).unwrap();
    assert!(observer.record(Kept::Delivered).is_err(), "one at a time");
    let mut said = Vec::new();
    while said.len() < 6 {
        said.push(recording.next().await.unwrap());
    }
    let words: Vec<&str> = said
        .iter()
        .map(|moment| match moment.what {
            Happened::Up { capacity: 1.. } => "up",
            Happened::Read { reads: 1 } => "a read",
            Happened::Read { reads: 0 } => "no read",
            Happened::Down { since } if since.monotonic <= moment.at.monotonic => "down",
            _ => "something else",
        })
        .collect();
    assert_eq!(words, ["up", "a read", "no read", "down", "down", "up"]);
    assert!(said.is_sorted_by_key(|moment| moment.at.monotonic));
    let memory = line.stop().await;
    assert!(matches!(recording.next().await, Some(Moment { what: Happened::Down { .. }, .. })));
    assert!(matches!(recording.next().await, Some(Moment { what: Happened::Ended(_), .. })));
    assert_eq!(recording.next().await, None);
    assert_eq!(memory.events().len(), 2, "the line has lost nothing by it");
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_delivers_is_recorded_whole_where_its_bytes_are_not() {
    let acts = script([Act::Accept, Act::Tag(1, 3)]);
    let line = Line::start(&acts).await;
    line.memory.wait_for(1).await;
    acts.lock().unwrap().extend([Act::Accept, Act::Tag(2, 3), Act::Break, Act::Refuse, Act::Accept]);
    let mut recording = line.reader.observer().record(Kept::Delivered).unwrap();
    let mut said = Vec::new();
    while said.len() < 6 {
        said.push(recording.next().await.unwrap());
    }
    let told = |moment: &Moment| match &moment.what {
        Happened::Reading(info) => info.model.clone(),
        Happened::Delivered(batch) => {
            let reads = batch.iter().map(|sighting| (sighting.id.bytes.to_vec(), sighting.read.count()));
            format!("{:?}", reads.collect::<Vec<_>>())
        }
        Happened::Down { .. } => "down".to_owned(),
        other => panic!("{other:?}"),
    };
    let words: Vec<String> = said.iter().map(told).collect();
    assert_eq!(words, ["scripted", "[([48, 2], 3)]", "[]", "down", "down", "scripted"]);
    assert!(said.is_sorted_by_key(|moment| moment.at.monotonic));
    assert_eq!(line.stop().await.events().len(), 2, "the line has lost nothing by it");
}
