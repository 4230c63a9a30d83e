//! How quick both transports are, on the rigs: an emulated chip behind a pseudo-terminal, and a
//! virtual reader of a real PC/SC service.
//!
//! `cargo run --release -p rfid-driver-mifare --features pcsc --example figures -- 100`
//!
//! The number says how often a card is laid on. The chip takes 5 ms for each answer; neither the line
//! of a pseudo-terminal nor the virtual reader takes time. A bare client, which sends what a dump takes
//! and nothing else, says what the transport itself needs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people who measure")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rfid_driver_mifare::coupler::{Coupler, Pad};
use rfid_driver_mifare::model::{Key, KeySlot, Sector, Uid};
use rfid_driver_mifare::pn532::command::{self, Command, WAKE_UP};
use rfid_driver_mifare::pn532::emulator::{Emulator, Scenario};
use rfid_driver_mifare::pn532::{Options, Pn532, SerialPort, USUAL_BAUD};
use rfid_driver_mifare::sim::SimulatedCard;

const DUMPS: u32 = 20;
const FOREVER: Duration = Duration::from_secs(3600);
const IDLE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let cycles: u32 = std::env::args().nth(1).map_or(100, |count| count.parse().unwrap());
    pn532(cycles).await;
    #[cfg(feature = "pcsc")]
    pcsc::figures(cycles).await;
}

async fn pn532(cycles: u32) {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("pn532");
    let scenario = Scenario::from_toml("[faults]\nanswer_delay = \"5ms\"").unwrap();
    let emulator = Emulator::start(&port, scenario).await.unwrap();
    let uid = Uid::try_from(&[0xDE, 0xAD, 0xBE, 0xEF][..]).unwrap();

    emulator.lay(SimulatedCard::classic_1k(uid));
    let bare = {
        let port = port.clone();
        tokio::task::spawn_blocking(move || bare_dumps(&port, &uid)).await.unwrap()
    };
    let mut coupler = Pn532::new(SerialPort { path: port, baud: USUAL_BAUD }, Options::default());
    coupler.open().await.unwrap();
    dumps("PN532", &mut coupler, &uid, bare).await;

    emulator.clear();
    coupler.look(&Pad::Empty, Duration::from_secs(1)).await.unwrap();
    idle("PN532", &mut coupler).await;

    let mut delays = Vec::new();
    for cycle in 0..cycles {
        // Laid on at another time between two searches each time.
        let _ = coupler.look(&Pad::Empty, Duration::from_millis(u64::from(cycle * 37 % 211))).await;
        let (seen, laid) = tokio::join!(coupler.look(&Pad::Empty, FOREVER), async {
            tokio::time::sleep(Duration::from_millis(u64::from(cycle * 53 % 97))).await;
            emulator.lay(SimulatedCard::classic_1k(uid));
            Instant::now()
        });
        delays.push(laid.elapsed());
        emulator.clear();
        coupler.look(&seen.unwrap(), FOREVER).await.unwrap();
    }
    seen("PN532", delays);
    coupler.close().await;
    emulator.shutdown().await;
}

/// How long our dumps take beside those of a bare client.
async fn dumps(transport: &str, coupler: &mut dyn Coupler, uid: &Uid, bare: Duration) {
    let start = Instant::now();
    for _ in 0..DUMPS {
        dump(coupler, uid).await;
    }
    let ours = start.elapsed() / DUMPS;
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("{transport}: 1K dump: {ours:.1?}; a bare client: {bare:.1?}; ratio {ratio:.2}");
}

async fn idle(transport: &str, coupler: &mut dyn Coupler) {
    let before = processor_time();
    coupler.look(&Pad::Empty, IDLE).await.unwrap();
    let busy = processor_time() - before;
    let percent = 100.0 * busy.as_secs_f64() / IDLE.as_secs_f64();
    println!("{transport}: idle pad: {percent:.2} % of a processor, what emulates it included");
}

fn seen(transport: &str, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let part = |of: usize| delays[(delays.len() * of / 100).min(delays.len() - 1)];
    println!(
        "{transport}: card laid on to seen, {} times: median {:.1?}, p99 {:.1?}, most {:.1?}",
        delays.len(),
        part(50),
        part(99),
        part(100)
    );
}

async fn dump(coupler: &mut dyn Coupler, uid: &Uid) {
    coupler.select(uid).await.unwrap();
    for sector in (0..16).filter_map(Sector::new) {
        coupler.authenticate(sector.first_block(), KeySlot::A, &Key::transport()).await.unwrap();
        for block in sector.first_block()..=sector.trailer() {
            coupler.read_block(block).await.unwrap();
        }
    }
}

/// The same dump by hand.
fn bare_dumps(port: &Path, uid: &Uid) -> Duration {
    let mut port = File::options().read(true).write(true).open(port).unwrap();
    port.write_all(&WAKE_UP).unwrap();
    bare_exchange(&mut port, &command::sam_configuration());
    let start = Instant::now();
    for _ in 0..DUMPS {
        bare_exchange(&mut port, &command::select(uid));
        for sector in (0..16).filter_map(Sector::new) {
            let (first, key) = (sector.first_block(), Key::transport());
            bare_exchange(&mut port, &command::authenticate(first, KeySlot::A, &key, uid));
            for block in first..=sector.trailer() {
                bare_exchange(&mut port, &command::read(block));
            }
        }
    }
    start.elapsed() / DUMPS
}

fn bare_exchange(port: &mut File, command: &Command) {
    port.write_all(&command.frame()).unwrap();
    // The acknowledgement, and the answer up to its length.
    let mut begin = [0; 6 + 5];
    port.read_exact(&mut begin).unwrap();
    let mut rest = vec![0; usize::from(begin[9]) + 2];
    port.read_exact(&mut rest).unwrap();
}

/// What this process has used.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// The same over a PC/SC service.
#[cfg(feature = "pcsc")]
mod pcsc {
    use std::ffi::CString;
    use std::time::{Duration, Instant};

    use pcsc::{Context, Disposition, Protocols, Scope, ShareMode};
    use rfid_driver_mifare::PcscCoupler;
    use rfid_driver_mifare::coupler::{Coupler, Pad};
    use rfid_driver_mifare::model::{Key, KeySlot, Sector, Uid};
    use rfid_driver_mifare::pcsc::apdu::{self, KeyPlace};
    use rfid_driver_mifare::sim::{Family, Notice, PcscService, SimulatedCard};

    use super::{DUMPS, FOREVER, dumps, idle, seen};

    pub(crate) async fn figures(cycles: u32) {
        let service = PcscService::start(Notice::IsTold).unwrap();
        let mut reader = service.reader(Family::Acs);
        let uid = Uid::try_from(&[0xDE, 0xAD, 0xBE, 0xEF][..]).unwrap();
        reader.lay(SimulatedCard::classic_1k(uid)).unwrap();
        let mut coupler = PcscCoupler::new(Some(PcscService::READER.to_owned()));
        while coupler.open().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let card = coupler.look(&Pad::Empty, FOREVER).await.unwrap();
        let bare = tokio::task::spawn_blocking(bare_dumps).await.unwrap();
        dumps("PC/SC", &mut coupler, &uid, bare).await;
        coupler.release().await;
        reader.lift();
        coupler.look(&card, FOREVER).await.unwrap();
        idle("PC/SC", &mut coupler).await;

        let mut delays = Vec::new();
        for cycle in 0..cycles {
            tokio::time::sleep(Duration::from_millis(u64::from(cycle * 53 % 97))).await;
            let laid = Instant::now();
            reader.lay(SimulatedCard::classic_1k(uid)).unwrap();
            let card = coupler.look(&Pad::Empty, FOREVER).await.unwrap();
            delays.push(laid.elapsed());
            reader.lift();
            coupler.look(&card, FOREVER).await.unwrap();
        }
        seen("PC/SC", delays);
        coupler.close().await;
    }

    /// The same dump by hand; the key is loaded once.
    fn bare_dumps() -> Duration {
        let context = Context::establish(Scope::User).unwrap();
        let reader = CString::new(PcscService::READER).unwrap();
        let mut card = context.connect(&reader, ShareMode::Shared, Protocols::ANY).unwrap();
        let transaction = card.transaction().unwrap();
        let ask = |command: &[u8]| {
            let mut space = [0; 264];
            let answer = transaction.transmit(command, &mut space).unwrap();
            assert!(answer.ends_with(&[0x90, 0x00]), "{answer:02X?}");
        };
        let start = Instant::now();
        for _ in 0..DUMPS {
            ask(&apdu::GET_UID);
            ask(&*apdu::load_key(KeyPlace::First, KeySlot::A, &Key::transport()));
            for sector in (0..16).filter_map(Sector::new) {
                ask(&apdu::authenticate(KeyPlace::First, sector.first_block(), KeySlot::A));
                for block in sector.first_block()..=sector.trailer() {
                    ask(&apdu::read(block));
                }
            }
        }
        let took = start.elapsed() / DUMPS;
        assert!(transaction.end(Disposition::LeaveCard).is_ok());
        assert!(card.disconnect(Disposition::LeaveCard).is_ok());
        took
    }
}
