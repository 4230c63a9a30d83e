//! Emulated readers that run inside the daemon: `[emulators.NAME]`.

use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_llrp::emulator as llrp;
use rfid_driver_mercury4::emulator as mercury4;
use rfid_driver_mifare::pn532::emulator as pn532;
use rfid_driver_thingmagic::emulator as thingmagic;

use crate::config::{EmulatedAt, EmulatedReader, EmulatorConfig};
use crate::scenarios;

/// The emulators of a configuration, which run until they are stopped.
#[derive(Debug, Default)]
pub(crate) struct Emulators(Vec<Emulator>);

#[derive(Debug)]
enum Emulator {
    Mercury4(mercury4::Emulator),
    ThingMagic(thingmagic::Emulator),
    Llrp(llrp::Emulator),
    Pn532(pn532::Emulator),
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
                let (name, at) = (&config.name, &config.at);
                tracing::info!(emulator = %name, %at, "emulated reader is running; it is no real one");
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
                Emulator::Llrp(emulator) => emulator.shutdown().await,
                Emulator::Pn532(emulator) => emulator.shutdown().await,
            }
        }
    }
}

async fn start_one(config: &EmulatorConfig) -> Result<Emulator> {
    let not_listening = |error: std::io::Error| {
        let detail = format!("emulator {}: {} cannot be used", config.name, config.at);
        Error::new(ErrorKind::Connect, "emulate").with_detail(detail).with_source(error)
    };
    let scenario = config.scenario.as_deref();
    match (config.reader, &config.at) {
        (EmulatedReader::Mercury4, EmulatedAt::Listen(listen)) => {
            let profile = config.profile.parse().map_err(|why| wrong(config, why))?;
            let scenario = scenarios::read(scenario, mercury4::Scenario::from_toml);
            let scenario = scenario.map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = mercury4::Emulator::bind(*listen, profile, scenario).await;
            Ok(Emulator::Mercury4(emulator.map_err(not_listening)?))
        }
        (EmulatedReader::Thingmagic, EmulatedAt::Listen(listen)) => {
            let profile = config.profile.parse().map_err(|why| wrong(config, why))?;
            let scenario = scenarios::read(scenario, thingmagic::Scenario::from_toml);
            let scenario = scenario.map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = thingmagic::Emulator::bind(*listen, profile, scenario).await;
            Ok(Emulator::ThingMagic(emulator.map_err(not_listening)?))
        }
        (EmulatedReader::Llrp, EmulatedAt::Listen(listen)) => {
            let profile = config.profile.parse().map_err(|why| wrong(config, why))?;
            let scenario = scenarios::read(scenario, llrp::Scenario::from_toml);
            let scenario = scenario.map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = llrp::Emulator::bind(*listen, profile, scenario).await;
            Ok(Emulator::Llrp(emulator.map_err(not_listening)?))
        }
        (EmulatedReader::Pn532, EmulatedAt::Link(link)) => {
            let scenario = scenarios::cards(scenario).map_err(|why| wrong(config, format!("{why:#}")))?;
            let emulator = pn532::Emulator::start(link, scenario).await;
            Ok(Emulator::Pn532(emulator.map_err(not_listening)?))
        }
        // The check of the configuration lets no other through.
        _ => Err(wrong(config, "this reader is not found in this way".to_owned())),
    }
}

fn wrong(config: &EmulatorConfig, why: String) -> Error {
    Error::new(ErrorKind::Config, "emulate").with_detail(format!("emulator {}: {why}", config.name))
}
