//! The life of an instance on its own thread: calls as they are asked for, and reads in between.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use crate::message::{Call, FromInstance, ToInstance, millis};
use crate::raw::Instance;
use crate::ring::Filler;

/// How long one `read` may wait.
pub(crate) const READ_LIMIT: Duration = Duration::from_millis(250);
/// How often an instance may look after its connection while nothing can be taken.
const IDLE: Duration = Duration::from_millis(100);
/// How long the last `close` may take.
const LAST_CLOSE_MS: u32 = 1_000;
/// How long a sink may take for one `write`.
const WRITE_LIMIT_MS: u32 = 10_000;

/// Where an instance's words go. Says whether anybody still listens.
pub(crate) trait Outbox {
    fn put(&mut self, said: FromInstance) -> bool;

    /// The host waits, and there are reads, or the instance at least lives.
    fn ring(&mut self) -> bool;
}

/// Serves an instance until nobody asks any more, then closes and destroys it.
///
/// Whoever puts something into the inbox wakes the instance, which may wait for room in the ring
/// ([`crate::ring::Memory::wake_instance`]).
pub(crate) fn serve(
    mut instance: Instance,
    mut ring: Filler,
    inbox: &Receiver<ToInstance>,
    outbox: &mut dyn Outbox,
) {
    let mut is_running = false;
    loop {
        let is_heard = match next(inbox, is_running, &mut ring) {
            Next::Said(ToInstance::Deliver(events)) => {
                outbox.put(FromInstance::Answer(instance.deliver(&events, WRITE_LIMIT_MS)))
            }
            Next::Said(ToInstance::Call(call)) => {
                let (is_start, is_end) =
                    (matches!(call, Call::Start), matches!(call, Call::Stop | Call::Close { .. }));
                let answer = instance.call(call);
                is_running = (is_running || is_start && answer.is_ok()) && !is_end;
                outbox.put(FromInstance::Answer(answer))
            }
            Next::Read => match instance.read(&mut ring, millis(READ_LIMIT)) {
                Ok(()) => !ring.is_host_to_be_told() || outbox.ring(),
                Err(fault) => {
                    is_running = false;
                    outbox.put(FromInstance::Failed(fault, ring.published()))
                }
            },
            Next::KeepAlive => {
                // What is wrong is said by the next call that can be answered.
                let _ = instance.read_nothing();
                true
            }
            Next::End => false,
        };
        if !is_heard {
            break;
        }
    }
    let _ = instance.close(LAST_CLOSE_MS);
}

enum Next {
    Said(ToInstance),
    Read,
    KeepAlive,
    End,
}

/// What is to be done next: what was asked for, before anything is read.
fn next(inbox: &Receiver<ToInstance>, is_running: bool, ring: &mut Filler) -> Next {
    if !is_running {
        return inbox.recv().map_or(Next::End, Next::Said);
    }
    if let Some(asked) = asked(inbox) {
        return asked;
    }
    if ring.has_room() {
        return Next::Read;
    }
    ring.about_to_wait();
    if let Some(asked) = asked(inbox) {
        return asked;
    }
    if !ring.has_half() {
        ring.wait(IDLE);
        if let Some(asked) = asked(inbox) {
            return asked;
        }
    }
    if ring.has_room() { Next::Read } else { Next::KeepAlive }
}

fn asked(inbox: &Receiver<ToInstance>) -> Option<Next> {
    match inbox.try_recv() {
        Ok(said) => Some(Next::Said(said)),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(Next::End),
    }
}
