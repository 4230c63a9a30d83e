//! The table of all audit trails, to which records are added and of which none is ever changed.

use std::sync::Arc;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPool};

use super::connecting::{self, failed};
use crate::audit::{CentralTrail, Hash, Head, TrailName};

/// The table, over a connection of its own: what has to be copied after an outage is in nobody's way, and
/// what a host does when it ends is copied when its store is closed already.
pub(super) struct Table(PgPool);

impl Table {
    pub(super) fn new(options: &PgConnectOptions) -> Self {
        Self(connecting::pool_of(1, options))
    }
}

/// The table of all trails in the database at `url`, which is asked when something is asked of it.
///
/// # Errors
/// `Config` when the URL is none.
pub fn central_trail(url: &str) -> Result<Arc<dyn CentralTrail>> {
    Ok(Arc::new(Table::new(&connecting::options(url)?)))
}

const OP: &str = "central audit";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl CentralTrail for Table {
    async fn end(&self, name: &TrailName) -> Result<Head> {
        let (pool, name) = (self.0.clone(), name.clone());
        connecting::to_its_end(OP, async move {
            let row = sqlx::query(
                "select number, record from audit_trail where host = $1 and trail = $2 \
                 order by number desc limit 1",
            )
            .bind(&name.of)
            .bind(name.id.to_vec())
            .fetch_optional(&pool)
            .await
            .map_err(failed(OP))?;
            let Some(row) = row else { return Ok(Head::EMPTY) };
            let record: Vec<u8> = row.try_get(1).map_err(failed(OP))?;
            let number = unsigned(row.try_get(0).map_err(failed(OP))?);
            Ok(Head { number, hash: Hash::of(&record) })
        })
        .await
    }

    async fn append(&self, name: &TrailName, first: u64, records: Vec<Vec<u8>>) -> Result<()> {
        let (pool, name) = (self.0.clone(), name.clone());
        connecting::to_its_end(OP, async move {
            let numbers: Vec<i64> = (first..).map(signed).take(records.len()).collect();
            sqlx::query(
                "insert into audit_trail (host, trail, number, record) \
                 select $1, $2, number, record from unnest($3::bigint[], $4::bytea[]) as new (number, record) \
                 order by number",
            )
            .bind(&name.of)
            .bind(name.id.to_vec())
            .bind(numbers)
            .bind(records)
            .execute(&pool)
            .await
            .map(drop)
            .map_err(refused)
        })
        .await
    }

    async fn read(&self, name: &TrailName, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let (pool, name) = (self.0.clone(), name.clone());
        connecting::to_its_end(OP, async move {
            let rows = sqlx::query(
                "select number, record from audit_trail where host = $1 and trail = $2 and number > $3 \
                 order by number limit $4",
            )
            .bind(&name.of)
            .bind(name.id.to_vec())
            .bind(signed(after))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&pool)
            .await
            .map_err(failed(OP))?;
            let read = |row: &sqlx::postgres::PgRow| {
                Ok::<_, sqlx::Error>((unsigned(row.try_get(0)?), row.try_get(1)?))
            };
            rows.iter().map(read).collect::<Result<_, _>>().map_err(failed(OP))
        })
        .await
    }

    async fn called(&self, of: &str) -> Result<Vec<(TrailName, u64)>> {
        let (pool, of) = (self.0.clone(), of.to_owned());
        connecting::to_its_end(OP, async move {
            let rows = sqlx::query(
                "select trail, max(number) from audit_trail where host = $1 group by trail order by trail",
            )
            .bind(&of)
            .fetch_all(&pool)
            .await
            .map_err(failed(OP))?;
            let mut found = Vec::new();
            for row in &rows {
                let id: Vec<u8> = row.try_get(0).map_err(failed(OP))?;
                let last = unsigned(row.try_get(1).map_err(failed(OP))?);
                // The table takes none of another length.
                let id = id.try_into().map_err(|_| Error::new(ErrorKind::Damaged, OP))?;
                found.push((TrailName { of: of.clone(), id }, last));
            }
            Ok(found)
        })
        .await
    }

    async fn could_change(&self) -> Result<Vec<&'static str>> {
        let pool = self.0.clone();
        connecting::to_its_end(OP, async move {
            let row = sqlx::query(
                "select (select rolsuper from pg_roles where rolname = current_user), \
                 pg_has_role(relowner, 'member'), \
                 (select pg_has_role(nspowner, 'member') from pg_namespace where oid = relnamespace), \
                 has_table_privilege(oid, 'update'), has_table_privilege(oid, 'delete'), \
                 has_table_privilege(oid, 'truncate') \
                 from pg_class where oid = 'audit_trail'::regclass",
            )
            .fetch_one(&pool)
            .await
            .map_err(failed(OP))?;
            let ways =
                ["superuser", "owner of the table", "owner of the schema", "update", "delete", "truncate"];
            let mut could = Vec::new();
            for (at, way) in ways.into_iter().enumerate() {
                if row.try_get::<bool, _>(at).map_err(failed(OP))? {
                    could.push(way);
                }
            }
            Ok(could)
        })
        .await
    }
}

/// What the table itself says of a record that does not go on is worth more than that it was refused.
fn refused(error: sqlx::Error) -> Error {
    let said = match &error {
        sqlx::Error::Database(database) if database.code().as_deref() == Some("XX001") => {
            Some(database.message().to_owned())
        }
        // Somebody else has added this number meanwhile.
        sqlx::Error::Database(database) if database.code().as_deref() == Some("23505") => {
            return Error::new(ErrorKind::Busy, OP).with_source(error);
        }
        _ => None,
    };
    match said {
        Some(said) => Error::new(ErrorKind::Damaged, OP).with_detail(said),
        None => failed(OP)(error),
    }
}
