//! Arguments of the commands about plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginAct {
    /// List the plugins of a folder: who made them, what they bring, and why one is refused
    #[command(after_help = "Examples:
  rfid-host plugin list ./plugins
  rfid-host plugin list /usr/lib/rfid-host/plugins --json

Each is loaded in a process of its own. Ends with 1 if one is refused.")]
    List {
        /// The folder, as the key plugin_dir of the host names it
        dir: PathBuf,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Check that a plugin keeps to the interface, each case in a process of its own
    #[command(after_help = "Examples:
  rfid-host plugin check ./libacme.so
  rfid-host plugin check ./libacme.so --config acme.toml
  rfid-host plugin check ./libacme.so --filter cancel --json

Without --config each driver and sink is given its own example; cases that need a reader with tags
are skipped where that leads to none. Ends with 1 if a case fails.")]
    Check(Checked),
    /// Write a starting point for a driver: a whole one, with a reader to try it on
    #[command(after_help = "Examples:
  rfid-host plugin new --lang c ./acme
  rfid-host plugin new --lang rust ./acme --source ~/rfid-host

The folder's name becomes the driver's. README.md in it leads from there to tags on the screen.")]
    New {
        /// Language to write it in
        #[arg(long, value_name = "LANGUAGE")]
        lang: Language,
        /// Folder to write; must not be there yet
        dir: PathBuf,
        /// Source tree of rfid-host, for a plugin in Rust; the current folder if left out
        #[arg(long, value_name = "DIR")]
        source: Option<PathBuf>,
    },
}

/// What is checked, and how.
#[derive(Debug, Args)]
pub(crate) struct Checked {
    /// The shared library
    pub(crate) file: PathBuf,
    /// Options of the driver or sink as TOML, which lead to a reader with tags before it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only this driver or sink of the plugin
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Only cases whose name has this in it
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Fewer repetitions and shorter waits
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Languages that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Rust, with rfid-plugin
    Rust,
    /// C, with rfid_plugin.h
    C,
}
