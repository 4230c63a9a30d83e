//! One transaction: what commits are about is read and locked, the plan judges them, and what came of
//! all of them is written together, a statement for each table.

use std::collections::{BTreeMap, HashMap};

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::columns::{PastColumns, RecordColumns, Uniques, VisitColumns};
use super::connecting::{failed, is_collision, is_lost};
use super::listening;
use super::months::Months;
use super::persons;
use crate::record::{Key, Kind, Record};
use crate::seal::Blind;
use crate::store::plan::{Asked, Plan, Planned, PlannedChange, Row, Written};
use crate::store::{Commit, CommitFault, Rows};

/// What came of a group of commits, one of each.
pub(super) type Outcomes = Vec<Result<Vec<u32>, CommitFault>>;

/// Why a transaction did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server says so.
    Sql(sqlx::Error),
    /// Something that was read or is to be written.
    Told(Error),
    /// The connection was lost while the server committed this transaction.
    Unsure { transaction: String, outcomes: Outcomes, error: sqlx::Error },
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl Stop {
    /// Whether the same may be tried at once: another host was there, or the connection was old.
    pub(super) fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Sql(error) => is_collision(error) || is_lost(error),
            Self::Told(error) => error.kind() == ErrorKind::Connect,
            Self::Unsure { .. } => false,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Sql(error) | Self::Unsure { error, .. } => failed("commit")(error),
            Self::Told(error) => error,
        }
    }
}

/// What other hosts are told.
#[derive(Clone, Copy)]
pub(super) enum Telling {
    /// Which records have changed.
    EachKey,
    /// Nothing now; in the end, that there are too many.
    Later,
}

/// Carries out what may happen of a group of commits.
pub(super) async fn change(
    connection: &mut PgConnection,
    rows: &Rows,
    months: &Months,
    commits: &[Commit],
) -> Result<Outcomes, Stop> {
    months.add(connection, commits.iter().flat_map(|commit| &commit.changes)).await?;
    sqlx::query("begin").execute(&mut *connection).await?;
    let changed = change_in_transaction(connection, rows, commits, Telling::EachKey).await;
    match changed {
        Ok((outcomes, Some(transaction))) => match sqlx::query("commit").execute(&mut *connection).await {
            Ok(_) => Ok(outcomes),
            Err(error) if is_lost(&error) => Err(Stop::Unsure { transaction, outcomes, error }),
            Err(error) => Err(error.into()),
        },
        Ok((outcomes, None)) => {
            sqlx::query("rollback").execute(connection).await?;
            Ok(outcomes)
        }
        Err(stop) => {
            // Where this fails the connection is lost, and the server does it by itself.
            let _ = sqlx::query("rollback").execute(connection).await;
            Err(stop)
        }
    }
}

/// The outcomes, and the number of the transaction if it has written something.
pub(super) async fn change_in_transaction(
    connection: &mut PgConnection,
    rows: &Rows,
    commits: &[Commit],
    telling: Telling,
) -> Result<(Outcomes, Option<String>), Stop> {
    persons::hold(connection, rows).await?;
    let (mut plan, visits) = read_plan(connection, rows, commits).await?;
    let mut outcomes = Vec::new();
    let mut planned = Vec::new();
    for commit in commits {
        match plan.commit(commit.clone()) {
            Ok(commit) => {
                outcomes.push(Ok(commit.versions()));
                planned.push(commit);
            }
            Err(fault) => outcomes.push(Err(fault)),
        }
    }
    if planned.is_empty() {
        return Ok((outcomes, None));
    }
    let transaction = write(connection, rows, planned, &visits, telling).await?;
    Ok((outcomes, Some(transaction)))
}

/// How what was there of a transaction ended, asked on another connection. `None` while it goes on.
pub(super) async fn has_committed(
    connection: &mut PgConnection,
    transaction: &str,
) -> Result<Option<bool>, sqlx::Error> {
    let row =
        sqlx::query("select pg_xact_status($1::text::xid8)").bind(transaction).fetch_one(connection).await?;
    Ok(match row.try_get::<Option<String>, _>(0)?.as_deref() {
        Some("committed") => Some(true),
        Some("aborted") => Some(false),
        _ => None,
    })
}

/// Times of the visits that are in the database, by their keys: the partition that each is in.
type VisitTimes = HashMap<Key, i64>;

async fn read_plan<'a>(
    connection: &mut PgConnection,
    rows: &'a Rows,
    commits: &[Commit],
) -> Result<(Plan<'a>, VisitTimes), Stop> {
    let Asked { keys, blinds } = Asked::by(rows, commits);
    let (visits, others): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.kind() == Kind::Visit);
    let mut present: HashMap<Key, Option<Row>> = HashMap::new();
    if !others.is_empty() {
        // In one order for all, so that two hosts do not wait for each other.
        let found = sqlx::query(
            "select kind, key, version, body from record \
             where (kind, key) in (select * from unnest($1::smallint[], $2::bytea[])) \
             order by kind, key for update",
        )
        .bind(others.iter().map(|key| kind_number(key.kind())).collect::<Vec<_>>())
        .bind(others.iter().map(|key| key.to_bytes()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        for row in found {
            let key = key_of(row.try_get(0)?, row.try_get(1)?)?;
            let content = row.try_get(3)?;
            present.insert(key.clone(), Some(read_row(rows, &key, row.try_get(2)?, content)?));
        }
    }
    let mut times = VisitTimes::new();
    if !visits.is_empty() {
        let found = sqlx::query(
            "select key, version, body, at from visit where key = any($1) order by key for update",
        )
        .bind(visits.iter().map(|key| key.to_bytes()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        for row in found {
            let key = key_of(kind_number(Kind::Visit), row.try_get(0)?)?;
            times.insert(key.clone(), row.try_get(3)?);
            present.insert(key.clone(), Some(read_row(rows, &key, row.try_get(1)?, row.try_get(2)?)?));
        }
    }
    let mut owners: HashMap<Blind, Option<Key>> = HashMap::new();
    if !blinds.is_empty() {
        let found = sqlx::query("select blind, kind, key from unique_value where blind = any($1)")
            .bind(blinds.iter().map(|blind| blind.to_bytes().to_vec()).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        for row in found {
            let blind: [u8; 16] =
                row.try_get::<Vec<u8>, _>(0)?.try_into().map_err(|_| stray("unique_value"))?;
            owners.insert(Blind::from_bytes(blind), Some(key_of(row.try_get(1)?, row.try_get(2)?)?));
        }
    }
    Ok((Plan::new(rows, present, owners), times))
}

fn read_row(rows: &Rows, key: &Key, version: i32, body: Option<Vec<u8>>) -> Result<Row> {
    let content = match body {
        None => None,
        Some(bytes) => rows.decode_kept(key, &bytes)?.map(|record| (record, bytes)),
    };
    Ok(Row { version: version_of(version)?, content })
}

pub(super) fn version_of(version: i32) -> Result<u32> {
    u32::try_from(version).map_err(|_| stray("a version"))
}

pub(super) fn stray(what: &str) -> Error {
    Error::new(ErrorKind::Damaged, "get").with_detail(format!("the database has something strange in {what}"))
}

pub(super) const fn kind_number(kind: Kind) -> i16 {
    kind as u8 as i16
}

pub(super) fn key_of(kind: i16, key: Vec<u8>) -> Result<Key> {
    u8::try_from(kind)
        .ok()
        .and_then(Kind::from_number)
        .and_then(|kind| Key::from_bytes(kind, &key))
        .ok_or_else(|| stray("a key"))
}

/// Nanoseconds as the database has them: it reaches to the year 2262.
pub(super) fn nanos(time: UtcTime) -> Result<i64> {
    i64::try_from(time.as_nanos())
        .map_err(|_| Error::new(ErrorKind::Config, "commit").with_detail("a time is behind the year 2262"))
}

/// The same to ask by: what is behind that year cannot be in it.
pub(super) fn bound(time: UtcTime) -> i64 {
    nanos(time).unwrap_or(i64::MAX)
}

/// What became of a record in all commits of a transaction.
pub(super) struct Net {
    pub(super) first: Option<(Record, Vec<u8>)>,
    /// What was before the last change.
    pub(super) before_last: Option<Record>,
    pub(super) written: Written,
    pub(super) after: Option<Record>,
}

/// Writes what was planned, and returns the number of the transaction.
async fn write(
    connection: &mut PgConnection,
    rows: &Rows,
    planned: Vec<Planned>,
    visits: &VisitTimes,
    telling: Telling,
) -> Result<String, Stop> {
    let count = i32::try_from(planned.len()).unwrap_or(i32::MAX);
    // Only now, when everything is locked: whoever waited for a lock has a later number.
    let numbers = sqlx::query(
        "select nextval('commit_number'), pg_current_xact_id()::text from generate_series(1, $1)",
    )
    .bind(count)
    .fetch_all(&mut *connection)
    .await?;
    let mut transaction = String::new();
    let mut past = PastColumns::default();
    let mut nets: BTreeMap<Key, Net> = BTreeMap::new();
    for (commit, number) in planned.into_iter().zip(&numbers) {
        transaction = number.try_get(1)?;
        let origin = serde_json::to_vec(&commit.origin)
            .map_err(|error| Error::new(ErrorKind::Internal, "encode").with_source(error))?;
        for change in commit.changes {
            past.push(number.try_get(0)?, &origin, &change.written);
            let PlannedChange { written, before, after } = change;
            let key = written.key.clone();
            let (first, before_last) = match nets.remove(&key) {
                Some(net) => (net.first, before.map(|(record, _)| record)),
                None => (before.clone(), before.map(|(record, _)| record)),
            };
            nets.insert(key, Net { first, before_last, written, after });
        }
    }
    let mut uniques = Uniques::default();
    let mut records = RecordColumns::default();
    let mut moved = Vec::new();
    let mut visit_columns = VisitColumns::default();
    for (key, net) in &nets {
        uniques.note(rows, key, net);
        if key.kind() == Kind::Visit {
            let Some(Record::Visit(visit)) = net.after.as_ref().or(net.before_last.as_ref()) else {
                continue;
            };
            let at = nanos(visit.arrived_at)?;
            if visits.get(key).is_some_and(|before| *before != at) {
                moved.push(key.to_bytes());
            }
            visit_columns.push(key, net, visit, at)?;
        } else {
            records.push(key, net)?;
        }
    }
    uniques.write(connection).await?;
    records.write(connection).await?;
    if !moved.is_empty() {
        sqlx::query("delete from visit where key = any($1)").bind(moved).execute(&mut *connection).await?;
    }
    visit_columns.write(connection).await?;
    past.write(connection).await?;
    if let Telling::EachKey = telling {
        listening::tell(connection, nets.keys()).await?;
    }
    Ok(transaction)
}
