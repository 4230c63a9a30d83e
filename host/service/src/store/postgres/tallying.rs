//! Visits counted: by the sums of days that are over, and one by one where there is none.

use futures_util::TryStreamExt as _;
use rfid_core::{Result, UtcTime};
use sqlx::{AssertSqlSafe, Row as _};

use super::PostgresStore;
use super::connecting::{failed, to_its_end};
use super::days::{column_name, day_number, each_day, gaps, make_missing, read_day};
use crate::store::days::{DayCounting, begin_of, day_of, sum_up};
use crate::store::tally::{Tally, TallyAsk, TallyKey};

impl PostgresStore {
    pub(super) async fn tallied(&self, ask: &TallyAsk) -> Result<Vec<(TallyKey, Tally)>> {
        let Some((from, until)) = ask.span() else { return Ok(Vec::new()) };
        let (ask, pool, today) = (ask.clone(), self.pool().clone(), day_of(self.clock.now().utc));
        let last = day_of(UtcTime::from_nanos(until.as_nanos().saturating_sub(1)));
        let days = day_of(from)..last.saturating_add(1);
        let tallied = to_its_end("tally", async move {
            // Today changes too often to be worth a sum.
            if let Err(error) = make_missing(&pool, days.start..days.end.min(today)).await {
                tracing::warn!(error = format!("{error:#}"), "days are counted without being summed up");
            }
            // What a sum was made of and what came after it is seen as of one moment.
            let mut transaction = pool
                .begin_with("begin isolation level repeatable read, read only")
                .await
                .map_err(failed("tally"))?;
            for setting in ["set local jit = off", "set local statement_timeout = '60s'"] {
                sqlx::query(setting).execute(&mut *transaction).await.map_err(failed("tally"))?;
            }
            let mut counting = DayCounting::new(&ask);
            let names: Vec<&str> = counting.columns().iter().map(|column| column_name(*column)).collect();
            // Built of those names alone.
            let sql = format!(
                "select day, {} from visit_sum where day >= $1 and day < $2 order by day",
                names.join(", ")
            );
            let mut summed = Vec::new();
            {
                let mut rows = sqlx::query(AssertSqlSafe(sql))
                    .bind(day_number(days.start))
                    .bind(day_number(days.end))
                    .fetch(&mut *transaction);
                while let Some(row) = rows.try_next().await.map_err(failed("tally"))? {
                    let day = read_day(&row)?;
                    let columns: Vec<&[u8]> = (1..=names.len())
                        .map(|at| row.try_get(at).map_err(failed("tally")))
                        .collect::<Result<_>>()?;
                    counting.add(day, &columns).map_err(|error| {
                        let detail = format!(
                            "the sum of day {day} cannot be read; `delete from visit_sum where day = {day}` has it made anew"
                        );
                        error.with_detail(detail)
                    })?;
                    summed.push(day);
                }
            }
            let branches: Option<Vec<String>> =
                ask.branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect());
            for gap in gaps(days, &summed) {
                let span = (from.max(begin_of(gap.start)), until.min(begin_of(gap.end)));
                each_day(&mut transaction, span, branches.as_deref(), |day, facts| {
                    counting.add_sum(day, &sum_up(day, facts))
                })
                .await?;
            }
            transaction.commit().await.map_err(failed("tally"))?;
            counting.end().await
        });
        let tallied = tallied.await;
        self.condition.note(&tallied);
        tallied
    }
}
