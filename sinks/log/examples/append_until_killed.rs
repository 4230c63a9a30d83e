//! Appends events to a JSON Lines file for ever and prints each event's id once it is durable.
//!
//! `cargo run --example append_until_killed -- FILE ROUND`; the tests kill it at random moments
//! and look for every id that it printed.

use std::io::Write;

use rfid_core::{Event, EventId, TagId, TagIdKind};
use rfid_sink_log::{EventLog, JsonlLog};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: append_until_killed FILE ROUND")?;
    let round: u32 = arguments.next().ok_or("usage: append_until_killed FILE ROUND")?.parse()?;
    let mut log = JsonlLog::new(file);
    log.open().await?;
    for number in 0u32.. {
        let tag = TagId::new(TagIdKind::Epc, &[round.to_be_bytes(), number.to_be_bytes()].concat())?;
        let sample = Event::sample();
        let event_id = EventId::derive("kill", &tag, sample.first_seen, 0);
        log.append(&[Event { event_id, tag, ..sample }]).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{event_id}")?;
        out.flush()?;
    }
    Ok(())
}
