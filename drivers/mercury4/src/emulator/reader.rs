//! The emulated reader behind its connections: one radio, one table of cursors, one clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::UtcTime;
use tokio::time::Instant;

use super::query::TagQuery;
use super::radio::listen;
use super::scenario::Scenario;
use super::statement::{Condition, Operator, Select, Update, Value};
use super::tables::{Profile, Tables};

/// Cursors at most (§5.2).
const MOST_CURSORS: usize = 16;

/// The text of an error message with its code.
pub(super) type Refusal = (u16, String);

/// State that all connections share.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) profile: Profile,
    scenario: Mutex<Arc<Scenario>>,
    tables: Mutex<Tables>,
    cursors: Mutex<BTreeMap<String, TagQuery>>,
    /// Queries of all connections take turns.
    radio: tokio::sync::Mutex<()>,
    start: Instant,
    utc_at_start: UtcTime,
}

impl Reader {
    pub(super) fn new(profile: Profile, scenario: Scenario, utc_at_start: UtcTime) -> Self {
        Self {
            profile,
            scenario: Mutex::new(Arc::new(scenario)),
            tables: Mutex::new(Tables::new(profile)),
            cursors: Mutex::new(BTreeMap::new()),
            radio: tokio::sync::Mutex::new(()),
            start: Instant::now(),
            utc_at_start,
        }
    }

    pub(super) fn set_scenario(&self, scenario: Scenario) {
        *lock(&self.scenario) = Arc::new(scenario);
    }

    /// Answers a query of a table with single values: one row.
    pub(super) fn select_values(&self, select: &Select, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let now = self.utc_at_start.plus(self.start.elapsed());
        let tables = lock(&self.tables);
        let values = tables
            .select(&select.table, &select.columns, select.condition.as_ref(), now)
            .map_err(|text| (100, text))?;
        out.extend_from_slice(values.join("|").as_bytes());
        out.extend_from_slice(b"\n\n");
        Ok(())
    }

    /// Checks a query of tags.
    pub(super) fn tag_query(&self, select: &Select) -> Result<TagQuery, Refusal> {
        match select.table.as_str() {
            "tag_id" => TagQuery::new(select, self.profile).map_err(|text| (100, text)),
            // The emulated tags have no memory yet.
            "tag_data" => Err((102, "Error performing query".to_owned())),
            _ => Err((100, "Unknown table".to_owned())),
        }
    }

    /// Listens for the query's time, then writes all its rows and the empty line.
    pub(super) async fn run(&self, query: &TagQuery, out: &mut Vec<u8>) {
        let _radio = self.radio.lock().await;
        let begin = self.start.elapsed();
        let span = Duration::from_millis(query.time_out_ms);
        tokio::time::sleep(span).await;
        let scenario = Arc::clone(&lock(&self.scenario));
        let query_start = self.utc_at_start.plus(begin);
        let protocols = self.profile.protocols();
        for heard in listen(&scenario, begin, span) {
            let is_there = protocols.contains(&heard.protocol) && heard.antenna <= self.profile.antennas();
            if is_there && query.wants(&heard) {
                query.write_row(&heard, query_start, out);
            }
        }
        out.push(b'\n');
    }

    pub(super) fn update(&self, update: &Update, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if Tables::is_scalar(&update.table) {
            lock(&self.tables)
                .update(&update.table, &update.items, update.condition.as_ref())
                .map_err(|text| (100, text))?;
            // What a real one answers is not documented; clients take an empty line (§2.1).
            out.push(b'\n');
            return Ok(());
        }
        if !matches!(update.table.as_str(), "tag_id" | "tag_data") {
            return Err((100, "Unknown table".to_owned()));
        }
        self.check_tag_update(update.condition.as_ref()).map_err(|text| (100, text))?;
        // The emulated tags cannot be written yet; the air says so.
        Err((102, "Error performing query".to_owned()))
    }

    /// Exactly one protocol and one antenna must be named (§2.1).
    fn check_tag_update(&self, condition: Option<&Condition>) -> Result<(), String> {
        let count = |name: &str| condition.map_or(0, |condition| count_named(condition, name));
        match (count("protocol_id"), count("antenna_id")) {
            (0, _) => Err("No protocol specified".to_owned()),
            (2.., _) => Err("Too many protocols specified".to_owned()),
            (_, 0) => Err("No antenna specified".to_owned()),
            (_, 2..) => Err("Too many antennas specified".to_owned()),
            _ => Ok(()),
        }
    }

    pub(super) fn declare(&self, name: &str, query: TagQuery) -> Result<(), Refusal> {
        let mut cursors = lock(&self.cursors);
        if cursors.contains_key(name) {
            return Err((100, "Cursor already exists".to_owned()));
        }
        // What the seventeenth is answered is not documented; this text is of the list in §1.1.
        if cursors.len() >= MOST_CURSORS {
            return Err((100, "Invalid argument".to_owned()));
        }
        cursors.insert(name.to_owned(), query);
        Ok(())
    }

    pub(super) fn close_cursor(&self, name: &str) -> Result<(), Refusal> {
        match lock(&self.cursors).remove(name) {
            Some(_) => Ok(()),
            None => Err((100, "DELETE: Cursor does not exist".to_owned())),
        }
    }

    pub(super) fn cursors(&self, names: &[String]) -> Result<Vec<TagQuery>, Refusal> {
        let cursors = lock(&self.cursors);
        let find = |name: &String| {
            cursors.get(name).cloned().ok_or_else(|| (100, "Cursor does not exist".to_owned()))
        };
        names.iter().map(find).collect()
    }

    pub(super) fn drop_cursors(&self) {
        lock(&self.cursors).clear();
    }
}

/// How many comparisons of this column a condition holds.
fn count_named(condition: &Condition, name: &str) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().map(|part| count_named(part, name)).sum()
        }
        Condition::Not(inner) => count_named(inner, name),
        Condition::Compare {
            column,
            operator: Operator::Equal,
            value: Value::Number(_) | Value::Text(_) | Value::Hex(_),
        } => usize::from(column == name),
        Condition::Compare { .. } => 0,
    }
}

/// No method leaves the state half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
