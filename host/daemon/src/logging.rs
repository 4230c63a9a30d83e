//! Log lines: to standard error, for people, for programs, or for the journal.

use std::fmt;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::{Global, LogFormat};

/// Starts logging; `usual` is what is logged when nobody asked for anything else.
pub(crate) fn start(global: &Global, usual: &str) {
    let filter = global.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("rfid-host: --log {filter}: {error}; logging {usual}");
        EnvFilter::new(usual)
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Json => lines.json().init(),
        LogFormat::Text if is_journal() => lines.with_ansi(false).event_format(Journal::default()).init(),
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

/// Keeps SIGUSR1, which tells other daemons to reopen their log files, from ending this one. There
/// is nothing to reopen: log lines go to standard error.
pub(crate) fn ignore_reopening() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut reopen = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while reopen.recv().await.is_some() {
            tracing::info!("told to reopen log files; there are none, lines go to standard error");
        }
    });
    Ok(())
}

/// Whether standard error goes to systemd's journal: it says which file that is, and a program
/// that redirected its child's standard error has another one.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stream) = std::fs::metadata("/dev/stderr") else { return false };
    named == format!("{}:{}", stream.dev(), stream.ino())
}

/// Text for the journal, which knows the time itself and takes the level from a prefix, so that
/// `journalctl --priority warning` finds what it should.
struct Journal(Format<Full, ()>);

impl Default for Journal {
    fn default() -> Self {
        Self(Format::default().without_time().with_level(false).with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
