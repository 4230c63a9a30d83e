//! The driver against readers that do what real ones are known to do, in simulated time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rfid_core::Listening;
use rfid_core::abilities::{Bank, LockTarget, TagTarget};
use rfid_core::{
    AirProtocol, Driver, DynSession, ErrorKind, Noticed, ReadBuf, ReadHandler, ReaderSetup, Retry, Settings,
    TagId, TagIdKind, UtcTime,
};
use rfid_driver_mercury4::emulator::{Emulator, Faults, Profile, Scenario, serve_stream};
use rfid_driver_mercury4::{Mercury4, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

const VERSION: &str = "2.3.14 (2005-11-23T14:22:53-05:00 Tesla )\n\n";
const ROW: &str = "12|1|0x300000000000000000000001447C|3|914750|1101973245.003590\n";

/// What the scripted reader answers to a statement; `None` to say nothing and hang up.
type Answers = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Answers a statement as a Mercury 4 without tags does.
fn usual(statement: &str) -> String {
    if statement.contains("version FROM settings") {
        VERSION.to_owned()
    } else if statement.contains("supported_protocols") {
        "EPC0 EPC1 GEN2 ISO18000-6B\n\n".to_owned()
    } else if statement.contains("FROM params") {
        "Error 0100:\tUnknown table\n\n".to_owned()
    } else if statement.contains("lqi") {
        "Error 0100:\tUnknown lqi\n\n".to_owned()
    } else {
        "\n".to_owned()
    }
}

async fn scripted_reader(mut stream: DuplexStream, answers: Answers) {
    let (mut received, mut chunk) = (Vec::new(), [0; 512]);
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        received.extend_from_slice(&chunk[..count]);
        while let Some(end) = received.iter().position(|byte| *byte == b';') {
            let statement: Vec<u8> = received.drain(..=end).collect();
            let statement = String::from_utf8(statement).unwrap();
            // An inventory round takes its time.
            if statement.contains("time_out")
                && statement.contains("SELECT")
                && !statement.contains("DECLARE")
            {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            match answers(statement.trim().trim_end_matches(';')) {
                Some(reply) => stream.write_all(reply.as_bytes()).await.unwrap(),
                None => return,
            }
        }
    }
}

fn session(
    settings: &str,
    answers: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Box<dyn DynSession> {
    let answers: Answers = Arc::new(answers);
    let connect = move || {
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(scripted_reader(theirs, Arc::clone(&answers)));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml(&format!("address = \"reader\"\n{settings}")).unwrap();
    session_over(&settings, &ReaderSetup::named("door"), connect).unwrap()
}

/// Whether a statement is a round of the inventory and not one that asks which columns exist.
fn is_round(statement: &str) -> bool {
    statement.starts_with("SELECT") && statement.contains("time_out=250")
}

struct Collected {
    buffer: ReadBuf,
    noticed: Vec<Noticed>,
    ids: Vec<String>,
    lost: u64,
    rounds: usize,
}

impl Collected {
    fn new() -> Self {
        Self { buffer: ReadBuf::with_capacity(64), noticed: Vec::new(), ids: Vec::new(), lost: 0, rounds: 0 }
    }
}

impl ReadHandler for Collected {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        self.rounds += 1;
        self.noticed.extend(self.buffer.take_noticed());
        self.lost += self.buffer.lost();
        self.ids.extend(self.buffer.iter().map(|sighting| sighting.id.to_owned().hex()));
        self.buffer.clear();
    }
}

async fn read_for(session: &mut dyn DynSession, time: Duration) -> (Collected, Option<rfid_core::Error>) {
    let mut collected = Collected::new();
    let error = timeout(time, session.pump(&mut collected)).await.ok().map(|outcome| outcome.unwrap_err());
    (collected, error)
}

#[tokio::test(start_paused = true)]
async fn a_polled_reader_is_asked_again_and_again() {
    let mut session = session("", |statement| {
        Some(if is_round(statement) { format!("{ROW}\n") } else { usual(statement) })
    });
    let info = session.open().await.unwrap();
    assert_eq!((info.model.as_str(), info.firmware.as_str()), ("ThingMagic Mercury 4", VERSION.trim()));
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(1)).await;
    assert!(error.is_none());
    assert_eq!(collected.ids, ["300000000000000000000001"; 3].map(str::to_owned));
    session.stop().await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_crashed_client_left_running_is_passed_over() {
    let first = Mutex::new(true);
    let mut session = session("", move |statement| {
        let mut reply = String::new();
        if std::mem::take(&mut *first.lock().unwrap()) {
            // Frames of somebody's autonomous mode, then the line feed of a cursor cut short.
            reply.push_str(
                "0xCE851234567890ABCDEF\n\n\n1101973245.003590\n\nError 0102: Error performing query\n\n\n",
            );
        }
        reply.push_str(&usual(statement));
        Some(reply)
    });
    let info = session.open().await.unwrap();
    assert_eq!(info.firmware, VERSION.trim());
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stray_line_feed_reads_as_an_empty_round() {
    let mut session = session("", |statement| {
        Some(if is_round(statement) { format!("\n{ROW}\n") } else { format!("\n{}", usual(statement)) })
    });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(2)).await;
    assert!(error.is_none());
    assert!(collected.ids.len() >= 3, "tags come all the same: {}", collected.ids.len());
}

#[tokio::test(start_paused = true)]
async fn a_column_that_the_reader_lacks_is_left_out() {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let mut session = session("", move |statement| {
        if is_round(statement) {
            *seen.lock().unwrap() = statement.to_owned();
            return Some("12|1|0x300000000000000000000001447C|3\n\n".to_owned());
        }
        let lacks = ["frequency", "timestamp", "lqi"].iter().find(|column| statement.contains(**column));
        Some(lacks.map_or_else(|| usual(statement), |column| format!("Error 0100: Unknown {column}\n\n")))
    });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, _) = read_for(&mut *session, Duration::from_secs(1)).await;
    assert!(!collected.ids.is_empty());
    let asked = asked.lock().unwrap();
    assert!(asked.starts_with("SELECT protocol_id,antenna_id,id,read_count FROM"), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_exists_already_is_replaced() {
    let exists = Mutex::new(true);
    let mut session = session("mode = \"autonomous\"", move |statement| {
        let mut exists = exists.lock().unwrap();
        Some(if statement.starts_with("CLOSE") {
            *exists = false;
            "\n".to_owned()
        } else if statement.starts_with("DECLARE") && *exists {
            "Error 0100:\tCursor already exists\n\n".to_owned()
        } else if statement.starts_with("SET AUTO") && statement.contains("ON") {
            format!("\n{ROW}\n\n{ROW}\n")
        } else {
            usual(statement)
        })
    });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(1)).await;
    assert!(error.is_none());
    assert_eq!(collected.ids.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_dies_in_the_middle_of_a_row_has_said_what_was_whole() {
    let rounds = Mutex::new(0);
    let mut session = session("", move |statement| {
        if !is_round(statement) {
            return Some(usual(statement));
        }
        let mut rounds = rounds.lock().unwrap();
        *rounds += 1;
        (*rounds == 1).then(|| format!("{ROW}{}", &ROW[..20]))
    });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    // The scripted reader never ends the round, so the driver runs out of patience or the
    // connection ends, whichever comes first; either way only the whole row counts.
    assert_eq!(error.unwrap().retry(), Retry::Reconnect);
    assert_eq!(collected.ids, ["300000000000000000000001"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_closed_is_an_error_at_once() {
    let mut session =
        session("", |statement| if is_round(statement) { None } else { Some(usual(statement)) });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (_, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    let error = error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Reconnect));
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_five_seconds_after_the_round_was_due() {
    let mut session =
        session("", |statement| Some(if is_round(statement) { String::new() } else { usual(statement) }));
    session.open().await.unwrap();
    session.start().await.unwrap();
    let start = Instant::now();
    let (_, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_millis(5250));
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_is_counted_and_three_end_the_connection() {
    for (bad_rows, ends) in [(2, false), (3, true)] {
        let mut session = session("", move |statement| {
            Some(if is_round(statement) {
                format!("{ROW}{}{ROW}\n", "12|1|garbage\n".repeat(bad_rows))
            } else {
                usual(statement)
            })
        });
        session.open().await.unwrap();
        session.start().await.unwrap();
        let (collected, error) = read_for(&mut *session, Duration::from_millis(400)).await;
        assert_eq!(error.map(|error| error.kind()), ends.then_some(ErrorKind::Protocol));
        assert_eq!(collected.lost, bad_rows as u64);
        assert_eq!(collected.ids.len(), if ends { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_reader_is_reported_with_its_code() {
    let mut session = session("", |statement| {
        Some(if is_round(statement) { "Error 0107:\tsomething new\n\n".to_owned() } else { usual(statement) })
    });
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (_, error) = read_for(&mut *session, Duration::from_secs(1)).await;
    let error = error.unwrap();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Protocol, Some(107)));
    assert!(format!("{error:#}").contains("something new"));
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_the_reader_does_not_speak_is_said() {
    let mut session = session("protocols = [\"gen2\", \"epc0\"]", |statement| {
        Some(if statement.contains("supported_protocols") {
            "EPC1 GEN2\n\n".into()
        } else {
            usual(statement)
        })
    });
    let error = session.open().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unsupported, Retry::Never));
    assert!(error.to_string().contains("does not speak epc0; it speaks epc1, gen2"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn something_that_is_not_a_mercury_is_given_up() {
    let mut endless = session("", |_| Some("x".repeat(5000)));
    assert_eq!(endless.open().await.unwrap_err().kind(), ErrorKind::Protocol);
    let mut web = session("", |_| Some("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
    assert_eq!(web.open().await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_power_that_the_reader_does_not_take_is_refused_before_it_is_sent() {
    let mut session = session("", |statement| {
        assert!(!statement.contains("UPDATE"), "{statement}");
        Some(usual(statement))
    });
    session.open().await.unwrap();
    let error = session.tune().unwrap().set_read_power_cdbm(3300).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regulatory);
    assert!(error.to_string().contains("0 to 3250"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn replies_cut_into_single_bytes_make_no_difference() {
    let tags: Vec<TagId> =
        (0..20).map(|tag| TagId::from_hex(TagIdKind::Epc, &format!("2D{tag:022X}")).unwrap()).collect();
    let scenario = Scenario::steady(tags, 20);
    let connect = move || {
        let (ours, theirs) = duplex(64);
        let faults = Faults { split_every: Some(1), stray_line_feed_after_reset: true, ..Faults::default() };
        let scenario = scenario.clone().with_faults(faults);
        tokio::spawn(serve_stream(theirs, Profile::M4, scenario, UtcTime::from_nanos(1)));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml("address = \"reader\"").unwrap();
    let mut session = session_over(&settings, &ReaderSetup::named("door"), connect).unwrap();
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (mut collected, error) = read_for(&mut *session, Duration::from_millis(600)).await;
    assert!(error.is_none());
    collected.ids.sort();
    collected.ids.dedup();
    assert_eq!(collected.ids.len(), 20);
}

fn card(protocol: AirProtocol, id: &str) -> TagTarget {
    let id = TagId::from_hex(TagIdKind::Epc, id).unwrap();
    TagTarget { antenna_port: 1, protocol, id, password: None }
}

/// A session with a reader that answers updates with this row and, where it is looked, with
/// these tags.
async fn with_a_tag(row: &'static str, looks: &'static str) -> Box<dyn DynSession> {
    let mut session = session("", move |statement| {
        Some(match statement {
            update if update.starts_with("UPDATE") => format!("{row}\n\n"),
            look if look.contains("time_out=500") => format!("{looks}\n"),
            other => usual(other),
        })
    });
    session.open().await.unwrap();
    session
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_speaks_of_another_tag_is_not_trusted() {
    let tag = card(AirProtocol::Epc1, "1234567890ABCDEF");
    let mut session = with_a_tag("|0xCE791111111111111111", "1|1|0xCE851234567890ABCDEF\n").await;
    let error = session.tag_access().unwrap().lock(&tag, LockTarget::Whole).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Never));
    assert!(error.to_string().contains("another tag: CE791111111111111111"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_name_its_tag_is_sent_only_where_the_tag_is_alone() {
    let tag = card(AirProtocol::Epc1, "1234567890ABCDEF");
    for (looks, reason) in [
        ("", "no tag is heard"),
        ("1|1|0xCE791111111111111111\n", "another tag lies there: 1111111111111111"),
        ("1|1|0xCE851234567890ABCDEF\n1|1|0xCE791111111111111111\n", "2 tags lie there"),
    ] {
        let mut session = with_a_tag("", looks).await;
        let error = session.tag_access().unwrap().kill(&tag, 0x88).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_did_not_kill_is_no_success() {
    let tag = card(AirProtocol::Epc1, "1234567890ABCDEF");
    let mut session = with_a_tag("||0x00000000000000000000", "1|1|0xCE851234567890ABCDEF\n").await;
    let error = session.tag_access().unwrap().kill(&tag, 0x88).await.unwrap_err();
    assert!(error.to_string().contains("the tag still answers"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_no_source_says_how_to_do_is_refused_before_it_is_sent() {
    let mut session = with_a_tag("", "").await;
    let access = session.tag_access().unwrap();
    let class_0 = card(AirProtocol::Epc0, "1234567890ABCDEF");
    let byte_tag = card(AirProtocol::Iso18000_6b, "E0040000AABBCCDD");
    for error in [
        access.write_id(&class_0, &[0; 8]).await.unwrap_err(),
        access.kill(&byte_tag, 1).await.unwrap_err(),
        access.read_memory(&class_0, Bank::User, 0, 1).await.unwrap_err(),
        access.lock(&byte_tag, LockTarget::Whole).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

/// A session with an emulated reader, in simulated time.
fn emulated(profile: Profile, scenario: &str, settings: &str) -> Box<dyn DynSession> {
    let scenario = Scenario::from_toml(scenario).unwrap();
    let connect = move || {
        let (ours, theirs) = duplex(64 * 1024);
        let utc = UtcTime::default();
        tokio::spawn(serve_stream(theirs, profile, scenario.clone(), utc));
        std::future::ready(Ok(ours))
    };
    let settings = Settings::from_toml(&format!("address = \"reader\"\n{settings}")).unwrap();
    session_over(&settings, &ReaderSetup::named("door"), connect).unwrap()
}

#[tokio::test(start_paused = true)]
async fn inputs_and_antennas_are_watched_between_rounds() {
    let scenario = "[[tag]]\nepc = \"2D00\"\n\
                    [[input]]\npin = 1\nat = \"5s\"\nfor = \"2s\"\n\
                    [[outage]]\nantenna = 2\nat = \"10s\"\nfor = \"10s\"\n";
    let settings = "watch_inputs = \"500ms\"\nwatch_antennas = \"1s\"\n";
    let mut session = emulated(Profile::Mercury5, scenario, settings);
    assert_eq!(session.open().await.unwrap().antenna_ports, [1, 2, 3, 4]);
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(30)).await;
    assert!(error.is_none());
    assert!(collected.rounds > 100 && collected.lost == 0, "{}", collected.rounds);
    let high = |noticed: &Noticed| {
        let inputs = noticed.inputs.as_ref()?;
        Some(inputs.iter().filter(|level| level.high).map(|level| level.pin).collect::<Vec<_>>())
    };
    let inputs: Vec<_> = collected.noticed.iter().filter_map(high).collect();
    assert_eq!(inputs, [vec![0], vec![0, 1], vec![0]]);
    let antennas: Vec<_> = collected.noticed.iter().filter_map(|noticed| noticed.listening.clone()).collect();
    assert_eq!(antennas, [Listening::Ports(vec![1, 3, 4]), Listening::Ports(vec![1, 2, 3, 4])]);
    session.stop().await.unwrap();
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_power_of_the_configuration_is_set_when_the_reader_is_opened() {
    let mut session = emulated(Profile::M4, "", "read_power_dbm = 27.5");
    session.open().await.unwrap();
    assert_eq!(session.tune().unwrap().read_power_cdbm().await.unwrap(), 2750);
    let refused = session.tune().unwrap().set_read_power_of_port_cdbm(1, 2700).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);

    let mut session = emulated(Profile::Astra, "", "");
    session.open().await.unwrap();
    let tune = session.tune().unwrap();
    assert_eq!(tune.set_read_power_of_port_cdbm(2, 2000).await.unwrap(), 2000);
    assert_eq!(tune.read_power_of_port_cdbm(1).await.unwrap(), 3000);
    let refused = tune.read_power_of_port_cdbm(9).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);

    let mut session = emulated(Profile::Astra, "", "read_power_dbm = 35");
    assert_eq!(session.open().await.unwrap_err().kind(), ErrorKind::Regulatory);
}

#[tokio::test]
async fn a_power_is_set_anew_and_checked_after_each_reconnection() {
    let scenario = Scenario::default();
    let emulator = Emulator::bind("127.0.0.1:0", Profile::Mercury5, scenario).await.unwrap();
    let settings = format!("address = \"{}\"\nread_power_dbm = 27.5", emulator.local_addr());
    let settings = Settings::from_toml(&settings).unwrap();
    let mut session = Mercury4.session(&settings, &ReaderSetup::named("door")).unwrap();
    for _ in 0..2 {
        session.open().await.unwrap();
        assert_eq!(session.tune().unwrap().read_power_cdbm().await.unwrap(), 2750);
        session.close().await.unwrap();
        // The reader has its own power again.
        emulator.reboot();
    }

    emulator.set_faults(Faults { power_off_by_cdbm: -50, ..Faults::default() });
    session.open().await.unwrap();
    assert_eq!(session.tune().unwrap().read_power_cdbm().await.unwrap(), 2700, "less does no harm");
    session.close().await.unwrap();

    emulator.set_faults(Faults { power_off_by_cdbm: 50, ..Faults::default() });
    let error = session.open().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Regulatory, Retry::Never));
    assert!(format!("{error:#}").contains("27.5 dBm and would send with 28 dBm"), "{error:#}");
    session.close().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_its_end_costs_no_tag() {
    let scenario = "[[tag]]\nepc = \"2D00\"\n[faults]\nmissing_terminator_every = 3\n";
    let mut session = emulated(Profile::M4, scenario, "");
    session.open().await.unwrap();
    session.start().await.unwrap();
    // The reader waits for a query and the driver for the end of a reply: the driver gives up first.
    let (collected, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    assert!(!collected.ids.is_empty());
    let error = error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Reconnect));
    session.close().await.unwrap();
    session.open().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_silent_with_its_connection_open_is_given_up() {
    let scenario = "[[tag]]\nepc = \"2D00\"\n[faults]\nsilent_after = 25\n";
    let mut session = emulated(Profile::M4, scenario, "");
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (collected, error) = read_for(&mut *session, Duration::from_secs(60)).await;
    assert!(!collected.ids.is_empty());
    assert_eq!(error.unwrap().kind(), ErrorKind::Timeout);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_class_1_tag_gets_a_password_and_dies_by_it() {
    let scenario = "[[tag]]\nepc = \"1234567890ABCDEF\"\nprotocol = \"epc1\"\n";
    let mut session = emulated(Profile::M4, scenario, "");
    session.open().await.unwrap();
    let tag = card(AirProtocol::Epc1, "1234567890ABCDEF");
    let access = session.tag_access().unwrap();
    access.write_id(&tag, &[0x11; 8]).await.unwrap();
    let tag = card(AirProtocol::Epc1, "1111111111111111");
    access.write_memory(&tag, Bank::Reserved, 0, &[0x88]).await.unwrap();
    assert_eq!(access.kill(&tag, 0x87).await.unwrap_err().kind(), ErrorKind::TagLost);
    access.kill(&tag, 0x88).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_iso_18000_6b_tag_is_written_byte_by_byte_until_a_byte_is_locked() {
    let scenario = "[[tag]]\nepc = \"E0040000AABBCCDD\"\nprotocol = \"iso18000-6b\"\n";
    let mut session = emulated(Profile::Mercury5, scenario, "");
    session.open().await.unwrap();
    let id = TagId::from_hex(TagIdKind::Iso18000_6bUid, "E0040000AABBCCDD").unwrap();
    let tag = TagTarget { antenna_port: 1, protocol: AirProtocol::Iso18000_6b, id, password: None };
    let access = session.tag_access().unwrap();
    let data: Vec<u8> = (1..=20).collect();
    access.write_memory(&tag, Bank::User, 30, &data).await.unwrap();
    assert_eq!(access.read_memory(&tag, Bank::User, 30, 20).await.unwrap(), data);
    access.lock(&tag, LockTarget::Byte(35)).await.unwrap();
    assert!(access.write_memory(&tag, Bank::User, 34, &[0, 0]).await.is_err());
    access.write_memory(&tag, Bank::User, 36, &[0]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_schedule_begins_and_ends_by_the_readers_own_clock() {
    // The emulated reader's clock begins with 1970; ours does not matter.
    let schedule = "mode = \"autonomous\"\nschedule = \"1970-01-01T00:01:00Z/1970-01-01T00:02:00Z\"";
    let mut session = emulated(Profile::M4, "[[tag]]\nepc = \"2D00\"\n", schedule);
    let start = Instant::now();
    session.open().await.unwrap();
    session.start().await.unwrap();
    let (early, error) = read_for(&mut *session, Duration::from_secs(55)).await;
    assert!(error.is_none() && early.ids.is_empty() && early.rounds >= 10, "{}", early.rounds);
    let (within, error) = read_for(&mut *session, Duration::from_secs(70)).await;
    assert!(error.is_none(), "{error:?}");
    // A round each quarter of a second for a minute.
    assert!((230..250).contains(&within.ids.len()), "{}", within.ids.len());
    let (late, error) = read_for(&mut *session, Duration::from_secs(600)).await;
    assert!(error.is_none() && late.ids.is_empty(), "{} {:?}", late.ids.len(), start.elapsed());
    let noticed: Vec<Listening> = [early, within, late]
        .into_iter()
        .flat_map(|collected| collected.noticed)
        .filter_map(|noticed| noticed.listening)
        .collect();
    assert_eq!(noticed, [Listening::None, Listening::All, Listening::None]);
    session.stop().await.unwrap();
    session.close().await.unwrap();
}
