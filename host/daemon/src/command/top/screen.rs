//! What is shown: tables made of two answers of the daemon.

use std::time::Duration;

use rfid_core::DurationText;
use serde_json::{Map, Value};

/// Everything that is shown at one moment.
#[derive(Debug)]
pub(super) struct Screen {
    /// Which host, and since when it runs.
    pub(super) title: String,
    /// Why it is not ready; nothing if it is.
    pub(super) reasons: Vec<String>,
    /// What is not as it should be although the host does its work.
    pub(super) degraded: Vec<String>,
    pub(super) tables: Vec<Table>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How a cell is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

/// One part, now and at the answer before.
#[derive(Clone, Copy)]
struct Part<'a> {
    name: &'a str,
    now: &'a Value,
    before: &'a Value,
    between: Duration,
}

impl Screen {
    /// `between` lies between the two answers.
    pub(super) fn new(now: &Value, before: &Value, between: Duration) -> Self {
        let uptime = DurationText(Duration::from_secs(now["uptime_s"].as_u64().unwrap_or(0)));
        let text = |key: &str| now[key].as_str().unwrap_or_default();
        let title = format!(
            "{} · rfid-host {} · up {uptime} · {} subscribers",
            text("host"),
            text("version"),
            now["subscribers"]
        );
        let sentences = |key: &str| -> Vec<String> {
            let all = now[key].as_array().into_iter().flatten();
            all.filter_map(|sentence| sentence.as_str().map(str::to_owned)).collect()
        };
        let rows = |kind: &str, row: fn(Part<'_>) -> Vec<Cell>| -> Vec<Vec<Cell>> {
            parts(&now[kind])
                .map(|(name, part)| row(Part { name, now: part, before: &before[kind][name], between }))
                .collect()
        };
        Self {
            title,
            reasons: sentences("reasons"),
            degraded: sentences("degraded"),
            tables: vec![
                Table {
                    title: "readers",
                    head: vec!["reader", "state", "reads/s", "reads", "lost", "failures", "antennas"],
                    rows: rows("readers", reader),
                },
                Table {
                    title: "pipelines",
                    head: vec![
                        "pipeline",
                        "sightings/s",
                        "events/s",
                        "present",
                        "tracked",
                        "merged",
                        "shed",
                        "unconfirmed",
                    ],
                    rows: rows("pipelines", pipeline),
                },
                Table {
                    title: "sinks",
                    head: vec![
                        "sink",
                        "type",
                        "state",
                        "events/s",
                        "waiting",
                        "backlog",
                        "retries",
                        "passed on",
                        "error",
                    ],
                    rows: rows("sinks", sink),
                },
            ],
        }
    }
}

fn parts(of_kind: &Value) -> impl Iterator<Item = (&str, &Value)> {
    of_kind.as_object().into_iter().flat_map(Map::iter).map(|(name, part)| (name.as_str(), part))
}

fn reader(part: Part<'_>) -> Vec<Cell> {
    let state = part.now["state"].as_str().unwrap_or_default();
    let tone = if state == "reading" { Tone::Good } else { Tone::Bad };
    let antennas =
        part.now["antennas"].as_array().into_iter().flatten().enumerate().map(|(index, antenna)| {
            let port = antenna["port"].as_u64().map_or_else(|| "all".to_owned(), |port| port.to_string());
            let zone = antenna["zone"].as_str().unwrap_or_default();
            let rate = rate(&antenna["reads"], &part.before["antennas"][index]["reads"], part.between);
            // A mark and not a colour alone says which antenna nobody hears.
            let mark = if antenna["listening"] == true { "" } else { " deaf" };
            format!("{port} {zone} {rate}/s{mark}")
        });
    let antennas: Vec<String> = antennas.collect();
    vec![
        plain(part.name),
        Cell { text: state.to_owned(), tone },
        part.rate("reads"),
        part.count("reads"),
        part.bad_if_any("lost_reads"),
        part.count("failures"),
        plain(antennas.join("  ")),
    ]
}

fn pipeline(part: Part<'_>) -> Vec<Cell> {
    if part.now["running"] != true {
        return vec![plain(part.name), Cell { text: "could not be started".to_owned(), tone: Tone::Bad }];
    }
    vec![
        plain(part.name),
        part.rate("sightings"),
        part.rate("events"),
        part.count("present_tags"),
        part.count("tracked_tags"),
        part.count("merged"),
        part.bad_if_any("shed"),
        part.count("unconfirmed"),
    ]
}

fn sink(part: Part<'_>) -> Vec<Cell> {
    let is_well = part.now["well"] == true;
    let (state, tone) = if is_well { ("well", Tone::Good) } else { ("fails", Tone::Bad) };
    vec![
        plain(part.name),
        plain(part.now["type"].as_str().unwrap_or_default()),
        Cell { text: state.to_owned(), tone },
        part.rate("delivered"),
        part.count("waiting"),
        part.bad_if_any("backlog"),
        part.count("retries"),
        part.bad_if_any("passed_on"),
        Cell { text: part.now["error"].as_str().unwrap_or_default().to_owned(), tone: Tone::Bad },
    ]
}

impl Part<'_> {
    fn rate(&self, key: &str) -> Cell {
        plain(rate(&self.now[key], &self.before[key], self.between))
    }

    fn count(&self, key: &str) -> Cell {
        plain(self.now[key].as_u64().map(|count| count.to_string()).unwrap_or_default())
    }

    fn bad_if_any(&self, key: &str) -> Cell {
        let tone = if self.now[key].as_u64().unwrap_or(0) > 0 { Tone::Bad } else { Tone::Plain };
        Cell { tone, ..self.count(key) }
    }
}

/// Per second. A counter that went back belongs to a part that was started anew.
fn rate(now: &Value, before: &Value, between: Duration) -> String {
    match (now.as_u64(), before.as_u64()) {
        (Some(now), Some(before)) if !between.is_zero() => {
            let more = now.checked_sub(before).unwrap_or(now);
            format!("{:.0}", more as f64 / between.as_secs_f64())
        }
        _ => String::new(),
    }
}

fn plain(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), tone: Tone::Plain }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// What a daemon with one good and one lost reader answers.
    pub(in super::super) fn status(reads: u64) -> Value {
        json!({
            "host": "hubin", "version": "1.0.0", "uptime_s": 61, "subscribers": 2,
            "reasons": ["reader hall is down: refused"],
            "degraded": ["plugin com.acme (libacme.so) of hall was lost 12 times within the hour"],
            "readers": {
                "door": { "state": "reading", "reads": reads, "lost_reads": 0, "failures": 1, "antennas": [
                    { "port": 1, "zone": "door", "listening": true, "reads": reads },
                    { "port": 2, "zone": "door", "listening": false, "reads": 0 },
                ] },
                "hall": { "state": "down", "reads": 0, "lost_reads": 0, "failures": 7, "antennas": [] },
            },
            "pipelines": { "main": { "running": true, "sightings": reads, "events": 4, "present_tags": 3 } },
            "sinks": { "visits": { "type": "log", "well": false, "error": "disk full", "delivered": 4 } },
        })
    }

    #[test]
    fn rates_are_what_came_between_two_answers() {
        let screen = Screen::new(&status(500), &status(100), Duration::from_secs(2));
        assert_eq!(screen.title, "hubin · rfid-host 1.0.0 · up 1m1s · 2 subscribers");
        let door: Vec<&str> = screen.tables[0].rows[0].iter().map(|cell| &*cell.text).collect();
        assert_eq!(door, ["door", "reading", "200", "500", "0", "1", "1 door 200/s  2 door 0/s deaf"]);
        assert_eq!(screen.tables[2].rows[0][2].tone, Tone::Bad);
    }

    #[test]
    fn a_counter_that_starts_anew_gives_no_absurd_rate() {
        assert_eq!(rate(&json!(10), &json!(5_000), Duration::from_secs(1)), "10");
        assert_eq!(rate(&json!(10), &Value::Null, Duration::from_secs(1)), "");
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        let screen = Screen::new(&json!({}), &Value::Null, Duration::ZERO);
        assert!(screen.tables.iter().all(|table| table.rows.is_empty()));
    }
}
