//! The port itself, on a real pseudo-terminal.

use std::path::PathBuf;
use std::time::Duration;

use rfid_core::{ErrorKind, Retry};
use rfid_driver_mifare::coupler::{Coupler, Pad};
use rfid_driver_mifare::pn532::emulator::{Emulator, Scenario};
use rfid_driver_mifare::pn532::{Options, Pn532, SerialPort, USUAL_BAUD};
use rfid_driver_mifare::sim::SimulatedCard;
use tempfile::TempDir;

use super::{LONG, classic, read_alone, uid};

struct Rig {
    emulator: Emulator,
    port: PathBuf,
    _folder: TempDir,
}

impl Rig {
    async fn start(scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = folder.path().join("pn532");
        let emulator = Emulator::start(&port, Scenario::from_toml(scenario).unwrap()).await.unwrap();
        Self { emulator, port, _folder: folder }
    }

    fn coupler(&self) -> Pn532<SerialPort> {
        Pn532::new(SerialPort { path: self.port.clone(), baud: USUAL_BAUD }, Options::default())
    }
}

#[tokio::test]
async fn a_card_is_read_over_a_port() {
    let rig = Rig::start("[faults]\nsplit_every = 5").await;
    let mut coupler = rig.coupler();
    coupler.open().await.unwrap();
    rig.emulator.lay(SimulatedCard::classic_1k(uid("DEADBEEF")));
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap(), classic("DEADBEEF"));
    assert_eq!(read_alone(&mut coupler, &uid("DEADBEEF"), 4).await.unwrap(), [0; 16]);
    rig.emulator.clear();
    assert_eq!(coupler.look(&classic("DEADBEEF"), LONG).await.unwrap(), Pad::Empty);
    coupler.close().await;
    rig.emulator.shutdown().await;
    assert!(!rig.port.exists() && !rig.port.is_symlink(), "the link is still there");
}

#[tokio::test]
async fn a_port_that_vanishes_is_noticed_and_one_that_returns_is_used() {
    let mut rig = Rig::start("").await;
    let mut coupler = rig.coupler();
    for _ in 0..3 {
        coupler.open().await.unwrap();
        rig.emulator.lay(SimulatedCard::classic_1k(uid("DEADBEEF")));
        let card = coupler.look(&Pad::Empty, LONG).await.unwrap();
        let (looked, ()) = tokio::join!(coupler.look(&card, LONG), rig.emulator.pull());
        let error = looked.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Reconnect), "{error:#}");
        let error = coupler.open().await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Reconnect), "{error:#}");
        assert!(error.to_string().contains("is the reader plugged in?"), "{error}");
        rig.emulator.plug_in().await;
    }
    rig.emulator.replug().await;
    coupler.open().await.unwrap();
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn a_port_that_another_program_has_open_is_told() {
    let rig = Rig::start("").await;
    let mut first = rig.coupler();
    first.open().await.unwrap();
    let error = rig.coupler().open().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Busy, Retry::Reconnect), "{error:#}");
    assert!(error.to_string().contains("another program"), "{error}");
    first.close().await;
    rig.coupler().open().await.unwrap();
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn what_an_earlier_host_left_on_the_line_does_no_harm() {
    let rig = Rig::start("[[card]]\nuid = \"DEADBEEF\"\n[faults]\nanswer_delay = \"20ms\"").await;
    for _ in 0..5 {
        let mut coupler = rig.coupler();
        coupler.open().await.unwrap();
        // Dropped in the middle, as by a host that is killed: its answer comes to the next one.
        let _ = tokio::time::timeout(Duration::from_millis(10), coupler.select(&uid("DEADBEEF"))).await;
    }
    let mut coupler = rig.coupler();
    coupler.open().await.unwrap();
    assert_eq!(read_alone(&mut coupler, &uid("DEADBEEF"), 4).await.unwrap(), [0; 16]);
    rig.emulator.shutdown().await;
}

#[tokio::test]
async fn the_cable_is_pulled_when_the_scenario_says_so() {
    // One each second: whenever the port is open, one is ahead.
    let outages: String = (0..120)
        .map(|second| format!("[[outage]]\nat = \"{}ms\"\nfor = \"300ms\"\n", second * 1_000 + 500))
        .collect();
    let rig = Rig::start(&outages).await;
    let mut coupler = rig.coupler();
    open_sometime(&mut coupler).await;
    assert_eq!(coupler.look(&Pad::Empty, LONG).await.unwrap_err().kind(), ErrorKind::Io);
    open_sometime(&mut coupler).await;
    rig.emulator.shutdown().await;
}

/// Opens a port that comes and goes, which it may do in the middle of it.
async fn open_sometime(coupler: &mut Pn532<SerialPort>) {
    while let Err(error) = coupler.open().await {
        assert!(matches!(error.kind(), ErrorKind::Connect | ErrorKind::Io), "{error:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn the_example_of_a_scenario_is_one() {
    Scenario::from_toml(include_str!("../../../../../examples/pad.toml")).unwrap();
}
