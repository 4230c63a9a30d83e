//! The suite for all drivers, against the emulator in each profile and mode.

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, Settings, TagId, TagIdKind};
use rfid_driver_mercury4::Mercury4;
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario};

struct EmulatedRig {
    emulator: Emulator,
    mode: &'static str,
    /// A port that was free a moment ago.
    nowhere: u16,
}

impl EmulatedRig {
    async fn start(profile: Profile, mode: &'static str) -> Self {
        let emulator = Emulator::bind("127.0.0.1:0", profile, Scenario::default()).await.unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { emulator, mode, nowhere: free.local_addr().unwrap().port() }
    }

    fn settings_to(&self, address: &str) -> Settings {
        let mode = self.mode;
        Settings::from_toml(&format!("address = \"{address}\"\ntime_out = \"10ms\"\nmode = \"{mode}\"\n"))
            .unwrap()
    }
}

#[async_trait]
impl Rig for EmulatedRig {
    fn driver(&self) -> &dyn Driver {
        &Mercury4
    }

    fn settings(&self) -> Settings {
        self.settings_to(&self.emulator.local_addr().to_string())
    }

    fn settings_to_nowhere(&self) -> Settings {
        self.settings_to(&format!("127.0.0.1:{}", self.nowhere))
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<TagId> = (0..count)
            .map(|number| TagId::from_hex(TagIdKind::Epc, &format!("2D{number:022X}")).unwrap())
            .collect();
        self.emulator.set_scenario(Scenario::steady(tags.iter().copied(), 200));
        tags
    }

    async fn cut(&mut self) {
        self.emulator.drop_connections();
    }
}

async fn run(profile: Profile, mode: &'static str) {
    let mut rig = EmulatedRig::start(profile, mode).await;
    check(&mut rig).await.assert_passed(0);
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn a_mercury_4_that_is_polled() {
    run(Profile::M4, "poll").await;
}

#[tokio::test]
async fn a_mercury_4_in_autonomous_mode() {
    run(Profile::M4, "autonomous").await;
}

#[tokio::test]
async fn a_mercury_5_that_is_polled() {
    run(Profile::Mercury5, "poll").await;
}

#[tokio::test]
async fn a_mercury_5_in_autonomous_mode() {
    run(Profile::Mercury5, "autonomous").await;
}

#[tokio::test]
async fn an_astra_that_is_polled() {
    run(Profile::Astra, "poll").await;
}

#[tokio::test]
async fn an_astra_in_autonomous_mode() {
    run(Profile::Astra, "autonomous").await;
}
