//! Visits counted: by the sums of days that are over, and one by one where there is none.

use std::ops::Range;

use futures_util::TryStreamExt as _;
use rfid_core::Result;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::PostgresStore;
use super::connecting::{failed, to_its_end};
use super::days::{column_name, day_number, each_day, gaps, make_missing, read_day};
use crate::store::days::{DayCounting, begin_of, day_of, days_of, sum_up};
use crate::store::tally::{Tally, TallyAsk, TallyKey};

impl PostgresStore {
    pub(super) async fn tallied(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let (ask, pool, today) = (ask.clone(), self.pool().clone(), day_of(self.clock.now().utc));
        let tallied = to_its_end("tally", async move { tally(&pool, &ask, today).await }).await;
        self.condition.note(&tallied);
        tallied
    }
}

async fn tally(pool: &PgPool, ask: &TallyAsk, today: u32) -> Result<Vec<(TallyKey, Tally)>> {
    let Some((from, until)) = ask.span() else { return Ok(Vec::new()) };
    let days = days_of((from, until));
    // Today changes too often to be worth a sum.
    if let Err(error) = make_missing(pool, days.start..days.end.min(today)).await {
        tracing::warn!(error = format!("{error:#}"), "days are counted without being summed up");
    }
    // What a sum was made of and what came after it is seen as of one moment.
    let begin = "begin isolation level repeatable read, read only";
    let mut transaction = pool.begin_with(begin).await.map_err(failed("tally"))?;
    // Compiling a statement takes longer than it saves here.
    for setting in ["set local jit = off", "set local statement_timeout = '60s'"] {
        sqlx::query(setting).execute(&mut *transaction).await.map_err(failed("tally"))?;
    }
    let mut counting = DayCounting::new(ask);
    let summed = count_sums(&mut transaction, days.clone(), &mut counting).await?;
    let branches: Option<Vec<String>> =
        ask.branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect());
    for gap in gaps(days, &summed) {
        let span = (from.max(begin_of(gap.start)), until.min(begin_of(gap.end)));
        let count = |day, facts: &[_]| counting.add_sum(day, &sum_up(day, facts));
        each_day(&mut transaction, span, branches.as_deref(), count).await?;
    }
    transaction.commit().await.map_err(failed("tally"))?;
    counting.end().await
}

/// Counts those of these days that are summed up, and returns which they are.
async fn count_sums(
    connection: &mut PgConnection,
    days: Range<u32>,
    counting: &mut DayCounting,
) -> Result<Vec<u32>> {
    let names: Vec<&str> = counting.columns().iter().map(|column| column_name(*column)).collect();
    // Built of those names alone.
    let sql =
        format!("select day, {} from visit_sum where day >= $1 and day < $2 order by day", names.join(", "));
    let mut rows = sqlx::query(AssertSqlSafe(sql))
        .bind(day_number(days.start))
        .bind(day_number(days.end))
        .fetch(connection);
    let mut summed = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(failed("tally"))? {
        let day = read_day(&row)?;
        let columns: Vec<&[u8]> =
            (1..=names.len()).map(|at| row.try_get(at).map_err(failed("tally"))).collect::<Result<_>>()?;
        counting.add(day, &columns).map_err(|error| {
            error.with_detail(format!(
                "the sum of day {day} cannot be read; `delete from visit_sum where day = {day}` has it made anew"
            ))
        })?;
        summed.push(day);
    }
    Ok(summed)
}
