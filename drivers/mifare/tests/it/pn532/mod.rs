//! The PN532 against its emulator.

mod cards;
mod line;
mod port;
mod suite;

use std::future::ready;
use std::time::Duration;

use rfid_driver_link::Connect;
use rfid_driver_mifare::coupler::{CardFault, Coupler, Pad, Target};
use rfid_driver_mifare::model::{Block, CardKind, Key, KeySlot, Uid};
use rfid_driver_mifare::pn532::emulator::{Scenario, serve_stream};
use rfid_driver_mifare::pn532::{Options, Pn532};
use tokio::io::duplex;

/// How long a test waits for what is to come.
const LONG: Duration = Duration::from_secs(60);

fn uid(hex: &str) -> Uid {
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    Uid::try_from(bytes.as_slice()).unwrap()
}

fn classic(hex: &str) -> Pad {
    Pad::Card(Target { uid: uid(hex), kind: CardKind::Classic1K })
}

/// A coupler to a chip that plays this, in simulated time. Each connection is another board.
fn coupler(scenario: &str) -> Pn532<impl Connect> {
    let scenario = Scenario::from_toml(scenario).unwrap();
    let connect = move || {
        let (ours, theirs) = duplex(4096);
        let scenario = scenario.clone();
        tokio::spawn(async move { serve_stream(theirs, scenario).await });
        ready(Ok(ours))
    };
    Pn532::new(connect, Options::default())
}

/// The same, open.
async fn open(scenario: &str) -> Pn532<impl Connect> {
    let mut coupler = coupler(scenario);
    coupler.open().await.unwrap();
    coupler
}

/// Reads a block as somebody does who knows only the card's number.
async fn read_alone(coupler: &mut dyn Coupler, uid: &Uid, block: u8) -> Result<Block, CardFault> {
    coupler.select(uid).await?;
    coupler.authenticate(block, KeySlot::A, &Key::transport()).await?;
    coupler.read_block(block).await
}

/// A block that no other block is like.
fn content_of(block: u8) -> Block {
    [block ^ 0x5A; 16]
}
