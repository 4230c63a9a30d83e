//! Arguments of the command about webhooks.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookAct {
    /// Send one signed event of the type rfid.test to each webhook, and say what came back
    #[command(after_help = "Examples:
  rfid-host webhook test --config branch.toml
  rfid-host webhook test --config branch.toml --sink screens

Waits for no outbox and disturbs no daemon that runs. Ends with 1 if a receiver did not take it.")]
    Test {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Only the webhooks of this sink
        #[arg(long, value_name = "NAME")]
        sink: Option<String>,
    },
}
