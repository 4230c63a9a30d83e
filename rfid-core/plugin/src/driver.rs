//! The functions of a driver's instances.

use std::future::poll_fn;
use std::ptr::null;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rfid_abi::{COMPONENT_DRIVER, Component, Error, Host, Instance, ReadBuf, Status, Str};
use rfid_core::{Driver, DynSession, ErrorKind, ReaderInfo, ReaderSetup, Recorder, Result};

use crate::extension;
use crate::failure::{Failure, Outcome};
use crate::held::Held;
use crate::instance::{self, Link};
use crate::inventory::Inventory;
use crate::lent::Lent;
use crate::module::{constant, describe};
use crate::runtime::{Ended, finish, run};

/// A driver that the macro exports.
pub trait ExportedDriver {
    /// It, always the same.
    fn driver() -> &'static dyn Driver;
}

/// The component of a driver.
pub fn component<D: ExportedDriver>() -> &'static Component {
    let functions = rfid_abi::Driver {
        struct_size: size_of::<rfid_abi::Driver>() as u32,
        reserved: 0,
        create: Some(create::<D>),
        open: Some(open),
        start: Some(start),
        read: Some(read),
        stop: Some(stop),
        cancel: Some(cancel),
        close: Some(close),
        destroy: Some(destroy),
        get_extension: Some(extension::get),
    };
    describe(&D::driver().describe(), COMPONENT_DRIVER, 0, constant(functions), null())
}

/// One reader.
pub(crate) struct Reader {
    session: Held<Box<dyn DynSession>, Result<()>>,
    inventory: Inventory,
    phase: Phase,
    pub(crate) info: Option<ReaderInfo>,
    /// What ended the inventory, to be said once everything read before it is handed over.
    failure: Option<Failure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open,
    Running,
    /// Open again, and what was read may still be fetched.
    Stopped,
    /// Something was left half done; only `close` is allowed.
    Unclear,
}

impl Reader {
    /// The session, called back from a running inventory, which loses nothing by it.
    pub(crate) fn session(&mut self) -> std::result::Result<&mut Box<dyn DynSession>, Failure> {
        self.session.call_back()
    }

    /// Whether the session is open and no inventory runs.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Stopped)
    }

    fn open(&mut self, link: &Link, limit: Duration) -> Outcome {
        if self.phase != Phase::Closed {
            return Err(Failure::state("open comes first, or after close"));
        }
        self.phase = Phase::Unclear;
        self.info = Some(finish(link, Some(limit), self.session()?.open())?);
        self.inventory.reset();
        self.phase = Phase::Open;
        Ok(Status::OK)
    }

    fn start(&mut self, link: &Link) -> Outcome {
        if !self.is_quiet() {
            return Err(Failure::state("start comes after open or stop"));
        }
        self.phase = Phase::Unclear;
        finish(link, None, self.session()?.start())?;
        self.inventory.reset();
        self.failure = None;
        self.phase = Phase::Running;
        Ok(Status::OK)
    }

    fn read(&mut self, link: &Arc<Link>, lent: &mut Lent<'_>, limit: Duration) -> Outcome {
        match self.phase {
            Phase::Running if self.failure.is_none() && self.inventory.is_empty() => {
                self.wait(link, limit)?;
            }
            Phase::Running | Phase::Stopped => {}
            _ => return Err(Failure::state("read comes after start")),
        }
        if lent.capacity() == 0 {
            // Reads and errors are kept for a call that has room for them.
            return Ok(Status::NO_DATA);
        }
        self.inventory.hand_over(lent);
        match self.failure.take_if(|_| self.inventory.is_empty() && lent.count() == 0) {
            Some(failure) => Err(failure),
            None if lent.count() == 0 => Ok(Status::NO_DATA),
            None => Ok(Status::OK),
        }
    }

    /// Lets the session read until there is something, within the limit.
    fn wait(&mut self, link: &Arc<Link>, limit: Duration) -> std::result::Result<(), Failure> {
        let silence_limit = self.info.as_ref().map_or(Duration::MAX, |info| info.silence_limit);
        if !self.session.is_away() {
            let handler = self.inventory.handler(link);
            self.session.lend(|session, recall| handler.run(session, recall))?;
        }
        let (session, inventory) = (&mut self.session, &mut self.inventory);
        let work = poll_fn(|cx| {
            if let Poll::Ready(ended) = session.poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if !inventory.is_empty() {
                return Poll::Ready(None);
            }
            inventory.listen();
            Poll::Pending
        });
        match run(link, Some(limit), work)? {
            Ended::Done(Some(Err(error))) => self.failure = Some(error.into()),
            Ended::Interrupted => return Err(Failure::cancelled()),
            Ended::Limit => {
                let silent = self.inventory.end_listening();
                if silent > silence_limit {
                    let seconds = silent.as_secs_f32();
                    let detail =
                        format!("no sign of life for {seconds:.1} s; the link or the reader is dead");
                    let error = rfid_core::Error::new(ErrorKind::Timeout, "read").with_detail(detail);
                    self.failure = Some(error.into());
                }
            }
            Ended::Done(_) => {}
        }
        Ok(())
    }

    fn stop(&mut self, link: &Link) -> Outcome {
        if self.phase != Phase::Running {
            return Err(Failure::state("stop comes after start"));
        }
        self.phase = Phase::Unclear;
        finish(link, None, self.session()?.stop())?;
        self.phase = Phase::Stopped;
        Ok(Status::OK)
    }

    fn close(&mut self, link: &Link, limit: Duration) -> Outcome {
        // What was cancelled before has ended by now.
        link.forget_cancel();
        self.phase = Phase::Unclear;
        self.info = None;
        self.failure = None;
        let closed = run(link, Some(limit), self.session()?.close())?;
        link.forget_cancel();
        self.inventory.reset();
        match closed {
            Ended::Done(outcome) => {
                // A session is closed whatever it says of it.
                self.phase = Phase::Closed;
                outcome.map(|()| Status::OK).map_err(Failure::from)
            }
            Ended::Limit => Err(Failure::too_slow(limit)),
            Ended::Interrupted => Err(Failure::cancelled()),
        }
    }
}

fn millis(limit: u32) -> Duration {
    Duration::from_millis(limit.into())
}

unsafe extern "C" fn create<D: ExportedDriver>(
    host: *const Host,
    config: Str,
    out: *mut *mut Instance,
    err: *mut Error,
) -> Status {
    let make = |setup: instance::Setup| {
        let reader = ReaderSetup {
            reader: setup.name,
            antenna_ports: setup.antenna_ports,
            recorder: Recorder::default(),
        };
        let session = D::driver().session(&setup.settings, &reader)?;
        Ok(Reader {
            session: Held::new(session),
            inventory: Inventory::new(),
            phase: Phase::Closed,
            info: None,
            failure: None,
        })
    };
    // SAFETY: as the interface says of `create`.
    unsafe { instance::create(host, config, out, err, make) }
}

unsafe extern "C" fn open(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: the host calls with an instance of this table's `create`; so in all that follow.
    unsafe {
        instance::call(instance, err, |link, reader: &mut Reader| reader.open(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn start(instance: *mut Instance, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe { instance::call(instance, err, |link, reader: &mut Reader| reader.start(link)) }
}

unsafe extern "C" fn read(
    instance: *mut Instance,
    buf: *mut ReadBuf,
    timeout_ms: u32,
    err: *mut Error,
) -> Status {
    // SAFETY: the host lends the buffer for this call. It is empty also where the call is refused.
    let lent = unsafe { Lent::new(buf) };
    let body = |link: &Arc<Link>, reader: &mut Reader| reader.read(link, &mut lent?, millis(timeout_ms));
    // SAFETY: as of `open`.
    unsafe { instance::call(instance, err, body) }
}

unsafe extern "C" fn stop(instance: *mut Instance, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe { instance::call(instance, err, |link, reader: &mut Reader| reader.stop(link)) }
}

unsafe extern "C" fn cancel(instance: *mut Instance) {
    // SAFETY: as of `open`.
    unsafe { instance::cancel::<Reader>(instance) }
}

unsafe extern "C" fn close(instance: *mut Instance, timeout_ms: u32, err: *mut Error) -> Status {
    // SAFETY: as of `open`.
    unsafe {
        instance::call(instance, err, |link, reader: &mut Reader| reader.close(link, millis(timeout_ms)))
    }
}

unsafe extern "C" fn destroy(instance: *mut Instance) {
    // SAFETY: as of `open`; the host says that it is the last call.
    unsafe { instance::destroy::<Reader>(instance) }
}
