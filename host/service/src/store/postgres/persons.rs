//! The keys of persons, in a table of their own that has one row.
//!
//! Every transaction that writes records holds a shared lock, and looks whether another host has written
//! the keys meanwhile; whoever writes the keys holds the same lock alone. So when a person is shut, all that
//! was under way is written, and no host writes anything of that person afterwards.

use rfid_core::Result;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgPool};

use super::changing::Stop;
use super::connecting::failed;
use crate::seal::PersonKeys;
use crate::store::Rows;
use crate::store::erasing::KeyChange;

/// The lock's number in the database: "rfid pers".
const LOCK: i64 = 0x7266_6964_7065_7273;

/// Reads the keys into `rows`; makes them where there are none.
pub(super) async fn open(connection: &mut PgConnection, rows: &Rows) -> Result<()> {
    let first = rows.make_persons()?;
    let sealed = rows.seal_persons(&first)?;
    sqlx::query("insert into person_keys (version, sealed) values ($1, $2) on conflict do nothing")
        .bind(version_of(&first))
        .bind(sealed)
        .execute(&mut *connection)
        .await
        .map_err(failed("open"))?;
    let keys = read(connection, rows).await.map_err(Stop::into_error)?;
    rows.set_persons(keys);
    Ok(())
}

/// Keeps others from writing the keys until the end of this transaction, and takes over what they have
/// written.
pub(super) async fn hold(connection: &mut PgConnection, rows: &Rows) -> Result<(), Stop> {
    sqlx::query("select pg_advisory_xact_lock_shared($1)").bind(LOCK).execute(&mut *connection).await?;
    take_over(connection, rows).await
}

/// Takes over what others have written.
pub(super) async fn take_over(connection: &mut PgConnection, rows: &Rows) -> Result<(), Stop> {
    let row = sqlx::query("select version from person_keys").fetch_one(&mut *connection).await?;
    let version: i64 = row.try_get(0)?;
    if rows.persons().is_none_or(|keys| version_of(&keys) != version) {
        rows.set_persons(read(connection, rows).await?);
    }
    Ok(())
}

/// Does something to the keys.
pub(super) async fn change(pool: &PgPool, rows: &Rows, change: KeyChange) -> Result<()> {
    let mut connection = pool.acquire().await.map_err(failed("erase"))?;
    sqlx::query("begin").execute(&mut *connection).await.map_err(failed("erase"))?;
    let next = match change_in_transaction(&mut connection, rows, change).await {
        Ok(next) => next,
        Err(stop) => {
            // Where this fails the connection is lost, and the server does it by itself.
            let _ = sqlx::query("rollback").execute(&mut *connection).await;
            return Err(stop.into_error());
        }
    };
    sqlx::query("commit").execute(&mut *connection).await.map_err(failed("erase"))?;
    rows.set_persons(next);
    write_anew(&mut connection).await.map_err(failed("erase"))
}

/// Writes the table anew: what was there before is on its pages until then.
async fn write_anew(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "select pg_has_role(relowner, 'usage') from pg_class where oid = 'person_keys'::regclass",
    )
    .fetch_one(&mut *connection)
    .await?;
    // The server says no more of it than a warning, and does nothing.
    if !row.try_get(0)? {
        tracing::warn!(
            "this user may not write the table of person keys anew: the key of a person who was erased lies in its \
             pages, sealed, until the owner of the tables runs `vacuum full person_keys`"
        );
        return Ok(());
    }
    sqlx::query("vacuum (full) person_keys").execute(connection).await.map(drop)
}

async fn change_in_transaction(
    connection: &mut PgConnection,
    rows: &Rows,
    change: KeyChange,
) -> Result<PersonKeys, Stop> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    let keys = read(connection, rows).await?;
    let Some(next) = change.apply(&keys) else { return Ok(keys) };
    sqlx::query("update person_keys set version = $1, sealed = $2")
        .bind(version_of(&next))
        .bind(rows.seal_persons(&next)?)
        .execute(connection)
        .await?;
    Ok(next)
}

async fn read(connection: &mut PgConnection, rows: &Rows) -> Result<PersonKeys, Stop> {
    let row = sqlx::query("select sealed from person_keys").fetch_one(connection).await?;
    let sealed: Vec<u8> = row.try_get(0)?;
    Ok(rows.open_persons(&sealed)?)
}

/// As the database has it; none ever comes near its end.
fn version_of(keys: &PersonKeys) -> i64 {
    i64::try_from(keys.version()).unwrap_or(i64::MAX)
}
