//! Visits counted by the database.

use rfid_core::{Error, ErrorKind, Result};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::PostgresStore;
use super::changing::nanos;
use super::connecting::failed;
use crate::record::{CustomerId, Refusal, StaffId};
use crate::store::tally::{By, Counting, Figures, Tally, TallyAsk, TallyKey};

/// What is counted apart by, as a column; in the order in which they stand in a row.
const COLUMNS: [(By, &str); 8] = [
    (By::Span, "($5::integer[])[width_bucket(at, $1)]"),
    (By::Branch, "branch"),
    (By::VipClass, "vip_class"),
    (By::AccountManager, "account_manager"),
    (By::Outcome, "refusal"),
    (By::Greeter, "greeted_by"),
    (By::Server, "served_by"),
    (By::Customer, "owner"),
];

/// Greeted, how long that took together and at most, served, how long that took, departed, how long they stayed.
const ALL: &str = "count(greeted), coalesce(sum(greatest(greeted - at, 0) / 1000000), 0)::bigint, \
     coalesce(max(greatest(greeted - at, 0) / 1000000), 0), count(served), \
     coalesce(sum(greatest(served - at, 0) / 1000000), 0)::bigint, count(departed), \
     coalesce(sum(greatest(departed - at, 0) / 1000000), 0)::bigint";
/// The same where nobody asks for it.
const VISITS: &str = "0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint";

impl PostgresStore {
    pub(super) async fn tallied(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let Some((from, until)) = Counting::span(ask) else { return Ok(Vec::new()) };
        let columns: Vec<&str> =
            COLUMNS.iter().map(|(by, column)| if ask.by.contains(by) { *column } else { "null" }).collect();
        let grouped: Vec<&str> =
            COLUMNS.iter().filter(|(by, _)| ask.by.contains(by)).map(|(_, column)| *column).collect();
        let figures = match ask.figures {
            Figures::Visits => VISITS,
            Figures::All => ALL,
        };
        let mut sql = format!(
            "select {}, count(*), max(at), {figures} \
             from visit where body is not null and at >= $2 and at < $3 \
             and ($4::text[] is null or branch = any($4)) and $1::bigint[] is not null and $5::integer[] is not null",
            columns.join(", ")
        );
        if !grouped.is_empty() {
            sql.push_str(" group by ");
            sql.push_str(&grouped.join(", "));
        }
        let edges: Vec<i64> = ask.edges.iter().map(|edge| nanos(*edge)).collect::<Result<_>>()?;
        let branches: Option<Vec<String>> =
            ask.branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect());
        let labels: Vec<i32> = (1..ask.edges.len())
            .map(|behind| i32::try_from(ask.label(behind - 1)).unwrap_or(i32::MAX))
            .collect();
        let mut transaction = self.pool().begin().await.map_err(failed("tally"))?;
        // The planner takes each visit for a group of its own, and would rather sort millions of them than
        // count them into a few hundred. Compiling the statement takes longer than it saves: counting a million
        // visits by customer took 1.7 s without, and 2.4 s with it.
        let settings =
            ["set local enable_sort = off", "set local jit = off", "set local statement_timeout = '60s'"];
        for setting in settings {
            sqlx::query(setting).execute(&mut *transaction).await.map_err(failed("tally"))?;
        }
        // Built of the columns above alone; everything that is asked for is bound.
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(edges)
            .bind(nanos(from)?)
            .bind(nanos(until)?)
            .bind(branches)
            .bind(labels)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed("tally"))?;
        transaction.commit().await.map_err(failed("tally"))?;
        let mut counted: Vec<(TallyKey, Tally)> =
            rows.iter().map(|row| read(row, ask)).collect::<Result<_>>()?;
        // Without anything to count apart by there is a row also where there is nothing to count.
        counted.retain(|(_, tally)| tally.visits > 0);
        counted.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(counted)
    }
}

fn read(row: &PgRow, ask: &TallyAsk) -> Result<(TallyKey, Tally)> {
    let stray =
        || Error::new(ErrorKind::Damaged, "tally").with_detail("the database counts what is no visit");
    let is_by = |by: By| ask.by.contains(&by);
    let bytes = |at: usize, by: By| -> Result<Option<[u8; 16]>> {
        if !is_by(by) {
            return Ok(None);
        }
        let value: Option<Vec<u8>> = row.try_get(at).map_err(failed("tally"))?;
        value.map(|value| value.try_into().map_err(|_| stray())).transpose()
    };
    let text = |at: usize, by: By| -> Result<Option<String>> {
        if is_by(by) { row.try_get(at).map_err(failed("tally")) } else { Ok(None) }
    };
    let count = |at: usize| -> Result<u64> {
        let value: i64 = row.try_get(at).map_err(failed("tally"))?;
        u64::try_from(value).map_err(|_| stray())
    };
    let span: Option<i32> = if is_by(By::Span) { row.try_get(0).map_err(failed("tally"))? } else { None };
    let refusal = match text(4, By::Outcome)? {
        None => None,
        Some(name) => {
            let known = Refusal::ALL.into_iter().find(|refusal| refusal.name() == name);
            Some(known.ok_or_else(stray)?.name())
        }
    };
    let key = TallyKey {
        span: span.map(|span| u32::try_from(span).map_err(|_| stray())).transpose()?,
        branch: text(1, By::Branch)?.map(|code| code.as_str().into()),
        vip_class: text(2, By::VipClass)?.map(|class| class.as_str().into()),
        account_manager: bytes(3, By::AccountManager)?.map(StaffId::from_bytes),
        refusal,
        greeter: bytes(5, By::Greeter)?.map(StaffId::from_bytes),
        server: bytes(6, By::Server)?.map(StaffId::from_bytes),
        customer: bytes(7, By::Customer)?.map(CustomerId::from_bytes),
    };
    let visits = count(8)?;
    let last: Option<i64> = row.try_get(9).map_err(failed("tally"))?;
    let tally = Tally {
        visits,
        greeted: count(10)?,
        greeting_ms: count(11)?,
        longest_greeting_ms: count(12)?,
        served: count(13)?,
        serving_ms: count(14)?,
        departed: count(15)?,
        stay_ms: count(16)?,
        last: rfid_core::UtcTime::from_nanos(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0)),
    };
    Ok((key, tally))
}
