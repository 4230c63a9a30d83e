//! `rfid-host emulate`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};

/// What comes and goes where no scenario is given.
const USUAL: &str = include_str!("emulate_scenario.toml");

/// Largest scenario that is read.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

pub(crate) async fn mercury4(
    listen: SocketAddr,
    profile: Profile,
    scenario: Option<&Path>,
) -> anyhow::Result<()> {
    let scenario = match scenario {
        Some(path) => {
            let name = path.display();
            let length = std::fs::metadata(path).with_context(|| name.to_string())?.len();
            anyhow::ensure!(length <= LARGEST_FILE, "{name}: at most {LARGEST_FILE} bytes are read");
            let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
            Scenario::from_toml(&text).map_err(|fault| anyhow::anyhow!("{name}:{fault}"))?
        }
        None => Scenario::from_toml(USUAL)?,
    };
    let emulator = Emulator::bind(listen, profile, scenario)
        .await
        .with_context(|| format!("{listen} cannot be used"))?;
    println!("an emulated Mercury 4 listens on {}; Ctrl-C ends it", emulator.local_addr());
    super::told_to_stop().await?;
    emulator.shutdown().await;
    Ok(())
}
