//! One file for each command.

pub(crate) mod check;
pub(crate) mod components;
mod configuration_page;
pub(crate) mod demo;
pub(crate) mod emulate;
pub(crate) mod epc;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod manual;
pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod run;
pub(crate) mod tag;
pub(crate) mod tap;
#[cfg(feature = "top")]
pub(crate) mod top;
pub(crate) mod webhook;

use std::net::SocketAddr;
use std::path::Path;

use rfid_durable::Stores;

use crate::config::{self, Config, Faults, Unreadable};
use crate::registry::Registry;

/// Why a configuration cannot be used.
enum Unusable {
    Unreadable(Unreadable),
    Faulty(Faults),
}

impl Unusable {
    /// Prints the faults; the error says how many there are.
    fn told(self) -> anyhow::Error {
        match self {
            Self::Unreadable(why) => why.into(),
            Self::Faulty(faults) => print_faults(&faults),
        }
    }
}

/// Reads and checks a configuration.
fn read_config(path: &Path, data_dir: Option<&Path>) -> Result<Config, Unusable> {
    let source = config::read(path).map_err(Unusable::Unreadable)?;
    // Which data folder the stores are in is known when the configuration is checked, and
    // checking asks a registry for names and schemas only.
    let nowhere = Registry::built_in(Stores::new(""));
    let mut config = config::check(source, &nowhere).map_err(Unusable::Faulty)?;
    if let Some(data_dir) = data_dir {
        config.host.data_dir = data_dir.to_owned();
    }
    Ok(config)
}

/// Reads and checks a configuration and makes ready what it runs on. Faults are printed.
fn load(path: &Path, data_dir: Option<&Path>) -> anyhow::Result<(Config, Registry)> {
    let config = read_config(path, data_dir).map_err(Unusable::told)?;
    let registry = Registry::built_in(Stores::new(&config.host.data_dir));
    Ok((config, registry))
}

/// Where the daemon that runs this configuration listens.
pub(crate) fn listen_address(path: &Path) -> anyhow::Result<SocketAddr> {
    match read_config(path, None) {
        Ok(config) => Ok(config.host.listen),
        Err(unusable) => Err(unusable.told()),
    }
}

/// Prints faults to standard error: with pictures on a terminal, one line each elsewhere.
fn print_faults(faults: &Faults) -> anyhow::Error {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        eprintln!("{}\n", faults.pictures());
    }
    for line in faults.lines() {
        eprintln!("{line}");
    }
    anyhow::anyhow!("{}: {}", faults.source.name, counted(faults.len() as u64, "fault"))
}

/// "1 reader", "2 readers".
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Listens from this call on, and returns on the first SIGTERM or Ctrl-C; ends the process on the
/// second.
fn told_to_stop() -> impl Future<Output = anyhow::Result<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    // Not in the future: it is first polled when others already think that the host listens.
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (mut terminate, mut interrupt) = (terminate?, interrupt?);
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
}
