//! What an antenna hears just now, for whoever places and tunes it: gathered, and told four times a second at
//! most. Of a tag only the end of its number is told: whose card it is is not theirs to know.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rfid_core::{Name, ReadBuf, TagId};
use rfid_service::rights::Action;
use rfid_service::service::{Caller, Fault, Service};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior};

use super::super::viewer::{Refusal, Viewer};
use super::readers::name_in_trail;
use crate::api::Api;

/// How often it is told what was heard.
const TOLD_EVERY: Duration = Duration::from_millis(250);
/// Where nothing is heard, it is told as often that this is so.
const SILENT: u32 = 4;
/// How often it is looked whether the viewer may still listen.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A comment on an otherwise silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Tags that are told apart; others are counted together.
const MOST_TAGS: usize = 24;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ListenAsked {
    antenna: Option<u16>,
}

/// What was heard since it was last told.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Told {
    /// All reads, also of tags that are not told apart.
    reads: u64,
    tags: Vec<TagTold>,
    /// Reads of tags beyond those that are told apart.
    others: u64,
    /// Reads that the reader or its driver lost.
    lost: u64,
}

/// One tag at one antenna.
#[derive(Debug, PartialEq, Serialize)]
struct TagTold {
    /// What it is called as long as somebody listens: two tags may end alike.
    tag: usize,
    /// The last four digits of its number.
    ends: String,
    antenna: Option<u16>,
    reads: u64,
    /// The strongest signal, in hundredths of a dBm, where the reader tells it.
    rssi_cdbm: Option<i16>,
}

/// Gathers batches between one telling and the next.
#[derive(Default)]
struct Gathering {
    antenna: Option<u16>,
    known: Vec<TagId>,
    tags: BTreeMap<(usize, Option<u16>), (u64, Option<i16>)>,
    reads: u64,
    others: u64,
    lost: u64,
}

impl Gathering {
    fn of(antenna: Option<u16>) -> Self {
        Self { antenna, ..Self::default() }
    }

    fn add(&mut self, batch: &ReadBuf) {
        self.lost += batch.lost();
        for sighting in batch.iter() {
            let (port, count) = (sighting.read.antenna_port(), u64::from(sighting.read.count()));
            if self.antenna.is_some() && self.antenna != port {
                continue;
            }
            self.reads += count;
            let id = sighting.id.to_owned();
            let tag = match self.known.iter().position(|known| *known == id) {
                Some(tag) => tag,
                None if self.known.len() < MOST_TAGS => {
                    self.known.push(id);
                    self.known.len() - 1
                }
                None => {
                    self.others += count;
                    continue;
                }
            };
            let (reads, rssi) = self.tags.entry((tag, port)).or_default();
            *reads += count;
            *rssi = (*rssi).max(sighting.read.rssi_cdbm());
        }
    }

    fn take(&mut self) -> Told {
        let tags = std::mem::take(&mut self.tags);
        let tags = tags.into_iter().map(|((tag, antenna), (reads, rssi_cdbm))| TagTold {
            tag,
            ends: self.known.get(tag).map(ends).unwrap_or_default(),
            antenna,
            reads,
            rssi_cdbm,
        });
        Told {
            tags: tags.collect(),
            reads: std::mem::take(&mut self.reads),
            others: std::mem::take(&mut self.others),
            lost: std::mem::take(&mut self.lost),
        }
    }
}

/// The last four digits of a number.
fn ends(id: &TagId) -> String {
    let hex = id.hex();
    hex.get(hex.len().saturating_sub(4)..).unwrap_or_default().to_owned()
}

pub(super) async fn reads(
    State(api): State<Api>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(asked): Query<ListenAsked>,
) -> Result<Response, Refusal> {
    let heard = async {
        api.service().may_listen(viewer.caller(), &Name::from(name_in_trail(&name).as_str())).await?;
        let seen =
            api.service().oversee(viewer.caller(), Action::SeeInstallation, &name_in_trail(&name)).await?;
        let host = api.installation().ok_or(Fault::NotFound("reader"))?;
        let all = host.readers();
        let found =
            all.iter().find(|reader| reader.name.as_str() == name && seen.has(reader.branch.as_ref()));
        let reader = found.ok_or(Fault::NotFound("reader"))?;
        host.heard(&reader.name).ok_or(Fault::NotFound("reader"))
    };
    let heard = heard.await.map_err(|fault| viewer.refusal(fault))?;
    let every = |span| {
        let mut ticks = tokio::time::interval(span);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let state = Listening {
        heard,
        gathering: Gathering::of(asked.antenna),
        service: Arc::clone(api.service()),
        caller: viewer.caller().clone(),
        ticks: every(TOLD_EVERY),
        looks: every(LOOK_EVERY),
        silent: 0,
        is_over: false,
    };
    let told =
        stream::unfold(
            state,
            |mut state| async move { Some((Ok::<_, Infallible>(state.next().await?), state)) },
        );
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Somebody who listens.
struct Listening {
    heard: broadcast::Receiver<Arc<ReadBuf>>,
    gathering: Gathering,
    service: Arc<Service>,
    caller: Caller,
    ticks: Interval,
    looks: Interval,
    /// Tellings that were left out, because there was nothing to tell.
    silent: u32,
    is_over: bool,
}

impl Listening {
    /// The next thing to tell; `None` behind the word that it is over.
    async fn next(&mut self) -> Option<Event> {
        while !self.is_over {
            tokio::select! {
                heard = self.heard.recv() => match heard {
                    Ok(batch) => self.gathering.add(&batch),
                    // Who is too slow goes on with what comes now, and knows that something is missing.
                    Err(RecvError::Lagged(batches)) => return Some(event("missed", &json!({ "batches": batches }))),
                    Err(RecvError::Closed) => {
                        self.is_over = true;
                        return Some(event("closed", &json!({})));
                    }
                },
                _ = self.ticks.tick() => {
                    let told = self.gathering.take();
                    self.silent = if told == Told::default() { self.silent + 1 } else { 0 };
                    if self.silent.is_multiple_of(SILENT) {
                        return Some(event("reads", &told));
                    }
                }
                _ = self.looks.tick() => {
                    if !self.service.still_is(&self.caller).await {
                        self.is_over = true;
                        return Some(event("ended", &json!({})));
                    }
                }
            }
        }
        None
    }
}

fn event(kind: &str, said: &impl Serialize) -> Event {
    Event::default().event(kind).data(serde_json::to_string(said).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rfid_core::TagIdKind;

    use super::*;

    fn batch(reads: &[(&[u8], u16, i16, u16)]) -> ReadBuf {
        let mut batch = ReadBuf::with_capacity(256);
        for (id, port, rssi, count) in reads {
            let read = batch.record(TagIdKind::Epc, id).unwrap();
            read.set_antenna_port(*port).set_rssi_cdbm(*rssi).set_count(*count);
        }
        batch
    }

    #[test]
    fn tags_are_told_by_the_ends_of_their_numbers_each_at_its_antenna_with_its_strongest_signal() {
        let mut gathering = Gathering::of(None);
        let (one, other) = (&[0x30, 0x34, 0xAB, 0xCD][..], &[0x31, 0x34, 0xAB, 0xCD][..]);
        gathering.add(&batch(&[
            (one, 1, -6000, 2),
            (one, 1, -5500, 1),
            (one, 2, -7000, 1),
            (other, 1, -4000, 1),
        ]));
        let told = gathering.take();
        assert_eq!(told.reads, 5);
        let seen: Vec<_> = told
            .tags
            .iter()
            .map(|tag| (tag.tag, &*tag.ends, tag.antenna, tag.reads, tag.rssi_cdbm))
            .collect();
        assert_eq!(
            seen,
            [
                (0, "ABCD", Some(1), 3, Some(-5500)),
                (0, "ABCD", Some(2), 1, Some(-7000)),
                (1, "ABCD", Some(1), 1, Some(-4000)),
            ]
        );
        assert!(!serde_json::to_string(&told).unwrap().contains("3034"));
        assert_eq!(gathering.take(), Told::default());
        // A tag keeps what it is called.
        gathering.add(&batch(&[(other, 1, -4100, 1)]));
        assert_eq!(gathering.take().tags[0].tag, 1);
    }

    #[test]
    fn one_antenna_is_heard_alone_and_a_crowd_is_counted_together() {
        let mut gathering = Gathering::of(Some(2));
        gathering.add(&batch(&[(&[1], 1, -6000, 1), (&[2], 2, -6000, 1)]));
        assert_eq!(gathering.take().reads, 1);
        let mut gathering = Gathering::of(None);
        let ids: Vec<[u8; 2]> = (0..40).map(|number| [1, number]).collect();
        let reads: Vec<(&[u8], u16, i16, u16)> = ids.iter().map(|id| (&id[..], 1, -6000, 1)).collect();
        gathering.add(&batch(&reads));
        let told = gathering.take();
        assert_eq!((told.reads, told.tags.len(), told.others), (40, MOST_TAGS, 40 - MOST_TAGS as u64));
    }
}
