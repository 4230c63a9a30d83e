//! Arguments of the commands about webhooks.

use clap::{Args, Subcommand};

use super::ConfigFiles;

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookAct {
    /// Send one signed event of the type rfid.test to each webhook, and say what came back
    #[command(after_help = "Examples:
  rfid-host webhook test --config branch.toml
  rfid-host webhook test --config branch.toml --sink screens

Waits for no outbox and disturbs no daemon that runs. Ends with 1 if a receiver did not take it.")]
    Test(Which),
    /// Send what was given up once more, and keep what is not taken
    #[command(after_help = "Examples:
  rfid-host webhook resend --config branch.toml
  rfid-host webhook resend --config branch.toml --sink screens --webhook crm

Oldest first, each as it was, under its own id and signed anew; stops with a webhook at the first
event that is not answered. The daemon may run meanwhile. Run it as the daemon's user. Ends with 1
if anything is left.")]
    Resend(Which),
}

/// The webhooks that are meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) files: ConfigFiles,
    /// Only the webhooks of this sink
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,
    /// Only webhooks of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) webhook: Option<String>,
}
