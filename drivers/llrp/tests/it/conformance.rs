//! The suite for all drivers, against the emulator as each model and with what real readers do.

use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, DurationText, Settings, TagId, TagIdKind};
use rfid_driver_llrp::Llrp;
use rfid_driver_llrp::emulator::{Emulator, Faults, Profile, Scenario};

struct EmulatedRig {
    emulator: Emulator,
    options: &'static str,
    /// A port that was free a moment ago.
    nowhere: u16,
}

impl EmulatedRig {
    async fn start(profile: Profile, options: &'static str, faults: Faults) -> Self {
        let scenario = Scenario::default().with_faults(faults);
        let emulator = Emulator::bind("127.0.0.1:0", profile, scenario).await.unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { emulator, options, nowhere: free.local_addr().unwrap().port() }
    }

    fn settings_to(&self, address: &str) -> Settings {
        Settings::from_toml(&format!("address = \"{address}\"\nkeepalive = \"1s\"\n{}", self.options))
            .unwrap()
    }
}

#[async_trait]
impl Rig for EmulatedRig {
    fn driver(&self) -> &dyn Driver {
        &Llrp
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

async fn run(profile: Profile, options: &'static str, faults: Faults) {
    let mut rig = EmulatedRig::start(profile, options, faults).await;
    // Ten sessions at once: a reader serves one client.
    check(&mut rig).await.assert_passed(1);
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn a_speedway() {
    run(Profile::R420, "", Faults::default()).await;
}

#[tokio::test]
async fn a_speedway_with_all_that_it_can() {
    let options = "session = 2\nmode = 1002\npower_dbm = 27.1\nsearch_mode = \"dual_target\"\nphase = true\n\
                   watch_inputs = true\nblock_write = true";
    run(Profile::R420, options, Faults::default()).await;
}

#[tokio::test]
async fn a_zebra_that_goes_when_nobody_acknowledges() {
    run(Profile::Fx9600, "", Faults { drop_after_keepalives: Some(3), ..Faults::default() }).await;
}

#[tokio::test]
async fn an_alien_in_1_1() {
    run(Profile::AlrF800, "version = \"1.1\"", Faults::default()).await;
}

#[tokio::test]
async fn an_alien_that_is_shared_and_gathers() {
    run(Profile::AlrF800, "share = true\nreport_every = 3", Faults::default()).await;
}

/// What a driver must not even notice (§12).
fn harmless_faults() -> Faults {
    Faults {
        split_every: Some(50),
        answer_delay: Some(DurationText(Duration::from_millis(2))),
        clock_behind: Some(DurationText(Duration::from_secs(10 * 365 * 86_400))),
        close_on_version_question: true,
        no_tag_observation_trigger: true,
        no_delete_all: true,
        empty_messages: true,
        epc_as_data: true,
        members_out_of_order: true,
        unchanged_left_out: true,
        unknown_vendor: true,
        error_to_enabling: true,
        no_extensions: true,
        ..Faults::default()
    }
}

#[tokio::test]
async fn a_speedway_with_the_quirks_of_all() {
    run(Profile::R420, "version = \"1.1\"", harmless_faults()).await;
}

#[tokio::test]
async fn a_zebra_with_the_quirks_of_all_and_without_a_clock() {
    let faults = Faults { no_utc_clock: true, ..harmless_faults() };
    run(Profile::Fx9600, "", faults).await;
}
