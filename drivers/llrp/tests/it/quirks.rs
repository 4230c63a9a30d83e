//! The driver against the emulator with what real readers do (§12), one thing at a time.

use std::sync::Arc;
use std::time::Duration;

use rfid_core::abilities::{Bank, TagTarget};
use rfid_core::recording::Recorder;
use rfid_core::{
    AirProtocol, Clock, Driver, DynSession, ErrorKind, ReaderSetup, Retry, Settings, Stamp, TagId, TagIdKind,
    UtcTime,
};
use rfid_driver_llrp::emulator::{Emulator, Faults, Profile, Scenario, serve_stream};
use rfid_driver_llrp::{Llrp, session_over};
use tokio::io::duplex;
use tokio::time::Instant;

use crate::peer::{begun, read_for};

const SECOND: Duration = Duration::from_secs(1);

fn tag(number: u8) -> TagId {
    TagId::new(TagIdKind::Epc, &crate::peer::epc(number)).unwrap()
}

/// A session with an emulated reader in simulated time; each connection meets a new one.
fn session(profile: Profile, options: &str, faults: Faults) -> Box<dyn DynSession> {
    let scenario = Scenario::steady([tag(1), tag(2)], 20).with_faults(faults);
    let connect = move || {
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(serve_stream(theirs, profile, scenario.clone(), UtcTime::default()));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml(&format!("address = \"reader\"\n{options}")).unwrap();
    session_over(&settings, &ReaderSetup::named("door"), connect).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_of_reports_is_there_all_the_same() {
    for profile in [Profile::R420, Profile::Fx9600, Profile::AlrF800] {
        let faults = Faults { unchanged_left_out: true, members_out_of_order: true, ..Faults::default() };
        let mut session = session(profile, "", faults);
        begun(&mut *session).await;
        let (collected, error) = read_for(&mut *session, 2 * SECOND).await;
        assert!(error.is_none(), "{profile:?}: {error:?}");
        assert!(collected.reads.len() > 20, "{profile:?}");
        for read in &collected.reads {
            assert_eq!(read.antenna_port(), Some(1), "{profile:?}");
            assert!(read.rssi_cdbm().is_some() && read.frequency_khz().is_some(), "{profile:?}: {read:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_silent_is_noticed_and_one_that_only_has_no_tags_is_not() {
    let faults = Faults { silent_after: Some(12), ..Faults::default() };
    let mut silent = session(Profile::Fx9600, "keepalive = \"2s\"", faults);
    let opened = silent.open().await;
    let error = match opened {
        Err(error) => error,
        Ok(_) => match silent.start().await {
            Err(error) => error,
            Ok(()) => read_for(&mut *silent, 60 * SECOND).await.1.unwrap(),
        },
    };
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Reconnect));
    silent.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn power_is_refused_by_a_reader_that_sets_none_and_else_it_reads() {
    let faults = || Faults { no_transmitter: true, ..Faults::default() };
    let mut asking = session(Profile::R420, "power_dbm = 20.0", faults());
    asking.open().await.unwrap();
    let error = asking.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.detail().unwrap().contains("RFTransmitter"), "{error}");
    let mut plain = session(Profile::R420, "", faults());
    begun(&mut *plain).await;
    assert!(!read_for(&mut *plain, SECOND).await.0.ids.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_in_the_air_is_told_and_not_tried_again() {
    let faults = Faults { fail_operation_every: Some(2), ..Faults::default() };
    let mut session = session(Profile::R420, "", faults);
    session.open().await.unwrap();
    let target = TagTarget { antenna_port: 1, protocol: AirProtocol::Gen2, id: tag(1), password: None };
    let access = session.tag_access().unwrap();
    access.write_memory(&target, Bank::User, 0, &[1, 2, 3, 4]).await.unwrap();
    let error = access.read_memory(&target, Bank::User, 0, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TagLost);
    assert_eq!(access.read_memory(&target, Bank::User, 0, 2).await.unwrap(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_a_crashed_program_left_running_does_not_stand_in_the_way() {
    let emulator =
        Emulator::bind("127.0.0.1:0", Profile::R420, Scenario::steady([tag(1)], 20)).await.unwrap();
    let settings = Settings::from_toml(&format!("address = \"{}\"", emulator.local_addr())).unwrap();
    let session = || Llrp.session(&settings, &ReaderSetup::named("door")).unwrap();
    let mut crashed = session();
    begun(&mut *crashed).await;
    // No stop, no close: the connection is gone and the ROSpec runs on; this model has room for one.
    drop(crashed);
    let mut next = session();
    begun(&mut *next).await;
    let (collected, error) = read_for(&mut *next, SECOND).await;
    assert!(error.is_none() && !collected.ids.is_empty());
    next.stop().await.unwrap();
    next.close().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn another_client_is_named_and_when_it_goes_the_reader_is_had() {
    let faults = |another_client| Faults { another_client, ..Faults::default() };
    let scenario = Scenario::steady([tag(1)], 20).with_faults(faults(true));
    let emulator = Emulator::bind("127.0.0.1:0", Profile::Fx9600, scenario).await.unwrap();
    let settings = Settings::from_toml(&format!("address = \"{}\"", emulator.local_addr())).unwrap();
    let mut session = Llrp.session(&settings, &ReaderSetup::named("door")).unwrap();
    let error = session.open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    session.close().await.unwrap();
    emulator.set_faults(faults(false));
    begun(&mut *session).await;
    // And it is had anew after the reader was started anew.
    emulator.reboot();
    let (_, error) = read_for(&mut *session, 20 * SECOND).await;
    assert_eq!(error.unwrap().retry(), Retry::Reconnect);
    session.close().await.unwrap();
    begun(&mut *session).await;
    // A last word of its own.
    emulator.close_connection();
    let (_, error) = read_for(&mut *session, 20 * SECOND).await;
    assert!(error.unwrap().detail().unwrap().contains("ends the connection"));
    session.close().await.unwrap();
    emulator.shutdown().await;
}

/// The host's clocks in simulated time.
struct Simulated(Instant);

impl Clock for Simulated {
    fn now(&self) -> Stamp {
        let monotonic = self.0.elapsed();
        Stamp { monotonic, utc: UTC.plus(monotonic) }
    }
}

const UTC: UtcTime = UtcTime::from_nanos(1_795_000_000_000_000_000);

#[tokio::test(start_paused = true)]
async fn a_reader_without_a_clock_says_the_same_times_as_one_that_has_the_hosts() {
    for options in ["", "report_every = 20"] {
        let mut times = Vec::new();
        for no_utc_clock in [false, true] {
            let scenario = Scenario::steady([tag(1), tag(2)], 20).with_faults(Faults {
                no_utc_clock,
                unchanged_left_out: true,
                ..Faults::default()
            });
            let connect = move || {
                let (ours, theirs) = duplex(64 * 1024);
                tokio::spawn(serve_stream(theirs, Profile::Fx9600, scenario.clone(), UTC));
                std::future::ready(Ok(ours))
            };
            let settings = Settings::from_toml(&format!("address = \"reader\"\n{options}")).unwrap();
            let recorder = Recorder::new(Arc::new(Simulated(Instant::now())));
            let setup = ReaderSetup { recorder, ..ReaderSetup::named("door") };
            let mut session = session_over(&settings, &setup, connect).unwrap();
            begun(&mut *session).await;
            let (collected, error) = read_for(&mut *session, 100 * SECOND).await;
            assert!(error.is_none(), "{error:?}");
            times.push(collected.reads.iter().map(|read| read.reader_time()).collect::<Vec<_>>());
        }
        let [with_clock, without] = &times[..] else { panic!() };
        assert!(with_clock.len() > 300 && with_clock.iter().all(Option::is_some), "{with_clock:?}");
        assert_eq!(with_clock, without, "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn tags_are_read_by_how_their_epc_begins() {
    let [one, two] = [tag(1), tag(2)].map(|tag| tag.hex());
    for (prefixes, read) in [
        (format!("\"{one}\""), vec![&one]),
        // Half an octet.
        (format!("\"{}\"", &two.to_lowercase()[..23]), vec![&one, &two]),
        (format!("\"{two}\", \"{one}\""), vec![&one, &two]),
        (format!("\"31\", \"{two}\""), vec![&two]),
        ("\"3001\"".to_owned(), vec![]),
    ] {
        for profile in [Profile::R420, Profile::Fx9600, Profile::AlrF800] {
            let options = format!("epc_prefixes = [{prefixes}]");
            let mut session = session(profile, &options, Faults::default());
            begun(&mut *session).await;
            let (mut collected, error) = read_for(&mut *session, 2 * SECOND).await;
            assert!(error.is_none(), "{profile:?}: {error:?}");
            collected.ids.sort();
            collected.ids.dedup();
            assert_eq!(collected.ids.iter().collect::<Vec<_>>(), read, "{profile:?} with {prefixes}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_prefixes_than_a_reader_takes_are_refused_before_anything_runs() {
    let options = "epc_prefixes = [\"30\", \"31\", \"32\"]";
    let error = session(Profile::R420, options, Faults::default()).open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.detail(), Some("this reader takes 2 epc_prefixes at once; 3 are asked for"));
}
