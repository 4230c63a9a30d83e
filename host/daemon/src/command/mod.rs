//! One file for each command.

pub(crate) mod check;
pub(crate) mod components;
pub(crate) mod demo;
pub(crate) mod emulate;
pub(crate) mod import;
pub(crate) mod run;

use std::path::Path;

use rfid_durable::Stores;

use crate::config::{self, Config, Faults};
use crate::registry::Registry;

/// Reads and checks a configuration. Faults are printed; the error says how many there are.
fn load(path: &Path, data_dir: Option<&Path>) -> anyhow::Result<(Config, Registry)> {
    let source = config::read(path)?;
    // The data folder is part of what is checked, and what is checked needs a registry to be
    // checked against; a registry touches no folder before its sinks are opened.
    let mut config = config::check(source.clone(), &Registry::built_in(Stores::new("")))
        .map_err(|faults| print_faults(&faults))?;
    if let Some(data_dir) = data_dir {
        config.host.data_dir = data_dir.to_owned();
    }
    let registry = Registry::built_in(Stores::new(&config.host.data_dir));
    let data_dir = config.host.data_dir.clone();
    config = config::check(source, &registry).map_err(|faults| print_faults(&faults))?;
    config.host.data_dir = data_dir;
    Ok((config, registry))
}

/// Prints faults to standard error: with pictures on a terminal, one line each elsewhere.
fn print_faults(faults: &Faults) -> anyhow::Error {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprintln!("{}\n", faults.pictures());
    }
    for line in faults.lines() {
        eprintln!("{line}");
    }
    let count = faults.len();
    anyhow::anyhow!("{}: {count} {}", faults.source.name, if count == 1 { "fault" } else { "faults" })
}

/// Returns on the first SIGTERM or Ctrl-C; ends the process on the second.
async fn told_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        eprintln!("rfid-host: told to stop a second time; ending at once");
        std::process::exit(1);
    });
    Ok(())
}
