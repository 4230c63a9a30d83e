//! What the daemon has registered, read as its users read it.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::daemon::command;
use crate::oracle::Fact;

/// Everything that is registered, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) facts: Vec<Fact>,
    /// First and last number of what a gap record covers.
    gaps: Vec<(u64, u64)>,
    pub(crate) unreadable: Vec<String>,
    /// Where this was read.
    pub(crate) source: &'static str,
}

impl Ledger {
    /// Reads the ledger of a daemon that does not run; the JSON Lines file where the binary has no
    /// `export events`.
    pub(crate) async fn read(binary: &Path, data: &Path, lines: &Path) -> Result<Self> {
        if !has_export(binary).await? {
            return Ok(Self::of_lines(lines));
        }
        let data = data.display().to_string();
        let (ok, said) = command(binary, &["export", "events", "--data-dir", &data]).await?;
        ensure!(ok, "the ledger cannot be exported: {said}");
        Ok(Self::parse(&said, "export events"))
    }

    /// The JSON Lines file, also of a daemon that runs: a line without an end is passed over.
    pub(crate) fn of_lines(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Self::parse(&String::from_utf8_lossy(text.get(..whole).unwrap_or_default()), "the JSON Lines file")
    }

    fn parse(text: &str, source: &'static str) -> Self {
        let mut ledger = Self { source, ..Self::default() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
            match (Fact::read(&value), gap(&value)) {
                (Some(fact), _) => ledger.facts.push(fact),
                (None, Some(gap)) => ledger.gaps.push(gap),
                (None, None) => ledger.unreadable.push(line.to_owned()),
            }
        }
        ledger
    }

    /// Numbers must begin at 1 and go up by one, unless a gap record says why not.
    pub(crate) fn gaps_in_numbers(&self) -> Vec<String> {
        let mut spans: Vec<(u64, u64)> =
            self.facts.iter().filter_map(|fact| fact.sequence).map(|number| (number, number)).collect();
        spans.extend(&self.gaps);
        spans.sort_unstable();
        let mut next = 1;
        let mut faults = Vec::new();
        for (first, last) in spans {
            if first != next {
                faults.push(format!("number {first} follows {}", next - 1));
            }
            next = last + 1;
        }
        faults
    }
}

/// Whether the binary has a ledger to export.
pub(crate) async fn has_export(binary: &Path) -> Result<bool> {
    Ok(command(binary, &["export", "events", "--help"]).await?.0)
}

/// A gap record: the numbers that it covers.
fn gap(value: &Value) -> Option<(u64, u64)> {
    let gap = value.get("gap").filter(|gap| gap.is_object()).unwrap_or(value);
    let first = gap.get("first").or_else(|| gap.get("sequence"))?.as_u64()?;
    let count = gap.get("count")?.as_u64()?.max(1);
    Some((first, first + count - 1))
}
