//! Work that blocks, on threads where it holds nobody up.

use std::io;

use rfid_core::{Error, ErrorKind, Result};

/// Does it there. `op` is what it is for, where it ends in a panic.
pub(crate) async fn off_runtime<T: Send + 'static>(
    op: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::new(ErrorKind::Internal, op).with_source(error))?
}

/// The same for work with files, of whose errors no more is to be said than `op`.
pub(crate) async fn io_off_runtime<T: Send + 'static>(
    op: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    off_runtime(op, move || work().map_err(|error| Error::new(ErrorKind::Io, op).with_source(error))).await
}
