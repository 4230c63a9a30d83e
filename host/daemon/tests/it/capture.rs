//! Recordings become captures.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use rfid_core::recording::{Happened, Kept, Moment};
use rfid_core::{Stamp, UtcTime};
use rfid_driver_replay::format::{Header, encode};

use crate::daemon::rfid_host;

fn recording() -> Vec<u8> {
    let header = Header {
        driver: "llrp".to_owned(),
        reader: "door".to_owned(),
        options: serde_json::json!({ "address": "192.168.10.40" }),
        antenna_ports: Vec::new(),
        host_version: "0.1.0".to_owned(),
        clock_began: UtcTime::from_nanos(1_795_000_000_000_000_000),
        kept: Kept::Bytes,
    };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    let pieces = [
        Happened::Connected,
        Happened::Sent([0x04, 0x1A, 0, 0, 0, 10, 0, 0, 0, 1].into()),
        Happened::Ended("enough".to_owned()),
    ];
    for (number, what) in pieces.into_iter().enumerate() {
        let monotonic = Duration::from_secs(number as u64);
        let utc = UtcTime::from_nanos(1_795_000_000_000_000_000).plus(monotonic);
        encode(&Moment { at: Stamp { monotonic, utc }, what }, &mut bytes);
    }
    bytes
}

fn convert(recording: &Path, capture: &Path) -> Output {
    rfid_host().args(["record", "--show"]).arg(recording).arg("--pcap").arg(capture).output().unwrap()
}

#[test]
fn a_recording_is_written_as_a_capture_for_its_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("door.rfidrec"), folder.path().join("door.pcap"));
    std::fs::write(&from, recording()).unwrap();
    let done = convert(&from, &to);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert!(said.ends_with("door.pcap: 8 packets\n"), "{said}");
    let bytes = std::fs::read(&to).unwrap();
    assert_eq!(bytes[..4], [0x4D, 0x3C, 0xB2, 0xA1]);
    // Eight packets without data, but for ten bytes: the file's header, their own, three protocols'.
    assert_eq!(bytes.len(), 24 + 8 * (16 + 14 + 20 + 20) + 10);
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let again = convert(&from, &to);
    assert_eq!(again.status.code(), Some(1), "what is there is left as it is");
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
}
