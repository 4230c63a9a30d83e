//! The driver passes the suite.
#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, Settings, TagId, TagIdKind};
use rfid_driver_outside::Imaginary;

/// What the suite plays with.
#[derive(Default)]
struct ImaginaryRig {
    driver: Imaginary,
}

#[async_trait]
impl Rig for ImaginaryRig {
    fn driver(&self) -> &dyn Driver {
        &self.driver
    }

    fn settings(&self) -> Settings {
        Settings::from_toml("address = \"here\"").unwrap()
    }

    fn settings_to_nowhere(&self) -> Settings {
        Settings::from_toml("address = \"nowhere\"").unwrap()
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<TagId> = (0..count as u64)
            .map(|number| TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap())
            .collect();
        self.driver.lay_tags(&tags);
        tags
    }

    async fn cut(&mut self) {
        self.driver.cut();
    }
}

#[tokio::test]
async fn the_driver_passes_the_suite() {
    // Power, inputs and memory of tags, which this reader does not have, are the four skips.
    check(&mut ImaginaryRig::default()).await.assert_passed(4);
}
