//! The emulated reader behind its connections: one radio, one table of cursors, one clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rfid_core::{AirProtocol, TagId, TagIdKind, UtcTime};
use tokio::time::Instant;

use super::Scenario;
use super::faults::Faults;
use super::query::TagQuery;
use super::statement::{Refusal, Select, Statement, Update};
use super::tables::{Moment, Profile, Tables};
use super::tag_update::{self, Request};
use rfid_emulated_field::{Heard, Memories, NotDone, listen};

/// Cursors at most (§5.2).
const MOST_CURSORS: usize = 16;

/// How long the reader looks for the tag that a statement means. No source says how long a real
/// one does; this is the time of a query that names none.
const SEARCH: Duration = Duration::from_millis(250);

/// What a cursor holds: a query or an update of tags (§2).
#[derive(Clone, Debug)]
pub(super) enum Cursor {
    /// Asks which tags are there.
    Query(TagQuery),
    /// Does something to a tag.
    Update(Update),
}

/// State that all connections share.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) profile: Profile,
    scenario: Mutex<Arc<Scenario>>,
    memories: Mutex<Memories>,
    tables: Mutex<Tables>,
    cursors: Mutex<BTreeMap<String, Cursor>>,
    /// Queries of all connections take turns.
    radio: tokio::sync::Mutex<()>,
    /// Rows of tags written so far.
    rows: AtomicU64,
    /// Tags made up so far.
    invented: AtomicU64,
    start: Instant,
    utc_at_start: UtcTime,
}

impl Reader {
    pub(super) fn new(profile: Profile, scenario: Scenario, utc_at_start: UtcTime) -> Self {
        let behind = scenario.faults.clock_behind.map_or(0, |behind| behind.0.as_nanos());
        let behind = u64::try_from(behind).unwrap_or(u64::MAX);
        let utc_at_start = UtcTime::from_nanos(utc_at_start.as_nanos().saturating_sub(behind));
        Self {
            profile,
            scenario: Mutex::new(Arc::new(scenario)),
            memories: Mutex::default(),
            tables: Mutex::new(Tables::new(profile)),
            cursors: Mutex::new(BTreeMap::new()),
            radio: tokio::sync::Mutex::new(()),
            rows: AtomicU64::new(0),
            invented: AtomicU64::new(0),
            start: Instant::now(),
            utc_at_start,
        }
    }

    pub(super) fn rows_answered(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn tags_invented(&self) -> u64 {
        self.invented.load(Ordering::Relaxed)
    }

    pub(super) fn set_scenario(&self, scenario: Scenario) {
        *lock(&self.scenario) = Arc::new(scenario);
        lock(&self.memories).clear();
    }

    /// Answers a query of a table with single values: one row.
    pub(super) fn select_values(&self, select: &Select, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let elapsed = self.start.elapsed();
        let scenario = Arc::clone(&lock(&self.scenario));
        let moment = Moment { utc: self.utc_at_start.plus(elapsed), elapsed, scenario: &scenario };
        let tables = lock(&self.tables);
        let values = tables
            .select(&select.table, &select.columns, select.condition.as_ref(), &moment)
            .map_err(|text| (100, text))?;
        out.extend_from_slice(values.join("|").as_bytes());
        out.extend_from_slice(b"\n\n");
        Ok(())
    }

    /// Checks a query of tags.
    pub(super) fn tag_query(&self, select: &Select) -> Result<TagQuery, Refusal> {
        match select.table.as_str() {
            "tag_id" => TagQuery::new(select, self.profile).map_err(|text| (100, text)),
            // Reading memory is a statement of its own, and no source puts one into a cursor.
            "tag_data" => Err((100, "Invalid argument".to_owned())),
            _ => Err((100, "Unknown table".to_owned())),
        }
    }

    /// Listens for the query's time, then writes all its rows and the empty line.
    pub(super) async fn run(&self, query: &TagQuery, faults: &Faults, out: &mut Vec<u8>) {
        let _radio = self.radio.lock().await;
        let begin = self.start.elapsed();
        let span = Duration::from_millis(query.time_out_ms);
        tokio::time::sleep(span).await;
        let scenario = Arc::clone(&lock(&self.scenario));
        let query_start = self.utc_at_start.plus(begin);
        let protocols = self.profile.protocols();
        for heard in self.invent(faults).filter(|heard| query.wants(heard)) {
            query.write_row(&heard, query_start, out);
            self.rows.fetch_add(1, Ordering::Relaxed);
        }
        let memories = lock(&self.memories);
        for mut heard in listen(&scenario, begin, span) {
            // What was written is what is read, and what was killed is silent.
            let Some(id) = memories.id_now(&heard.id) else { continue };
            heard.id = id;
            // An antenna that is off at the query's start is off for all of it.
            if scenario.is_off(heard.antenna, begin) {
                continue;
            }
            let is_there = protocols.contains(&heard.protocol) && heard.antenna <= self.profile.antennas();
            if is_there && query.wants(&heard) {
                query.write_row(&heard, query_start, out);
                self.rows.fetch_add(1, Ordering::Relaxed);
            }
        }
        out.push(b'\n');
    }

    /// Tags that are not there, as a broken or hostile reader reports them.
    fn invent(&self, faults: &Faults) -> impl Iterator<Item = Heard> {
        let reads = faults.invented_reads.max(1);
        (0..faults.invented_tags).filter_map(move |_| {
            let number = self.invented.fetch_add(1, Ordering::Relaxed);
            // An odd factor makes far numbers of near ones, and never the same of two.
            let far = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let id = [&[0xBA, 0xD0, 0xBA, 0xD0], far.to_be_bytes().as_slice()].concat();
            Some(Heard {
                id: TagId::new(TagIdKind::Epc, &id).ok()?,
                protocol: AirProtocol::Gen2,
                antenna: 1,
                reads,
                offset: Duration::ZERO,
                frequency_khz: 866_300,
                rssi_dbm: -50,
            })
        })
    }

    pub(super) async fn update(
        &self,
        update: &Update,
        power_off_by: i16,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        if Tables::is_scalar(&update.table) {
            lock(&self.tables)
                .update(&update.table, &update.items, update.condition.as_ref(), power_off_by)
                .map_err(|text| (100, text))?;
            // What a real one answers is not documented; clients take an empty line (§2.1).
            out.push(b'\n');
            return Ok(());
        }
        if !matches!(update.table.as_str(), "tag_id" | "tag_data") {
            return Err((100, "Unknown table".to_owned()));
        }
        let request = Request::update(update)?;
        let (_, id) = self.carry_out(&request).await?;
        if self.profile.answers_updates_with_rows() {
            tag_update::write_row(update, &request, id.bytes(), out);
        }
        out.push(b'\n');
        Ok(())
    }

    /// Answers a query of a tag's memory.
    pub(super) async fn read_memory(&self, select: &Select, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let request = Request::read(select)?;
        let (data, _) = self.carry_out(&request).await?;
        out.extend_from_slice(b"0x");
        for byte in data.unwrap_or_default() {
            out.extend_from_slice(format!("{byte:02X}").as_bytes());
        }
        out.extend_from_slice(b"\n\n");
        Ok(())
    }

    /// Looks for the tag that a statement means and does what it asks. Returns what was read and
    /// the id that the tag has then.
    async fn carry_out(&self, request: &Request) -> Result<(Option<Vec<u8>>, TagId), Refusal> {
        const IN_THE_AIR: &str = "Error performing query";
        let _radio = self.radio.lock().await;
        if !self.profile.protocols().contains(&request.protocol) {
            return Err((101, "Unknown protocol ID".to_owned()));
        }
        let begin = self.start.elapsed();
        tokio::time::sleep(SEARCH).await;
        let scenario = Arc::clone(&lock(&self.scenario));
        let mut memories = lock(&self.memories);
        let target = listen(&scenario, begin, SEARCH).find(|heard| {
            let is_asked = request
                .id
                .as_ref()
                .is_none_or(|digits| memories.id_now(&heard.id).is_some_and(|id| id.hex() == *digits));
            heard.protocol == request.protocol
                && u64::from(heard.antenna) == request.antenna
                && memories.id_now(&heard.id).is_some()
                && is_asked
        });
        let in_the_air = || (102, IN_THE_AIR.to_owned());
        let target = target.ok_or_else(in_the_air)?;
        let memory = memories.of(&scenario, &target.id).ok_or_else(in_the_air)?;
        let read = request.carry_out(memory).map_err(|NotDone| in_the_air())?;
        Ok((read, memory.id()))
    }

    /// What a cursor of this statement holds. Only its syntax is checked (§5.2).
    pub(super) fn cursor(&self, held: Statement) -> Result<Cursor, Refusal> {
        match held {
            Statement::Select(select) => self.tag_query(&select).map(Cursor::Query),
            Statement::Update(update) if !Tables::is_scalar(&update.table) => Ok(Cursor::Update(update)),
            // Settings may not be put into a cursor (§2).
            _ => Err((100, "Invalid argument".to_owned())),
        }
    }

    pub(super) fn declare(&self, name: &str, cursor: Cursor) -> Result<(), Refusal> {
        let mut cursors = lock(&self.cursors);
        if cursors.contains_key(name) {
            return Err((100, "Cursor already exists".to_owned()));
        }
        // What the seventeenth is answered is not documented; this text is of the list in §1.1.
        if cursors.len() >= MOST_CURSORS {
            return Err((100, "Invalid argument".to_owned()));
        }
        cursors.insert(name.to_owned(), cursor);
        Ok(())
    }

    pub(super) fn close_cursor(&self, name: &str) -> Result<(), Refusal> {
        match lock(&self.cursors).remove(name) {
            Some(_) => Ok(()),
            None => Err((100, "DELETE: Cursor does not exist".to_owned())),
        }
    }

    pub(super) fn cursors(&self, names: &[String]) -> Result<Vec<Cursor>, Refusal> {
        let cursors = lock(&self.cursors);
        let find = |name: &String| {
            cursors.get(name).cloned().ok_or_else(|| (100, "Cursor does not exist".to_owned()))
        };
        names.iter().map(find).collect()
    }

    /// Forgets what was set and declared; tags keep what was written to them.
    pub(super) fn forget(&self) {
        *lock(&self.tables) = Tables::new(self.profile);
        self.drop_cursors();
    }

    /// When a time of the reader's clock comes.
    pub(super) fn moment_of(&self, text: &str) -> Result<Instant, Refusal> {
        let at: UtcTime = text.parse().map_err(|_| (100, "Start_time not specified correctly".to_owned()))?;
        // A time that has passed is due at once: "runs once" is all that is documented.
        let since_start = at.as_nanos().saturating_sub(self.utc_at_start.as_nanos());
        Ok(self.start + Duration::from_nanos(since_start))
    }

    pub(super) fn drop_cursors(&self) {
        lock(&self.cursors).clear();
    }
}

/// No method leaves the state half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
