//! The driver passes the suite of rfid-host.

use std::net::SocketAddr;

use async_trait::async_trait;
use rfid_conformance::driver::{Rig, check};
use rfid_core::{Driver, Settings, TagId, TagIdKind};
use rfid_driver_acme::Acme;
use rfid_driver_acme::emulator::Field;
use tokio::net::TcpListener;

/// What the suite plays with.
struct AcmeRig {
    field: Field,
    reader: SocketAddr,
    nowhere: SocketAddr,
}

fn at(address: SocketAddr) -> Settings {
    Settings::from_toml(&format!("address = \"{address}\"")).unwrap()
}

#[async_trait]
impl Rig for AcmeRig {
    fn driver(&self) -> &dyn Driver {
        &Acme
    }

    fn settings(&self) -> Settings {
        at(self.reader)
    }

    fn settings_to_nowhere(&self) -> Settings {
        at(self.nowhere)
    }

    async fn lay_tags(&mut self, count: usize) -> Vec<TagId> {
        let tags: Vec<TagId> = (0..count as u64)
            .map(|number| TagId::new(TagIdKind::Epc, &number.to_be_bytes()).unwrap())
            .collect();
        self.field.lay_tags(&tags);
        tags
    }

    async fn cut(&mut self) {
        self.field.cut();
    }
}

#[tokio::test]
async fn the_driver_passes_the_suite() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reader = listener.local_addr().unwrap();
    // Nobody listens where somebody has just ceased to.
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let field = Field::default();
    let serving = field.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    // Power, inputs and memory of tags, which this reader does not have, are the four skips.
    check(&mut AcmeRig { field, reader, nowhere }).await.assert_passed(4);
}
