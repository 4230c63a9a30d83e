//! Many new records at once.

use rfid_core::Result;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::changing::{Stop, Telling, change_in_transaction};
use super::connecting::{self, failed};
use super::listening;
use super::months::Months;
use crate::record::Record;
use crate::store::{Change, Commit, CommitFault, Origin, Rows};

/// A load under way: one transaction on a connection of its own, which ends with it.
pub(super) struct Loading<'a> {
    connection: PgConnection,
    rows: &'a Rows,
    months: &'a Months,
    count: u64,
}

impl<'a> Loading<'a> {
    pub(super) async fn begin(
        options: &PgConnectOptions,
        rows: &'a Rows,
        months: &'a Months,
    ) -> Result<Self> {
        let mut connection = connecting::connect(options).await?;
        // What is loaded is looked up by its key. Of tables that were empty a moment ago the server knows nothing, and
        // would read them whole for each portion, however large they have grown. What it is kept from it takes for
        // so dear that it compiles each statement anew, which took nine tenths of the time.
        let settings = ["set statement_timeout = 0", "set enable_seqscan = off", "set jit = off"];
        for statement in settings.into_iter().chain(["begin"]) {
            sqlx::query(statement).execute(&mut connection).await.map_err(failed("load"))?;
        }
        Ok(Self { connection, rows, months, count: 0 })
    }

    pub(super) async fn take(&mut self, origin: &Origin, portion: Vec<Record>) -> Result<(), CommitFault> {
        let commits: Vec<Commit> = portion
            .into_iter()
            .map(|record| Commit { origin: origin.clone(), changes: vec![Change::new(record)] })
            .collect();
        self.months
            .add(&mut self.connection, commits.iter().flat_map(|commit| &commit.changes))
            .await
            .map_err(Stop::into_error)?;
        let (outcomes, _) = change_in_transaction(&mut self.connection, self.rows, &commits, Telling::Later)
            .await
            .map_err(Stop::into_error)?;
        self.count += outcomes.len() as u64;
        outcomes.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    pub(super) async fn end(mut self) -> Result<u64> {
        listening::tell_much(&mut self.connection).await.map_err(failed("load"))?;
        // So that what comes next is planned by what is there, and not only after the server has looked by itself.
        // Whose tables these are not goes without: the server says so as a warning, which nobody has to read.
        let looked_at = "analyze record, visit, unique_value, id_number, past";
        for statement in ["set client_min_messages = error", looked_at, "commit"] {
            sqlx::query(statement).execute(&mut self.connection).await.map_err(failed("load"))?;
        }
        // It is all there; whether the server hears that we go is its matter.
        let _ = self.connection.close().await;
        Ok(self.count)
    }
}
