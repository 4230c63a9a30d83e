//! Tables, and the steps that lead to them.

use rfid_core::{Error, ErrorKind, Result};
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{Connection, Row as _, SqlSafeStr};

use super::connecting::{self, failed};
use super::persons;
use crate::store::Rows;

/// Steps, which are never changed once they are out.
const STEPS: [(i64, &str, &str); 7] = [
    (1, "records", include_str!("migrations/0001_records.sql")),
    (2, "reports", include_str!("migrations/0002_reports.sql")),
    (3, "looking back", include_str!("migrations/0003_looking_back.sql")),
    (4, "keys of persons", include_str!("migrations/0004_person_keys.sql")),
    (5, "audit trail", include_str!("migrations/0005_audit_trail.sql")),
    (6, "failures", include_str!("migrations/0006_login_failures.sql")),
    (7, "sums of days", include_str!("migrations/0007_visit_sums.sql")),
];

/// A step that leads to the tables of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub number: i64,
    /// What it is about.
    pub about: &'static str,
    /// What it says.
    pub sql: &'static str,
}

fn migrator() -> Migrator {
    let step = |(number, about, sql): (i64, &'static str, &'static str)| {
        Migration::new(number, about.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.into_iter().map(step).collect())
}

fn refused(error: MigrateError) -> Error {
    let (kind, detail) = match &error {
        MigrateError::VersionMissing(_) => (
            ErrorKind::Unsupported,
            "a newer version made the tables of this database; use that version, or a newer one".to_owned(),
        ),
        MigrateError::VersionMismatch(step) => (
            ErrorKind::Damaged,
            format!("step {step} of the tables of this database is not the one that this version knows"),
        ),
        MigrateError::Execute(sqlx) | MigrateError::ExecuteMigration(sqlx, _)
            if sqlx.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501") =>
        {
            (
                ErrorKind::Denied,
                "this user may not change the tables; let their owner run `rfid-host tables`".to_owned(),
            )
        }
        _ => (ErrorKind::Io, "the tables of the database cannot be prepared".to_owned()),
    };
    Error::new(kind, "migrate").with_detail(detail).with_source(error)
}

/// Steps that the database at `url` lacks.
///
/// # Errors
/// As [`PostgresStore::open`](super::PostgresStore::open).
pub async fn pending(url: &str) -> Result<Vec<Step>> {
    let mut connection = connecting::connect(&connecting::options(url)?).await?;
    let missing = missing(&mut connection).await?;
    let _ = connection.close().await;
    Ok(missing)
}

/// Carries out the steps that the database at `url` lacks. Two may try at the same time.
///
/// # Errors
/// As [`PostgresStore::open`](super::PostgresStore::open).
pub async fn migrate(url: &str) -> Result<()> {
    run(&connecting::options(url)?).await
}

async fn run(options: &PgConnectOptions) -> Result<()> {
    // A step over many records takes as long as it takes.
    let pool = connecting::pool(&options.clone().options([("statement_timeout", "0")]));
    let outcome = migrator().run(&pool).await.map_err(refused);
    pool.close().await;
    outcome
}

async fn missing(connection: &mut PgConnection) -> Result<Vec<Step>> {
    let is_begun: bool = sqlx::query("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed("migrate"))?;
    let mut there = Vec::new();
    if is_begun {
        let migrator = migrator();
        let applied = connection.list_applied_migrations(&migrator.table_name).await.map_err(refused)?;
        for step in applied {
            let known = migrator.iter().find(|known| known.version == step.version);
            let known = known.ok_or_else(|| refused(MigrateError::VersionMissing(step.version)))?;
            if known.checksum != step.checksum {
                return Err(refused(MigrateError::VersionMismatch(step.version)));
            }
            there.push(step.version);
        }
    }
    let lacks = STEPS.into_iter().filter(|(number, ..)| !there.contains(number));
    Ok(lacks.map(|(number, about, sql)| Step { number, about, sql }).collect())
}

/// Makes a database ready for use, and looks whether it can be used under these keys.
pub(super) async fn prepare(options: &PgConnectOptions, rows: &Rows) -> Result<()> {
    let mut connection = connecting::connect(options).await?;
    // Whoever may only read and write records finds the tables made by somebody else.
    let missing = missing(&mut connection).await?;
    if !missing.is_empty() {
        tracing::info!(steps = missing.len(), "the tables of the database are brought up to date");
        run(options).await?;
    }
    prove_keys(&mut connection, rows).await?;
    persons::open(&mut connection, rows).await?;
    let row = sqlx::query("select current_setting('fsync'), current_setting('full_page_writes')")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("open"))?;
    let setting = |at: usize| row.try_get::<String, _>(at).map_err(failed("open"));
    if setting(0)? != "on" || setting(1)? != "on" {
        tracing::warn!(
            "the database has fsync or full_page_writes off: after a power cut it may have lost what it \
             acknowledged, or everything"
        );
    }
    let _ = connection.close().await;
    Ok(())
}

/// Two hosts under different keys would each write what the other cannot read.
async fn prove_keys(connection: &mut PgConnection, rows: &Rows) -> Result<()> {
    let first = rows.proof_of_keys()?;
    sqlx::query("insert into meta (name, value) values ('keys', $1) on conflict do nothing")
        .bind(first)
        .execute(&mut *connection)
        .await
        .map_err(failed("open"))?;
    let row = sqlx::query("select value from meta where name = 'keys'")
        .fetch_one(connection)
        .await
        .map_err(failed("open"))?;
    let proof: Vec<u8> = row.try_get(0).map_err(failed("open"))?;
    rows.accept_keys(&proof)
}

/// Writes the proof of keys under the current one, so that the older ones can be left out one day.
pub(super) async fn renew_proof(pool: &PgPool, rows: &Rows) -> Result<()> {
    let proof = rows.proof_of_keys()?;
    sqlx::query("update meta set value = $1 where name = 'keys'")
        .bind(proof)
        .execute(pool)
        .await
        .map(drop)
        .map_err(failed("keys"))
}
