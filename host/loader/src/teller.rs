//! What plugins say, in the host's own log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rfid_core::{Clock, LogLimit, SystemClock};
use tracing::Level;

use crate::message::{LogLine, shown};

/// Places in a plugin's source that are limited each by itself.
const MOST_PLACES: usize = 256;

/// Writes a plugin's lines to the log of the host, no more from one place than anybody can read.
#[derive(Clone)]
pub(crate) struct Teller(Arc<Inner>);

struct Inner {
    plugin: String,
    /// The reader or sink.
    instance: String,
    limits: Mutex<HashMap<String, LogLimit>>,
    clock: SystemClock,
}

impl Teller {
    pub(crate) fn new(plugin: &str, instance: &str) -> Self {
        let (plugin, instance) = (plugin.to_owned(), instance.to_owned());
        Self(Arc::new(Inner { plugin, instance, limits: Mutex::default(), clock: SystemClock::new() }))
    }

    /// The most detailed level that is kept: 1 error to 5 trace, 0 for none.
    pub(crate) fn level() -> u32 {
        let kept = [
            tracing::enabled!(target: "plugin", Level::TRACE),
            tracing::enabled!(target: "plugin", Level::DEBUG),
            tracing::enabled!(target: "plugin", Level::INFO),
            tracing::enabled!(target: "plugin", Level::WARN),
            tracing::enabled!(target: "plugin", Level::ERROR),
        ];
        kept.iter().position(|kept| *kept).map_or(0, |place| 5 - place as u32)
    }

    /// Says a line of the plugin.
    pub(crate) fn say(&self, line: &LogLine) {
        let Inner { plugin, instance, limits, clock } = &*self.0;
        let unsaid = {
            let mut limits = limits.lock().unwrap_or_else(PoisonError::into_inner);
            // Places beyond the bound share a limit, whatever a plugin makes of its line numbers.
            let is_known = limits.contains_key(&line.place) || limits.len() < MOST_PLACES;
            let place = if is_known { line.place.as_str() } else { "" };
            let now = clock.now().monotonic;
            limits.entry(place.to_owned()).or_default().allow(now)
        };
        let Some(unsaid) = unsaid else { return };
        let (message, from) = (shown(&line.message), shown(&line.target));
        match line.level {
            1 => tracing::error!(target: "plugin", %plugin, %instance, %from, "{message}{unsaid}"),
            2 => tracing::warn!(target: "plugin", %plugin, %instance, %from, "{message}{unsaid}"),
            3 => tracing::info!(target: "plugin", %plugin, %instance, %from, "{message}{unsaid}"),
            4 => tracing::debug!(target: "plugin", %plugin, %instance, %from, "{message}{unsaid}"),
            _ => tracing::trace!(target: "plugin", %plugin, %instance, %from, "{message}{unsaid}"),
        }
    }

    /// Says a line that the plugin printed instead of logging it.
    pub(crate) fn say_printed(&self, stream: &'static str, text: &str) {
        let (target, place) = (stream.to_owned(), stream.to_owned());
        self.say(&LogLine { level: 2, target, message: text.to_owned(), place });
    }
}
