//! What other hosts write to the same database.
//!
//! With each commit the server tells every host that listens which customers, cards, visits and alarms
//! it changed, as kind and key in hexadecimal digits. Whoever listens reads them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgListener, PgPool};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::hex::hex;
use crate::record::{Key, Kind};
use crate::store::Elsewhere;

const CHANNEL: &str = "rfid_host_changes";
/// Stands for changes that are too many to name.
const MUCH: &str = "*";
/// Keys that are named in one notification, which has at most 8000 bytes.
const NAMED_AT_ONCE: usize = 100;
/// Changes that wait for a listener.
const WAITING: usize = 1024;
/// Between two tries to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// Which connection of the server is that of our writer: what it tells we know.
#[derive(Clone, Default)]
pub(super) struct OwnWriter(Arc<AtomicU32>);

impl OwnWriter {
    /// Notes the writer's connection.
    pub(super) async fn note(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        use sqlx::Row as _;
        let row = sqlx::query("select pg_backend_pid()").fetch_one(connection).await?;
        let process: i32 = row.try_get(0)?;
        self.0.store(process.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }
}

/// Tells others of changes, when the transaction is committed.
pub(super) async fn tell<'a>(
    connection: &mut PgConnection,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<(), sqlx::Error> {
    let is_of_interest =
        |key: &&Key| matches!(key.kind(), Kind::Customer | Kind::Card | Kind::Visit | Kind::Alarm);
    let named: Vec<String> = keys.filter(is_of_interest).map(name).collect();
    if named.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = named.chunks(NAMED_AT_ONCE).map(|keys| keys.join(" ")).collect();
    sqlx::query("select pg_notify($1, said) from unnest($2::text[]) said")
        .bind(CHANNEL)
        .bind(said)
        .execute(connection)
        .await
        .map(drop)
}

/// Tells others that there are too many changes to name.
pub(super) async fn tell_much(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(MUCH).execute(connection).await.map(drop)
}

fn name(key: &Key) -> String {
    format!("{}{}", key.kind() as u8, hex(&key.to_bytes()))
}

fn named(text: &str) -> Option<Key> {
    let (kind, digits) = text.split_at_checked(1)?;
    let kind = Kind::from_number(kind.parse().ok()?)?;
    let pairs = (0..digits.len()).step_by(2);
    let bytes: Option<Vec<u8>> =
        pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect();
    Key::from_bytes(kind, &bytes?)
}

/// The task that listens.
pub(super) struct Listening {
    changes: broadcast::Sender<Elsewhere>,
    task: JoinHandle<()>,
}

impl Listening {
    pub(super) fn start(pool: PgPool, own: OwnWriter) -> Self {
        let changes = broadcast::Sender::new(WAITING);
        let task = tokio::spawn(listen(pool, own, changes.clone()));
        Self { changes, task }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Elsewhere> {
        self.changes.subscribe()
    }

    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

async fn listen(pool: PgPool, own: OwnWriter, changes: broadcast::Sender<Elsewhere>) {
    loop {
        if let Err(error) = listen_once(&pool, &own, &changes).await {
            if pool.is_closed() {
                return;
            }
            tracing::debug!(%error, "what other hosts write is not heard of just now");
        }
        // What was told meanwhile was not heard. Nobody may be there who wants to know.
        let _ = changes.send(Elsewhere::Much);
        sleep(PAUSE).await;
    }
}

/// Listens until the connection is lost.
async fn listen_once(
    pool: &PgPool,
    own: &OwnWriter,
    changes: &broadcast::Sender<Elsewhere>,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    while let Some(told) = listener.try_recv().await? {
        if told.process_id() == own.0.load(Ordering::Relaxed) {
            continue;
        }
        for word in told.payload().split(' ') {
            let change = named(word).map_or(Elsewhere::Much, Elsewhere::Changed);
            let _ = changes.send(change);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::VisitId;

    #[test]
    fn a_key_is_named_and_read_again_and_anything_else_is_none() {
        for key in [Key::Visit(VisitId::from_bytes([0xab; 16])), Key::Branch("湖滨".into())] {
            assert_eq!(named(&name(&key)), Some(key));
        }
        for text in ["", MUCH, "4", "4zz", "4abc", "9ab", "4é0"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
