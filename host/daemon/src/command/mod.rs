//! One file for each command.

mod archives;
pub(crate) mod bench;
pub(crate) mod card;
pub(crate) mod check;
pub(crate) mod components;
pub(crate) mod config_file;
mod configuration_page;
pub(crate) mod connect;
pub(crate) mod customers;
pub(crate) mod demo;
pub(crate) mod discover;
pub(crate) mod emulate;
pub(crate) mod epc;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod manual;
pub(crate) mod people;
pub(crate) mod plugin;
mod plugin_template;
pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod run;
pub(crate) mod simulate;
pub(crate) mod stores;
pub(crate) mod tag;
pub(crate) mod tap;
#[cfg(feature = "top")]
pub(crate) mod top;
pub(crate) mod webhook;

use std::net::SocketAddr;
use std::path::Path;

use rfid_durable::Stores;

use crate::cli::ConfigFiles;
use crate::config::{self, Checked, Config, Report};
use crate::registry::Registry;

/// Reads and checks a configuration, the same for a start, a check and a reload. Prints nothing.
fn checked(files: &ConfigFiles, data_dir: Option<&Path>) -> Result<Checked, Report> {
    let texts = config::read(&files.config, &files.config_dir);
    // Which data folder the stores are in is known when the configuration is checked, and
    // checking asks a registry for names and schemas only.
    let mut checked = config::check(texts, &Registry::built_in(Stores::new("")))?;
    if let Some(data_dir) = data_dir {
        checked.config.host.data_dir = data_dir.to_owned();
    }
    Ok(checked)
}

/// Reads and checks a configuration and makes ready what it runs on. Faults and warnings are
/// printed; the error says how many there are.
fn load(files: &ConfigFiles, data_dir: Option<&Path>) -> anyhow::Result<(Config, Registry)> {
    load_effective(files, data_dir).map(|(config, registry, _)| (config, registry))
}

/// The same, with the configuration as it takes effect, without secrets.
fn load_effective(
    files: &ConfigFiles,
    data_dir: Option<&Path>,
) -> anyhow::Result<(Config, Registry, String)> {
    let checked = checked(files, data_dir).map_err(|report| print_report(&report))?;
    print_lines(&checked.report);
    let effective = config::as_toml(&checked);
    let Checked { config, .. } = checked;
    let registry = Registry::with_ledger(Stores::new(&config.host.data_dir), config.ledger.settings());
    Ok((config, registry, effective))
}

/// A configuration as [`load`] reads it, for a command that runs no host.
fn checked_config(files: &ConfigFiles, data_dir: Option<&Path>) -> anyhow::Result<Config> {
    let Checked { config, report, .. } = checked(files, data_dir).map_err(|report| print_report(&report))?;
    print_lines(&report);
    Ok(config)
}

/// Where the daemon that runs this configuration listens.
pub(crate) fn listen_address(files: &ConfigFiles) -> anyhow::Result<SocketAddr> {
    match checked(files, None) {
        Ok(checked) => Ok(checked.config.host.listen),
        Err(report) => Err(print_report(&report)),
    }
}

/// Prints what there is to say and gives the error that ends the command.
fn print_report(report: &Report) -> anyhow::Error {
    print_lines(report);
    let faults = counted(report.faults() as u64, "fault");
    let warnings = match report.warnings() {
        0 => String::new(),
        warnings => format!(", {}", counted(warnings as u64, "warning")),
    };
    anyhow::anyhow!("{}: {faults}{warnings}", report.name())
}

/// To standard error: with pictures on a terminal, one line each elsewhere.
fn print_lines(report: &Report) {
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) && report.faults() + report.warnings() > 0 {
        eprintln!("{}\n", report.pictures());
    }
    for line in report.lines() {
        eprintln!("{line}");
    }
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
