//! The suite for all drivers, against the emulator in each profile and mode.

use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, DurationText, Settings, TagId, TagIdKind};
use rfid_driver_mercury4::Mercury4;
use rfid_driver_mercury4::emulator::{Emulator, Faults, Profile, Scenario};

struct EmulatedRig {
    emulator: Emulator,
    mode: &'static str,
    /// A port that was free a moment ago.
    nowhere: u16,
}

impl EmulatedRig {
    async fn start(profile: Profile, mode: &'static str, faults: Faults) -> Self {
        let scenario = Scenario::default().with_faults(faults);
        let emulator = Emulator::bind("127.0.0.1:0", profile, scenario).await.unwrap();
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
    run_with(profile, mode, Faults::default()).await;
}

async fn run_with(profile: Profile, mode: &'static str, faults: Faults) {
    let mut rig = EmulatedRig::start(profile, mode, faults).await;
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

/// What a driver must not even notice.
fn harmless_faults() -> Faults {
    Faults {
        stray_line_feed_after_reset: true,
        split_every: Some(3),
        answer_delay: Some(DurationText(Duration::from_millis(5))),
        clock_behind: Some(DurationText(Duration::from_secs(10 * 365 * 86_400))),
        ..Faults::default()
    }
}

#[tokio::test]
async fn a_mercury_4_with_its_quirks() {
    run_with(Profile::M4, "poll", harmless_faults()).await;
}

#[tokio::test]
async fn a_mercury_5_with_its_quirks_in_autonomous_mode() {
    run_with(Profile::Mercury5, "autonomous", harmless_faults()).await;
}

#[tokio::test]
async fn an_astra_with_its_quirks() {
    run_with(Profile::Astra, "poll", harmless_faults()).await;
}
