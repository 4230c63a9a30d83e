//! What went wrong with the service or the reader, in words.

use std::time::Duration;

use rfid_core::{Error, ErrorKind, Retry};

/// What went wrong with the service or the reader.
pub(super) fn failed(op: &'static str, error: pcsc::Error) -> Error {
    use pcsc::Error::{
        NoReadersAvailable, NoService, ReaderUnavailable, ServiceStopped, SharingViolation, UnknownReader,
    };
    let kind = match error {
        SharingViolation => ErrorKind::Busy,
        NoService | ServiceStopped | UnknownReader | ReaderUnavailable | NoReadersAvailable => {
            ErrorKind::Connect
        }
        _ if op == "open" => ErrorKind::Connect,
        _ => ErrorKind::Io,
    };
    let retry = match kind {
        ErrorKind::Busy => Retry::After(Duration::from_secs(1)),
        _ => Retry::Reconnect,
    };
    Error::new(kind, op).with_detail(meaning(error)).with_retry(retry).with_source(error)
}

/// An error of PC/SC in words, and what to do.
pub(super) fn meaning(error: pcsc::Error) -> &'static str {
    use pcsc::Error::{
        CommError, InvalidHandle, NoReadersAvailable, NoService, ReaderUnavailable, ServiceStopped,
        SharingViolation, UnknownReader,
    };
    match error {
        NoService | ServiceStopped | CommError | InvalidHandle => {
            "the PC/SC service does not run or was restarted; start pcscd"
        }
        UnknownReader | ReaderUnavailable | NoReadersAvailable => "the reader was unplugged",
        SharingViolation => "another program has the card for itself; end it",
        _ => "the PC/SC service reports an error",
    }
}
