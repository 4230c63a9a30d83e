//! The life of an instance on its own thread: calls as they are asked for, and reads in between.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rfid_core::ReadBuf;

use crate::message::{Call, FromInstance, ToInstance, millis};
use crate::raw::Instance;

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
}

/// Serves an instance until nobody asks any more, then closes and destroys it.
pub(crate) fn serve(mut instance: Instance, inbox: &Receiver<ToInstance>, outbox: &mut dyn Outbox) {
    let mut lent: VecDeque<ReadBuf> = VecDeque::new();
    let mut is_running = false;
    loop {
        let said = match next(inbox, is_running, !lent.is_empty()) {
            Next::Said(ToInstance::Lend(buf)) => {
                lent.push_back(buf);
                continue;
            }
            Next::Said(ToInstance::Deliver(events)) => {
                FromInstance::Answer(instance.deliver(&events, WRITE_LIMIT_MS))
            }
            Next::Said(ToInstance::Call(call)) => {
                let (is_start, is_end) =
                    (matches!(call, Call::Start), matches!(call, Call::Stop | Call::Close { .. }));
                let answer = instance.call(call);
                is_running = (is_running || is_start && answer.is_ok()) && !is_end;
                FromInstance::Answer(answer)
            }
            Next::Read => {
                let Some(mut buf) = lent.pop_front() else { continue };
                let outcome = instance.read(&mut buf, millis(READ_LIMIT));
                is_running = outcome.is_ok();
                FromInstance::Read(buf, outcome)
            }
            Next::KeepAlive => {
                // What is wrong is said by the next call that can be answered.
                let _ = instance.read_nothing();
                continue;
            }
            Next::End => break,
        };
        if !outbox.put(said) {
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
fn next(inbox: &Receiver<ToInstance>, is_running: bool, has_room: bool) -> Next {
    if is_running && has_room {
        return match inbox.try_recv() {
            Ok(said) => Next::Said(said),
            Err(TryRecvError::Empty) => Next::Read,
            Err(TryRecvError::Disconnected) => Next::End,
        };
    }
    if is_running {
        return match inbox.recv_timeout(IDLE) {
            Ok(said) => Next::Said(said),
            Err(RecvTimeoutError::Timeout) => Next::KeepAlive,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        };
    }
    inbox.recv().map_or(Next::End, Next::Said)
}
