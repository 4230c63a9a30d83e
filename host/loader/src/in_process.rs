//! Instances on threads of this process, where the operator wants it.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rfid_abi as abi;
use tokio::sync::mpsc;

use crate::host_side::Told;
use crate::incoming::{Incoming, Unasked};
use crate::line::{Line, To, WAITING_FROM, WAITING_TO};
use crate::message::{Abilities, Fault, FromInstance, LogLine, Noticed, ReaderEvent, Setup};
use crate::module::Module;
use crate::process::host_fault;
use crate::raw::{Cancel, Instance};
use crate::ring::{Filler, Memory, Taker};
use crate::teller::Teller;
use crate::there::There;
use crate::thread::{self, Outbox};

/// Making an instance does no I/O, so it takes no time.
pub(crate) const CREATE_LIMIT: Duration = Duration::from_secs(5);

/// Makes an instance on a thread of its own.
pub(crate) fn start(module: Arc<Module>, setup: Setup, teller: Teller) -> Result<(Line, Abilities), Fault> {
    let (inbox, asked) = sync_channel(WAITING_TO);
    let (outbox, from) = mpsc::channel(WAITING_FROM);
    let (made, is_made) = sync_channel(1);
    let cancel = Cancel::default();
    let (_, memory) = Memory::new().map_err(|error| host_fault("no memory for its reads", &error))?;
    let (memory, unasked) = (Arc::new(memory), Arc::new(Unasked::default()));
    let incoming = Incoming::new(Taker::new(Arc::clone(&memory)), Arc::clone(&unasked));
    let told = Arc::new(HostLog {
        teller: teller.clone(),
        memory: Arc::clone(&memory),
        unasked: Arc::clone(&unasked),
    });
    let begin = {
        let (cancel, there) = (cancel.clone(), There::new());
        move || match Instance::create(&module, &setup, told, cancel) {
            Ok((instance, abilities)) => {
                // Whoever asked may have lost patience.
                if made.send(Ok(abilities)).is_ok() {
                    thread::serve(instance, Filler::new(memory), &asked, &mut ToHost { outbox, unasked });
                    drop(there);
                }
            }
            Err(fault) => drop(made.send(Err(fault))),
        }
    };
    std::thread::Builder::new()
        .name("plugin".to_owned())
        .spawn(begin)
        .map_err(|error| Fault::new(abi::Status::NO_MEMORY, format!("no thread for it: {error}")))?;
    let abilities = is_made.recv_timeout(CREATE_LIMIT).unwrap_or_else(|_| {
        Err(Fault::new(
            abi::Status::TIMEOUT,
            format!("create has not returned for {} s", CREATE_LIMIT.as_secs()),
        ))
    })?;
    Ok((Line::new(To::Thread { inbox, cancel }, from, incoming, teller), abilities))
}

struct ToHost {
    outbox: mpsc::Sender<FromInstance>,
    unasked: Arc<Unasked>,
}

impl Outbox for ToHost {
    fn put(&mut self, said: FromInstance) -> bool {
        self.outbox.blocking_send(said).is_ok()
    }

    fn ring(&mut self) -> bool {
        self.unasked.ring();
        !self.outbox.is_closed()
    }
}

/// What an instance in this process tells.
struct HostLog {
    teller: Teller,
    memory: Arc<Memory>,
    unasked: Arc<Unasked>,
}

impl Told for HostLog {
    fn log_enabled(&self, level: u32) -> bool {
        level <= Teller::level()
    }

    fn log(&self, line: LogLine) {
        self.teller.say(&line);
    }

    fn reader_event(&self, event: ReaderEvent) {
        self.unasked.notice(Noticed { event, after: self.memory.published() });
        self.memory.note_said();
    }
}
