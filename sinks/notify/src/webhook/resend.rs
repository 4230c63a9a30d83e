//! Dead letters sent once more, past the outbox.
//!
//! A command does this, while the daemon may be running: both write the file of dead letters, so
//! it is taken away under a lock, and what still is not taken is put back behind what has come
//! meanwhile.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, ConfigFaults, Event, Name, Result, Settings, UtcTime};
use serde::Deserialize;

use super::config::{Webhook, check};
use super::dead_letters::{DeadLetter, DeadLetters};
use super::http::HttpTransport;
use super::running::folder;
use super::transport::{Answer, Post, Transport};
use crate::notice::Notice;
use crate::sink::NotifyConfig;

/// What became of the dead letters of one webhook.
#[derive(Debug)]
pub struct Resent {
    /// The webhook.
    pub name: Name,
    /// Scheme, host and path of its URL.
    pub url: String,
    /// How many were taken and kept, or why none could be tried.
    pub outcome: Result<ResentCounts>,
}

/// How many dead letters went which way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResentCounts {
    /// The receiver took them; they are dead letters no more.
    pub taken: u64,
    /// The receiver refused them again; they are where they were.
    pub refused: u64,
    /// They were not tried, because the receiver did not answer; they are where they were.
    pub untried: u64,
    /// Lines that are no dead letters; they are where they were.
    pub unreadable: u64,
    /// Why the last one that was not taken was not taken.
    pub why: Option<String>,
}

/// Sends the dead letters of a notify sink's webhooks, or of the one named, oldest event first and
/// one at a time. At the first one without an answer it stops with that webhook.
///
/// A daemon that runs goes on meanwhile. If this process ends in the middle, all of them are dead
/// letters as before, and those that were taken come again under the same ids.
///
/// # Errors
/// Everything that is wrong with the settings.
pub async fn resend_dead_letters(
    settings: &Settings,
    sink: &Name,
    only: Option<&str>,
    data_dir: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Vec<Resent>, ConfigFaults> {
    let config: NotifyConfig = settings.parse()?;
    let late_after = config.late_after.0;
    let mut all = Vec::new();
    for webhook in check(config.webhooks)? {
        if only.is_some_and(|only| only != webhook.name.as_str()) {
            continue;
        }
        let letters = DeadLetters::new(&folder(data_dir, sink, &webhook.name));
        let outcome = resend(&webhook, late_after, &letters, Arc::clone(&clock)).await;
        all.push(Resent { url: webhook.shown_url(), name: webhook.name, outcome });
    }
    Ok(all)
}

async fn resend(
    webhook: &Webhook,
    late_after: Duration,
    letters: &DeadLetters,
    clock: Arc<dyn Clock>,
) -> Result<ResentCounts> {
    let Some(taken_out) = letters.take_out().await? else { return Ok(ResentCounts::default()) };
    let transport = HttpTransport::new(webhook, Arc::clone(&clock));
    let mut counts = ResentCounts::default();
    let mut kept = Vec::new();
    let Sorted { events, unreadable } = sorted(taken_out.lines());
    counts.unreadable = unreadable.len() as u64;
    kept.extend(unreadable.into_iter().map(str::to_owned));
    let mut answers = true;
    for (event, line) in events {
        if answers {
            match transport.post(post(webhook, event, late_after, clock.now().utc)).await {
                Answer::Taken { .. } => {
                    counts.taken += 1;
                    continue;
                }
                Answer::Refused { why, .. } => {
                    counts.refused += 1;
                    counts.why = Some(why);
                }
                Answer::Failed(failure) => {
                    answers = false;
                    counts.untried += 1;
                    counts.why = Some(failure.why);
                }
            }
        } else {
            counts.untried += 1;
        }
        kept.push(line.to_owned());
    }
    letters.put_back(kept, taken_out).await?;
    Ok(counts)
}

fn post(webhook: &Webhook, event: Event, late_after: Duration, now: UtcTime) -> Post {
    let id = event.event_id.to_string();
    // The envelope anew: what was no late event when it was given up may be one now.
    Post::signed(&webhook.key, id, Notice::new(event).late_after(late_after).json_at(now), now)
}

struct Sorted<'a> {
    events: Vec<(Event, &'a str)>,
    unreadable: Vec<&'a str>,
}

/// Events by their time, each once, with the lines that they are from. By time, because one that
/// was put back stands behind younger ones of its tag.
fn sorted<'a>(lines: impl Iterator<Item = &'a str>) -> Sorted<'a> {
    let mut sorted = Sorted { events: Vec::new(), unreadable: Vec::new() };
    let mut seen = HashSet::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match event(line) {
            Some(event) if seen.insert(event.event_id) => sorted.events.push((event, line)),
            Some(_) => {}
            None => sorted.unreadable.push(line),
        }
    }
    sorted.events.sort_by_key(|(event, _)| event.time);
    sorted
}

/// The part of a notice that says everything.
#[derive(Deserialize)]
struct Envelope {
    data: Event,
}

fn event(line: &str) -> Option<Event> {
    let letter: DeadLetter = serde_json::from_str(line).ok()?;
    let envelope: Envelope = serde_json::from_str(letter.notice.get()).ok()?;
    Some(envelope.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::EventId;
    use serde_json::value::RawValue;

    fn line(number: u32, time: u64) -> String {
        let sample = Event::sample();
        let event_id = EventId::derive("resend", &sample.tag, sample.first_seen, number);
        let event = Event { event_id, time: UtcTime::from_nanos(time), ..sample };
        let notice = String::from_utf8(Notice::new(event).json().to_vec()).unwrap();
        let notice = RawValue::from_string(notice).unwrap();
        let letter = DeadLetter {
            time: UtcTime::from_nanos(9),
            reason: String::new(),
            tries: 1,
            status: None,
            notice,
        };
        serde_json::to_string(&letter).unwrap()
    }

    #[test]
    fn letters_come_in_the_order_of_their_events_and_once() {
        let lines = [line(1, 30), line(2, 10), "{\"time\":".to_owned(), line(1, 30), line(3, 20)];
        let sorted = sorted(lines.iter().map(String::as_str));
        let times: Vec<u64> = sorted.events.iter().map(|(event, _)| event.time.as_nanos()).collect();
        assert_eq!((times, sorted.unreadable), (vec![10, 20, 30], vec!["{\"time\":"]));
    }
}
