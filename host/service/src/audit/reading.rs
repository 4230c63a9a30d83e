//! Going back through a trail.

use rfid_core::{Error, ErrorKind, Result};
use rfid_ledger::{Entry as LedgerEntry, Ledger};

use super::chain::{self, Hash, Head};
use super::entry::Entry;
use crate::off_runtime::off_runtime;

/// Records that are read at once, going back.
const AT_ONCE: u64 = 512;

/// A record of a trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub number: u64,
    /// What it says.
    pub entry: Entry,
}

/// Where the chain of a ledger ends.
pub(super) async fn head(ledger: &Ledger) -> Result<Head> {
    let (ledger, last) = (ledger.clone(), ledger.last());
    if last == 0 {
        return Ok(Head::EMPTY);
    }
    off_runtime("audit", move || {
        let mut reader = ledger.read(last - 1);
        while let Some(entry) = reader.next_entry()? {
            match entry {
                LedgerEntry::Content(content) if content.number == last => {
                    return Ok(Head { number: last, hash: Hash::of(&content.bytes) });
                }
                _ => {}
            }
        }
        let detail = format!(
            "record {last}, the last of the audit trail, cannot be read; `rfid-host audit verify` says more"
        );
        Err(Error::new(ErrorKind::Damaged, "audit").with_detail(detail))
    })
    .await
}

/// Records before a number, the latest first.
pub(super) async fn latest(ledger: &Ledger, before: Option<u64>, limit: usize) -> Result<Vec<Recorded>> {
    let ledger = ledger.clone();
    off_runtime("audit", move || {
        let mut found: Vec<Recorded> = Vec::new();
        let mut behind = before.unwrap_or(u64::MAX).min(ledger.last().saturating_add(1));
        let first = ledger.first().max(1);
        while found.len() < limit && behind > first {
            let from = behind.saturating_sub(AT_ONCE).max(first);
            let mut page = Vec::new();
            let mut reader = ledger.read(from - 1);
            while let Some(entry) = reader.next_entry()? {
                match entry {
                    LedgerEntry::Content(content) if content.number < behind => {
                        let entry = chain::decode(content.number, &content.bytes)?;
                        page.push(Recorded { number: content.number, entry });
                    }
                    LedgerEntry::Content(_) => break,
                    _ => {}
                }
            }
            found.extend(page.into_iter().rev().take(limit - found.len()));
            behind = from;
        }
        Ok(found)
    })
    .await
}

/// Records about something, the first first.
pub(super) async fn about(ledger: &Ledger, object: &str) -> Result<Vec<Recorded>> {
    let (ledger, object) = (ledger.clone(), object.to_owned());
    off_runtime("audit", move || {
        // Most records are about something else, and need not be read for that to be seen.
        let finder = memchr::memmem::Finder::new(object.as_bytes());
        let mut found = Vec::new();
        let mut reader = ledger.read(0);
        while let Some(entry) = reader.next_entry()? {
            let LedgerEntry::Content(content) = entry else { continue };
            if finder.find(&content.bytes).is_none() {
                continue;
            }
            let entry = chain::decode(content.number, &content.bytes)?;
            if entry.object.as_deref() == Some(object.as_str()) {
                found.push(Recorded { number: content.number, entry });
            }
        }
        Ok(found)
    })
    .await
}
