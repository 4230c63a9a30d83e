//! Cases for sinks, after the contract in `rfid_core::sink`.

use rfid_core::{Event, EventBatch, EventId, Loss, Sink, TagId, TagIdKind, UtcTime};

use crate::report::{Report, Verdict};

/// Runs all cases. `make` gives a sink that is not open, each time over the same storage or
/// receiver.
pub async fn check(mut make: impl FnMut() -> Box<dyn Sink>) -> Report {
    let mut report = Report::default();
    report.run("opens, delivers, flushes and closes", life(make())).await;
    report.run("closing is allowed in every state", closing(make())).await;
    report.run("an empty batch is no error", empty(make())).await;
    report.run("events are neither added, removed, reordered nor altered", faithful(make())).await;
    report.run("the same events may come again", repeated(make())).await;
    report.run("a large batch is taken whole", large(make())).await;
    report.run("events that are late are taken as others are", late(make())).await;
    report.run("word of a loss is taken, again and between events", lost(make())).await;
    report.run("whether late events are of use is always answered the same", same_answer(make())).await;
    report
}

async fn life(mut sink: Box<dyn Sink>) -> Verdict {
    for round in 0..3 {
        say("open", sink.open().await)?;
        say("deliver", sink.deliver(&mut EventBatch::new(events(round * 10, 3))).await)?;
        say("flush", sink.flush().await)?;
        say("close", sink.close().await)?;
    }
    Ok(None)
}

async fn closing(mut sink: Box<dyn Sink>) -> Verdict {
    say("close, never opened", sink.close().await)?;
    say("open", sink.open().await)?;
    say("close", sink.close().await)?;
    say("close again", sink.close().await)?;
    Ok(None)
}

async fn empty(mut sink: Box<dyn Sink>) -> Verdict {
    say("open", sink.open().await)?;
    say("deliver", sink.deliver(&mut EventBatch::default()).await)?;
    say("close", sink.close().await)?;
    Ok(None)
}

async fn faithful(mut sink: Box<dyn Sink>) -> Verdict {
    say("open", sink.open().await)?;
    let given = events(100, 20);
    let mut batch = EventBatch::new(given.clone());
    say("deliver", sink.deliver(&mut batch).await)?;
    say("close", sink.close().await)?;
    if batch.events.len() != given.len() {
        return Err(format!("{} events went in and {} came out", given.len(), batch.events.len()));
    }
    for (given, back) in given.into_iter().zip(batch.events) {
        // What a sink may add.
        let expected = Event {
            sequence: back.sequence,
            record: back.record.clone(),
            unconfirmed_by: back.unconfirmed_by.clone(),
            ..given
        };
        if back != expected {
            return Err(format!("an event was altered: {back:?} was {expected:?}"));
        }
    }
    Ok(None)
}

async fn repeated(mut sink: Box<dyn Sink>) -> Verdict {
    say("open", sink.open().await)?;
    for _ in 0..2 {
        say("deliver", sink.deliver(&mut EventBatch::new(events(200, 5))).await)?;
    }
    say("close", sink.close().await)?;
    Ok(None)
}

async fn large(mut sink: Box<dyn Sink>) -> Verdict {
    say("open", sink.open().await)?;
    say("deliver", sink.deliver(&mut EventBatch::new(events(1_000, 5_000))).await)?;
    say("flush", sink.flush().await)?;
    say("close", sink.close().await)?;
    Ok(None)
}

/// What a backlog brings: an older event behind a newer one, and the same again.
async fn late(mut sink: Box<dyn Sink>) -> Verdict {
    if !sink.takes_late() {
        return Ok(Some("late events are of no use to it"));
    }
    say("open", sink.open().await)?;
    say("deliver", sink.deliver(&mut EventBatch::new(events(7_010, 5))).await)?;
    for _ in 0..2 {
        let mut batch = EventBatch::new(events(7_000, 5));
        for event in &mut batch.events {
            event.time = UtcTime::from_nanos(1);
        }
        say("deliver, late", sink.deliver(&mut batch).await)?;
    }
    say("flush", sink.flush().await)?;
    say("close", sink.close().await)?;
    Ok(None)
}

async fn lost(mut sink: Box<dyn Sink>) -> Verdict {
    let Event { time, .. } = Event::sample();
    let loss = Loss { count: 7, reason: "the disk was full".to_owned(), from: time, to: time };
    say("open", sink.open().await)?;
    say("lost, first of all", sink.lost(&loss).await)?;
    say("deliver", sink.deliver(&mut EventBatch::new(events(8_000, 3))).await)?;
    for _ in 0..2 {
        say("lost, again", sink.lost(&loss).await)?;
    }
    say("deliver", sink.deliver(&mut EventBatch::new(events(8_010, 3))).await)?;
    say("close", sink.close().await)?;
    Ok(None)
}

async fn same_answer(mut sink: Box<dyn Sink>) -> Verdict {
    let before = (sink.takes_late(), sink.only_adds());
    say("open", sink.open().await)?;
    let while_open = (sink.takes_late(), sink.only_adds());
    say("close", sink.close().await)?;
    let after = (sink.takes_late(), sink.only_adds());
    for (what, before, later) in
        [("takes_late", before.0, [while_open.0, after.0]), ("only_adds", before.1, [while_open.1, after.1])]
    {
        if later != [before; 2] {
            return Err(format!("{what} said {before} at first and something else later"));
        }
    }
    Ok(None)
}

/// Different events, numbered from `first`.
fn events(first: u32, count: u32) -> Vec<Event> {
    let sample = Event::sample();
    (first..first + count)
        .filter_map(|number| {
            let tag = TagId::new(TagIdKind::Epc, &number.to_be_bytes()).ok()?;
            let event_id = EventId::derive("conformance", &tag, sample.first_seen, 0);
            Some(Event { event_id, tag, ..sample.clone() })
        })
        .collect()
}

fn say(what: &str, outcome: rfid_core::Result<()>) -> Result<(), String> {
    outcome.map_err(|error| format!("{what}: {error:#}"))
}
