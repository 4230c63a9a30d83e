//! The suite for all drivers, against the emulator over TCP.

use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, DurationText, Settings, TagId, TagIdKind};
use rfid_driver_thingmagic::ThingMagic;
use rfid_driver_thingmagic::emulator::{Emulator, Faults, Profile, Scenario};

struct EmulatedRig {
    emulator: Emulator,
    faults: Faults,
    /// A port that was free a moment ago.
    nowhere: u16,
}

impl EmulatedRig {
    async fn start(profile: Profile, faults: Faults) -> Self {
        let scenario = Scenario::default().with_faults(faults.clone());
        let emulator = Emulator::bind("127.0.0.1:0", profile, scenario).await.unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { emulator, faults, nowhere: free.local_addr().unwrap().port() }
    }
}

fn settings_to(address: &str) -> Settings {
    Settings::from_toml(&format!("address = \"{address}\"\ncycle = \"10ms\"\n")).unwrap()
}

#[async_trait]
impl Rig for EmulatedRig {
    fn driver(&self) -> &dyn Driver {
        &ThingMagic
    }

    fn settings(&self) -> Settings {
        settings_to(&self.emulator.local_addr().to_string())
    }

    fn settings_to_nowhere(&self) -> Settings {
        settings_to(&format!("127.0.0.1:{}", self.nowhere))
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<TagId> = (0..count)
            .map(|number| TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).unwrap())
            .collect();
        let scenario = Scenario::steady(tags.iter().copied(), 200).with_faults(self.faults.clone());
        self.emulator.set_scenario(scenario);
        tags
    }

    async fn cut(&mut self) {
        self.emulator.drop_connections();
    }
}

async fn run(profile: Profile, faults: Faults) {
    let mut rig = EmulatedRig::start(profile, faults).await;
    check(&mut rig).await.assert_passed(0);
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn an_m6e() {
    run(Profile::M6e, Faults::default()).await;
}

#[tokio::test]
async fn an_m5e() {
    run(Profile::M5e, Faults::default()).await;
}

#[tokio::test]
async fn an_m6e_on_a_bad_line() {
    run(Profile::M6e, bad_line()).await;
}

#[tokio::test]
async fn an_m5e_on_a_bad_line() {
    run(Profile::M5e, bad_line()).await;
}

/// What a driver must not even notice.
fn bad_line() -> Faults {
    Faults {
        split_every: Some(3),
        corrupt_every: Some(7),
        answer_delay: Some(DurationText(Duration::from_millis(5))),
        noise: 9,
        ..Faults::default()
    }
}
