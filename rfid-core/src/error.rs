//! The one error of the framework: what happened, whether a retry can help, and to whom.

use std::fmt;
use std::time::Duration;

use crate::name::Name;
use crate::settings::ConfigFaults;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration cannot be carried out.
    Config,
    /// The reader, server or device could not be reached.
    Connect,
    /// Reading or writing failed after the connection was made.
    Io,
    /// The other side said something that its protocol does not allow.
    Protocol,
    /// No answer in time.
    Timeout,
    /// The other side is busy with someone else.
    Busy,
    /// A password, key or right is missing.
    Denied,
    /// The reader cannot do this.
    Unsupported,
    /// Radio rules forbid this.
    Regulatory,
    /// The tag left the field before the operation was over.
    TagLost,
    /// The caller gave up.
    Cancelled,
    /// The code of a driver or sink panicked.
    Panicked,
    /// Stored data is damaged.
    Damaged,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// Lower-case word for logs and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Connect => "connect",
            Self::Io => "io",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Regulatory => "regulatory",
            Self::TagLost => "tag_lost",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::Damaged => "damaged",
            Self::Internal => "internal",
        }
    }
}

/// Whether and how the same operation may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Trying again gives the same result.
    Never,
    /// Try again after this long, on the same session or sink.
    After(Duration),
    /// Close the session and open it again first.
    Reconnect,
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of a driver, a sink or the framework.
///
/// `{}` prints one line; `{:#}` adds the chain of causes. A supervisor needs only
/// [`Error::retry`] to decide what to do.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    op: &'static str,
    reader: Option<Name>,
    vendor_code: Option<i64>,
    detail: Option<String>,
    source: Option<Source>,
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind in this operation (`"open"`, `"read"`, `"deliver"`, …).
    ///
    /// [`Retry`] starts as what the kind suggests: a reconnection for `Connect`, `Io`,
    /// `Protocol` and `Timeout`, a second for `Busy`, never for the rest.
    pub fn new(kind: ErrorKind, op: &'static str) -> Self {
        let retry = match kind {
            ErrorKind::Connect | ErrorKind::Io | ErrorKind::Protocol | ErrorKind::Timeout => Retry::Reconnect,
            ErrorKind::Busy => Retry::After(Duration::from_secs(1)),
            _ => Retry::Never,
        };
        Self { kind, retry, op, reader: None, vendor_code: None, detail: None, source: None }
    }

    /// Says what happened, in words for the operator.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Keeps the cause.
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Keeps the device's own error code.
    pub fn with_vendor_code(mut self, code: i64) -> Self {
        self.vendor_code = Some(code);
        self
    }

    /// Says which reader it was.
    pub fn with_reader(mut self, reader: Name) -> Self {
        self.reader = Some(reader);
        self
    }

    /// Says whether and how to try again.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether and how to try again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// The operation that failed.
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// The reader, if the error is about one.
    pub fn reader(&self) -> Option<&Name> {
        self.reader.as_ref()
    }

    /// What happened, in words for the operator: without the operation, the kind and the causes.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The device's own error code.
    pub fn vendor_code(&self) -> Option<i64> {
        self.vendor_code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reader) = &self.reader {
            write!(f, "reader {reader}: ")?;
        }
        write!(f, "{} failed ({})", self.op, self.kind.label())?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(code) = self.vendor_code {
            write!(f, " [device code {code}]")?;
        }
        if f.alternate() {
            let mut cause = self.source.as_deref().map(|source| source as &dyn std::error::Error);
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl From<ConfigFaults> for Error {
    fn from(faults: ConfigFaults) -> Self {
        Self::new(ErrorKind::Config, "configure").with_detail(faults.to_string())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_who_what_and_why() {
        let error = Error::new(ErrorKind::Connect, "open")
            .with_reader(Name::from("hubin_door"))
            .with_detail("192.168.10.20:8080 refused the connection")
            .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert_eq!(
            error.to_string(),
            "reader hubin_door: open failed (connect): 192.168.10.20:8080 refused the connection"
        );
        assert_eq!(error.detail(), Some("192.168.10.20:8080 refused the connection"));
        assert!(format!("{error:#}").ends_with(": connection refused"));
        assert_eq!(error.retry(), Retry::Reconnect);
    }
}
