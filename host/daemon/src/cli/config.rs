//! Which configuration, and `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The files of a configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigFiles {
    /// The configuration; the *.toml of conf.d beside it are read, too, in the order of their names
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Read the *.toml of this folder instead of those of conf.d; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) config_dir: Vec<PathBuf>,
}

/// The files of the configuration that a daemon runs, where they may be named.
#[derive(Debug, Args)]
pub(crate) struct DaemonConfig {
    /// The configuration that the daemon runs, with the *.toml of conf.d beside it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the *.toml of this folder instead of those of conf.d; may be repeated
    #[arg(long, value_name = "DIR", requires = "config")]
    config_dir: Vec<PathBuf>,
}

impl DaemonConfig {
    /// The files, if they are named.
    pub(crate) fn files(&self) -> Option<ConfigFiles> {
        let config_dir = self.config_dir.clone();
        self.config.clone().map(|config| ConfigFiles { config, config_dir })
    }
}

/// Which reader a configuration to begin with has.
#[derive(Debug, Args)]
pub(crate) struct FirstReader {
    /// The driver of a reader that is there; `rfid-host drivers` lists them
    #[arg(long, requires = "address")]
    pub(crate) driver: Option<String>,
    /// Where that reader is
    #[arg(long, value_name = "HOST[:PORT]", requires = "driver")]
    pub(crate) address: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigFormat {
    /// As it is written
    #[default]
    Toml,
    /// One JSON object
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAct {
    /// Print the configuration as it takes effect: all files in one, what was left out filled in,
    /// secrets masked
    #[command(after_help = "Example:
  rfid-host config show --config branch.toml")]
    Show {
        #[command(flatten)]
        files: ConfigFiles,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: ConfigFormat,
    },
    /// Print what `init` writes
    #[command(after_help = "Example:
  rfid-host config sample > branch.toml")]
    Sample {
        #[command(flatten)]
        reader: FirstReader,
    },
    /// Print the JSON Schema, as `schema` does
    #[command(after_help = "Example:
  rfid-host config schema > rfid-host.schema.json")]
    Schema,
}
