//! Readers are found in a network.

use std::process::Output;

use serde_json::Value;

use crate::daemon::rfid_host;
use crate::emulator::Emulator;

const TAG: &str = "[[tag]]\nepc = \"2D0000000000000000000001\"\n";

fn port(emulator: &Emulator) -> String {
    emulator.address().rsplit(':').next().unwrap().to_owned()
}

fn discover(arguments: &[&str]) -> Output {
    rfid_host().arg("discover").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn each_reader_of_a_network_is_found_where_it_is() {
    let llrp = Emulator::start("llrp", &["--profile", "fx9600"], TAG);
    let mercury4 = Emulator::start("mercury4", &[], TAG);
    let (llrp_port, mercury4_port) = (port(&llrp), port(&mercury4));
    let ports = ["127.0.0.0/28", "--llrp-port", &llrp_port, "--mercury4-port", &mercury4_port];
    let found = discover(&[&ports[..], &["--json", "--time-out", "10s"]].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    let mut readers: Vec<Value> =
        text(&found.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    readers.sort_by_key(|reader| reader["driver"].as_str().unwrap().to_owned());
    assert_eq!(readers.len(), 2, "{readers:?}");
    assert_eq!(readers[0]["address"], format!("127.0.0.1:{llrp_port}"));
    assert_eq!(
        (readers[0]["manufacturer_name"].as_str(), readers[0]["model"].as_u64()),
        (Some("Zebra"), Some(96_008))
    );
    assert_eq!((&readers[0]["firmware"], &readers[0]["is_busy"]), (&"3.32.37".into(), &false.into()));
    assert_eq!(readers[1]["address"], format!("127.0.0.1:{mercury4_port}"));
    assert_eq!(readers[1]["driver"], "mercury4");
    // The reader was left free for others.
    let again = discover(&ports);
    assert!(again.status.success());
    assert!(text(&again.stdout).contains("Zebra model 96008, firmware 3.32.37"), "{}", text(&again.stdout));
}

#[test]
fn a_reader_that_serves_somebody_else_is_found_too() {
    let llrp = Emulator::start("llrp", &[], "[faults]\nanother_client = true\n");
    let port = port(&llrp);
    let found = discover(&["127.0.0.1/32", "--llrp-port", &port, "--mercury4-port", &port]);
    assert!(found.status.success());
    let line = text(&found.stdout);
    assert!(
        line.starts_with("127.0.0.1:") && line.trim_end().ends_with("another client is connected"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "what greets in LLRP is no Mercury 4");
}

#[test]
fn where_no_reader_is_it_ends_with_1_and_what_is_no_network_with_2() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let none = discover(&["127.0.0.0/30", "--llrp-port", &free, "--mercury4-port", &free]);
    assert_eq!((none.status.code(), none.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(text(&none.stderr).contains("no reader answered"));
    for (arguments, hint) in [
        (&["127.0.0.1"][..], "192.168.10.0/24"),
        (&["10.0.0.0/20"], "--force searches them"),
        (&["10.0.0.0/8", "--force"], "up to 65536 are searched"),
        (&["127.0.0.0/30", "--at-once", "0"], "at-once"),
    ] {
        let refused = discover(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(text(&refused.stderr).contains(hint), "{}", text(&refused.stderr));
    }
}
