//! The suite for all drivers, over a PN532 on a pseudo-terminal.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, Settings, TagId, TagIdKind};
use rfid_driver_mifare::Mifare;
use rfid_driver_mifare::model::Uid;
use rfid_driver_mifare::pn532::emulator::{Emulator, Faults, Scenario};

/// How long each of many cards lies on the pad, one after the other.
const EACH: Duration = Duration::from_millis(100);

/// How long a single card does.
const ALONE: Duration = Duration::from_secs(3600);

struct Pn532Rig {
    emulator: Emulator,
    faults: Faults,
}

fn settings(port: PathBuf) -> Settings {
    let port = port.display();
    let text =
        format!("transport = \"pn532\"\nport = \"{port}\"\npoll_interval = \"20ms\"\nrepeat = \"50ms\"");
    Settings::from_toml(&text).unwrap()
}

#[async_trait]
impl Rig for Pn532Rig {
    fn driver(&self) -> &dyn Driver {
        &Mifare
    }

    fn settings(&self) -> Settings {
        settings(self.emulator.link().to_owned())
    }

    fn settings_to_nowhere(&self) -> Settings {
        settings(self.emulator.link().with_extension("nowhere"))
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let uids: Vec<Uid> = (0..count)
            .map(|number| Uid::try_from(&[0x04, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, number as u8][..]).unwrap())
            .collect();
        let each = if count > 1 { EACH } else { ALONE };
        self.emulator.set_scenario(Scenario::in_turn(&uids, each).with_faults(self.faults.clone()));
        uids.iter().map(|uid| TagId::new(TagIdKind::Iso14443Uid, uid.bytes()).unwrap()).collect()
    }

    async fn cut(&mut self) {
        self.emulator.replug().await;
    }
}

async fn run(faults: Faults) {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(folder.path().join("pn532"), Scenario::default()).await.unwrap();
    let mut rig = Pn532Rig { emulator, faults };
    check(&mut rig).await.assert_passed(5);
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn a_good_line() {
    run(Faults::default()).await;
}

/// What a driver must not even notice. A lost answer takes half a second, in which five cards come
/// and go; it is played where one card lies.
#[tokio::test]
async fn a_bad_line() {
    run(Faults {
        split_every: Some(3),
        noise: 5,
        lose_ack_every: Some(101),
        damage_answer_every: Some(7),
        ..Faults::default()
    })
    .await;
}
