//! What any bytes may do to the driver of a PN532 and its emulator, and to that of a PC/SC reader:
//! nothing bad.
//!
//! Each function is a fuzz target (`targets/`), and the driver's tests call it with random bytes,
//! so it runs where there is no fuzzer. It panics when a promise is broken.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use rfid_conformance::hostile::simulate;
use rfid_driver_mifare::coupler::{CardFault, Coupler, Pad, ValueChange};
use rfid_driver_mifare::model::{CardKind, Key, KeySlot, kind_of_atr};
use rfid_driver_mifare::pcsc::exchange::{Channel, Exchange};
use rfid_driver_mifare::pn532::emulator::{Scenario, serve_stream};
use rfid_driver_mifare::pn532::frame::{self, ACK, FROM_CHIP, Frame, Frames, MOST_PAYLOAD, TO_CHIP};
use rfid_driver_mifare::pn532::{Options, Pn532, command};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Longer than any call takes, with everything that is tried again.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes as frames, in one piece and in many, and as answers.
pub(crate) fn frames(data: &[u8]) {
    let taken_in = |step: usize| {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in data.chunks(step) {
            frames.push(piece);
            while let Some(frame) = frames.next_frame() {
                all.push(match frame {
                    Frame::Payload(payload) => {
                        assert!((1..=MOST_PAYLOAD).contains(&payload.len()));
                        payload.to_vec()
                    }
                    other => format!("{other:?}").into_bytes(),
                });
            }
        }
        while frames.give_up_unfinished() {
            while frames.next_frame().is_some() {}
        }
        all
    };
    assert_eq!(taken_in(1), taken_in(data.len().max(1)));
    let _ = (command::found(data), command::block(data), command::firmware_version(data));
}

/// A coupler on a line where a chip says anything: each call comes back in time.
pub(crate) fn coupler(data: &[u8]) {
    simulate(async {
        let Some((&choice, script)) = data.split_first() else { return };
        let mut script = Some(script.to_vec());
        let connect = move || {
            let (ours, theirs) = duplex(64 * 1024);
            // Only the first connection hears the script.
            let script = script.take().unwrap_or_default();
            tokio::spawn(hostile_chip(theirs, script, choice & 1 != 0, choice & 2 != 0));
            std::future::ready(Ok(ours))
        };
        let mut coupler = Pn532::new(connect, Options::default());
        for _ in 0..2 {
            live_through(&mut coupler).await;
        }
    });
}

async fn live_through(coupler: &mut dyn Coupler) {
    if in_time("open", coupler.open()).await.is_ok() {
        for _ in 0..3 {
            let seen = in_time("look", coupler.look(&Pad::Empty, Duration::from_secs(1))).await;
            let Ok(Pad::Card(card)) = seen else { continue };
            let _ = in_time("authenticate", coupler.authenticate(4, KeySlot::A, &Key::transport())).await;
            let read = in_time("read", coupler.read_block(4)).await;
            if let Err(CardFault::Gone | CardFault::Garbled) = read {
                let _ = in_time("select", coupler.select(&card.uid)).await;
            }
            let _ = in_time("write", coupler.write_block(4, &[1; 16])).await;
            let _ = in_time("change", coupler.change_value(4, ValueChange::Increment(1))).await;
            let _ = in_time("copy", coupler.copy_value(4, 5)).await;
            in_time("release", coupler.release()).await;
        }
    }
    in_time("close", coupler.close()).await;
}

async fn in_time<T>(call: &str, running: impl Future<Output = T>) -> T {
    timeout(LIMIT, running).await.unwrap_or_else(|_| panic!("{call} hangs"))
}

/// Answers each command: with an acknowledgement and the next piece of the script as data if it is
/// `polite`, and with the bare piece otherwise. A piece is a length and as many bytes. In the end
/// it hangs up or is silent.
async fn hostile_chip(mut stream: DuplexStream, script: Vec<u8>, polite: bool, goes: bool) {
    let mut script = script.as_slice();
    let mut frames = Frames::default();
    let mut chunk = [0; 512];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        frames.push(&chunk[..count]);
        while let Some(frame) = frames.next_frame() {
            let Frame::Payload([TO_CHIP, code, ..]) = frame else { continue };
            let piece = match script.split_first() {
                Some((&length, rest)) => {
                    let (piece, rest) = rest.split_at(usize::from(length).min(rest.len()));
                    script = rest;
                    piece
                }
                None if goes => return,
                None if polite => &[],
                None => continue,
            };
            let answer = if polite {
                let payload = [&[FROM_CHIP, code.wrapping_add(1)], piece].concat();
                [&ACK[..], &frame::encode(&payload)].concat()
            } else {
                piece.to_vec()
            };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// A host that says anything to the emulator: it answers or is silent, and ends with the host.
pub(crate) fn commands(data: &[u8]) {
    simulate(async {
        let scenario = Scenario::from_toml("[[card]]\nuid = \"DEADBEEF\"\n");
        let (mut host, chip) = duplex(64 * 1024);
        let served = serve_stream(chip, scenario.expect("this scenario is right"));
        let talk = async {
            // As it stands, and as a command that is right, to a chip that is awake and has its radio.
            let _ = host.write_all(data).await;
            let _ = host.write_all(&command::WAKE_UP).await;
            for command in [command::sam_configuration(), command::search()] {
                let _ = host.write_all(&command.frame()).await;
            }
            let _ = host.write_all(&frame::encode(&[&[TO_CHIP], data].concat())).await;
            let _ = host.shutdown().await;
            let mut answers = Vec::new();
            let _ = host.read_to_end(&mut answers).await;
            answers
        };
        let both = async { tokio::join!(served, talk) };
        let (_, answers) = timeout(LIMIT, both).await.expect("the emulator hangs");
        assert!(answers.windows(ACK.len()).any(|bytes| bytes == ACK), "{answers:02X?}");
    });
}

/// A PC/SC reader that answers each command with the next piece of a script: a length and as many
/// bytes. At the end of the script the card is gone.
struct HostileReader<'a> {
    script: Cell<&'a [u8]>,
    /// What it said since it was last asked for that, and how often.
    said: RefCell<(Vec<u8>, usize)>,
}

impl HostileReader<'_> {
    /// The last answer, and how many there were.
    fn said(&self) -> (Vec<u8>, usize) {
        self.said.take()
    }
}

impl Channel for HostileReader<'_> {
    fn transmit<'s>(&self, command: &[u8], space: &'s mut [u8]) -> Result<&'s [u8], CardFault> {
        assert!((5..=21).contains(&command.len()) && command[0] == 0xFF, "{command:02X?}");
        let (length, rest) = self.script.get().split_first().ok_or(CardFault::Gone)?;
        let (piece, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.script.set(rest);
        let mut said = self.said.borrow_mut();
        *said = (piece.to_vec(), said.1 + 1);
        let answer = &mut space[..piece.len()];
        answer.copy_from_slice(piece);
        Ok(answer)
    }
}

/// A reader that answers anything: what counts as done was said in full and nothing beside it, and
/// nobody is asked without end.
pub(crate) fn answers(data: &[u8]) {
    const DONE: [u8; 2] = [0x90, 0x00];
    let reader = HostileReader { script: Cell::new(data), said: RefCell::default() };
    let mut exchange = Exchange::new(&reader, None);
    let few = |(said, asked): (Vec<u8>, usize)| {
        assert!(asked <= 8, "{asked} commands for one");
        said
    };
    while !reader.script.get().is_empty() {
        let uid = exchange.uid();
        let said = few(reader.said());
        if let Ok(uid) = uid {
            assert_eq!(said, [uid.bytes(), &DONE].concat(), "a card that did not answer");
        }
        let opened = exchange.authenticate(4, KeySlot::A, &Key::transport());
        let said = few(reader.said());
        assert!(opened.is_err() || said == DONE, "opened by {said:02X?}");
        let block = exchange.read(4);
        let said = few(reader.said());
        if let Ok(block) = block {
            assert_eq!(said, [&block[..], &DONE].concat(), "a block that nobody read");
        }
        let ordered = |outcome: Result<(), CardFault>| {
            let said = few(reader.said());
            assert!(outcome.is_err() || said == DONE, "done by {said:02X?}");
        };
        ordered(exchange.write(4, &[1; 16]));
        ordered(exchange.copy_value(4, 5));
        let changed = exchange.change_value(4, ValueChange::Increment(1));
        let said = few(reader.said());
        let is_done = said == DONE || said == [0xC0, 0x03, 0x00, 0x90, 0x00, 0x90, 0x00];
        assert!(changed.is_err() || is_done, "changed by {said:02X?}");
        exchange.forget_key();
        few(reader.said());
    }
}

/// An ATR that a reader made up: it names a card with sectors only if it is whole and says so.
pub(crate) fn atr(data: &[u8]) {
    // The check byte that fits, too, or nothing but refusals would be played.
    let check = data.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
    for atr in [data.to_vec(), [data, &[check]].concat()] {
        let Some(kind) = kind_of_atr(&atr) else { continue };
        assert!(matches!(atr[0], 0x3B | 0x3F), "{atr:02X?}");
        if !matches!(kind, CardKind::Other | CardKind::Part4) {
            let name = [0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06];
            assert!(atr.windows(name.len()).any(|bytes| bytes == name), "{kind:?} from {atr:02X?}");
            assert_eq!(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte), 0, "{kind:?} from {atr:02X?}");
        }
    }
}
