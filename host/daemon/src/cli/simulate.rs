//! Trying rules of presence on a simulated world.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use rfid_simulation::rules;

#[derive(Debug, Subcommand)]
pub(crate) enum Simulated {
    /// A day at a door: shadowed cards, ghosts, passers-by, outages, wrong clocks; and what our
    /// presence and the rules of others make of it
    #[command(after_help = "Examples:
  rfid-host simulate door                                    all rules side by side
  rfid-host simulate door --seed 7 --rule ours --json
  rfid-host simulate door --rule ours --set lost_after=45s --set confirm_reads=2

The same seed gives the same day and the same scores, on every machine.")]
    Door(SimulateDoor),
}

/// `rfid-host simulate door`.
#[derive(Debug, Args)]
pub(crate) struct SimulateDoor {
    /// Which day
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only this rule
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(rules::NAMES))]
    pub(crate) rule: Option<String>,
    /// A figure of ours in place of its default, as in `presence` of a pipeline; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) figures: Vec<String>,
    /// An array of objects, one for each rule
    #[arg(long)]
    pub(crate) json: bool,
}
