//! What plugins say, in the host's own log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rfid_core::{Clock, LogLimit, SystemClock, Unsaid};
use tracing::Level;
use tracing::field::{DisplayValue, display};

use crate::message::{Kind, LogLine, shown};

/// Places in a plugin's source that are limited each by itself.
const MOST_PLACES: usize = 256;

/// Writes a plugin's lines to the log of the host, no more from one place than anybody can read.
#[derive(Clone)]
pub(crate) struct Teller(Arc<Inner>);

struct Inner {
    plugin: String,
    /// One of the two.
    reader: Option<String>,
    sink: Option<String>,
    limits: Mutex<HashMap<String, LogLimit>>,
    clock: SystemClock,
}

impl Teller {
    /// Speaks for the reader or sink of this name.
    pub(crate) fn new(plugin: &str, kind: Kind, instance: &str) -> Self {
        let (plugin, instance) = (plugin.to_owned(), instance.to_owned());
        let (reader, sink) = match kind {
            Kind::Driver => (Some(instance), None),
            Kind::Sink => (None, Some(instance)),
        };
        Self(Arc::new(Inner { plugin, reader, sink, limits: Mutex::default(), clock: SystemClock::new() }))
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
        let Some(unsaid) = self.allow(&line.place) else { return };
        let Inner { plugin, .. } = &*self.0;
        let (reader, sink) = self.whose();
        let (message, from) = (shown(&line.message), shown(&line.target));
        match line.level {
            1 => tracing::error!(target: "plugin", %plugin, reader, sink, %from, "{message}{unsaid}"),
            2 => tracing::warn!(target: "plugin", %plugin, reader, sink, %from, "{message}{unsaid}"),
            3 => tracing::info!(target: "plugin", %plugin, reader, sink, %from, "{message}{unsaid}"),
            4 => tracing::debug!(target: "plugin", %plugin, reader, sink, %from, "{message}{unsaid}"),
            _ => tracing::trace!(target: "plugin", %plugin, reader, sink, %from, "{message}{unsaid}"),
        }
    }

    /// The reader or the sink, as a line names them.
    fn whose(&self) -> (Option<DisplayValue<&str>>, Option<DisplayValue<&str>>) {
        (self.0.reader.as_deref().map(display), self.0.sink.as_deref().map(display))
    }

    /// Whether there may be a line from this place, and what it has to add.
    fn allow(&self, place: &str) -> Option<Unsaid> {
        let mut limits = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        // Places beyond the bound share a limit, whatever a plugin makes of its line numbers.
        let is_known = limits.contains_key(place) || limits.len() < MOST_PLACES;
        let place = if is_known { place } else { "" };
        limits.entry(place.to_owned()).or_default().allow(self.0.clock.now().monotonic)
    }

    /// Says that the plugin does not return from a call, long before it is given up.
    pub(crate) fn say_overdue(&self, call: &'static str, limit: Duration, patience: Duration) {
        let Some(unsaid) = self.allow(call) else { return };
        let Inner { plugin, .. } = &*self.0;
        let (reader, sink) = self.whose();
        tracing::warn!(
            %plugin, reader, sink, call,
            "the plugin should have returned within {limit:?} and has not; it is given up after {patience:?}{unsaid}"
        );
    }

    /// Says that the plugin does not return from a call that was to end something.
    pub(crate) fn say_given_up(&self, call: &'static str, in_process: bool) {
        let Some(unsaid) = self.allow(call) else { return };
        let Inner { plugin, .. } = &*self.0;
        let (reader, sink) = self.whose();
        let consequence = if in_process { "its thread is left behind" } else { "its process was ended" };
        tracing::warn!(
            %plugin, reader, sink, call,
            "the plugin does not return and was given up; {consequence}{unsaid}"
        );
    }

    /// Says that the plugin is lost too often to get well by itself.
    pub(crate) fn say_ailing(&self, times: usize, wait: Duration) {
        let Inner { plugin, .. } = &*self.0;
        let (reader, sink) = self.whose();
        tracing::error!(
            %plugin, reader, sink, times,
            "the plugin was lost {times} times within the hour and does not get well by itself; it is tried again \
             every {wait:?}. Its maker needs the lines above and what `rfid-host plugin check` says of its file; \
             another version of the file is taken with the next reload"
        );
    }

    /// Says that the plugin did not end as it should, when nobody needed it any more.
    pub(crate) fn say_bad_end(&self, how: &str) {
        let Some(unsaid) = self.allow("end") else { return };
        let Inner { plugin, .. } = &*self.0;
        let (reader, sink) = self.whose();
        tracing::warn!(%plugin, reader, sink, "the plugin did not end in order: {how}{unsaid}");
    }

    /// Says a line that the plugin printed instead of logging it.
    pub(crate) fn say_printed(&self, stream: &'static str, text: &str) {
        let (target, place) = (stream.to_owned(), stream.to_owned());
        self.say(&LogLine { level: 2, target, message: text.to_owned(), place });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::Logged;

    #[test]
    fn a_line_names_the_plugin_and_its_reader_or_its_sink() {
        let line = LogLine { level: 3, target: String::new(), message: "here".into(), place: String::new() };
        for (kind, named, other) in [(Kind::Driver, "reader=", "sink="), (Kind::Sink, "sink=", "reader=")] {
            let (logged, _guard) = Logged::begin();
            Teller::new("acme", kind, "hall").say(&line);
            let said = logged.text();
            assert!(said.contains(&format!("plugin=acme {named}hall")) && !said.contains(other), "{said}");
        }
    }
}
