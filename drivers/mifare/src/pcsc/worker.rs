//! The thread that talks to the card. Every call of PC/SC blocks, so none is made on the runtime.
//!
//! Between selecting a card and letting go of it the reader is ours alone (§1.9): nobody else may
//! load a key between our load and our authentication.

use std::ffi::CString;
use std::thread::JoinHandle;

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::apdu::{self, KeyPlace, Status};
use super::failed;
use crate::coupler::{CardFault, ValueChange};
use crate::model::{Block, Key, KeySlot, Uid};

/// Longest answer that is taken (§1.10).
const ANSWER: usize = 264;

type Reply<T> = oneshot::Sender<Result<T, CardFault>>;

/// What the thread is asked to do.
pub(super) enum Task {
    /// Connect to the card and tell its UID.
    Select(Reply<Uid>),
    Authenticate(u8, KeySlot, Key, Reply<()>),
    Read(u8, Reply<Block>),
    /// Wiped when done: it may be a trailer.
    Write(u8, Zeroizing<Block>, Reply<()>),
    ChangeValue(u8, ValueChange, Reply<()>),
    CopyValue(u8, u8, Reply<()>),
    Release(oneshot::Sender<()>),
}

/// The thread and the way to it.
pub(super) struct Worker {
    pub(super) tasks: mpsc::Sender<Task>,
    thread: JoinHandle<()>,
}

/// Tasks that may wait: a caller waits for each, so more than a dropped one's never do.
const TASKS: usize = 4;

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Connect` if the service does not run.
    pub(super) fn start(reader: CString) -> Result<Self> {
        let context = Context::establish(Scope::User).map_err(|error| failed("open", error))?;
        let (tasks, queue) = mpsc::channel(TASKS);
        let thread = std::thread::Builder::new()
            .name("pcsc-card".to_owned())
            .spawn(move || Desk { context, reader, place: None, queue, next: None, is_stubborn: false }.run())
            .map_err(|error| Error::new(ErrorKind::Io, "open").with_source(error))?;
        Ok(Self { tasks, thread })
    }

    /// Ends the thread. Blocks until the exchange that runs is over.
    pub(super) fn end(self) {
        drop(self.tasks);
        let _ = self.thread.join();
    }
}

/// What the thread knows.
struct Desk {
    context: Context,
    reader: CString,
    /// How this reader wants keys, once that is known.
    place: Option<KeyPlace>,
    queue: mpsc::Receiver<Task>,
    /// A task that ended the work with the last card.
    next: Option<Task>,
    /// The card refused something: only a reset makes some readers talk to it again (§1.10).
    is_stubborn: bool,
}

impl Desk {
    fn run(mut self) {
        while let Some(task) = self.next.take().or_else(|| self.queue.blocking_recv()) {
            match task {
                Task::Select(reply) => self.work_with_card(reply),
                Task::Release(done) => {
                    let _ = done.send(());
                }
                // Whoever asks for these was too late: the card was let go.
                Task::Authenticate(.., reply) | Task::ChangeValue(.., reply) => refuse(reply),
                Task::Write(.., reply) | Task::CopyValue(.., reply) => refuse(reply),
                Task::Read(_, reply) => refuse(reply),
            }
        }
    }

    /// Connects, and carries out what is asked until somebody lets go of the card or selects anew.
    fn work_with_card(&mut self, reply: Reply<Uid>) {
        let connected = self.context.connect(&self.reader, ShareMode::Shared, Protocols::ANY);
        let mut card = match connected {
            Ok(card) => card,
            Err(error) => return drop(reply.send(Err(fault(error)))),
        };
        if std::mem::take(&mut self.is_stubborn)
            && let Err(error) = card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard)
        {
            return drop(reply.send(Err(fault(error))));
        }
        let transaction = match card.transaction() {
            Ok(transaction) => transaction,
            Err(error) => return drop(reply.send(Err(fault(error)))),
        };
        let mut exchange = Exchange { card: &transaction, place: self.place, loaded: None };
        let selected = exchange.uid();
        let is_there = selected.is_ok();
        let _ = reply.send(selected);
        while let Some(task) = is_there.then(|| self.queue.blocking_recv()).flatten() {
            let refused = match task {
                task @ (Task::Select(_) | Task::Release(_)) => {
                    self.next = Some(task);
                    break;
                }
                Task::Authenticate(block, slot, key, reply) => {
                    answer(reply, exchange.authenticate(block, slot, &key))
                }
                Task::Read(block, reply) => answer(reply, exchange.read(block)),
                Task::Write(block, content, reply) => {
                    answer(reply, exchange.command(&*apdu::write(block, &content)).map(drop))
                }
                Task::ChangeValue(block, change, reply) => {
                    answer(reply, exchange.change_value(block, change))
                }
                Task::CopyValue(from, to, reply) => {
                    answer(reply, exchange.command(&apdu::copy_value_acs(from, to)).map(drop))
                }
            };
            self.is_stubborn |= refused;
        }
        exchange.forget_key();
        self.place = exchange.place;
        let _ = transaction.end(Disposition::LeaveCard);
        let _ = card.disconnect(Disposition::LeaveCard);
    }
}

/// Sends an answer; whether it was a refusal.
fn answer<T>(reply: Reply<T>, outcome: Result<T, CardFault>) -> bool {
    let is_refusal = matches!(outcome, Err(CardFault::KeyRefused | CardFault::AccessRefused));
    // Nobody waits for it if the caller was dropped.
    let _ = reply.send(outcome);
    is_refusal
}

fn refuse<T>(reply: Reply<T>) {
    let _ = reply.send(Err(CardFault::AccessRefused));
}

/// Commands to a card that is connected.
struct Exchange<'a> {
    card: &'a Transaction<'a>,
    place: Option<KeyPlace>,
    /// In which place of the reader a key of ours lies.
    loaded: Option<(KeyPlace, KeySlot)>,
}

impl Exchange<'_> {
    fn uid(&mut self) -> Result<Uid, CardFault> {
        let data = self.command(&apdu::GET_UID)?;
        Uid::try_from(data.as_slice()).map_err(|_| CardFault::Garbled)
    }

    fn authenticate(&mut self, block: u8, slot: KeySlot, key: &Key) -> Result<(), CardFault> {
        let place = self.load(slot, key)?;
        match self.transmit(&apdu::authenticate(place, block, slot))? {
            (_, Status::DONE) => Ok(()),
            // Every other answer means it on some reader (§1.5).
            _ => Err(CardFault::KeyRefused),
        }
    }

    fn load(&mut self, slot: KeySlot, key: &Key) -> Result<KeyPlace, CardFault> {
        let mut last = Status::DONE;
        for place in self.place.map_or(KeyPlace::PROBES.to_vec(), |place| vec![place]) {
            match self.transmit(&*apdu::load_key(place, slot, key))? {
                (_, Status::DONE) => {
                    self.place = Some(place);
                    self.loaded = Some((place, slot));
                    return Ok(place);
                }
                (_, status) => last = status,
            }
        }
        let error = Error::new(ErrorKind::Unsupported, "load key")
            .with_detail("the reader takes no key into volatile memory; use another model")
            .with_vendor_code(i64::from(last.0));
        Err(CardFault::Coupler(error))
    }

    fn read(&mut self, block: u8) -> Result<Block, CardFault> {
        let data = Zeroizing::new(self.command(&apdu::read(block))?);
        data.as_slice().try_into().map_err(|_| CardFault::Garbled)
    }

    fn change_value(&mut self, block: u8, change: ValueChange) -> Result<(), CardFault> {
        match self.transmit(&apdu::change_value_acs(block, change))? {
            (_, Status::DONE) => return Ok(()),
            (_, status) if !status.is_unknown_command() => return Err(status.fault()),
            _ => {}
        }
        let data = self.command(&apdu::change_value_amended(block, change))?;
        match apdu::amended_status(&data) {
            Some(Status::DONE) => Ok(()),
            Some(status) => Err(status.fault()),
            None => Err(CardFault::Garbled),
        }
    }

    /// Puts the transport key where ours was.
    fn forget_key(&mut self) {
        if let Some((place, slot)) = self.loaded.take() {
            // The card or the reader may be gone, and the key with it.
            let _ = self.transmit(&*apdu::load_key(place, slot, &Key::transport()));
        }
    }

    /// Sends a command that must succeed.
    fn command(&self, command: &[u8]) -> Result<Vec<u8>, CardFault> {
        match self.transmit(command)? {
            (data, Status::DONE) => Ok(data),
            (_, status) => Err(status.fault()),
        }
    }

    fn transmit(&self, command: &[u8]) -> Result<(Vec<u8>, Status), CardFault> {
        let mut space = Zeroizing::new([0; ANSWER]);
        let bytes = self.card.transmit(command, &mut *space).map_err(fault)?;
        let (data, status) = apdu::answer(bytes).ok_or(CardFault::Gone)?;
        // T=0 readers keep the answer until it is fetched (§1.6).
        if let [0x61, length] = status.0.to_be_bytes() {
            let fetch = [0xFF, 0xC0, 0x00, 0x00, length];
            let mut space = Zeroizing::new([0; ANSWER]);
            let bytes = self.card.transmit(&fetch, &mut *space).map_err(fault)?;
            let (data, status) = apdu::answer(bytes).ok_or(CardFault::Gone)?;
            return Ok((data.to_vec(), status));
        }
        Ok((data.to_vec(), status))
    }
}

/// What an error of PC/SC means for the card (§1.10).
fn fault(error: pcsc::Error) -> CardFault {
    use pcsc::Error::{
        CommDataLost, NoSmartcard, NotTransacted, RemovedCard, ResetCard, UnpoweredCard, UnresponsiveCard,
    };
    match error {
        RemovedCard | NoSmartcard | NotTransacted | CommDataLost | UnpoweredCard | UnresponsiveCard => {
            CardFault::Gone
        }
        // Somebody else reset it: what was open is closed.
        ResetCard => CardFault::AccessRefused,
        error => CardFault::Coupler(failed("card command", error)),
    }
}
