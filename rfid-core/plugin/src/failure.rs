//! Why a call failed, as the host is told.

use std::fmt::Write;
use std::time::Duration;

use rfid_abi::{ERROR_FATAL, ERROR_RECONNECT, ERROR_RETRY, Error, Status};
use rfid_core::{ConfigFaults, ErrorKind, Retry};

/// What a call of the host comes to.
pub(crate) type Outcome = Result<Status, Failure>;

/// Everything that the host is told about a call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    message: String,
    retry: Option<Retry>,
    vendor_code: i64,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry: None, vendor_code: 0 }
    }

    /// The host did what the interface does not allow.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Status::INVALID, message)
    }

    pub(crate) fn state(message: &str) -> Self {
        Self::new(Status::STATE, message)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(Status::CANCELLED, "the host cancelled this")
    }

    pub(crate) fn too_slow(limit: Duration) -> Self {
        let message = format!("not done within {:.1} s", limit.as_secs_f32());
        Self { retry: Some(Retry::Reconnect), ..Self::new(Status::TIMEOUT, message) }
    }

    pub(crate) fn panicked(said: &str) -> Self {
        Self::new(Status::PANIC, said)
    }

    /// Tells the host and returns what the call is to return.
    ///
    /// # Safety
    /// `to` is null or points to an error that the host lends for this call.
    pub(crate) unsafe fn tell(&self, to: *mut Error) -> Status {
        // SAFETY: the caller says so.
        if let Some(to) = unsafe { to.as_mut() }
            && to.struct_size as usize >= size_of::<Error>()
        {
            let (flags, wait) = match self.retry {
                Some(Retry::Never) => (ERROR_FATAL, Duration::ZERO),
                Some(Retry::After(wait)) => (ERROR_RETRY, wait),
                Some(Retry::Reconnect) => (ERROR_RECONNECT, Duration::ZERO),
                None => (0, Duration::ZERO),
            };
            let message = whole_characters(&self.message, Error::MESSAGE);
            to.code = self.status.0;
            to.flags = flags;
            to.retry_after_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            to.vendor_code = self.vendor_code;
            to.message_len = message.len() as u32;
            for (to, from) in to.message.iter_mut().zip(message.bytes()) {
                *to = from.cast_signed();
            }
        }
        self.status
    }
}

/// As much of a text as fits.
fn whole_characters(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

impl From<rfid_core::Error> for Failure {
    fn from(error: rfid_core::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Config => Status::CONFIG,
            ErrorKind::Connect => Status::NOT_CONNECTED,
            ErrorKind::Io => Status::IO,
            ErrorKind::Protocol => Status::PROTOCOL,
            ErrorKind::Timeout => Status::TIMEOUT,
            ErrorKind::Busy => Status::BUSY,
            ErrorKind::Denied => Status::DENIED,
            ErrorKind::Unsupported => Status::UNSUPPORTED,
            ErrorKind::Regulatory => Status::REGULATORY,
            ErrorKind::TagLost => Status::NO_TAG,
            ErrorKind::Cancelled => Status::CANCELLED,
            ErrorKind::Panicked => Status::PANIC,
            ErrorKind::Damaged => Status::DAMAGED,
            _ => Status::INTERNAL,
        };
        let mut message = error.detail().unwrap_or_default().to_owned();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            let separator = if message.is_empty() { "" } else { ": " };
            // Writing to a string does not fail.
            let _ = write!(message, "{separator}{source}");
            cause = source.source();
        }
        Self {
            status,
            message,
            retry: Some(error.retry()),
            vendor_code: error.vendor_code().unwrap_or_default(),
        }
    }
}

impl From<ConfigFaults> for Failure {
    fn from(faults: ConfigFaults) -> Self {
        let lines: Vec<String> = faults
            .into_iter()
            .map(|fault| match fault.path.as_str() {
                "" => fault.message,
                path => format!("{path}: {}", fault.message),
            })
            .collect();
        Self::new(Status::CONFIG, lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::ConfigFault;

    fn told(failure: &Failure) -> (Error, String) {
        let mut error = Error::none();
        // SAFETY: the error is a local.
        assert_eq!(unsafe { failure.tell(&raw mut error) }, failure.status);
        let bytes: Vec<u8> =
            error.message.iter().take(error.message_len as usize).map(|byte| byte.cast_unsigned()).collect();
        (error, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_error_keeps_its_words_its_causes_and_what_helps() {
        let error = rfid_core::Error::new(ErrorKind::Connect, "open")
            .with_detail("reader.example refused")
            .with_vendor_code(-7)
            .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let (told, message) = told(&Failure::from(error));
        assert_eq!(message, "reader.example refused: connection refused");
        assert_eq!((told.code, told.flags), (Status::NOT_CONNECTED.0, ERROR_RECONNECT));
        assert_eq!(told.vendor_code, -7);
    }

    #[test]
    fn waiting_is_told_in_milliseconds() {
        let error = rfid_core::Error::new(ErrorKind::Busy, "open");
        let (told, message) = told(&Failure::from(error));
        assert_eq!((told.flags, told.retry_after_ms, message.as_str()), (ERROR_RETRY, 1000, ""));
    }

    #[test]
    fn each_fault_of_the_options_is_a_line_with_its_place() {
        let mut faults = ConfigFaults::from(ConfigFault::new("/antennas/7", "this reader has 4"));
        faults.push(ConfigFault::new("", "nothing to read"));
        assert_eq!(told(&faults.into()).1, "/antennas/7: this reader has 4\nnothing to read");
    }

    #[test]
    fn a_long_message_ends_with_a_whole_character() {
        let failure = Failure::invalid(format!("x{}", "ä".repeat(Error::MESSAGE)));
        assert_eq!(told(&failure).1.len(), Error::MESSAGE - 1);
    }

    #[test]
    fn an_error_of_another_size_is_left_alone() {
        let mut error = Error { struct_size: 8, ..Error::none() };
        // SAFETY: the error is a local.
        unsafe { Failure::cancelled().tell(&raw mut error) };
        assert_eq!(error.code, 0);
    }
}
