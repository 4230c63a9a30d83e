//! Partitions of visits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Error, ErrorKind, UtcTime};
use sqlx::postgres::PgConnection;

use super::changing::{Stop, nanos};
use crate::record::Record;
use crate::store::Change;

/// Months of which it is known that the database has a partition for their visits.
#[derive(Clone, Default)]
pub(super) struct Months(Arc<Mutex<HashSet<(i16, i8)>>>);

impl Months {
    /// Makes partitions for the visits of these changes where there are none.
    pub(super) async fn add(
        &self,
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &Change>,
    ) -> Result<(), Stop> {
        for change in changes {
            let Change::Put { record, .. } = change else { continue };
            if let Record::Visit(visit) = record.as_ref() {
                self.add_month_of(connection, visit.arrived_at).await?;
            }
        }
        Ok(())
    }

    /// Makes the partition of a month if there is none.
    pub(super) async fn add_month_of(
        &self,
        connection: &mut PgConnection,
        time: UtcTime,
    ) -> Result<(), Stop> {
        let nanos = nanos(time)?;
        let month = jiff::Timestamp::from_nanosecond(nanos.into())
            .map(|at| jiff::tz::Offset::UTC.to_datetime(at))
            .map(|at| (at.year(), at.month()))
            .map_err(|error| Error::new(ErrorKind::Internal, "commit").with_source(error))?;
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&month) {
            return Ok(());
        }
        sqlx::query("select add_visit_month($1)").bind(nanos).execute(connection).await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(month);
        Ok(())
    }
}
