//! What goes wrong at a pad, played on the built binary over each transport.

use std::path::PathBuf;
use std::time::Duration;

use rfid_driver_mifare::model::{KeySlot, SecretKey, Sector, Uid};
use rfid_driver_mifare::pn532::emulator::{Emulator, Faults, Scenario};
use rfid_driver_mifare::sim::{CardFaults, SimulatedCard, TornWrite};
#[cfg(feature = "pcsc")]
use rfid_driver_mifare::sim::{Family, Notice, PcscService, VirtualReader};
use tokio::runtime::Runtime;

use crate::cards::secret;
use crate::daemon::{Daemon, Events, rfid_host, until};

const UID: &str = "04A1B2C3D4E5F6";
const OTHER: &str = "DEADBEEF";

/// What reaches the card.
enum Rig {
    Pn532(Runtime, Option<Emulator>),
    #[cfg(feature = "pcsc")]
    Pcsc(PcscService, VirtualReader),
}

/// A pad, and secrets beside it.
pub(crate) struct Pad {
    folder: tempfile::TempDir,
    rig: Rig,
    lying: Option<Uid>,
}

/// Plays the same on each transport.
pub(crate) fn on_each(play: impl Fn(&mut Pad)) {
    play(&mut Pad::pn532());
    #[cfg(feature = "pcsc")]
    play(&mut Pad::pcsc());
}

fn uid(hex: &str) -> Uid {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    Uid::try_from(bytes.as_slice()).unwrap()
}

pub(crate) fn new_card(hex: &str) -> SimulatedCard {
    SimulatedCard::classic_1k(uid(hex))
}

fn with_faults(mut card: SimulatedCard, faults: CardFaults) -> SimulatedCard {
    card.faults = faults;
    card
}

impl Pad {
    fn new(folder: tempfile::TempDir, rig: Rig) -> Self {
        for (name, digit) in [("read", "1"), ("record", "2"), ("write", "3"), ("foreign", "4")] {
            secret(&folder.path().join(name), &digit.repeat(32));
        }
        Self { folder, rig, lying: None }
    }

    fn pn532() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let emulator = runtime.block_on(Emulator::start(folder.path().join("tty"), Scenario::default()));
        Self::new(folder, Rig::Pn532(runtime, Some(emulator.unwrap())))
    }

    #[cfg(feature = "pcsc")]
    fn pcsc() -> Self {
        let service = PcscService::start(Notice::Looks).unwrap();
        let reader = service.reader(Family::Acs);
        Self::new(tempfile::tempdir().unwrap(), Rig::Pcsc(service, reader))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lays a card on, in place of the one that lies there.
    pub(crate) fn lay(&mut self, card: SimulatedCard) {
        self.lying = Some(card.target().uid);
        match &mut self.rig {
            Rig::Pn532(_, emulator) => {
                let emulator = emulator.as_ref().unwrap();
                emulator.clear();
                emulator.lay(card);
            }
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(_, reader) => reader.lay(card).unwrap(),
        }
    }

    /// Lifts the card, which is well from then on.
    pub(crate) fn lift(&mut self) -> SimulatedCard {
        let uid = self.lying.take().unwrap();
        let mut card = match &mut self.rig {
            Rig::Pn532(_, emulator) => {
                let emulator = emulator.as_ref().unwrap();
                let card = emulator.with_card(&uid, |card| card.clone()).unwrap();
                emulator.clear();
                card
            }
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(_, reader) => reader.lift().unwrap(),
        };
        card.faults = CardFaults::default();
        card.lay_on();
        card
    }

    /// Lets a card lie there in place of another without anybody noticing a gap.
    fn swap(&mut self, card: SimulatedCard) {
        match &mut self.rig {
            Rig::Pn532(..) => self.lay(card),
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(_, reader) => {
                self.lying = Some(card.target().uid);
                reader.swap_unseen(card).unwrap();
            }
        }
    }

    /// Lets everything that is asked take this long.
    fn slow(&mut self, delay: Duration) {
        match &mut self.rig {
            Rig::Pn532(_, emulator) => emulator.as_ref().unwrap().set_faults(Faults {
                answer_delay: Some(rfid_core::DurationText(delay)),
                ..Faults::default()
            }),
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(_, reader) => reader.set_delay(delay),
        }
    }

    /// Pulls the cable, or kills the service.
    pub(crate) fn take_away(&mut self) {
        match &mut self.rig {
            Rig::Pn532(runtime, emulator) => runtime.block_on(emulator.as_mut().unwrap().pull()),
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(service, reader) => {
                reader.lift();
                service.kill().unwrap();
            }
        }
    }

    pub(crate) fn give_back(&mut self) {
        match &mut self.rig {
            Rig::Pn532(runtime, emulator) => runtime.block_on(emulator.as_mut().unwrap().plug_in()),
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(service, _) => service.restart().unwrap(),
        }
    }

    fn is_pn532(&self) -> bool {
        matches!(self.rig, Rig::Pn532(..))
    }

    /// Where the pad is, as options of the driver.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        match &self.rig {
            Rig::Pn532(..) => {
                vec![("transport", "pn532".to_owned()), ("port", self.path("tty").display().to_string())]
            }
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(..) => {
                vec![("transport", "pcsc".to_owned()), ("reader", "virtual pcd 00 00".to_owned())]
            }
        }
    }

    /// What a command says, or why it failed; at the finest level of logging.
    fn run(&self, words: &[&str], secrets: &[(&str, &str)]) -> Result<String, String> {
        let mut command = rfid_host();
        command.args(words).env("RUST_LOG", "trace");
        let secrets =
            secrets.iter().map(|(option, file)| (*option, format!("file:{}", self.path(file).display())));
        for (option, value) in self.options().into_iter().chain(secrets) {
            command.args(["--set", &format!("{option}={value}")]);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        for key in keys() {
            assert!(!err.contains(&key) && !out.contains(&key), "{key} in {out}{err}");
        }
        if output.status.success() { Ok(out) } else { Err(err) }
    }

    /// The same at the issuing desk.
    fn at_desk(&self, words: &[&str]) -> Result<String, String> {
        self.run(words, &DESK)
    }

    /// A daemon before the pad, and what it says.
    fn daemon(&self, secrets: &[(&str, &str)]) -> (Daemon, Events) {
        self.daemon_with(secrets, "\"screens\"", "")
    }

    /// The same with records of a directory, which are kept from a card in doubt or not.
    fn daemon_with_names(&self, secrets: &[(&str, &str)], refuse_doubtful: bool) -> (Daemon, Events) {
        let names = format!(
            "[sinks.names]\ntype = \"lookup\"\nsource = \"directory\"\nrefuse_doubtful = {refuse_doubtful}\n\n"
        );
        self.daemon_with(secrets, "\"names\", \"screens\"", &names)
    }

    fn daemon_with(&self, secrets: &[(&str, &str)], order: &str, sinks: &str) -> (Daemon, Events) {
        let mut reader = String::new();
        let secrets =
            secrets.iter().map(|(option, file)| (*option, format!("file:{}", self.path(file).display())));
        for (option, value) in self.options().into_iter().chain(secrets) {
            reader += &format!("{option} = '{value}'\n");
        }
        let config = self.path("pad.toml");
        let text = format!(
            "[host]\ndata_dir = '{}'\nlisten = \"127.0.0.1:0\"\n\n\
             [readers.pad]\ndriver = \"mifare\"\nzone = \"desk\"\nrepeat = \"50ms\"\n{reader}\n\
             {sinks}[sinks.screens]\ntype = \"notify\"\n\n\
             [pipelines.desk]\nreaders = [\"pad\"]\nsinks = [{order}]\n\n\
             [pipelines.desk.presence]\nconfirm_reads = 1\nlost_after = \"400ms\"\nrevisit_within = \"0s\"\n\
             stationary_after = \"40d\"\n",
            self.path("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let daemon = Daemon::run(&config);
        daemon.until_ready();
        let events = daemon.events(None);
        (daemon, events)
    }
}

impl Drop for Pad {
    fn drop(&mut self) {
        if let Rig::Pn532(runtime, emulator) = &mut self.rig
            && let Some(emulator) = emulator.take()
        {
            runtime.block_on(emulator.shutdown());
        }
    }
}

const DESK: [(&str, &str); 3] =
    [("read_secret", "read"), ("record_secret", "record"), ("write_secret", "write")];

/// What keys of [`UID`] and the secrets they come from would look like where they must not stand.
fn keys() -> Vec<String> {
    let secret = |digit: &str| SecretKey::from_hex(&digit.repeat(32)).unwrap();
    let sector = Sector::of_block(4);
    let a = *secret("1").card_key(&uid(UID), sector, KeySlot::A).reveal();
    let b = *secret("3").card_key(&uid(UID), sector, KeySlot::B).reveal();
    let shapes = |bytes: &[u8]| {
        let hex =
            |between: &str| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(between);
        [hex(""), hex(" "), hex(", "), hex("").to_lowercase(), hex(" ").to_lowercase(), format!("{bytes:?}")]
    };
    [&a[..], &b, &[0x11; 16], &[0x22; 16], &[0x33; 16]].into_iter().flat_map(shapes).collect()
}

/// Kind and card of the next event.
fn next(events: &mut Events) -> (String, String) {
    let sent = events.next().unwrap();
    let text = |key: &str| sent.data["data"][key].as_str().unwrap_or_default().to_owned();
    (text("type"), text("uid_hex"))
}

fn said(kind: &str, card: &str) -> (String, String) {
    (kind.to_owned(), card.to_owned())
}

#[test]
fn a_mute_card_is_nobody_and_the_next_one_is_somebody() {
    on_each(|pad| {
        pad.lay(with_faults(new_card(UID), CardFaults { mute: true, ..CardFaults::default() }));
        let told = pad.at_desk(&["card", "dump"]).unwrap_err();
        assert!(told.contains("no card lies on the pad"), "{told}");
        let (daemon, mut events) = pad.daemon(&[]);
        std::thread::sleep(Duration::from_millis(1_200));
        pad.lay(new_card(OTHER));
        assert_eq!(next(&mut events), said("arrived", OTHER), "the mute one was nobody");
        assert!(daemon.terminate().success());
    });
}

#[test]
fn a_torn_write_leaves_the_number_that_was_there() {
    on_each(|pad| {
        pad.lay(new_card(UID));
        pad.at_desk(&["card", "write-number", "8812", "--yes"]).unwrap();
        let torn = TornWrite { after: 0, bytes: 7 };
        let card = pad.lift();
        pad.lay(with_faults(card, CardFaults { torn_write: Some(torn), ..CardFaults::default() }));
        let told = pad.at_desk(&["card", "write-number", "8813", "--yes"]).unwrap_err();
        assert!(told.contains("the card is gone") || told.contains("only in part"), "{told}");
        let card = pad.lift();
        pad.lay(card);
        let plan = pad.at_desk(&["card", "write-number", "8813", "--dry-run"]).unwrap();
        assert!(plan.contains("in place of 8812"), "{plan}");
        let done = pad.at_desk(&["card", "write-number", "8813", "--yes"]).unwrap();
        assert!(done.contains("the number is 8813"), "{done}");
    });
}

#[test]
fn a_card_that_is_pulled_away_in_mid_command_is_finished_by_the_same_command() {
    on_each(|pad| {
        let mut pulled = 0;
        for gone_after in [0, 3, 6, 10, 13] {
            pad.lay(with_faults(
                new_card(UID),
                CardFaults { gone_after: Some(gone_after), ..CardFaults::default() },
            ));
            if let Err(told) = pad.at_desk(&["card", "write-number", "7", "--yes"]) {
                pulled += 1;
                assert!(told.contains("rfid-host: "), "{gone_after}: {told}");
            }
            let card = pad.lift();
            pad.lay(card);
            let done = pad.at_desk(&["card", "write-number", "7", "--yes"]);
            assert!(done.is_ok(), "{gone_after}: {done:?}");
            pad.lift();
        }
        assert!(pulled >= 3, "the card was pulled away {pulled} times only");
    });
}

#[test]
fn a_wrong_key_opens_nothing_and_is_an_event_in_doubt() {
    on_each(|pad| {
        pad.lay(new_card(UID));
        let foreign = [("read_secret", "foreign"), ("record_secret", "record"), ("write_secret", "write")];
        pad.at_desk(&["card", "write-number", "8812", "--yes"]).unwrap();
        let dump = pad.run(&["card", "dump", "--key-a", "a1b2c3d4e5f6"], &[]).unwrap();
        assert!(dump.contains("sector 1: no key opens it"), "{dump}");
        assert!(
            dump.contains("sector 2, opened by the factory's key A"),
            "a right key after a wrong one: {dump}"
        );
        assert!(!dump.to_lowercase().contains("a1b2c3d4e5f60"), "the given key is not printed: {dump}");
        for words in [&["card", "write-number", "9", "--yes"][..], &["card", "format", "--yes"]] {
            let refused = pad.run(words, &foreign).unwrap_err();
            assert!(refused.contains("opens neither with the transport key nor with ours"), "{refused}");
        }
        let mut card = pad.lift();
        for (secrets, authentic) in [(&foreign[..2], false), (&DESK[..2], true)] {
            let (daemon, mut events) = pad.daemon(secrets);
            pad.lay(card);
            let sent = events.next().unwrap();
            assert_eq!(sent.data["data"]["authentic"], authentic, "{:?}", sent.data);
            // A card that stays over the end of a daemon goes on with its visit.
            card = pad.lift();
            assert_eq!(next(&mut events), said("departed", UID));
            assert!(daemon.terminate().success());
        }
    });
}

#[test]
fn a_slow_reader_is_waited_for() {
    on_each(|pad| {
        pad.lay(new_card(UID));
        pad.slow(Duration::from_millis(60));
        pad.at_desk(&["card", "write-number", "8812", "--yes"]).unwrap();
        let (daemon, mut events) = pad.daemon(&DESK[..2]);
        let sent = events.next().unwrap();
        assert_eq!(sent.data["data"]["authentic"], true, "{:?}", sent.data);
        assert!(daemon.terminate().success());
    });
}

#[test]
fn garbage_is_taken_for_no_card_and_no_block() {
    on_each(|pad| {
        pad.lay(new_card(UID));
        pad.at_desk(&["card", "write-number", "8812", "--yes"]).unwrap();
        let card = pad.lift();
        pad.lay(with_faults(card, CardFaults { garbage: true, ..CardFaults::default() }));
        let told = pad.at_desk(&["card", "write-number", "8813", "--yes"]).unwrap_err();
        assert!(told.contains("rfid-host: "), "{told}");
        let card = pad.lift();
        match &mut pad.rig {
            // A line on which everything is disturbed, and nothing is to be noticed of it.
            Rig::Pn532(_, emulator) => emulator.as_ref().unwrap().set_faults(Faults {
                noise: 7,
                split_every: Some(1),
                damage_answer_every: Some(3),
                ..Faults::default()
            }),
            #[cfg(feature = "pcsc")]
            Rig::Pcsc(_, reader) => reader.set_babbling(true),
        }
        pad.lay(card);
        let told = pad.at_desk(&["card", "write-number", "8813", "--dry-run"]);
        match pad.is_pn532() {
            // What could not be read back may stand there all the same.
            true => assert!(told.as_ref().is_ok_and(|plan| plan.contains("in place of 881")), "{told:?}"),
            false => assert!(told.as_ref().is_err_and(|told| told.contains("BEEF")), "{told:?}"),
        }
    });
}

#[test]
fn a_transport_that_vanishes_and_returns_costs_no_visit() {
    on_each(|pad| {
        let (daemon, mut events) = pad.daemon(&[]);
        let state = |wanted: &str| {
            until("the reader's state", || {
                let ready: serde_json::Value = serde_json::from_str(&daemon.get("/ready").1).unwrap();
                (ready["readers"]["pad"]["state"] == wanted).then_some(())
            });
        };
        for card in [UID, OTHER, UID] {
            pad.lay(new_card(card));
            assert_eq!(next(&mut events), said("arrived", card));
            pad.lift();
            assert_eq!(next(&mut events), said("departed", card));
            pad.take_away();
            until("the reader to be missed", || {
                let ready: serde_json::Value = serde_json::from_str(&daemon.get("/ready").1).unwrap();
                (ready["readers"]["pad"]["state"] != "reading").then_some(())
            });
            pad.give_back();
            state("reading");
        }
        assert!(daemon.terminate().success());
    });
}

#[test]
fn a_swap_without_a_gap_is_an_arrival_and_a_departure() {
    on_each(|pad| {
        let (daemon, mut events) = pad.daemon(&[]);
        pad.lay(new_card(UID));
        assert_eq!(next(&mut events), said("arrived", UID));
        for (before, card) in [(UID, OTHER), (OTHER, UID)] {
            pad.swap(new_card(card));
            let mut both = [next(&mut events), next(&mut events)];
            both.sort();
            assert_eq!(both, [said("arrived", card), said("departed", before)]);
        }
        pad.lay(new_card(OTHER));
        let mut both = [next(&mut events), next(&mut events)];
        both.sort();
        assert_eq!(both, [said("arrived", OTHER), said("departed", UID)]);
        assert!(daemon.terminate().success());
    });
}

#[test]
fn a_made_up_uid_is_shown_and_counted_and_makes_no_visit() {
    const MADE_UP: &str = "08010203";
    on_each(|pad| {
        pad.lay(new_card(MADE_UP));
        let read = pad.run(&["read", "mifare", "--once", "--json"], &[]).unwrap();
        let read: serde_json::Value = serde_json::from_str(read.lines().next().unwrap()).unwrap();
        assert_eq!((&read["uid_hex"], &read["random_id"]), (&MADE_UP.into(), &true.into()));
        let table = pad.run(&["read", "mifare", "--once"], &[]).unwrap();
        assert!(table.contains("made up: no identity"), "{table}");
        let refused = pad.at_desk(&["card", "write-number", "1", "--yes"]).unwrap_err();
        assert!(refused.contains("makes up a UID"), "{refused}");

        let (daemon, mut events) = pad.daemon(&DESK[..2]);
        until("reads that name nobody", || {
            let (_, metrics) = daemon.get("/metrics");
            let line =
                metrics.lines().find_map(|line| line.strip_prefix("rfid_pipeline_no_identity_total{"))?;
            (!line.ends_with(" 0")).then_some(())
        });
        let mut reads = daemon.stream("/api/v1/readers/pad/reads", None);
        let read = reads.next().unwrap().data;
        assert_eq!((&read["uid_hex"], &read["random_id"]), (&MADE_UP.into(), &true.into()), "{read}");
        pad.lay(new_card(UID));
        assert_eq!(next(&mut events), said("arrived", UID), "the made-up one was nobody");
        assert!(daemon.terminate().success());
    });
}

#[test]
fn cards_of_all_kinds_and_lengths_of_uid_are_known_by_their_uid() {
    use rfid_driver_mifare::model::CardKind;
    on_each(|pad| {
        for (hex, kind, sectors) in [
            ("DEADBEEF", CardKind::Classic1K, 16),
            ("04A1B2C3D4E5F6", CardKind::Classic4K, 40),
            ("01020304", CardKind::Mini, 5),
            ("0102030405060708090A", CardKind::Ultralight, 0),
        ] {
            pad.lay(SimulatedCard::new(uid(hex), kind));
            let read = pad.run(&["read", "mifare", "--once", "--json"], &[]).unwrap();
            let read: serde_json::Value = serde_json::from_str(read.lines().next().unwrap()).unwrap();
            assert_eq!((&read["uid_hex"], &read["random_id"]), (&hex.into(), &false.into()));
            let dump = pad.run(&["card", "dump", "--json"], &[]);
            match sectors {
                0 => assert!(dump.unwrap_err().contains("has no sectors that keys open")),
                _ => {
                    let dump: serde_json::Value = serde_json::from_str(&dump.unwrap()).unwrap();
                    assert_eq!(dump["sectors"].as_array().unwrap().len(), sectors, "{hex}");
                }
            }
            pad.lift();
            // Until the service has seen the empty reader: what it makes of the next card is told anew.
            std::thread::sleep(Duration::from_millis(900));
        }
    });
}

#[test]
fn a_copy_of_a_card_names_nobody_where_that_is_refused() {
    on_each(|pad| {
        let customers = pad.path("customers.csv");
        std::fs::write(&customers, format!("tag,name\n{UID},王小明\n")).unwrap();
        let import = ["import", "directory"].map(str::to_owned).into_iter();
        let folder = ["--data-dir".to_owned(), pad.path("data").display().to_string()];
        let words = import.chain([customers.display().to_string()]).chain(folder);
        let imported = rfid_host().args(words).output().unwrap();
        assert!(imported.status.success(), "{imported:?}");
        pad.lay(new_card(UID));
        pad.at_desk(&["card", "write-number", "8812", "--yes"]).unwrap();
        let mut card = pad.lift();
        let foreign = [("read_secret", "foreign"), ("record_secret", "record")];
        let name = serde_json::json!("王小明");
        for (secrets, refuses, named) in [
            (&foreign[..], true, &serde_json::Value::Null),
            (&foreign[..], false, &name),
            (&DESK[..2], true, &name),
        ] {
            let (daemon, mut events) = pad.daemon_with_names(secrets, refuses);
            pad.lay(card);
            let sent = events.next().unwrap().data;
            assert_eq!(&sent["data"]["record"]["name"], named, "{refuses}: {sent}");
            card = pad.lift();
            assert_eq!(next(&mut events), said("departed", UID));
            assert!(daemon.terminate().success());
        }
    });
}

/// `nfc-mfclassic` of libnfc knows nothing of us: it drives the chip by its documents, with keys that were
/// derived for this card.
#[test]
fn what_the_command_wrote_is_read_by_libnfc() {
    let mut pad = Pad::pn532();
    pad.lay(new_card(UID));
    pad.at_desk(&["card", "write-number", "1234567890", "--yes"]).unwrap();
    let transport = [&[0xFF; 6][..], &[0xFF, 0x07, 0x80, 0x69], &[0xFF; 6]].concat();
    let mut keys: Vec<u8> = std::iter::repeat_n([vec![0; 48], transport].concat(), 16).flatten().collect();
    let read = |keys: &[u8]| {
        std::fs::write(pad.path("keys.mfd"), keys).unwrap();
        let output = std::process::Command::new("nfc-mfclassic")
            .args(["r", "a", "u"])
            .args([pad.path("read.mfd"), pad.path("keys.mfd")])
            .arg("f")
            .env("LIBNFC_DEVICE", format!("pn532_uart:{}", pad.path("tty").display()))
            .output()
            .expect("nfc-mfclassic is missing; apt-get install libnfc-bin");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), std::fs::read(pad.path("read.mfd")).ok())
    };
    let (said, nothing) = read(&keys);
    assert!(said.contains("authentication failed for block 0x07") && nothing.is_none(), "{said}");
    let derived = |digit: &str, slot| {
        let secret = SecretKey::from_hex(&digit.repeat(32)).unwrap();
        *secret.card_key(&uid(UID), Sector::of_block(4), slot).reveal()
    };
    keys[7 * 16..7 * 16 + 6].copy_from_slice(&derived("1", KeySlot::A));
    keys[7 * 16 + 10..8 * 16].copy_from_slice(&derived("3", KeySlot::B));
    let (said, card) = read(&keys);
    let card = card.unwrap_or_else(|| panic!("{said}"));
    // Layout 1, sequence 0, a number, 1234567890; and the locked access bits.
    assert_eq!(card[64..76], [1, 0, 1, 0, 0, 0, 0, 0x49, 0x96, 0x02, 0xD2, 0]);
    assert_eq!(card[7 * 16 + 6..7 * 16 + 9], [0x78, 0x77, 0x88]);
}

/// `scriptor` of pcsc-tools knows nothing of us: it gets the documented commands, and keys that were
/// derived for this card.
#[cfg(feature = "pcsc")]
#[test]
fn what_the_command_wrote_is_read_by_another_program() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut pad = Pad::pcsc();
    pad.lay(new_card(UID));
    pad.at_desk(&["card", "write-number", "1234567890", "--yes"]).unwrap();
    let key = |digit: &str, slot| {
        let secret = SecretKey::from_hex(&digit.repeat(32)).unwrap();
        let key = secret.card_key(&uid(UID), Sector::of_block(4), slot);
        key.reveal().map(|byte| format!("{byte:02X}")).join(" ")
    };
    let (a, b) = (key("1", KeySlot::A), key("3", KeySlot::B));
    let script = format!(
        "FF CA 00 00 00\nFF 82 00 00 06 {a}\nFF 86 00 00 05 01 00 04 60 00\nFF B0 00 04 10\nFF B0 00 07 10\n\
         FF D6 00 05 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n\
         FF 82 00 00 06 FF FF FF FF FF FF\nFF 86 00 00 05 01 00 04 60 00\n\
         FF 82 00 00 06 {b}\nFF 86 00 00 05 01 00 04 61 00\nFF B0 00 05 10\n"
    );
    let mut scriptor = Command::new("scriptor")
        .args(["-r", PcscService::READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scriptor is missing; apt-get install pcsc-tools");
    scriptor.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = scriptor.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace('\n', " ");
    let answers: Vec<&str> =
        said.split("< ").skip(1).map(|answer| answer.split(" : ").next().unwrap().trim()).collect();
    assert_eq!(answers.len(), 11, "{said}");
    assert_eq!(answers[0], "04 A1 B2 C3 D4 E5 F6 90 00");
    assert_eq!(answers[2], "90 00", "the derived key A opens the sector");
    // Layout 1, sequence 0, a number, 1234567890.
    assert!(answers[3].starts_with("01 00 01 00 00 00 00 49 96 02 D2 00"), "{said}");
    assert!(answers[4].starts_with("00 00 00 00 00 00 78 77 88 69"), "the locked access bits: {said}");
    assert_eq!(answers[5], "63 00", "key A does not write");
    assert_eq!(answers[7], "63 00", "the transport key opens nothing any more");
    assert_eq!(answers[9], "90 00", "the derived key B opens the sector");
    assert!(answers[10].ends_with("90 00"), "{said}");
}
