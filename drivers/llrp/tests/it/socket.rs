//! A whole session over a real socket, with bytes of real readers.

use std::time::Duration;

use rfid_core::{Driver, ErrorKind, ReadBuf, ReaderSetup, Settings};
use rfid_driver_llrp::Llrp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Greeting of a Speedway, E1 of the protocol document.
const GREETING: &str = "043f000000201974f2b300f600160080000c0004fa79159854d1010000060000";
/// Capabilities of a Speedway R420 with one antenna, E4.
const CAPABILITIES: &str = "000000bf00000002011f00080000000000890035000140000000651a001e886a000a352e31342e302e323430008b\
                            000800010000008d000800040004008c00090001000101008e001c48010000000000010000002000000001000005e400\
                            000008008f0055034800010090004d00910008000103e80091000800510bb800920015800093001001000002000dc65e\
                            000dc8520148002401490020000003ea0000000200009c40000005dc0000186a0000186a0000000001470007400002";
/// A tag of that reader, E14, and one with phase and hundredths of a dBm, E19.
const REPORTS: &str = "043d000000293afb30b600f0001f8d0b7f0000000000000051023881000186bc8200058880194ba9d5\
                       043d0000003c0000006600f000328de28011710000020d056e9bee81000186bd03ff000e0000651a0000003804fc\
                       03ff000e0000651a00000039e5d4";
/// A status of success.
const SUCCESS: &str = "011f000800000000";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A Speedway that answers each request by its recorded bytes or by a bare success, and reports two
/// tags once it is started.
async fn speedway(mut stream: TcpStream) -> Vec<u16> {
    stream.write_all(&bytes(GREETING)).await.unwrap();
    let (mut header, mut heard) = ([0; 10], Vec::new());
    while stream.read_exact(&mut header).await.is_ok() {
        let number = u16::from_be_bytes([header[0], header[1]]) & 0x3FF;
        let length = u32::from_be_bytes(header[2..6].try_into().unwrap());
        let mut body = vec![0; length as usize - 10];
        stream.read_exact(&mut body).await.unwrap();
        heard.push(number);
        let (answer, body) = match number {
            1 => (11, bytes(CAPABILITIES)[8..].to_vec()),
            2 => (12, bytes(SUCCESS)),
            14 => (4, bytes(SUCCESS)),
            // Impinj's handshake, E17 and E18.
            1023 => (1023, bytes("0000651a16011f000800000000")),
            64 | 72 => continue,
            3 | 20..=25 | 40..=43 => (number + 10, bytes(SUCCESS)),
            other => panic!("{other} was not to be asked"),
        };
        let mut message = (0x0400 | answer).to_be_bytes().to_vec();
        message.extend((10 + body.len() as u32).to_be_bytes());
        message.extend(&header[6..10]);
        message.extend(body);
        stream.write_all(&message).await.unwrap();
        match number {
            // In pieces that have nothing to do with messages.
            22 => {
                for piece in bytes(REPORTS).chunks(13) {
                    stream.write_all(piece).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            14 => break,
            _ => {}
        }
    }
    heard
}

#[tokio::test]
async fn a_speedway_is_opened_read_and_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reader = tokio::spawn(async move { speedway(listener.accept().await.unwrap().0).await });
    let settings = Settings::from_toml(&format!("address = \"{address}\"")).unwrap();
    reads_two_tags(&settings, reader).await;
}

#[tokio::test]
async fn a_speedway_that_dials_is_waited_for() {
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let reader = tokio::spawn(async move {
        // The host may not listen yet, and a reader dials again.
        let stream = loop {
            match TcpStream::connect(free).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        speedway(stream).await
    });
    let settings = format!("address = \"127.0.0.1\"\nlisten = \"{free}\"\nconnect_time_out = \"20s\"");
    reads_two_tags(&Settings::from_toml(&settings).unwrap(), reader).await;
}

#[tokio::test]
async fn whoever_else_dials_is_left() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = format!("address = \"192.0.2.1\"\nlisten = \"{free}\"\nconnect_time_out = \"1s\"");
    let settings = Settings::from_toml(&settings).unwrap();
    let mut session = Llrp.session(&settings, &ReaderSetup::named("door")).unwrap();
    let somebody = tokio::spawn(async move {
        let mut stream = loop {
            match TcpStream::connect(free).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let mut nothing = Vec::new();
        stream.read_to_end(&mut nothing).await.unwrap_or_default()
    });
    let error = session.open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.detail().unwrap().starts_with("192.0.2.1 has not connected to 127.0.0.1:"), "{error}");
    assert_eq!(somebody.await.unwrap(), 0, "nothing is said to it");
    session.close().await.unwrap();
}

async fn reads_two_tags(settings: &Settings, reader: JoinHandle<Vec<u16>>) {
    let mut session = Llrp.session(settings, &ReaderSetup::named("door")).unwrap();
    let info = session.open().await.unwrap();
    assert_eq!((info.model.as_str(), info.firmware.as_str()), ("Impinj Speedway R420", "5.14.0.240"));
    session.start().await.unwrap();
    let mut buf = ReadBuf::with_capacity(16);
    let mut reads = Vec::new();
    while reads.len() < 2 {
        timeout(Duration::from_secs(20), session.read(&mut buf)).await.unwrap().unwrap();
        reads.extend(buf.iter().map(|sighting| (sighting.id.to_owned().hex(), *sighting.read)));
        buf.clear();
    }
    let [(first_id, first), (second_id, second)] = &reads[..] else { panic!() };
    assert_eq!(
        (first_id.as_str(), second_id.as_str()),
        ("0B7F00000000000000510238", "E28011710000020D056E9BEE")
    );
    assert_eq!((first.antenna_port(), first.rssi_cdbm()), (Some(1), Some(-6800)));
    assert_eq!((second.rssi_cdbm(), second.phase()), (Some(-6700), Some(1276)));
    session.stop().await.unwrap();
    session.close().await.unwrap();
    let heard = reader.await.unwrap();
    let all = [1, 1023, 41, 21, 2, 2, 3, 20, 24, 22, 64, 25, 21, 3, 14];
    assert_eq!(heard, all);
}
