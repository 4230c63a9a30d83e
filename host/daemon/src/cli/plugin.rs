//! Arguments of the commands about plugins.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginAct {
    /// List the plugins of a folder: who made them, what they bring, and why one is refused
    #[command(after_help = "Examples:
  rfid-host plugin list ./plugins
  rfid-host plugin list /usr/lib/rfid-host/plugins --json

Each is loaded in a process of its own. Ends with 1 if one is refused.")]
    List {
        /// The folder, as plugin_dir in [host]
        dir: PathBuf,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write a starting point for a driver: a whole one, with a reader to try it on
    #[command(after_help = "Examples:
  rfid-host plugin new --lang rust ./acme
  rfid-host plugin new --lang c ./acme

The folder's name becomes the driver's. README.md in it leads from there to tags on the screen.")]
    New {
        /// Language to write it in
        #[arg(long, value_name = "LANGUAGE")]
        lang: Language,
        /// Folder to write; must not be there yet
        dir: PathBuf,
    },
}

/// Languages that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Rust, with rfid-plugin
    Rust,
    /// C, with rfid_plugin.h
    C,
}
