//! What a reader driver is: a factory that takes configuration, and sessions that deliver reads.
//!
//! # For driver authors
//!
//! Implement [`Session`] for the type that holds the connection to one reader, and [`Driver`] for
//! the type that makes sessions from configuration. A session knows a wire protocol and nothing
//! else: no retry, no reconnection, no de-duplication, no time stamps. All that is done around
//! it, once for all drivers, by the [supervisor](crate::supervisor). Where something fails, the
//! session classifies the error and returns.
//!
//! The calls come in this order, and none after `close` but another `open`:
//!
//! ```text
//! session (open (start read* stop)* close)*
//! ```
//!
//! The suite in `rfid-conformance` checks a driver against this contract.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;

use crate::abilities::{CardAccess, Gpio, TagAccess, Tune};
use crate::air_protocol::AirProtocol;
use crate::error::Result;
use crate::name::Name;
use crate::read_buf::ReadBuf;
use crate::recording::Recorder;
use crate::settings::{ConfigFaults, Description, Settings};

/// Makes sessions of one family of readers from configuration, without any I/O.
pub trait Driver: Send + Sync {
    /// Name, options and example of this driver.
    fn describe(&self) -> Description;

    /// A session for one reader, not yet connected.
    ///
    /// *Behaviour*: no I/O, no threads, no waiting. *Errors*: everything that is wrong with the
    /// options and that their schema could not say, all at once.
    fn session(&self, settings: &Settings, reader: &ReaderSetup)
    -> Result<Box<dyn DynSession>, ConfigFaults>;

    /// What a session with these options has for itself, so that the host can refuse a second
    /// one: `tcp 192.168.10.20:8080`, `serial /dev/ttyUSB0`.
    ///
    /// *Behaviour*: the same thing has the same name however the options write it. May look at
    /// the names of files and does no other I/O. Nothing if the options are not in order.
    fn resources(&self, settings: &Settings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }
}

/// What the host tells a session about the reader's place in the configuration.
#[derive(Clone, Debug)]
pub struct ReaderSetup {
    /// The reader's name, for errors and log lines.
    pub reader: Name,
    /// Antenna ports that belong to a zone, in ascending order. A driver listens on these only;
    /// empty means: on all that there are.
    pub antenna_ports: Vec<u16>,
    /// Where the session's connections say what they send and receive.
    pub recorder: Recorder,
}

impl ReaderSetup {
    /// A reader of this name that listens on all its antennas.
    pub fn named(reader: &str) -> Self {
        Self { reader: Name::from(reader), antenna_ports: Vec::new(), recorder: Recorder::default() }
    }
}

/// What a session found out about its reader while opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderInfo {
    /// Maker and model, as far as the reader lets it be known.
    pub model: String,
    /// Firmware version as the reader writes it.
    pub firmware: String,
    /// Serial number or another lasting identity, if the reader has one.
    pub serial: Option<String>,
    /// Air protocols that the reader can speak, if it says so.
    pub protocols: Vec<AirProtocol>,
    /// Antenna ports that are listening. Empty: the reader does not say.
    pub antenna_ports: Vec<u16>,
    /// A healthy session returns from [`Session::read`] at least this often, with or without
    /// reads. The supervisor takes longer silence for a dead link.
    pub silence_limit: Duration,
}

/// A session with one reader, for implementers.
///
/// Hosts use the boxed form [`DynSession`], which every `Session` is.
///
/// Methods are `async fn` in an implementation:
///
/// ```
/// use rfid_core::{ReadBuf, ReaderInfo, Result, Session, TagIdKind};
/// # use std::time::Duration;
///
/// struct OneTag;
///
/// impl Session for OneTag {
///     async fn open(&mut self) -> Result<ReaderInfo> {
///         Ok(ReaderInfo {
///             model: "One Tag".into(),
///             firmware: "1".into(),
///             serial: None,
///             protocols: vec![],
///             antenna_ports: vec![1],
///             silence_limit: Duration::from_secs(5),
///         })
///     }
///     async fn start(&mut self) -> Result<()> {
///         Ok(())
///     }
///     async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
///         tokio::time::sleep(Duration::from_millis(50)).await;
///         if let Ok(read) = buf.record(TagIdKind::Epc, &[0x30, 0x01]) {
///             read.set_antenna_port(1);
///         }
///         Ok(())
///     }
///     async fn stop(&mut self) -> Result<()> {
///         Ok(())
///     }
///     async fn close(&mut self) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
pub trait Session: Send + 'static {
    /// Connects to the reader, finds out what it is and puts it into a known state.
    ///
    /// *Behaviour*: ends whatever an earlier client left running. May be called again after
    /// [`Session::close`]. *Cancel safety*: after a dropped `open`, call `close`. *Time*: the
    /// supervisor gives up after its connect time-out. *Errors*: `Connect`, `Io`, `Protocol`,
    /// `Timeout`, `Busy`, `Denied`, `Unsupported`.
    fn open(&mut self) -> impl Future<Output = Result<ReaderInfo>> + Send;

    /// Begins the inventory.
    ///
    /// *Cancel safety*: after a dropped `start`, call `close`. *Errors*: as `open`, and
    /// `Regulatory`.
    fn start(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Waits for reads and adds them to the buffer.
    ///
    /// *Behaviour*: returns as soon as at least one read is there and no more is ready, or when
    /// the buffer is full, or as a sign of life without reads: at least every
    /// [`ReaderInfo::silence_limit`]. Never waits to fill the buffer. Keeps the order in which
    /// the reader reported. *Cancel safety*: nothing is lost; reads that are in the buffer stay
    /// valid, and what is not yet there comes with the next call. *Back-pressure*: not being
    /// called. *Errors*: after an error the supervisor calls `close`, and reads that are in the
    /// buffer still count.
    fn read(&mut self, buf: &mut ReadBuf) -> impl Future<Output = Result<()>> + Send;

    /// Ends the inventory and leaves nothing running on the reader.
    ///
    /// *Cancel safety*: after a dropped `stop`, call `close`.
    fn stop(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Ends the connection and everything that belongs to it.
    ///
    /// *Behaviour*: allowed in every state, also twice and after a failed `open`. *Errors*: none
    /// that the caller has to act on; the session is closed in any case.
    fn close(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Transmit power and antennas, if this reader lets them be set.
    fn tune(&mut self) -> Option<&mut dyn Tune> {
        None
    }

    /// Inputs and outputs, if this reader has any.
    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        None
    }

    /// Memory of tags, if this reader lets it be read and written.
    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        None
    }

    /// Memory of cards at 13.56 MHz, if this reader lets it be read and written.
    fn card_access(&mut self) -> Option<&mut dyn CardAccess> {
        None
    }
}

/// Takes the batches of a running inventory.
pub trait ReadHandler: Send {
    /// An empty buffer to read into; the same one until [`ReadHandler::filled`].
    fn buffer(&mut self) -> &mut ReadBuf;

    /// The buffer was handed back by [`Session::read`], with or without reads.
    ///
    /// Never waits: when the line behind is slow, the handler merges.
    fn filled(&mut self);

    /// Whether the line behind should have its turn before the session is read on.
    fn is_ahead(&self) -> bool {
        false
    }
}

/// A [`Session`] behind a pointer, for hosts. Implemented for every `Session`.
#[async_trait]
pub trait DynSession: Send {
    /// See [`Session::open`].
    async fn open(&mut self) -> Result<ReaderInfo>;
    /// See [`Session::start`].
    async fn start(&mut self) -> Result<()>;
    /// Calls [`Session::read`] again and again, handing each buffer over, until an error.
    ///
    /// One call serves a whole inventory, so the boxed future that a `dyn` trait costs is paid
    /// once for it and not once for each read. *Cancel safety*: as `read`: what is in the
    /// handler's buffer stays valid, nothing is lost.
    async fn pump(&mut self, handler: &mut dyn ReadHandler) -> Result<()>;
    /// See [`Session::read`]: one call, for whoever goes step by step.
    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()>;
    /// See [`Session::stop`].
    async fn stop(&mut self) -> Result<()>;
    /// See [`Session::close`].
    async fn close(&mut self) -> Result<()>;
    /// See [`Session::tune`].
    fn tune(&mut self) -> Option<&mut dyn Tune>;
    /// See [`Session::gpio`].
    fn gpio(&mut self) -> Option<&mut dyn Gpio>;
    /// See [`Session::tag_access`].
    fn tag_access(&mut self) -> Option<&mut dyn TagAccess>;
    /// See [`Session::card_access`].
    fn card_access(&mut self) -> Option<&mut dyn CardAccess>;
}

#[async_trait]
impl<S: Session> DynSession for S {
    async fn open(&mut self) -> Result<ReaderInfo> {
        Session::open(self).await
    }

    async fn start(&mut self) -> Result<()> {
        Session::start(self).await
    }

    async fn pump(&mut self, handler: &mut dyn ReadHandler) -> Result<()> {
        loop {
            let outcome = Session::read(self, handler.buffer()).await;
            handler.filled();
            outcome?;
            // A session that always has something ready must starve neither its neighbours nor the
            // line behind.
            if handler.is_ahead() {
                tokio::task::yield_now().await;
            } else {
                tokio::task::coop::consume_budget().await;
            }
        }
    }

    async fn read(&mut self, buf: &mut ReadBuf) -> Result<()> {
        Session::read(self, buf).await
    }

    async fn stop(&mut self) -> Result<()> {
        Session::stop(self).await
    }

    async fn close(&mut self) -> Result<()> {
        Session::close(self).await
    }

    fn tune(&mut self) -> Option<&mut dyn Tune> {
        Session::tune(self)
    }

    fn gpio(&mut self) -> Option<&mut dyn Gpio> {
        Session::gpio(self)
    }

    fn tag_access(&mut self) -> Option<&mut dyn TagAccess> {
        Session::tag_access(self)
    }

    fn card_access(&mut self) -> Option<&mut dyn CardAccess> {
        Session::card_access(self)
    }
}
