//! The emulator as clients see it, in simulated time over a stream in memory.

use std::time::Duration;

use proptest::prelude::*;
use rfid_core::UtcTime;
use rfid_driver_mercury4::emulator::{Emulator, Profile, Scenario, serve_stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;

/// Sends the pieces one after another, lets time pass, and returns all that came back.
async fn talk(profile: Profile, scenario: &str, pieces: &[&[u8]]) -> String {
    let (mut client, server) = duplex(1 << 20);
    let scenario = Scenario::from_toml(scenario).unwrap();
    let utc = UtcTime::from_nanos(1_000_000_000_000_000_000);
    let server = tokio::spawn(serve_stream(server, profile, scenario, utc));
    for piece in pieces {
        // Once the server has hung up there is nobody to write to.
        let _ = client.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    let _ = client.shutdown().await;
    let mut received = Vec::new();
    let _ = client.read_to_end(&mut received).await;
    let _ = server.await.unwrap();
    String::from_utf8_lossy(&received).into_owned()
}

async fn ask(statement: &str) -> String {
    talk(Profile::M4, TAGS, &[statement.as_bytes()]).await
}

const TAGS: &str = r#"
[[tag]]
epc = "300000000000000000000001"
antenna = 1

[[tag]]
epc = "300000000000000000000002"
antenna = 2
reads_per_second = 1

[[tag]]
epc = "1234567890ABCDEF"
protocol = "epc1"

[[tag]]
epc = "1234567890ABCDEF"
protocol = "epc0"
"#;

const ONE: &str = "0x300000000000000000000001447C\n";
const CLASS_1: &str = "0xCE851234567890ABCDEF\n";

#[tokio::test(start_paused = true)]
async fn conditions_switch_on_and_filter() {
    let select = |condition: &str| format!("SELECT id FROM tag_id WHERE {condition} SET time_out=500;");
    assert_eq!(ask(&select("antenna_id=1 AND protocol_id='GEN2'")).await, format!("{ONE}\n"));
    // AND on one column acts as OR.
    let both = ask(&select("(protocol_id='EPC1' and protocol_id='GEN2') and antenna_id=1")).await;
    assert_eq!(both, format!("{ONE}{CLASS_1}\n"));
    // A count is not what the search of Class 1 gives.
    assert_eq!(ask(&select("protocol_id='EPC1' AND read_count>1")).await, "\n");
    // A port that does not exist is silently without tags.
    assert_eq!(ask(&select("antenna_id=9")).await, "\n");
    // A range of ids.
    let range = "protocol_id='GEN2' AND (id>=0x300000000000000000000001 AND id<=0x300000000000000000000001)";
    assert_eq!(ask(&select(range)).await, format!("{ONE}\n"));
    assert_eq!(ask(&select("protocol='EPC1' AND NOT antenna=2")).await, format!("{CLASS_1}\n"));
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_documented_texts() {
    for (statement, text) in [
        ("SELECT id FROM nowhere;", "Unknown table"),
        ("SELECT lqi FROM tag_id;", "Unknown lqi"),
        ("SELECT pib_model FROM params;", "Unknown table"),
        ("SELECT id FROM tag_id WHERE protocol_id='GEN9';", "Unknown protocol"),
        ("SELECT id FROM tag_id SET time_out=0;", "time_out value out of range"),
        ("SELECT id FROM tag_id SET time_out=65536;", "time_out value out of range"),
        ("UPDATE settings SET version='1';", "Unknown field"),
        ("UPDATE saved_settings SET nosuch='1';", "Unknown setting"),
        ("UPDATE tag_id SET id=0x12 WHERE antenna_id=1;", "No protocol specified"),
        (
            "UPDATE tag_id SET id=0x12 WHERE protocol_id='EPC1' AND protocol_id='GEN2';",
            "Too many protocols specified",
        ),
        ("UPDATE tag_id SET id=0x12 WHERE protocol_id='EPC1';", "No antenna specified"),
        (
            "UPDATE tag_id SET id=0x12 WHERE protocol_id='EPC1' AND antenna_id=1 AND antenna_id=2;",
            "Too many antennas specified",
        ),
        ("SET colour = ON;", "Invalid set clause entry"),
        ("FETCH nobody;", "Cursor does not exist"),
        ("SELECT id FRON tag_id;", "syntax error at 'FRON'"),
        ("SELECT id FROM tag_id WHERE antenna_id=;", "syntax error at ''"),
    ] {
        assert_eq!(ask(statement).await, format!("Error 0100:\t{text}\n\n"), "{statement}");
    }
    assert_eq!(
        ask("UPDATE tag_id SET id=0x12 WHERE protocol_id='EPC1' AND antenna_id=1;").await,
        "Error 0102:\tError performing query\n\n"
    );
}

#[tokio::test(start_paused = true)]
async fn the_seventeenth_cursor_is_refused_and_reset_makes_room() {
    let mut statements: String =
        (0..17).map(|number| format!("DECLARE c{number} CURSOR FOR SELECT id FROM tag_id;")).collect();
    statements.push_str("RESET;DECLARE c0 CURSOR FOR SELECT id FROM tag_id;");
    let expected = format!("{}Error 0100:\tInvalid argument\n\n\n\n", "\n".repeat(16));
    assert_eq!(ask(&statements).await, expected);
}

#[tokio::test(start_paused = true)]
async fn statements_need_no_line_feed_and_empty_lines_are_not_answered() {
    let one = "SELECT hostname FROM saved_settings;";
    for between in ["", "\n", "\n\n", "\r\n", "  "] {
        assert_eq!(ask(&format!("{one}{between}{one}{between}")).await, "mercury4\n\nmercury4\n\n");
    }
}

#[tokio::test(start_paused = true)]
async fn tags_come_and_go() {
    let scenario = "[[tag]]\nepc = \"300000000000000000000001\"\nat = \"1s\"\nfor = \"1s\"\n";
    let round = "SELECT read_count,timestamp FROM tag_id SET time_out=1000;";
    let said = talk(Profile::M4, scenario, &[round.repeat(3).as_bytes()]).await;
    assert_eq!(said, "\n20|1000000001.950000\n\n\n");
}

#[tokio::test(start_paused = true)]
async fn an_astra_tells_signal_strength_and_hears_gen2_only() {
    let said = talk(Profile::Astra, TAGS, &[b"SELECT id,lqi FROM tag_id WHERE antenna_id=1;"]).await;
    assert_eq!(said, "0x300000000000000000000001447C|-55\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_statement_without_an_end_ends_the_connection() {
    assert_eq!(ask(&"x".repeat(10_000)).await, "");
}

#[tokio::test]
async fn two_clients_share_one_radio_and_one_table_of_cursors() {
    let scenario = Scenario::from_toml(TAGS).unwrap();
    let emulator = Emulator::bind("127.0.0.1:0", Profile::M4, scenario).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(TcpStream::connect(emulator.local_addr()).await.unwrap());
    }
    let start = std::time::Instant::now();
    for client in &mut clients {
        client
            .write_all(b"SELECT id FROM tag_id WHERE antenna_id=1 AND protocol_id='GEN2' SET time_out=200;")
            .await
            .unwrap();
    }
    for client in &mut clients {
        let mut reply = vec![0; ONE.len() + 1];
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(String::from_utf8(reply).unwrap(), format!("{ONE}\n"));
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "the queries take turns");
    clients[0].write_all(b"DECLARE c CURSOR FOR SELECT id FROM tag_id;").await.unwrap();
    assert_eq!(clients[0].read_u8().await.unwrap(), b'\n');
    clients[1].write_all(b"CLOSE c;").await.unwrap();
    assert_eq!(clients[1].read_u8().await.unwrap(), b'\n');
    emulator.shutdown().await;
    assert_eq!(clients[0].read(&mut [0; 8]).await.unwrap_or(0), 0, "shutting down ends connections");
}

/// Runs a future in simulated time.
fn simulate<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

const CONVERSATION: &str = "SET AUTO=OFF; RESET; SELECT version FROM settings;\n\
    SELECT protocol_id, id FROM tag_id WHERE (antenna_id=1) SET time_out=250;\
    DECLARE a CURSOR FOR SELECT id FROM tag_id; FETCH a; CLOSE a; UPDATE saved_settings SET hostname='a;b';";

proptest! {
    #[test]
    fn how_statements_are_cut_into_packets_makes_no_difference(
        cuts in proptest::collection::vec(0..CONVERSATION.len(), 0..12),
    ) {
        let mut cuts = cuts;
        cuts.extend([0, CONVERSATION.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> =
            cuts.windows(2).map(|cut| &CONVERSATION.as_bytes()[cut[0]..cut[1]]).collect();
        let whole = simulate(talk(Profile::M4, TAGS, &[CONVERSATION.as_bytes()]));
        prop_assert_eq!(simulate(talk(Profile::M4, TAGS, &pieces)), whole);
    }

    #[test]
    fn no_input_panics_or_wedges(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut input = bytes;
        input.extend_from_slice(b"\n;RESET;SELECT hostname FROM saved_settings;");
        let said = simulate(talk(Profile::M4, TAGS, &[&input]));
        prop_assert!(said.ends_with("mercury4\n\n"), "{said:?}");
    }

    #[test]
    fn no_words_of_the_language_panic_or_wedge(
        words in proptest::collection::vec(
            prop_oneof![
                Just("SELECT"), Just("id"), Just("FROM"), Just("tag_id"), Just("WHERE"), Just("("), Just(")"),
                Just("="), Just("0x30"), Just("'GEN2'"), Just("AND"), Just("OR"), Just("NOT"), Just("SET"),
                Just("time_out"), Just("1"), Just(","), Just("DECLARE"), Just("c"), Just("CURSOR"), Just("FOR"),
                Just("UPDATE"), Just("AUTO"), Just("ON"), Just("repeat"), Just(";"), Just("99999999999999999999"),
            ],
            0..60,
        ),
    ) {
        let input = format!("{};SET AUTO=OFF;RESET;SELECT hostname FROM saved_settings;", words.join(" "));
        let said = simulate(talk(Profile::Mercury5, TAGS, &[input.as_bytes()]));
        prop_assert!(said.ends_with("mercury4\n\n"), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_go_wrong_goes_wrong() {
    let with = |faults: &str| format!("{TAGS}[faults]\n{faults}\n");
    let query = b"SELECT id FROM tag_id WHERE antenna_id=1 AND protocol_id='GEN2';".as_slice();
    let missing = with("missing_terminator_every = 2");
    assert_eq!(talk(Profile::M4, &missing, &[query, query, query]).await, format!("{ONE}\n{ONE}{ONE}\n"));

    let failing = with("fail_update_every = 2");
    let write = b"UPDATE tag_id SET id=0x3000 WHERE protocol_id='GEN2' AND antenna_id=1;".as_slice();
    let said = talk(Profile::Mercury5, &failing, &[write, write, write]).await;
    assert_eq!(said, "\nError 0102:\tError performing query\n\n\n");

    let silent = with("silent_after = 1");
    assert_eq!(talk(Profile::M4, &silent, &[query, query, query]).await, format!("{ONE}\n"));

    let dropped = with("drop_after = 1");
    assert_eq!(talk(Profile::M4, &dropped, &[query, query]).await, format!("{ONE}\n"));

    let late = with("clock_behind = \"365d\"");
    let time = b"SELECT current_time FROM settings;".as_slice();
    assert!(talk(Profile::M4, &late, &[time]).await.starts_with("2000-09-09T"));
}

#[tokio::test]
async fn a_reboot_forgets_settings_and_not_tags() {
    let emulator =
        Emulator::bind("127.0.0.1:0", Profile::Mercury5, Scenario::from_toml(TAGS).unwrap()).await.unwrap();
    let ask = async |statement: &str| {
        let mut client = TcpStream::connect(emulator.local_addr()).await.unwrap();
        client.write_all(statement.as_bytes()).await.unwrap();
        let mut received = [0; 256];
        let count = client.read(&mut received).await.unwrap();
        String::from_utf8_lossy(&received[..count]).into_owned()
    };
    ask("UPDATE saved_settings SET tx_power='2000';").await;
    ask("UPDATE tag_id SET id=0x3000 WHERE protocol_id='GEN2' AND antenna_id=1;").await;
    emulator.reboot();
    assert_eq!(ask("SELECT tx_power FROM saved_settings;").await, "3250\n\n");
    assert!(ask("SELECT id FROM tag_id WHERE antenna_id=1;").await.contains("0x3000"));
    emulator.shutdown().await;
}

#[test]
fn everything_that_the_example_scenario_offers_is_taken() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/scenario.toml");
    let text = std::fs::read_to_string(path).unwrap();
    Scenario::from_toml(&text).unwrap();
    let (shown, offered) = text.split_once("# What else").unwrap();
    let offered: String =
        offered.lines().skip(2).map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
    let offered = offered.replace("#\n", "\n");
    assert!(offered.contains("\n[faults]"), "{offered}");
    Scenario::from_toml(&format!("{shown}{offered}")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cursor_may_hold_an_update_of_a_tag_and_not_of_settings() {
    let declare =
        b"DECLARE w CURSOR FOR UPDATE tag_id SET id=0x3000 WHERE protocol_id='GEN2' AND antenna_id=1;";
    let fetch = b"FETCH w; FETCH w;".as_slice();
    let look = b"SELECT id FROM tag_id WHERE antenna_id=1 AND protocol_id='GEN2';".as_slice();
    let said = talk(Profile::Mercury5, TAGS, &[declare.as_slice(), fetch, look]).await;
    assert_eq!(said, "\n\n\n0x3000FB69\n\n");
    let settings = b"DECLARE s CURSOR FOR UPDATE saved_settings SET tx_power=1;".as_slice();
    assert_eq!(talk(Profile::Mercury5, TAGS, &[settings]).await, "Error 0100:\tInvalid argument\n\n");
}
