//! Connections, and what their errors mean.

use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result, Retry};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};

/// Connections that questions share. The writer has one of its own, and so has each load.
const CONNECTIONS: u32 = 6;
/// How long a question waits for a connection, and a connection for the server.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(600);
/// When a call that failed because of the server may be tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What every session is told. What is acknowledged is durable, whatever the server's default.
const SESSION: &str = "select set_config('synchronous_commit', 'on', false) \
     where current_setting('synchronous_commit') = 'off'";

/// Whether a text is the address of a database, as far as can be told without one.
///
/// # Errors
/// What is wrong with it, without quoting it: it may hold a password.
pub fn is_address(url: &str) -> Result<(), String> {
    options(url).map(drop).map_err(|error| error.detail().unwrap_or_default().to_owned())
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions> {
    let wrong = |detail: &str| Error::new(ErrorKind::Config, "connect").with_detail(detail);
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("the address of a database is postgres://user:password@host:port/database"));
    }
    // Its error may quote the password.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| wrong("this is not postgres://user:password@host:port/database"))?;
    let options = options.application_name("rfid-host").options([
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    let is_here = options.get_socket().is_some()
        || options.get_host().starts_with('/')
        || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    // What the crate prefers goes on in clear text when the server, or somebody between, says so.
    let says_nothing = !url.contains("sslmode=") && !url.contains("ssl-mode=");
    Ok(if says_nothing && !is_here { options.ssl_mode(PgSslMode::VerifyFull) } else { options })
}

pub(super) fn pool(options: &PgConnectOptions) -> PgPool {
    pool_of(CONNECTIONS, options)
}

pub(super) fn pool_of(connections: u32, options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(IDLE)
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(SESSION).execute(connection).await.map(drop) })
        })
        .connect_lazy_with(options.clone())
}

/// A connection for one user.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connect = async {
        let mut connection = PgConnection::connect_with(options).await?;
        sqlx::query(SESSION).execute(&mut connection).await?;
        Ok(connection)
    };
    match tokio::time::timeout(PATIENCE, connect).await {
        Ok(connected) => connected.map_err(failed("connect")),
        Err(_) => Err(unreachable("the server does not answer")),
    }
}

fn unreachable(detail: &str) -> Error {
    Error::new(ErrorKind::Timeout, "connect").with_detail(detail).with_retry(Retry::After(AGAIN_AFTER))
}

/// What an error of the crate means for whoever called.
pub(super) fn failed(op: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| {
        let (kind, may_pass) = match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
                (ErrorKind::Connect, true)
            }
            sqlx::Error::PoolTimedOut => (ErrorKind::Timeout, true),
            sqlx::Error::PoolClosed => (ErrorKind::Io, false),
            sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
                // Connections, resources, an operator who stops it, and the system below it.
                code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
                    (ErrorKind::Connect, true)
                }
                "40001" | "40P01" | "55P03" => (ErrorKind::Busy, true),
                "42501" => (ErrorKind::Denied, false),
                code if code.starts_with("28") => (ErrorKind::Denied, false),
                "3D000" => (ErrorKind::Config, false),
                code if code.starts_with("XX") => (ErrorKind::Damaged, false),
                _ => (ErrorKind::Internal, false),
            },
            _ => (ErrorKind::Protocol, true),
        };
        let retry = if may_pass { Retry::After(AGAIN_AFTER) } else { Retry::Never };
        Error::new(kind, op).with_detail("PostgreSQL").with_source(error).with_retry(retry)
    }
}

/// Whether a transaction that ended so may well succeed when it is begun anew: another host was there
/// at the same time.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else { return false };
    matches!(database.code().as_deref(), Some("23505" | "40001" | "40P01" | "55P03"))
}

/// Whether the connection is lost, and with it what the server did last.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(database) => {
            let code = database.code();
            let code = code.as_deref().unwrap_or_default();
            code.starts_with("57P") || code.starts_with("08")
        }
        _ => false,
    }
}

/// Carries work out to its end, also when whoever waits for it goes away: a question that is dropped
/// in the middle leaves its connection in the middle.
pub(super) async fn to_its_end<T: Send + 'static>(
    op: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::new(ErrorKind::Internal, op).with_source(error)),
    }
}

/// How the database was the last time that somebody asked it.
#[derive(Clone, Default)]
pub(super) struct Condition(Arc<Mutex<Option<String>>>);

impl Condition {
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a call ended. What is wrong with a record says nothing of the database.
    pub(super) fn note<T>(&self, outcome: &Result<T>) {
        let trouble = match outcome {
            Ok(_) => None,
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Config) => return,
            Err(error) => Some(format!("{error:#}")),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
