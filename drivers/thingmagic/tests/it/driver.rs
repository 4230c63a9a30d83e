//! The driver against modules and lines that do what real ones do.

use std::time::Duration;

use rfid_core::abilities::{Bank, TagTarget};
use rfid_core::{
    AirProtocol, Driver, DynSession, ErrorKind, ReadBuf, ReadHandler, ReaderSetup, Settings, TagId, TagIdKind,
};
use rfid_driver_thingmagic::emulator::{Profile, Scenario, serve_stream};
use rfid_driver_thingmagic::{ThingMagic, session_over};
use tokio::io::duplex;
use tokio::time::timeout;

/// A session with an emulated module, in simulated time.
fn emulated(scenario: &str, settings: &str) -> Box<dyn DynSession> {
    let scenario = Scenario::from_toml(scenario).unwrap();
    let connect = move || {
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(serve_stream(theirs, Profile::M6e, scenario.clone()));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml(&format!("address = \"module:1\"\n{settings}")).unwrap();
    session_over(&settings, &ReaderSetup::named("door"), connect).unwrap()
}

struct Collected {
    buffer: ReadBuf,
    ids: Vec<String>,
    batches: usize,
}

impl ReadHandler for Collected {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        self.batches += 1;
        self.ids.extend(self.buffer.iter().map(|sighting| sighting.id.to_owned().to_string()));
        self.buffer.clear();
    }
}

async fn read_for(session: &mut dyn DynSession, time: Duration) -> (Collected, Option<rfid_core::Error>) {
    let mut collected = Collected { buffer: ReadBuf::with_capacity(64), ids: Vec::new(), batches: 0 };
    let error = timeout(time, session.pump(&mut collected)).await.ok().map(|outcome| outcome.unwrap_err());
    (collected, error)
}

#[tokio::test(start_paused = true)]
async fn two_protocols_take_turns() {
    let tags = "[[tag]]\nepc = \"3000\"\n[[tag]]\nepc = \"E0040000AABBCCDD\"\nprotocol = \"iso18000-6b\"\n";
    let mut session = emulated(tags, "protocols = [\"gen2\", \"iso18000-6b\"]");
    let info = session.open().await.unwrap();
    assert_eq!(info.model, "ThingMagic M6e");
    assert_eq!(info.protocols, [AirProtocol::Iso18000_6b, AirProtocol::Gen2]);
    session.start().await.unwrap();
    let (mut collected, error) = read_for(&mut *session, Duration::from_secs(3)).await;
    assert!(error.is_none());
    collected.ids.sort();
    collected.ids.dedup();
    assert_eq!(collected.ids, ["epc:3000", "uid6b:E0040000AABBCCDD"]);
    session.stop().await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_empty_field_is_no_dead_line_and_a_silent_module_is_one() {
    let mut session = emulated("", "");
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    assert!(error.is_none() && collected.batches > 30, "{}", collected.batches);

    let mut session = emulated("[faults]\nsilent_after = 4\n", "");
    let outcome = timeout(Duration::from_secs(60), session.open()).await.unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_memory_operation_needs_the_tag_to_lie_alone() {
    let mut session = emulated("[[tag]]\nepc = \"3000\"\n[[tag]]\nepc = \"3001\"\n", "");
    session.open().await.unwrap();
    let id = TagId::from_hex(TagIdKind::Epc, "3000").unwrap();
    let tag = TagTarget { antenna_port: 1, protocol: AirProtocol::Gen2, id, password: None };
    let error = session.tag_access().unwrap().read_memory(&tag, Bank::Tid, 0, 2).await.unwrap_err();
    assert!(error.to_string().contains("2 tags lie there"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_power_out_of_range_is_refused_with_the_range() {
    let mut session = emulated("", "read_power_dbm = 27");
    session.open().await.unwrap();
    let tune = session.tune().unwrap();
    assert_eq!(tune.read_power_cdbm().await.unwrap(), 2700);
    let error = tune.set_read_power_cdbm(3300).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regulatory);
    assert!(error.to_string().contains("500 to 3150"), "{error}");
    let mut session = emulated("", "read_power_dbm = 35");
    let error = session.open().await.unwrap_err();
    assert!(error.to_string().contains("0103: power too high"), "{error}");
}

/// The whole way over a device of the system: a pseudo-terminal stands in for the line.
#[tokio::test]
async fn a_module_on_a_serial_line_is_read() {
    let (module, line) = tokio_serial::SerialStream::pair().unwrap();
    let device = tokio_serial::SerialPort::name(&line).unwrap();
    let scenario = Scenario::from_toml("[[tag]]\nepc = \"3000\"\n").unwrap();
    let served = tokio::spawn(serve_stream(module, Profile::M6e, scenario));
    let settings = Settings::from_toml(&format!("address = \"{device}\"\ncycle = \"50ms\"")).unwrap();
    let mut session = ThingMagic.session(&settings, &ReaderSetup::named("door")).unwrap();
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(1)).await;
    assert!(error.is_none() && collected.ids.contains(&"epc:3000".to_owned()), "{:?}", collected.ids);
    session.stop().await.unwrap();
    session.close().await.unwrap();
    served.abort();
    drop(line);
}
