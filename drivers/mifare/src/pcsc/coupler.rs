//! The coupler: what lies on the reader, and commands to it.
//!
//! Two threads with a context of their own each: one waits for what happens at the reader, one
//! talks to the card. When the service or the reader goes away the session ends with an error that
//! asks for a new one, and opening finds both again when they are back.

use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use zeroize::Zeroizing;

use super::watcher::{self, Sight, Watcher};
use super::worker::{Task, Worker};
use crate::coupler::{CardFault, Coupler, CouplerInfo, Pad, Target, ValueChange};
use crate::model::{Block, CardKind, Key, KeySlot, Uid, kind_of_atr};

/// After so long a card that is there and gave no UID is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How often a card that lies there is asked whether it is still the same: a service does not notice a
/// swap between two looks of its own, and one in a hundred that the reader tells of. Whoever lays
/// another card on is heard within 150 ms all the same.
const CONFIRM: Duration = Duration::from_millis(120);

/// For so long a card that was seen may be silent before it counts as unreadable. The service needs
/// up to 400 ms to notice that one was lifted (§1.2).
const SILENT: Duration = Duration::from_millis(600);

/// A pad of the PC/SC service.
pub struct PcscCoupler {
    reader: Option<String>,
    open: Option<Open>,
}

struct Open {
    watcher: Watcher,
    worker: Worker,
    seen: Option<Seen>,
}

/// A sight that was looked into.
struct Seen {
    sight: Sight,
    /// What it showed.
    pad: Pad,
    /// When the card said so last.
    said_at: Instant,
    /// When it is asked once more.
    ask_at: Instant,
}

impl PcscCoupler {
    /// The pad of the reader whose name contains this, or of the only one.
    pub fn new(reader: Option<String>) -> Self {
        Self { reader, open: None }
    }

    /// Sends a task to the thread that talks to the card and waits for its answer.
    async fn ask<T>(
        &mut self,
        task: impl FnOnce(oneshot::Sender<Result<T, CardFault>>) -> Task,
    ) -> Result<T, CardFault> {
        let open = self.open.as_mut().ok_or_else(|| CardFault::Coupler(not_open()))?;
        open.ask(task).await
    }
}

impl Open {
    async fn ask<T>(
        &mut self,
        task: impl FnOnce(oneshot::Sender<Result<T, CardFault>>) -> Task,
    ) -> Result<T, CardFault> {
        let (reply, answer) = oneshot::channel();
        let ended = || CardFault::Coupler(not_open());
        self.worker.tasks.send(task(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    async fn release(&mut self) {
        let (done, is_done) = oneshot::channel();
        if self.worker.tasks.send(Task::Release(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// What a sight comes to; `None` if the card gave no UID and should be asked again.
    async fn look_into(&mut self, sight: &Sight) -> Result<Option<Pad>> {
        let atr = match sight {
            Sight::Lost(reason) => {
                return Err(Error::new(ErrorKind::Io, "read").with_detail(reason.clone()));
            }
            Sight::Empty => return Ok(Some(Pad::Empty)),
            Sight::Mute => return Ok(Some(Pad::Unreadable)),
            Sight::Card(_, atr) => atr,
        };
        let now = Instant::now();
        let before = self.seen.take().filter(|seen| seen.sight == *sight);
        if let Some(seen) = &before
            && now < seen.ask_at
        {
            let pad = seen.pad.clone();
            self.seen = before;
            return Ok(Some(pad));
        }
        let selected = self.ask(Task::Select).await;
        self.release().await;
        let pad = match (selected, before) {
            // It makes up another UID each time that it is asked.
            (Ok(card), Some(Seen { pad: pad @ Pad::Card(was), .. }))
                if card.uid.is_random() && was.uid.is_random() =>
            {
                pad
            }
            (Ok(card), _) => Pad::Card(target(card.uid, if card.atr.is_empty() { atr } else { &card.atr })),
            // A card that has no UID to give, such as one with contacts.
            (Err(CardFault::Unsupported), _) => Pad::Unreadable,
            (Err(CardFault::Coupler(error)), _) if error.kind() != ErrorKind::Busy => return Err(error),
            // On its way out, or somebody else talks to it.
            (Err(_), Some(seen)) if seen.said_at + SILENT > now => {
                let pad = seen.pad.clone();
                self.seen = Some(Seen { ask_at: now + ASK_AGAIN, ..seen });
                return Ok(Some(pad));
            }
            (Err(_), _) => return Ok(None),
        };
        let now = Instant::now();
        self.seen =
            Some(Seen { sight: sight.clone(), pad: pad.clone(), said_at: now, ask_at: now + CONFIRM });
        Ok(Some(pad))
    }
}

fn target(uid: Uid, atr: &[u8]) -> Target {
    Target { uid, kind: kind_of_atr(atr).unwrap_or(CardKind::Other) }
}

#[async_trait]
impl Coupler for PcscCoupler {
    async fn open(&mut self) -> Result<CouplerInfo> {
        let part = self.reader.clone();
        let opened = blocking(move || {
            let reader = watcher::find(part.as_deref())?;
            let watcher = Watcher::start(&reader)?;
            Ok::<_, Error>((watcher, Worker::start(reader.clone())?, reader))
        });
        let (watcher, worker, reader) = opened.await??;
        self.open = Some(Open { watcher, worker, seen: None });
        Ok(CouplerInfo {
            model: reader.to_string_lossy().into_owned(),
            firmware: "PC/SC".to_owned(),
            serial: None,
        })
    }

    async fn look(&mut self, known: &Pad, patience: Duration) -> Result<Pad> {
        let deadline = Instant::now() + patience;
        let open = self.open.as_mut().ok_or_else(not_open)?;
        loop {
            let sight = open.watcher.sights.borrow_and_update().clone();
            let pad = open.look_into(&sight).await?;
            if let Some(pad) = &pad
                && pad != known
            {
                return Ok(pad.clone());
            }
            let until = match (&pad, &open.seen) {
                (Some(_), Some(seen)) if matches!(sight, Sight::Card(..)) => deadline.min(seen.ask_at),
                (Some(_), _) => deadline,
                (None, _) => deadline.min(Instant::now() + ASK_AGAIN),
            };
            match timeout_at(until, open.watcher.sights.changed()).await {
                Err(_) if until == deadline => return Ok(pad.unwrap_or(Pad::Unreadable)),
                // The thread is gone, and said why with its last sight.
                Ok(Err(_)) => sleep_until(until).await,
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    async fn select(&mut self, uid: &Uid) -> Result<Target, CardFault> {
        let card = self.ask(Task::Select).await?;
        if card.uid == *uid { Ok(target(card.uid, &card.atr)) } else { Err(CardFault::Gone) }
    }

    async fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        let key = key.clone();
        self.ask(|reply| Task::Authenticate(block, slot, key, reply)).await
    }

    async fn read_block(&mut self, block: u8) -> Result<Block, CardFault> {
        self.ask(|reply| Task::Read(block, reply)).await
    }

    async fn write_block(&mut self, block: u8, content: &Block) -> Result<(), CardFault> {
        let content = Zeroizing::new(*content);
        self.ask(|reply| Task::Write(block, content, reply)).await
    }

    async fn change_value(&mut self, block: u8, change: ValueChange) -> Result<(), CardFault> {
        self.ask(|reply| Task::ChangeValue(block, change, reply)).await
    }

    async fn copy_value(&mut self, from: u8, to: u8) -> Result<(), CardFault> {
        self.ask(|reply| Task::CopyValue(from, to, reply)).await
    }

    async fn release(&mut self) {
        if let Some(open) = &mut self.open {
            open.release().await;
        }
    }

    async fn close(&mut self) {
        if let Some(Open { watcher, worker, .. }) = self.open.take() {
            let _ = blocking(move || {
                worker.end();
                watcher.end();
            })
            .await;
        }
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Cancelled, "open").with_source(error))
}

fn not_open() -> Error {
    Error::new(ErrorKind::Io, "card command").with_detail("the reader is not open")
}
