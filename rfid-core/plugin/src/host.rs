//! The host, as the plugin's own code on any thread may call it.

use std::ptr::null;
use std::sync::{PoisonError, RwLock};

use rfid_abi::{Host, Log, ReaderEvent};

/// A host that may be called until it [leaves](HostLink::leave).
pub(crate) struct HostLink(RwLock<*const Host>);

// SAFETY: the pointer is only followed to call functions that the host allows on any thread, and not
// after `leave`, which waits for those that run.
unsafe impl Send for HostLink {}
// SAFETY: as above.
unsafe impl Sync for HostLink {}

impl HostLink {
    /// No host.
    pub(crate) const fn none() -> Self {
        Self(RwLock::new(null()))
    }

    /// Calls this host from now on.
    ///
    /// # Safety
    /// `host` points to a whole host that is valid until `leave` has returned.
    pub(crate) unsafe fn join(&self, host: *const Host) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = host;
    }

    /// Calls the host no more; returns when no call runs.
    pub(crate) fn leave(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = null();
    }

    /// Whether there is a host that would keep a line of this level.
    pub(crate) fn log_enabled(&self, level: u32) -> bool {
        self.with(|host| {
            let enabled = host.log_enabled?;
            // SAFETY: a function of a host that has not left.
            Some(unsafe { enabled(host, level.cast_signed()) } != 0)
        })
        .unwrap_or(false)
    }

    /// Writes a line; whether there was somebody to write it.
    pub(crate) fn log(&self, line: &Log) -> bool {
        self.with(|host| {
            let log = host.log?;
            // SAFETY: as above; the line outlives the call.
            unsafe { log(host, line) };
            Some(())
        })
        .is_some()
    }

    pub(crate) fn reader_event(&self, event: &ReaderEvent) {
        self.with(|host| {
            let tell = host.reader_event?;
            // SAFETY: as above; the event outlives the call.
            unsafe { tell(host, event) };
            Some(())
        });
    }

    fn with<T>(&self, call: impl FnOnce(&Host) -> Option<T>) -> Option<T> {
        let host = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: null, or valid until `leave` gets the lock.
        unsafe { host.as_ref() }.and_then(call)
    }
}
