//! What the host and an instance say to each other, through a channel or over a socket.

use std::fmt;
use std::time::Duration;

use rfid_abi as abi;
use rfid_core::{ConfigFault, ConfigFaults, Error, ErrorKind, Loss, Retry, TagId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Faults of options that are shown.
const MOST_FAULTS: usize = 64;

/// Longest text of a plugin that is shown.
const LONGEST_TEXT: usize = 4096;

/// A plugin's text as it may be shown: in one line, so that it cannot look like lines of the host,
/// and not for ever.
pub(crate) fn shown(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default();
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// How a message begins that says what a plugin did that cannot be.
pub(crate) const AT_FAULT: &str = "the plugin is at fault: ";

/// What a module says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ModuleInfo {
    pub(crate) id: String,
    pub(crate) vendor: String,
    pub(crate) version: String,
    pub(crate) built_with: String,
    pub(crate) isolate: bool,
    pub(crate) one_per_process: bool,
    pub(crate) components: Vec<ComponentInfo>,
}

impl ModuleInfo {
    /// The same with texts that may be shown.
    pub(crate) fn shown(mut self) -> Self {
        let components = self.components.iter_mut().flat_map(|one| [&mut one.id, &mut one.description]);
        for text in [&mut self.id, &mut self.vendor, &mut self.version, &mut self.built_with]
            .into_iter()
            .chain(components)
        {
            *text = shown(text);
        }
        self
    }
}

/// What a component says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ComponentInfo {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) schema: Value,
    pub(crate) example: String,
    /// Of a sink: whether events are of use to it after they have passed on.
    pub(crate) takes_late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Driver,
    Sink,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "driver",
            Self::Sink => "sink",
        })
    }
}

/// What an instance is made of.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) kind: Kind,
    pub(crate) component: String,
    /// The reader's or sink's name.
    pub(crate) name: String,
    pub(crate) antenna_ports: Vec<u16>,
    pub(crate) data_dir: String,
    /// Secrets stand in clear text: this is never printed.
    pub(crate) options: Value,
}

/// What an instance can do besides.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Abilities {
    pub(crate) tune: bool,
    pub(crate) gpio: bool,
    pub(crate) tag_access: bool,
}

/// A call with one answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    Open { limit_ms: u32 },
    Start,
    Stop,
    Close { limit_ms: u32 },
    Power { port: u16 },
    SetPower { port: u16, cdbm: i16 },
    Inputs,
    SetOutput { pin: u8, high: bool },
    Tag(TagCall),
    Probe { limit_ms: u32 },
    Flush { limit_ms: u32 },
    Lost(Loss),
}

impl Call {
    /// What the interface calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Close { .. } => "close",
            Self::Power { .. } => "read_power",
            Self::SetPower { .. } => "set_read_power",
            Self::Inputs => "inputs",
            Self::SetOutput { .. } => "set_output",
            Self::Tag(_) => "execute",
            Self::Probe { .. } => "probe",
            Self::Flush { .. } => "flush",
            Self::Lost(_) => "lost",
        }
    }
}

/// A limit as the interface counts it.
pub(crate) fn millis(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis()).unwrap_or(u32::MAX)
}

/// An operation on a tag.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TagCall {
    pub(crate) kind: u32,
    pub(crate) tag: TagId,
    pub(crate) password: Option<u32>,
    pub(crate) antenna: u16,
    pub(crate) protocol: u8,
    pub(crate) bank: u8,
    pub(crate) count: u16,
    pub(crate) address: u32,
    pub(crate) kill_password: u32,
    pub(crate) lock_mask: u16,
    pub(crate) lock_action: u16,
    pub(crate) data: Vec<u8>,
}

/// To an instance.
#[derive(Debug)]
pub(crate) enum ToInstance {
    Call(Call),
    Deliver(EncodedEvents),
}

/// From an instance.
#[derive(Debug)]
pub(crate) enum FromInstance {
    Answer(Result<Answer, Fault>),
    /// The inventory has ended, with the last reads here in the ring.
    Failed(Fault, u64),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Created(Abilities),
    Opened(OpenedReader),
    Power(i16),
    Inputs(Vec<(u8, bool)>),
    Memory(Vec<u8>),
    Taken { accepted: u32, retry_after_ms: u32, records: Vec<(u32, Value)> },
}

/// What `open` found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct OpenedReader {
    pub(crate) model: String,
    pub(crate) firmware: String,
    pub(crate) serial: Option<String>,
    pub(crate) protocols: Vec<u8>,
    pub(crate) antenna_ports: Vec<u16>,
}

/// What a reader noticed besides tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ReaderEvent {
    Antenna { port: u16, listens: bool },
    Input { pin: u8, high: bool },
    Lost { reads: u64 },
}

/// What was noticed, and when: after the reads up to here in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noticed {
    pub(crate) event: ReaderEvent,
    pub(crate) after: u64,
}

/// A line for the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) level: u32,
    pub(crate) target: String,
    pub(crate) message: String,
    pub(crate) place: String,
}

/// Events as they cross the boundary.
#[derive(Debug, Default)]
pub(crate) struct EncodedEvents {
    pub(crate) events: Vec<abi::EventRecord>,
    pub(crate) aux: Vec<u8>,
}

/// Why a call failed, as the boundary says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) status: i32,
    pub(crate) flags: u32,
    pub(crate) retry_after_ms: u32,
    pub(crate) vendor_code: i64,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(status: abi::Status, message: impl Into<String>) -> Self {
        Self { status: status.0, flags: 0, retry_after_ms: 0, vendor_code: 0, message: message.into() }
    }

    /// The same, with the plugin's name where what happened is its author's matter and not its reader's.
    pub(crate) fn of_plugin(mut self, plugin: &str) -> Self {
        let name = |message: &str| format!("plugin {plugin}: {message}");
        if let Some(what) = self.message.strip_prefix(AT_FAULT) {
            self.message = name(&format!("it is at fault: {what}"));
        } else if self.status == abi::Status::PANIC.0 {
            self.message = name(&self.message);
        }
        self
    }

    fn kind(&self) -> ErrorKind {
        match abi::Status(self.status) {
            abi::Status::CONFIG => ErrorKind::Config,
            abi::Status::IO => ErrorKind::Io,
            abi::Status::PROTOCOL => ErrorKind::Protocol,
            abi::Status::TIMEOUT => ErrorKind::Timeout,
            abi::Status::NOT_CONNECTED => ErrorKind::Connect,
            abi::Status::DENIED => ErrorKind::Denied,
            abi::Status::UNSUPPORTED => ErrorKind::Unsupported,
            abi::Status::BUSY => ErrorKind::Busy,
            abi::Status::CANCELLED => ErrorKind::Cancelled,
            abi::Status::PANIC => ErrorKind::Panicked,
            abi::Status::REGULATORY => ErrorKind::Regulatory,
            abi::Status::NO_TAG => ErrorKind::TagLost,
            abi::Status::DAMAGED => ErrorKind::Damaged,
            _ => ErrorKind::Internal,
        }
    }

    /// The framework's error in this operation.
    pub(crate) fn into_error(self, op: &'static str) -> Error {
        let mut error = Error::new(self.kind(), op);
        if self.flags & abi::ERROR_RECONNECT != 0 {
            error = error.with_retry(Retry::Reconnect);
        } else if self.flags & abi::ERROR_RETRY != 0 {
            error = error.with_retry(Retry::After(Duration::from_millis(self.retry_after_ms.into())));
        } else if self.flags & abi::ERROR_FATAL != 0 {
            error = error.with_retry(Retry::Never);
        }
        if self.vendor_code != 0 {
            error = error.with_vendor_code(self.vendor_code);
        }
        if self.message.is_empty() { error } else { error.with_detail(shown(&self.message)) }
    }

    /// The faults of a configuration that an instance could not be made from, one for each line
    /// of the message. A line may begin with the JSON pointer of an option.
    pub(crate) fn into_config_faults(self) -> ConfigFaults {
        let mut faults = ConfigFaults::default();
        let refused = match abi::Status(self.status) {
            abi::Status::CONFIG => String::new(),
            _ => format!("the plugin could not make an instance ({})", self.kind().label()),
        };
        for line in self.message.lines().filter(|line| !line.is_empty()).take(MOST_FAULTS).map(shown) {
            let line = line.as_str();
            faults.push(match line.split_once(": ") {
                Some((pointer, message)) if pointer.starts_with('/') && refused.is_empty() => {
                    ConfigFault::new(pointer, message)
                }
                _ if refused.is_empty() => ConfigFault::new("", line),
                _ => ConfigFault::new("", format!("{refused}: {line}")),
            });
        }
        if faults.is_empty() {
            let nothing = "the plugin refuses these options and does not say why";
            faults.push(ConfigFault::new("", if refused.is_empty() { nothing } else { &refused }));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_options_point_to_them() {
        let fault =
            Fault::new(abi::Status::CONFIG, "/antennas/7: this reader has 4 antennas\nsomething: else\n");
        let faults: Vec<ConfigFault> = fault.into_config_faults().into_iter().collect();
        assert_eq!(
            faults,
            [
                ConfigFault::new("/antennas/7", "this reader has 4 antennas"),
                ConfigFault::new("", "something: else"),
            ]
        );
    }

    #[test]
    fn a_plugin_that_fails_without_a_word_is_a_fault_all_the_same() {
        for status in [abi::Status::CONFIG, abi::Status::NO_MEMORY] {
            assert!(!Fault::new(status, "").into_config_faults().is_empty());
        }
    }

    #[test]
    fn a_text_of_a_plugin_is_one_line_and_not_a_long_one() {
        let error =
            Fault::new(abi::Status::IO, "cut\n2026-11-29 ERROR all is lost\x1b[2J").into_error("read");
        assert_eq!(error.detail(), Some("cut 2026-11-29 ERROR all is lost [2J"));
        assert_eq!(shown(&"ä".repeat(LONGEST_TEXT)).len(), LONGEST_TEXT);
    }

    #[test]
    fn what_is_the_authors_matter_names_the_plugin() {
        let said = |status, message: &str| Fault::new(status, message).of_plugin("acme").message;
        assert_eq!(said(abi::Status::PANIC, "no tag"), "plugin acme: no tag");
        assert_eq!(
            crate::raw::lie("too many").of_plugin("acme").message,
            "plugin acme: it is at fault: too many"
        );
        assert_eq!(said(abi::Status::IO, "cut"), "cut");
    }

    #[test]
    fn flags_say_what_to_try_and_without_them_the_status_does() {
        let fault = |flags| Fault { flags, retry_after_ms: 250, ..Fault::new(abi::Status::IO, "cut") };
        assert_eq!(fault(0).into_error("read").retry(), Retry::Reconnect);
        assert_eq!(fault(abi::ERROR_FATAL).into_error("read").retry(), Retry::Never);
        let wait = Retry::After(Duration::from_millis(250));
        assert_eq!(fault(abi::ERROR_RETRY).into_error("read").retry(), wait);
        let unknown = Fault::new(abi::Status(-99), "").into_error("read");
        assert_eq!(unknown.kind(), ErrorKind::Internal);
    }
}
