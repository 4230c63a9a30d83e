//! What the plugin's code says by `tracing`, and what a panic says, in the host's log.
//!
//! A plugin has its own copy of `tracing`, so nothing would be heard of it otherwise. The line goes to
//! the host of the instance whose code is running, so that the host knows which reader it is about,
//! and to that of the module where none is.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::panic::Location;
use std::ptr::null;
use std::sync::{Arc, Once};

use rfid_abi::{Field, Log, Str};
use tracing::field::Visit;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::host::HostLink;
use crate::instance::Link;
use crate::panics;

/// The module's own host.
pub(crate) static MODULE: HostLink = HostLink::none();

thread_local! {
    /// The instance whose code runs on this thread, or null. A pointer of an `Arc`, good until [`within`]
    /// sets it back: a count would cost every call two turns at a number that other threads look at.
    static CURRENT: Cell<*const Link> = const { Cell::new(null()) };
}

/// Sees to it that everything that is said from now on is heard.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panics::install_hook();
        // Refused where the plugin's own code was earlier, which then has its way.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Forward));
    });
}

/// Runs code that is this instance's.
pub(crate) fn within<T>(link: &Arc<Link>, code: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(Arc::as_ptr(link)));
    code()
}

/// Whose code ran before, to be set back also where the code panics.
struct Before(*const Link);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// The instance whose code runs on this thread.
pub(crate) fn current() -> Option<Arc<Link>> {
    let link = CURRENT.get();
    if link.is_null() {
        return None;
    }
    // SAFETY: the pointer of an `Arc` that `within` has borrowed, which runs on this thread and sets it
    // back before it returns; the count is for the one that is made here.
    unsafe {
        Arc::increment_strong_count(link);
        Some(Arc::from_raw(link))
    }
}

/// Says a panic; whether anybody heard it.
pub(crate) fn say_panic(said: &str, place: Option<&Location<'_>>) -> bool {
    let thread = std::thread::current();
    let field = Field { key: Str::new("thread"), value: Str::new(thread.name().unwrap_or("unnamed")) };
    let message = format!("panicked: {said}");
    say(&Log {
        struct_size: size_of::<Log>() as u32,
        level: 1,
        target: Str::new("panic"),
        message: Str::new(&message),
        file: place.map_or(Str::EMPTY, |place| Str::new(place.file())),
        line: place.map_or(0, Location::line),
        field_count: 1,
        fields: &raw const field,
    })
}

fn say(line: &Log) -> bool {
    match current() {
        Some(link) => link.host.log(line),
        None => MODULE.log(line),
    }
}

/// Hands everything to the host.
struct Forward;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Forward {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The host may change its mind, and the next instance may have another host.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = number(*metadata.level());
        match current() {
            Some(link) => link.host.log_enabled(level),
            None => MODULE.log_enabled(level),
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut said = Said::default();
        attributes.record(&mut said);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(said);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(said) = span.extensions_mut().get_mut::<Said>()
        {
            values.record(said);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Said>() {
                // The innermost says it best.
                for field in &around.fields {
                    if !said.fields.iter().any(|(key, _)| *key == field.0) {
                        said.fields.push(field.clone());
                    }
                }
            }
        }
        let fields: Vec<Field> = said
            .fields
            .iter()
            .map(|(key, value)| Field { key: Str::new(key), value: Str::new(value) })
            .collect();
        let metadata = event.metadata();
        say(&Log {
            struct_size: size_of::<Log>() as u32,
            level: number(*metadata.level()),
            target: Str::new(metadata.target()),
            message: Str::new(&said.message),
            file: metadata.file().map_or(Str::EMPTY, Str::new),
            line: metadata.line().unwrap_or_default(),
            field_count: fields.len() as u32,
            fields: fields.as_ptr(),
        });
    }
}

/// The message and the fields of an event or a span.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    fn put(&mut self, field: &tracing::field::Field, value: fmt::Arguments<'_>) {
        if field.name() == "message" {
            self.message.clear();
            // Writing to a string does not fail.
            let _ = self.message.write_fmt(value);
        } else {
            self.fields.retain(|(key, _)| *key != field.name());
            self.fields.push((field.name(), value.to_string()));
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}
