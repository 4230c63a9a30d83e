//! What other hosts write to the same store.

use std::sync::{Arc, PoisonError};

use tokio::sync::broadcast::error::RecvError;

use super::{Fault, Service};
use crate::recognition::Notice;
use crate::record::{Key, Record};
use crate::store::{Elsewhere, Stored};

impl Service {
    /// Goes along with what other hosts write, for as long as it runs: the search finds their customers,
    /// and whoever looks on is told of their visits and alarms. Ends at once where nobody else can
    /// write.
    pub async fn follow_others(&self) {
        let Some(mut elsewhere) = self.store.elsewhere() else { return };
        loop {
            let outcome = match elsewhere.recv().await {
                Ok(Elsewhere::Changed(key)) => self.take_over(key).await,
                Ok(Elsewhere::Much) | Err(RecvError::Lagged(_)) => self.refill_search().await.map(drop),
                Err(RecvError::Closed) => return,
            };
            if let Err(fault) = outcome {
                tracing::warn!(%fault, "what another host wrote cannot be read");
            }
        }
    }

    async fn take_over(&self, key: Key) -> Result<(), Fault> {
        let found = self.store.get(std::slice::from_ref(&key)).await?.pop().flatten();
        match (key, found) {
            (Key::Customer(id), None) => {
                self.search.write().unwrap_or_else(PoisonError::into_inner).remove(id);
            }
            (Key::Card(id), None) => {
                self.cards.write().unwrap_or_else(PoisonError::into_inner).remove(id);
            }
            (
                _,
                Some(Stored {
                    record: record @ (Record::Customer(_) | Record::Card(_) | Record::Request(_)),
                    ..
                }),
            ) => {
                self.note_written(&record);
            }
            (_, Some(Stored { version, record: Record::Visit(record) })) => {
                self.tell(Notice::Visit(Arc::new(Stored { version, record })));
            }
            (_, Some(Stored { version, record: Record::Alarm(record) })) => {
                self.tell(Notice::Alarm(Arc::new(Stored { version, record })));
            }
            _ => {}
        }
        Ok(())
    }
}
