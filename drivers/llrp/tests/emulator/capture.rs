//! A conversation as Wireshark takes it.

use std::process::{Command, Stdio};
use std::time::Duration;

use rfid_core::recording::{Happened, Moment};
use rfid_core::{Stamp, UtcTime};
use rfid_driver_llrp::emulator::Profile;
use rfid_driver_replay::capture::Capture;
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::{Frames, Message, Version, impinj};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{UTC, one_tag, reader, ro_spec};

fn moment(number: u64, what: Happened) -> Moment {
    let utc = UtcTime::from_nanos(UTC * 1_000 + number * 1_000_000);
    Moment { at: Stamp { monotonic: Duration::from_millis(number), utc }, what }
}

/// What passes while a client configures a reader and hears two reports, piece by piece.
async fn conversation() -> Vec<Moment> {
    let reader = reader(Profile::R420, &one_tag()).await;
    let mut stream = TcpStream::connect(reader.local_addr()).await.unwrap();
    // Not GET_READER_CONFIG with an Identification, which Wireshark takes for malformed.
    let requests: Vec<Message> = vec![
        GetReaderCapabilities { requested_data: CapabilitiesRequest::ALL, customs: Vec::new() }.into(),
        impinj::enable_extensions().into(),
        DeleteROSpec { ro_spec_id: 0 }.into(),
        SetReaderConfig { reset_to_factory_default: true, ..SetReaderConfig::nothing() }.into(),
        StartROSpec { ro_spec_id: 9 }.into(),
        AddROSpec { ro_spec: ro_spec(7) }.into(),
        EnableROSpec { ro_spec_id: 7 }.into(),
        GetROSpecs {}.into(),
        StartROSpec { ro_spec_id: 7 }.into(),
    ];
    let mut moments = vec![Happened::Connected];
    for (id, request) in requests.iter().enumerate() {
        let bytes = request.encode(Version::V1_0_1, id as u32 + 1).unwrap();
        stream.write_all(&bytes).await.unwrap();
        moments.push(Happened::Sent(bytes.into()));
    }
    let (mut frames, mut reports) = (Frames::default(), 0);
    let mut chunk = [0; 4096];
    while reports < 2 {
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0);
        frames.push(&chunk[..count]);
        moments.push(Happened::Received(chunk[..count].into()));
        while let Some(frame) = frames.next_frame().unwrap() {
            reports += usize::from(frame.header.number == ROAccessReport::NUMBER);
        }
    }
    reader.shutdown().await;
    moments.into_iter().enumerate().map(|(number, what)| moment(number as u64, what)).collect()
}

#[tokio::test]
async fn wireshark_finds_every_message_and_none_malformed() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: tshark is not installed (Debian package tshark)");
        return;
    }
    let mut file = Vec::new();
    let mut capture = Capture::begin(5084, &mut file);
    for moment in conversation().await {
        capture.add(&moment, &mut file);
    }
    let path = std::env::temp_dir().join(format!("rfid-llrp-{}.pcap", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let shown = |filter: &str, field: &str| {
        let mut tshark = Command::new("tshark");
        // Each checksum is looked at, too.
        tshark.args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-n", "-r"]);
        let output = tshark.arg(&path).args(["-Y", filter, "-T", "fields", "-e", field]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let malformed = shown("_ws.malformed", "frame.number");
    let bad =
        shown("tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags", "frame.number");
    let to_reader = shown("llrp && tcp.dstport == 5084", "llrp.type");
    let from_reader = shown("llrp && tcp.srcport == 5084", "llrp.type");
    std::fs::remove_file(&path).unwrap();
    assert_eq!((malformed.as_str(), bad.as_str()), ("", ""));
    let types = |shown: &str| shown.split([',', '\n']).filter(|text| !text.is_empty()).count();
    assert_eq!(types(&to_reader), 9, "{to_reader}");
    // The greeting, nine answers, two reports at least.
    assert!(types(&from_reader) >= 12, "{from_reader}");
}
