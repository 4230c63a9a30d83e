//! Tries to log in that failed, for all hosts of the database.

use rfid_core::{Result, UtcTime};
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};

use super::connecting::{self, failed};
use crate::account::failures::{Failures, LockRule, REMEMBERED, Tried};

const OP: &str = "failures";

fn read(row: &PgRow) -> Result<Failures> {
    let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed(OP));
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Failures {
        count: u32::try_from(number(0)?).unwrap_or(u32::MAX),
        last: UtcTime::from_nanos(unsigned(number(1)?)),
        locked_until: UtcTime::from_nanos(unsigned(number(2)?)),
    })
}

fn nanos(time: UtcTime) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) async fn get(pool: &PgPool, who: Tried) -> Result<Option<Failures>> {
    let pool = pool.clone();
    connecting::to_its_end(OP, async move {
        let row = sqlx::query("select count, last, locked_until from login_failure where who = $1")
            .bind(who.to_bytes().to_vec())
            .fetch_optional(&pool)
            .await
            .map_err(failed(OP))?;
        row.as_ref().map(read).transpose()
    })
    .await
}

/// Notes one more. Of several hosts that do so at once each counts.
pub(super) async fn note(pool: &PgPool, who: Tried, now: UtcTime, rule: LockRule) -> Result<Failures> {
    let pool = pool.clone();
    connecting::to_its_end(OP, async move {
        let mut transaction = pool.begin().await.map_err(failed(OP))?;
        let key = who.to_bytes().to_vec();
        sqlx::query("insert into login_failure (who) values ($1) on conflict do nothing")
            .bind(&key)
            .execute(&mut *transaction)
            .await
            .map_err(failed(OP))?;
        let row =
            sqlx::query("select count, last, locked_until from login_failure where who = $1 for update")
                .bind(&key)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed(OP))?;
        let noted = read(&row)?.and_one_more(now, &rule);
        sqlx::query("update login_failure set count = $2, last = $3, locked_until = $4 where who = $1")
            .bind(&key)
            .bind(i64::from(noted.count))
            .bind(nanos(noted.last))
            .bind(nanos(noted.locked_until))
            .execute(&mut *transaction)
            .await
            .map_err(failed(OP))?;
        // Whoever is locked is forgotten last, and who failed least and longest ago first. What another host
        // is at is left to it.
        sqlx::query(
            "delete from login_failure where who in (select who from login_failure where who <> $1 \
             order by locked_until > $2, count, last, who \
             limit greatest((select count(*) from login_failure) - $3, 0) for update skip locked)",
        )
        .bind(&key)
        .bind(nanos(now))
        .bind(i64::try_from(REMEMBERED).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await
        .map_err(failed(OP))?;
        transaction.commit().await.map_err(failed(OP))?;
        Ok(noted)
    })
    .await
}

pub(super) async fn forget(pool: &PgPool, who: Tried) -> Result<u32> {
    let pool = pool.clone();
    connecting::to_its_end(OP, async move {
        let row = sqlx::query("delete from login_failure where who = $1 returning count, last, locked_until")
            .bind(who.to_bytes().to_vec())
            .fetch_optional(&pool)
            .await
            .map_err(failed(OP))?;
        Ok(row.as_ref().map(read).transpose()?.map_or(0, |failures| failures.count))
    })
    .await
}
