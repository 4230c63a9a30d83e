//! Sums of days: which are missing, and how one is made.

use std::ops::Range;

use futures_util::TryStreamExt as _;
use rfid_core::{Error, ErrorKind, Result, UtcTime};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use super::changing::bound;
use super::connecting::failed;
use crate::record::{CustomerId, Refusal, StaffId};
use crate::store::days::{Column, begin_of, day_of, sum_up};
use crate::store::tally::Fact;

/// What a visit has to say to a sum, as [`fact_of`] reads it.
const FACT: &str = "at, branch, vip_class, account_manager, refusal, owner, greeted, greeted_by, served, served_by, departed";

/// The column of the table `visit_sum` that has this.
pub(super) const fn column_name(column: Column) -> &'static str {
    match column {
        Column::Arrived => "arrived",
        Column::Branch => "branch",
        Column::VipClass => "vip_class",
        Column::AccountManager => "account_manager",
        Column::Refusal => "refusal",
        Column::Customer => "customer",
        Column::Greeter => "greeter",
        Column::Greeting => "greeting",
        Column::Server => "server",
        Column::Serving => "serving",
        Column::Stay => "stay",
    }
}

/// A day as the database has it.
pub(super) fn day_number(day: u32) -> i32 {
    i32::try_from(day).unwrap_or(i32::MAX)
}

/// Sums up the days of these that have visits and no sum.
pub(super) async fn make_missing(pool: &PgPool, days: Range<u32>) -> Result<()> {
    let summed = sqlx::query("select day from visit_sum where day >= $1 and day < $2 order by day")
        .bind(day_number(days.start))
        .bind(day_number(days.end))
        .fetch_all(pool)
        .await
        .map_err(failed("tally"))?;
    let summed = summed.iter().map(read_day).collect::<Result<Vec<u32>>>()?;
    for mut gap in gaps(days, &summed) {
        while let Some(day) = first_with_visits(pool, gap.clone()).await? {
            make(pool, day).await?;
            gap.start = day.saturating_add(1);
        }
    }
    Ok(())
}

/// The days between those that are summed up.
pub(super) fn gaps(days: Range<u32>, summed: &[u32]) -> Vec<Range<u32>> {
    let mut gaps = Vec::new();
    let mut from = days.start;
    for day in summed.iter().copied().chain([days.end]) {
        if from < day {
            gaps.push(from..day);
        }
        from = from.max(day.saturating_add(1));
    }
    gaps
}

/// The day of a row that begins with it.
pub(super) fn read_day(row: &PgRow) -> Result<u32> {
    let day: i32 = row.try_get(0).map_err(failed("tally"))?;
    u32::try_from(day).map_err(|_| stray())
}

async fn first_with_visits(pool: &PgPool, days: Range<u32>) -> Result<Option<u32>> {
    let first = sqlx::query(
        "select at from visit where body is not null and at >= $1 and at < $2 order by at limit 1",
    )
    .bind(bound(begin_of(days.start)))
    .bind(bound(begin_of(days.end)))
    .fetch_optional(pool)
    .await
    .map_err(failed("tally"))?;
    first.map(|row| Ok(day_of(time(row.try_get(0).map_err(failed("tally"))?)?))).transpose()
}

async fn make(pool: &PgPool, day: u32) -> Result<()> {
    let mut transaction = pool.begin().await.map_err(failed("tally"))?;
    // First the lock, then the visits: nothing of the day changes in between.
    sqlx::query("select lock_visit_day($1, true)")
        .bind(day_number(day))
        .execute(&mut *transaction)
        .await
        .map_err(failed("tally"))?;
    // Whoever waited for another one finds what that has made.
    let made = sqlx::query("select 1 from visit_sum where day = $1")
        .bind(day_number(day))
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed("tally"))?;
    if made.is_some() {
        return transaction.commit().await.map_err(failed("tally"));
    }
    // All of its visits may have gone since somebody looked.
    let mut sum = sum_up(day, &[]);
    let whole_day = (begin_of(day), begin_of(day.saturating_add(1)));
    each_day(&mut transaction, whole_day, None, |day, facts| {
        sum = sum_up(day, facts);
        Ok(())
    })
    .await?;
    let names: Vec<&str> = Column::ALL.into_iter().map(column_name).collect();
    let values: Vec<String> = (2..).take(names.len()).map(|place| format!("${place}")).collect();
    // Built of the names above alone.
    let sql = format!("insert into visit_sum (day, {}) values ($1, {})", names.join(", "), values.join(", "));
    let mut insert = sqlx::query(AssertSqlSafe(sql)).bind(day_number(day));
    for column in sum {
        insert = insert.bind(column);
    }
    insert.execute(&mut *transaction).await.map_err(failed("tally"))?;
    transaction.commit().await.map_err(failed("tally"))
}

/// Gives what the visits from one time to another have to say, in these branches or in all, day by day.
pub(super) async fn each_day(
    connection: &mut PgConnection,
    (from, until): (UtcTime, UtcTime),
    branches: Option<&[String]>,
    mut give: impl FnMut(u32, &[Fact]) -> Result<()>,
) -> Result<()> {
    let sql = format!(
        "select {FACT} from visit where body is not null and at >= $1 and at < $2 \
         and ($3::text[] is null or branch = any($3)) order by at"
    );
    let mut rows =
        sqlx::query(AssertSqlSafe(sql)).bind(bound(from)).bind(bound(until)).bind(branches).fetch(connection);
    let mut open: Option<(u32, Vec<Fact>)> = None;
    while let Some(row) = rows.try_next().await.map_err(failed("tally"))? {
        let fact = fact_of(&row)?;
        let day = day_of(fact.at);
        match &mut open {
            Some((other, facts)) if *other == day => facts.push(fact),
            _ => {
                if let Some((day, facts)) = open.replace((day, vec![fact])) {
                    give(day, &facts)?;
                }
            }
        }
    }
    open.map_or(Ok(()), |(day, facts)| give(day, &facts))
}

fn fact_of(row: &PgRow) -> Result<Fact> {
    let read = failed("tally");
    let id = |at: usize| -> Result<Option<[u8; 16]>> {
        let id: Option<&[u8]> = row.try_get(at).map_err(&read)?;
        id.map(|id| id.try_into().map_err(|_| stray())).transpose()
    };
    let text = |at: usize| -> Result<&str> { row.try_get(at).map_err(&read) };
    let arrived: i64 = row.try_get(0).map_err(&read)?;
    let after = |at: usize| -> Result<Option<u64>> {
        let then: Option<i64> = row.try_get(at).map_err(&read)?;
        Ok(then.map(|then| u64::try_from(then.saturating_sub(arrived)).unwrap_or(0) / 1_000_000))
    };
    let act = |at: usize| -> Result<Option<(StaffId, u64)>> {
        Ok(id(at + 1)?.map(StaffId::from_bytes).zip(after(at)?))
    };
    let refusal: Option<&str> = row.try_get(4).map_err(&read)?;
    let refusal =
        refusal.map(|name| Refusal::ALL.into_iter().find(|refusal| refusal.name() == name).ok_or_else(stray));
    Ok(Fact {
        at: time(arrived)?,
        branch: text(1)?.into(),
        vip_class: text(2)?.into(),
        account_manager: id(3)?.map(StaffId::from_bytes),
        refusal: refusal.transpose()?,
        customer: CustomerId::from_bytes(id(5)?.ok_or_else(stray)?),
        greeted: act(6)?,
        served: act(8)?,
        stay_ms: after(10)?,
    })
}

fn time(nanos: i64) -> Result<UtcTime> {
    u64::try_from(nanos).map(UtcTime::from_nanos).map_err(|_| stray())
}

fn stray() -> Error {
    Error::new(ErrorKind::Damaged, "tally").with_detail("the database counts what is no visit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_is_not_summed_up() {
        let found = |from: u32, until: u32, summed: &[u32]| -> Vec<(u32, u32)> {
            gaps(from..until, summed).into_iter().map(|gap| (gap.start, gap.end)).collect()
        };
        assert_eq!(found(3, 9, &[]), [(3, 9)]);
        assert_eq!(found(3, 9, &[3, 4, 8]), [(5, 8)]);
        assert_eq!(found(3, 9, &[5]), [(3, 5), (6, 9)]);
        assert_eq!(found(3, 5, &[3, 4]), []);
        // Days to come.
        assert_eq!(found(9, 3, &[]), []);
    }
}
