//! A panic in a plugin's code is caught here, the only place where it can be: a host has another
//! copy of the standard library and would be aborted by it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::logging;

thread_local! {
    /// What the hook heard of the panic that is under way on this thread.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sees to it that a panic is said in the host's log, with its place.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = text_of(info.payload());
            if !logging::say_panic(&said, info.location()) {
                before(info);
            }
            // A thread that is ending has no memory of its own any more.
            let _ = HEARD.try_with(|heard| heard.replace(Some(with_place(said, info))));
        }));
    });
}

/// Runs a plugin's code.
///
/// # Errors
/// What a panic said and where. Its payload is leaked, since dropping it may panic again.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    HEARD.with(|heard| heard.take());
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let said = HEARD.with(|heard| heard.take()).unwrap_or_else(|| text_of(&*payload));
        std::mem::forget(payload);
        said
    })
}

fn with_place(said: String, info: &PanicHookInfo<'_>) -> String {
    match info.location() {
        Some(place) => format!("{said} ({}:{})", place.file(), place.line()),
        None => said,
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
