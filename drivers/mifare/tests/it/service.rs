//! Sessions on a PC/SC service of our own.

use std::time::{Duration, Instant};

use rfid_core::{Driver, DynSession, ReaderInfo, ReaderSetup, Settings};
use rfid_driver_mifare::Mifare;
use rfid_driver_mifare::sim::{Notice, PcscService};

/// How long the service may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service that looks for cards now and then, once no other test needs one.
pub(crate) fn started() -> PcscService {
    PcscService::start(Notice::Looks).unwrap()
}

pub(crate) const SECRETS: &str = "read_secret = \"0102030405060708090a0b0c0d0e0f10\"\n\
    record_secret = \"1112131415161718191a1b1c1d1e1f20\"\n\
    write_secret = \"2122232425262728292a2b2c2d2e2f30\"\n";

pub(crate) fn settings(more: &str) -> Settings {
    Settings::from_toml(&format!(
        "transport = \"pcsc\"\nreader = \"Virtual PCD 00 00\"\nrepeat = \"50ms\"\n{more}"
    ))
    .unwrap()
}

pub(crate) fn session(more: &str) -> Box<dyn DynSession> {
    Mifare.session(&settings(more), &ReaderSetup::named("desk")).unwrap()
}

/// Opens a session, as often as a supervisor would.
pub(crate) async fn open(session: &mut dyn DynSession) -> ReaderInfo {
    let start = Instant::now();
    loop {
        match session.open().await {
            Ok(info) => return info,
            Err(error) if start.elapsed() < PATIENCE => {
                session.close().await.unwrap();
                assert_eq!(error.retry(), rfid_core::Retry::Reconnect, "{error:#}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error:#}"),
        }
    }
}
