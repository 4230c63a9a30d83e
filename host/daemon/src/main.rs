//! `rfid-host`: the daemon and its tools.
#![forbid(unsafe_code)]

mod anchoring;
mod archiving;
mod backlog;
mod backups;
mod certificate;
mod checkpoints;
mod cli;
mod client;
mod command;
mod config;
mod customer_service;
mod descriptors;
mod desks;
mod emulators;
mod glimpse;
mod host;
mod http;
mod logging;
mod recording;
mod registry;
mod running;
mod scenarios;
mod service_manager;
mod service_slot;
mod sighting;
mod signing;

#[cfg(test)]
#[path = "../fuzz/hostile.rs"]
mod hostile;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Exported, Global, Imported, Simulated};

fn main() -> ExitCode {
    if let Some(ended) = process_of_a_plugin() {
        return ended;
    }
    let Cli { command, global } = Cli::parse();
    // Where tags or answers are shown, what goes right is not worth a line between them.
    let shows_tags = matches!(
        command,
        Command::Bench(_)
            | Command::Card { .. }
            | Command::Check { .. }
            | Command::Discover(_)
            | Command::Drivers { .. }
            | Command::Plugin { .. }
            | Command::Sinks { .. }
            | Command::Demo { .. }
            | Command::Read { .. }
            | Command::Record(_)
            | Command::Reader { .. }
            | Command::Tag { .. }
    );
    logging::start(&global, if shows_tags { "warn" } else { "info" });
    match run(command, &global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rfid-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What this program is when it was started by itself, for a plugin: then nothing else happens, and
/// no thread is started before.
fn process_of_a_plugin() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let ended = match arguments.next()?.as_str() {
        registry::RUN_PLUGIN => rfid_loader::run(arguments),
        registry::PLUGIN_CASE => rfid_plugin_conformance::serve().map_err(|error| error.to_string()),
        _ => return None,
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

fn run(command: Command, global: &Global) -> anyhow::Result<()> {
    let data_dir = global.data_dir.as_deref();
    let work = async {
        match command {
            Command::Demo { lasts, listen, nobody } => {
                command::demo::run(lasts.map(Into::into), listen, data_dir, !nobody).await
            }
            Command::Run { files } => command::run::run(&files, data_dir).await,
            Command::Check { files, deny_warnings, connect, verbose, format } => {
                let check = command::check::Check { deny_warnings, connect, verbose, format };
                check.run(&files, data_dir).await
            }
            Command::Init { file, reader } => command::init::init(&file, &reader),
            Command::Config { act } => command::config_file::run(&act),
            Command::Schema => command::init::schema(),
            Command::Drivers { plugin_dir, describe } => {
                command::components::drivers(plugin_dir.as_deref(), describe)
            }
            Command::Sinks { plugin_dir, describe } => {
                command::components::sinks(plugin_dir.as_deref(), describe)
            }
            Command::Discover(discover) => command::discover::run(&discover).await,
            Command::Emulate { reader } => command::emulate::run(reader).await,
            Command::Read { reader, once, json } => command::read::run(&reader, once, json).await,
            Command::Reader { reader, power_dbm, outputs } => {
                command::reader::run(&reader, power_dbm, &outputs).await
            }
            Command::Tag { act } => command::tag::run(act).await,
            Command::Card { act } => command::card::run(act).await,
            Command::Tap(tap) => command::tap::run(tap).await,
            Command::Record(record) => command::record::run(record).await,
            #[cfg(feature = "top")]
            Command::Top(top) => command::top::run(top).await,
            Command::Epc { way, json } => command::epc::run(way, json),
            Command::Plugin { act } => command::plugin::run(&act),
            Command::Webhook { act } => command::webhook::run(act, data_dir).await,
            Command::Import { what: Imported::Directory { file } } => {
                command::import::directory(&file, data_dir).await
            }
            Command::Import { what: Imported::Customers(options) } => {
                command::customers::import_customers(&options, data_dir).await
            }
            Command::Import { what: Imported::Cards(options) } => {
                command::customers::import_cards(&options, data_dir).await
            }
            Command::Export { what: Exported::Visits(options) } => {
                command::customers::export_visits(&options, data_dir).await
            }
            Command::Report(options) => command::customers::report(options, data_dir).await,
            Command::User { act } => command::people::user(act, data_dir).await,
            Command::Audit { act } => command::people::audit(&act, data_dir).await,
            Command::Rights { language } => {
                command::people::rights(language);
                Ok(())
            }
            Command::Staff { act } => command::customers::staff(act, data_dir).await,
            Command::Backup { place, folder } => command::stores::back_up(&place, &folder, data_dir).await,
            Command::Restore { place, folder } => command::stores::restore(&place, &folder, data_dir).await,
            Command::MigrateStore { from, to } => command::stores::migrate(&from, &to, data_dir).await,
            Command::Tables { place, dry_run } => command::stores::tables(&place, dry_run, data_dir).await,
            // Blocking is all that they do, and nothing else runs.
            Command::Export { what: Exported::Events(options) } => command::export::run(&options, data_dir),
            Command::Ledger { act } => command::ledger::run(&act, data_dir),
            Command::Simulate { what: Simulated::Door(door) } => command::simulate::door(&door),
            Command::Bench(asked) => command::bench::run(asked, data_dir).await,
            Command::Completion { shell } => {
                command::manual::completion(shell);
                Ok(())
            }
            Command::Manpage { directory } => command::manual::pages(&directory),
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // Nothing that matters is left: a second signal must not wait for a thread that hangs.
    runtime.shutdown_background();
    outcome
}
