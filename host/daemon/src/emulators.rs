//! Emulated readers that run inside the daemon: `[emulators.NAME]`.

use std::fmt::Display;
use std::path::Path;

use anyhow::Context;
use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_thingmagic::emulator as thingmagic;

use crate::config::{EmulatedReader, EmulatorConfig};

/// What comes and goes where no scenario is given.
const USUAL: &str = include_str!("command/emulate_scenario.toml");

/// Largest scenario that is read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The emulators of a configuration, which run until they are stopped.
#[derive(Debug, Default)]
pub(crate) struct Emulators(Vec<Emulator>);

#[derive(Debug)]
enum Emulator {
    Mercury4(mercury4::Emulator),
    ThingMagic(thingmagic::Emulator),
}

/// Starts them all, or none.
///
/// # Errors
/// `Connect` if an address cannot be used, `Config` if a scenario or a profile cannot.
pub(crate) async fn start(configs: &[EmulatorConfig]) -> Result<Emulators> {
    let mut emulators = Emulators::default();
    for config in configs {
        match start_one(config).await {
            Ok(emulator) => {
                let (name, listen) = (&config.name, config.listen);
                tracing::info!(emulator = %name, %listen, "emulated reader is running; it is no real one");
                emulators.0.push(emulator);
            }
            Err(error) => {
                emulators.stop().await;
                return Err(error);
            }
        }
    }
    Ok(emulators)
}

impl Emulators {
    /// Ends all of them and their connections.
    pub(crate) async fn stop(self) {
        for emulator in self.0 {
            match emulator {
                Emulator::Mercury4(emulator) => emulator.shutdown().await,
                Emulator::ThingMagic(emulator) => emulator.shutdown().await,
            }
        }
    }
}

async fn start_one(config: &EmulatorConfig) -> Result<Emulator> {
    let not_listening = |error: std::io::Error| {
        let detail = format!("emulator {}: {} cannot be used", config.name, config.listen);
        Error::new(ErrorKind::Connect, "emulate").with_detail(detail).with_source(error)
    };
    let scenario = config.scenario.as_deref();
    match config.reader {
        EmulatedReader::Mercury4 => {
            let profile = config.profile.parse().map_err(|why| wrong(config, why))?;
            let scenario = read_scenario(scenario, mercury4::Scenario::from_toml);
            let scenario = scenario.map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = mercury4::Emulator::bind(config.listen, profile, scenario).await;
            Ok(Emulator::Mercury4(emulator.map_err(not_listening)?))
        }
        EmulatedReader::Thingmagic => {
            let profile = config.profile.parse().map_err(|why| wrong(config, why))?;
            let scenario = read_scenario(scenario, thingmagic::Scenario::from_toml);
            let scenario = scenario.map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = thingmagic::Emulator::bind(config.listen, profile, scenario).await;
            Ok(Emulator::ThingMagic(emulator.map_err(not_listening)?))
        }
    }
}

fn wrong(config: &EmulatorConfig, why: String) -> Error {
    Error::new(ErrorKind::Config, "emulate").with_detail(format!("emulator {}: {why}", config.name))
}

/// Whether the scenario can be played on this reader.
pub(crate) fn check_scenario(
    reader: EmulatedReader,
    scenario: Option<&Path>,
) -> std::result::Result<(), String> {
    let outcome = match reader {
        EmulatedReader::Mercury4 => read_scenario(scenario, mercury4::Scenario::from_toml).map(drop),
        EmulatedReader::Thingmagic => read_scenario(scenario, thingmagic::Scenario::from_toml).map(drop),
    };
    outcome.map_err(|error| format!("{error:#}"))
}

/// Reads a scenario, or the usual one.
pub(crate) fn read_scenario<S, E: Display>(
    path: Option<&Path>,
    parse: impl Fn(&str) -> std::result::Result<S, E>,
) -> anyhow::Result<S> {
    let Some(path) = path else {
        return parse(USUAL).map_err(|fault| anyhow::anyhow!("the built-in scenario:{fault}"));
    };
    let name = path.display();
    let about = std::fs::metadata(path).with_context(|| name.to_string())?;
    // Before opening, which would wait for the other end of a pipe.
    anyhow::ensure!(about.is_file(), "{name} is not a file");
    anyhow::ensure!(about.len() <= LARGEST_FILE, "{name}: at most {LARGEST_FILE} bytes are read");
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    parse(&text).map_err(|fault| anyhow::anyhow!("{name}:{fault}"))
}
