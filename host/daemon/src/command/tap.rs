//! `rfid-host tap`: what a reader or a pipeline of a running daemon says, as it says it.

use std::io::IsTerminal;

use anyhow::bail;
use serde_json::Value;

use super::read::say;
use crate::cli::Tap;
use crate::client::{Client, Sent};

pub(crate) async fn run(tap: Tap) -> anyhow::Result<()> {
    let client = Client::new(&tap.at)?;
    let path = path(&client, &tap.name).await?;
    let mut stream = client.stream(&path).await?;
    let as_json = tap.json || !std::io::stdout().is_terminal();
    let mut shown = 0;
    let mut told_to_stop = std::pin::pin!(super::told_to_stop());
    while tap.count.is_none_or(|count| shown < count) {
        let sent = tokio::select! {
            sent = stream.next() => sent?,
            told = &mut told_to_stop => return told,
        };
        let Some(Sent { event, data }) = sent else { bail!("the daemon has ended") };
        let Ok(value) = serde_json::from_str::<Value>(&data) else { continue };
        if event == "missed" {
            eprintln!("rfid-host: too slow; {} were missed", value["count"]);
        } else if fits(&tap, &event, &value) {
            say(&if as_json { format!("{value}\n") } else { line(&event, &value) });
            shown += 1;
        }
    }
    Ok(())
}

/// Where the reader or pipeline of this name is looked on at.
async fn path(client: &Client, name: &str) -> anyhow::Result<String> {
    let status = client.json("/api/v1/status").await?;
    let names = |kind: &str| -> Vec<String> {
        status[kind].as_object().into_iter().flat_map(|parts| parts.keys().cloned()).collect()
    };
    let (readers, pipelines) = (names("readers"), names("pipelines"));
    let is = |names: &[String]| names.iter().any(|known| known == name);
    match (is(&readers), is(&pipelines)) {
        (true, false) => Ok(format!("/api/v1/readers/{}/reads", escaped(name))),
        // Of both, the pipeline: its events are what most look for, and a reader can be renamed.
        (_, true) => Ok(format!("/api/v1/pipelines/{}/events", escaped(name))),
        (false, false) => bail!(
            "there is no reader or pipeline \"{name}\"; readers: {}; pipelines: {}",
            readers.join(", "),
            pipelines.join(", ")
        ),
    }
}

/// A name as a segment of a path.
pub(super) fn escaped(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(escape).collect()
}

fn fits(tap: &Tap, event: &str, value: &Value) -> bool {
    let hex = digits(value);
    let begins =
        |prefix: &String| hex.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    (tap.events.is_empty() || tap.events.iter().any(|kind| kind.name() == event))
        && tap.tag.as_ref().is_none_or(begins)
        && tap.zone.as_ref().is_none_or(|zone| value["zone"] == **zone)
        && tap.antenna.is_none_or(|port| value["antenna_port"] == port)
}

fn digits(value: &Value) -> &str {
    value["epc_hex"].as_str().or(value["uid_hex"].as_str()).unwrap_or_default()
}

/// A read or an event in one line for people.
fn line(event: &str, value: &Value) -> String {
    let text = |key: &str| match &value[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let time = value["time"].as_str().or(value["last_seen"].as_str()).unwrap_or_default();
    let clock = time.get(11..23).unwrap_or(time);
    let signal = value["peak_rssi_cdbm"].as_f64().map(|cdbm| format!("{:.1} dBm", cdbm / 100.0));
    let who = value["record"]
        .as_object()
        .map(|record| record.values().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
    format!(
        "{clock:12}  {event:8}  {:10}  {:8}  {:>3}  {:24}  {:>9}  {:>6}  {}\n",
        text("reader"),
        text("zone"),
        text("antenna_port"),
        digits(value),
        signal.unwrap_or_default(),
        text("read_count"),
        who.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_segments_of_a_path() {
        assert_eq!(escaped("hubin_door"), "hubin_door");
        assert_eq!(escaped("a/b?c"), "a%2Fb%3Fc");
    }
}
