//! Scenarios of emulated readers, out of files.

use std::fmt::Display;
use std::path::Path;

use anyhow::Context;
use rfid_driver_mifare::pn532::emulator as pn532;

/// What comes and goes where no scenario is given.
const USUAL: &str = include_str!("command/emulate_scenario.toml");

/// What comes and goes on a pad where no scenario is given.
const USUAL_CARDS: &str = include_str!("command/emulate_cards.toml");

/// Largest scenario that is read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// Reads a scenario, or the usual one of tags before antennas.
pub(crate) fn read<S, E: Display>(
    path: Option<&Path>,
    parse: impl Fn(&str) -> std::result::Result<S, E>,
) -> anyhow::Result<S> {
    read_or(USUAL, path, parse)
}

/// Reads a scenario of cards on a pad, or the usual one.
pub(crate) fn cards(path: Option<&Path>) -> anyhow::Result<pn532::Scenario> {
    read_or(USUAL_CARDS, path, pn532::Scenario::from_toml)
}

/// Reads a scenario, or takes this one.
fn read_or<S, E: Display>(
    usual: &str,
    path: Option<&Path>,
    parse: impl Fn(&str) -> std::result::Result<S, E>,
) -> anyhow::Result<S> {
    let Some(path) = path else {
        return parse(usual).map_err(|fault| anyhow::anyhow!("the built-in scenario:{fault}"));
    };
    let name = path.display();
    let about = std::fs::metadata(path).with_context(|| name.to_string())?;
    // Before opening, which would wait for the other end of a pipe.
    anyhow::ensure!(about.is_file(), "{name} is not a file");
    anyhow::ensure!(about.len() <= LARGEST_FILE, "{name}: at most {LARGEST_FILE} bytes are read");
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    parse(&text).map_err(|fault| anyhow::anyhow!("{name}:{fault}"))
}
