//! The one task that commits: what waits shares a transaction.

use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, Error, ErrorKind, Result};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::changing::{self, Outcomes, Stop};
use super::connecting::{self, Condition, failed};
use super::listening::OwnWriter;
use super::months::Months;
use super::persons;
use crate::store::asking::{self, WaitingCommit};
use crate::store::{Commit, Rows};

/// Commits that share a transaction.
const GROUP: usize = 64;
/// How long the same is tried again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is asked how a transaction ended whose connection was lost.
const UNSURE: Duration = Duration::from_secs(10);
/// How long a transaction may take.
const LONGEST: Duration = Duration::from_secs(15);
/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the database is looked at while nobody writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long before a month begins its partition is made.
const AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) enum Request {
    Commit(WaitingCommit),
    Close,
}

impl From<WaitingCommit> for Request {
    fn from(asked: WaitingCommit) -> Self {
        Self::Commit(asked)
    }
}

pub(super) struct Writer {
    options: PgConnectOptions,
    rows: Rows,
    months: Months,
    condition: Condition,
    own: OwnWriter,
    clock: Arc<dyn Clock>,
    /// Absent after it was lost.
    connection: Option<PgConnection>,
}

impl Writer {
    pub(super) fn new(
        options: PgConnectOptions,
        rows: Rows,
        months: Months,
        condition: Condition,
        own: OwnWriter,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { options, rows, months, condition, own, clock, connection: None }
    }

    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let request = match timeout(LOOK_EVERY, requests.recv()).await {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(_) => {
                    self.look().await;
                    continue;
                }
            };
            let mut group = Vec::new();
            let mut next = Some(request);
            while let Some(request) = next.take() {
                match request {
                    Request::Close => requests.close(),
                    Request::Commit(asked) => group.push(asked),
                }
                if group.len() < GROUP {
                    next = requests.try_recv().ok();
                }
            }
            if !group.is_empty() {
                self.write(group).await;
            }
        }
        if let Some(connection) = self.connection.take() {
            // Everything that was asked for is committed.
            let _ = connection.close().await;
        }
    }

    /// Looks whether the database is there and whose keys other hosts have destroyed, and makes the partition
    /// of the month that comes.
    async fn look(&mut self) {
        let soon = self.clock.now().utc.plus(AHEAD);
        let looked = timeout(LONGEST, async {
            let (rows, months) = (self.rows.clone(), self.months.clone());
            let connection = self.connected().await?;
            persons::take_over(connection, &rows).await?;
            months.add_month_of(connection, soon).await
        });
        let outcome = match looked.await {
            Ok(outcome) => outcome.map_err(Stop::into_error),
            Err(_) => Err(silent()),
        };
        if outcome.is_err() {
            self.connection = None;
        }
        self.condition.note(&outcome);
    }

    async fn connected(&mut self) -> Result<&mut PgConnection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = connecting::connect(&self.options).await?;
                self.own.note(&mut connection).await.map_err(failed("connect"))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    async fn write(&mut self, group: Vec<WaitingCommit>) {
        let (commits, answers): (Vec<Commit>, Vec<_>) =
            group.into_iter().map(|asked| (asked.commit, asked.answer)).unzip();
        let outcome = self.carry_out(&commits).await;
        self.condition.note(&outcome);
        asking::tell(answers, outcome);
    }

    async fn carry_out(&mut self, commits: &[Commit]) -> Result<Outcomes> {
        let until = Instant::now() + PATIENCE;
        loop {
            let stop = match self.try_once(commits).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(Stop::Unsure { transaction, outcomes, error }) => {
                    self.connection = None;
                    if self.has_committed(&transaction).await? {
                        return Ok(outcomes);
                    }
                    Stop::Sql(error)
                }
                Err(stop) => stop,
            };
            self.connection = None;
            if !stop.is_worth_another_try() || Instant::now() >= until {
                return Err(stop.into_error());
            }
            sleep(PAUSE).await;
        }
    }

    async fn try_once(&mut self, commits: &[Commit]) -> Result<Outcomes, Stop> {
        let (rows, months) = (self.rows.clone(), self.months.clone());
        let connection = self.connected().await?;
        let change = changing::change(connection, &rows, &months, commits);
        timeout(LONGEST, change).await.unwrap_or_else(|_| Err(Stop::Told(silent())))
    }

    /// How a transaction ended whose connection was lost while it was committed.
    async fn has_committed(&mut self, transaction: &str) -> Result<bool> {
        let until = Instant::now() + UNSURE;
        loop {
            let asked = match self.connected().await {
                Ok(connection) => {
                    changing::has_committed(connection, transaction).await.map_err(failed("commit"))
                }
                Err(error) => Err(error),
            };
            match asked {
                Ok(Some(committed)) => return Ok(committed),
                Ok(None) => {}
                Err(_) => self.connection = None,
            }
            if Instant::now() >= until {
                let detail = "the connection was lost while this was committed, and whether it has happened is not known";
                return Err(Error::new(ErrorKind::Io, "commit").with_detail(detail));
            }
            sleep(PAUSE).await;
        }
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Timeout, "commit").with_detail("the database does not answer")
}
