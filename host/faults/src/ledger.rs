//! What the daemon has registered, read as its users read it.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::daemon::command;
use crate::fact::Fact;

/// Everything that is registered, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) facts: Vec<Fact>,
    pub(crate) gaps: Vec<Gap>,
    /// Lines that are neither an event nor a gap.
    pub(crate) unreadable: Vec<String>,
    /// What `export events` and `ledger verify` complain of.
    pub(crate) complaints: Vec<String>,
}

/// Word of numbers without an event.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    /// Number of the word itself: the last that it covers, or a later one.
    number: u64,
    first: u64,
    last: u64,
    reason: String,
}

impl Ledger {
    /// Reads the ledger of a data folder and has it verified; the daemon may run.
    pub(crate) async fn read(binary: &Path, data: &Path) -> Result<Self> {
        let data = data.display().to_string();
        let exported = command(binary, &["export", "events", "--data-dir", &data]).await?;
        let mut ledger = Self::parse(&exported.stdout);
        if !exported.ok {
            ledger.complaints.extend(exported.stderr.lines().map(|line| format!("export events: {line}")));
        }
        let verified = command(binary, &["ledger", "verify", "--json", "--data-dir", &data]).await?;
        let report: Value = serde_json::from_str(verified.stdout.trim()).with_context(|| {
            format!("ledger verify prints no JSON: {} {}", verified.stdout, verified.stderr)
        })?;
        ledger.compare(&report, verified.ok);
        Ok(ledger)
    }

    /// Identities of the events that are registered by now.
    pub(crate) async fn ids(binary: &Path, data: &Path) -> Result<HashSet<String>> {
        let data = data.display().to_string();
        let exported = command(binary, &["export", "events", "--data-dir", &data]).await?;
        Ok(Self::parse(&exported.stdout).facts.into_iter().map(|fact| fact.id).collect())
    }

    fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
            match (Fact::read(&value), Gap::read(&value)) {
                (Some(fact), _) => ledger.facts.push(fact),
                (None, Some(gap)) => ledger.gaps.push(gap),
                (None, None) => ledger.unreadable.push(line.to_owned()),
            }
        }
        ledger
    }

    /// What `verify` counts must be what `export` gives.
    fn compare(&mut self, report: &Value, ok: bool) {
        let count = |key: &str| report.get(key).and_then(Value::as_u64);
        let faults = report.get("faults").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.complaints.extend(faults.iter().map(|fault| format!("ledger verify: {fault}")));
        if ok != faults.is_empty() {
            self.complaints.push(format!("ledger verify ends {ok} with {} faults", faults.len()));
        }
        let (events, gaps) = (self.facts.len() as u64, self.gaps.len() as u64);
        if (count("events"), count("gaps")) != (Some(events), Some(gaps)) {
            self.complaints
                .push(format!("export events has {events} events and {gaps} gaps, verify: {report}"));
        }
    }

    /// Numbers must begin at 1 and go up by one, unless a gap says why not.
    pub(crate) fn gaps_in_numbers(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut spans = Vec::with_capacity(self.facts.len());
        for fact in &self.facts {
            match fact.sequence {
                Some(number) => spans.push((number, number)),
                None => faults.push(format!("{} {} has no number", fact.kind, fact.card)),
            }
        }
        for gap in &self.gaps {
            spans.push((gap.first, gap.last));
            if gap.number > gap.last {
                spans.push((gap.number, gap.number));
            }
        }
        spans.sort_unstable();
        let mut next = 1;
        for (first, last) in spans {
            if first != next {
                faults.push(format!("number {first} follows {}", next - 1));
            }
            next = last + 1;
        }
        faults
    }

    /// What the gaps say, for people.
    pub(crate) fn said_gaps(&self) -> Option<String> {
        let each = self.gaps.iter().map(|gap| format!("{} to {} ({})", gap.first, gap.last, gap.reason));
        let said: Vec<String> = each.collect();
        (!said.is_empty()).then(|| format!("numbers without an event: {}", said.join(", ")))
    }
}

impl Gap {
    fn read(value: &Value) -> Option<Self> {
        let gap = value.get("gap")?;
        Some(Self {
            number: value.get("sequence")?.as_u64()?,
            first: gap.get("first")?.as_u64()?,
            last: gap.get("last")?.as_u64()?,
            reason: gap.get("reason")?.as_str()?.to_owned(),
        })
    }
}

/// The JSON Lines file that a log sink writes in addition. It numbers nothing and has no gaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) facts: Vec<Fact>,
    pub(crate) unreadable: Vec<String>,
}

impl Lines {
    /// Reads the file of a daemon that does not run.
    pub(crate) fn read(path: &Path) -> Self {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        let Ledger { facts, unreadable, .. } = Ledger::parse(&text);
        Self { facts, unreadable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(numbers: &[u64], gaps: &[[u64; 3]]) -> Ledger {
        let event = |number: &u64| {
            format!(
                r#"{{"event_id":"{number}","type":"arrived","epc_hex":"00","reader":"r","zone":"z","time":"2026-11-28T12:00:00Z","sequence":{number}}}"#
            )
        };
        let gap = |[number, first, last]: &[u64; 3]| {
            format!(
                r#"{{"sequence":{number},"type":"gap","gap":{{"first":{first},"last":{last},"reason":"full"}}}}"#
            )
        };
        let lines: Vec<String> = numbers.iter().map(event).chain(gaps.iter().map(gap)).collect();
        let ledger = Ledger::parse(&lines.join("\n"));
        assert!(ledger.unreadable.is_empty(), "{ledger:?}");
        ledger
    }

    #[test]
    fn numbers_go_up_by_one_or_a_gap_says_why_not() {
        assert!(ledger(&[1, 2, 3], &[]).gaps_in_numbers().is_empty());
        assert!(ledger(&[1, 4], &[[3, 2, 3]]).gaps_in_numbers().is_empty());
        assert!(ledger(&[1, 3, 5], &[[4, 2, 2]]).gaps_in_numbers().is_empty(), "found afterwards");
        assert_eq!(ledger(&[1, 3], &[]).gaps_in_numbers(), ["number 3 follows 1"]);
        assert_eq!(ledger(&[2], &[]).gaps_in_numbers(), ["number 2 follows 0"]);
        assert_eq!(ledger(&[1, 2, 2], &[]).gaps_in_numbers(), ["number 2 follows 2"]);
    }

    #[test]
    fn what_verify_counts_is_what_export_gives() {
        let report = |events: u64, faults: &str| {
            serde_json::from_str(&format!(r#"{{"events":{events},"gaps":1,"faults":[{faults}]}}"#))
                .unwrap_or_default()
        };
        let complaints = |report: Value, ok: bool| {
            let mut ledger = ledger(&[1], &[[2, 2, 2]]);
            ledger.compare(&report, ok);
            ledger.complaints.len()
        };
        assert_eq!(complaints(report(1, ""), true), 0);
        assert_eq!(complaints(report(2, ""), true), 1);
        assert_eq!(complaints(report(1, r#""bytes are no record""#), false), 1);
        assert_eq!(complaints(report(1, ""), false), 1, "an end that does not fit");
    }
}
