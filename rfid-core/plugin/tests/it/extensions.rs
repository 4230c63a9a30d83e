//! What a reader can do besides reading tags.

use rfid_abi::Status;
use rfid_abi::extension::{
    GPIO, GpioTable, Pin, READER_INFO, ReaderInfo, ReaderInfoTable, TAG_ACCESS, TAG_HAS_PASSWORD, TAG_KILL,
    TAG_LOCK_BYTE, TAG_READ_MEMORY, TAG_WRITE_ID, TAG_WRITE_MEMORY, TUNE, TagAccessTable, TagAnswer,
    TagOperation, TuneTable,
};

use crate::host::{Nothing, Reader, Told, UNKNOWN, constant, told};

#[test]
fn an_extension_is_there_if_the_session_has_it() {
    let reader = Reader::create("staged", r#"{"play": "hangs"}"#).unwrap();
    for id in [TUNE, GPIO, TAG_ACCESS, UNKNOWN] {
        assert!(reader.extension::<Nothing>(id).is_none(), "{id:?}");
    }
    assert!(reader.extension::<ReaderInfoTable>(READER_INFO).is_some());
}

#[test]
fn a_reader_says_what_it_is_after_open() {
    let reader = Reader::create("staged", r#"{"play": "counts"}"#).unwrap();
    let ask = reader.extension::<ReaderInfoTable>(READER_INFO).unwrap().info.unwrap();
    let mut info = ReaderInfo::unknown();
    // SAFETY: a living instance; so in all that follow.
    let early = told(|err| unsafe { ask(reader.raw, &raw mut info, err) });
    assert_eq!(early.unwrap_err().0, Status::STATE);
    reader.open().unwrap();
    // SAFETY: as above.
    told(|err| unsafe { ask(reader.raw, &raw mut info, err) }).unwrap();
    assert_eq!(info.antenna_ports[..info.antenna_port_count as usize], [1, 2]);
    assert_eq!(constant(info.model.as_ptr()), "Stage ä");
    assert_eq!(constant(info.serial.as_ptr()), "42");
    assert_eq!(info.protocols[..2], [1, 0]);
}

#[test]
fn power_can_be_set_while_the_inventory_runs_and_it_goes_on() {
    let reader = Reader::running(r#"{"play": "counts"}"#);
    reader.read(1, 1000).0.unwrap();
    let table = reader.extension::<TuneTable>(TUNE).unwrap();
    let mut power = 0;
    // SAFETY: as above.
    let set = |port, cdbm, power: &mut i16| {
        told(|err| unsafe { table.set_read_power.unwrap()(reader.raw, port, cdbm, power, err) })
    };
    set(0, 9000, &mut power).unwrap();
    assert_eq!(power, 3150);
    assert_eq!(set(2, 3000, &mut power).unwrap_err().0, Status::UNSUPPORTED);
    assert_eq!(set(70_000, 3000, &mut power).unwrap_err().0, Status::INVALID);
    power = 0;
    // SAFETY: as above.
    told(|err| unsafe { table.read_power.unwrap()(reader.raw, 0, &raw mut power, err) }).unwrap();
    assert_eq!(power, 3150);
    let (told, batch) = reader.read(256, 1000);
    assert_eq!((told.unwrap(), batch.ids), (Status::OK, (1..5).map(crate::staged::id).collect()));
}

#[test]
fn inputs_are_told_as_far_as_there_is_room_and_outputs_set() {
    let reader = Reader::create("staged", r#"{"play": "counts"}"#).unwrap();
    let table = reader.extension::<GpioTable>(GPIO).unwrap();
    let (mut pins, mut count) = ([Pin::default(); 1], 0);
    // SAFETY: as above.
    let inputs = |room, pins: &mut [Pin; 1], count: &mut u32| {
        told(|err| unsafe { table.inputs.unwrap()(reader.raw, pins.as_mut_ptr(), room, count, err) })
    };
    inputs(1, &mut pins, &mut count).unwrap();
    assert_eq!((pins, count), ([Pin { pin: 1, high: 0 }], 2));
    // SAFETY: as above.
    let set = |pin| told(|err| unsafe { table.set_output.unwrap()(reader.raw, Pin { pin, high: 1 }, err) });
    set(5).unwrap();
    assert_eq!(set(6).unwrap_err(), (Status::UNSUPPORTED, "pin 5 is the output".to_owned()));
}

fn operation(kind: u32, data: &[u8]) -> TagOperation {
    let mut id = [0; 62];
    id[..2].copy_from_slice(&[0x30, 1]);
    TagOperation {
        struct_size: size_of::<TagOperation>() as u32,
        kind,
        flags: TAG_HAS_PASSWORD,
        password: 0xDEAD_BEEF,
        id,
        id_len: 2,
        id_kind: 1,
        antenna: 2,
        protocol: 1,
        bank: 3,
        count: 2,
        reserved: 0,
        address: 1,
        kill_password: 7,
        lock_mask: 0,
        lock_action: 0,
        data_len: data.len() as u32,
        data: data.as_ptr(),
    }
}

fn execute(reader: &Reader, asked: &TagOperation, room: usize) -> (Told, Vec<u8>) {
    let table = reader.extension::<TagAccessTable>(TAG_ACCESS).unwrap();
    let mut data = vec![0; room];
    let mut answer = TagAnswer {
        struct_size: size_of::<TagAnswer>() as u32,
        capacity: room as u32,
        data: data.as_mut_ptr(),
        len: 0,
        reserved: 0,
    };
    // SAFETY: as above.
    let said = told(|err| unsafe { table.execute.unwrap()(reader.raw, asked, &raw mut answer, 50, err) });
    data.truncate(answer.len as usize);
    (said, data)
}

#[test]
fn tags_are_read_written_locked_and_killed_while_no_inventory_runs() {
    let reader = Reader::create("staged", r#"{"play": "counts"}"#).unwrap();
    let read = operation(TAG_READ_MEMORY, &[]);
    assert_eq!(execute(&reader, &read, 8).0.unwrap_err().0, Status::STATE);
    reader.open().unwrap();
    execute(&reader, &operation(TAG_WRITE_MEMORY, &[1, 2, 3, 4]), 0).0.unwrap();
    let (told, data) = execute(&reader, &read, 8);
    assert_eq!((told.unwrap(), data), (Status::OK, vec![1, 2, 3, 4]));
    let (status, message) = execute(&reader, &read, 3).0.unwrap_err();
    assert_eq!((status, message.as_str()), (Status::INVALID, "4 bytes were read, and there is room for 3"));
    let lock = TagOperation { address: 3, ..operation(TAG_LOCK_BYTE, &[]) };
    execute(&reader, &lock, 0).0.unwrap();
    assert_eq!(execute(&reader, &operation(TAG_WRITE_ID, &[9]), 0).0.unwrap_err().0, Status::NO_TAG);
    assert_eq!(execute(&reader, &operation(TAG_KILL, &[]), 0).0.unwrap_err().0, Status::TIMEOUT);
    reader.start().unwrap();
    assert_eq!(execute(&reader, &read, 8).0.unwrap_err().0, Status::STATE);
}

#[test]
fn operations_that_make_no_sense_are_refused() {
    let reader = Reader::create("staged", r#"{"play": "counts"}"#).unwrap();
    reader.open().unwrap();
    let read = || operation(TAG_READ_MEMORY, &[]);
    for wrong in [
        TagOperation { kind: 99, ..read() },
        TagOperation { id_len: 0, ..read() },
        TagOperation { id_len: 63, ..read() },
        TagOperation { id_kind: 0, ..read() },
        TagOperation { protocol: 0, ..read() },
        TagOperation { bank: 4, ..read() },
        TagOperation { struct_size: 8, ..read() },
    ] {
        assert_eq!(execute(&reader, &wrong, 8).0.unwrap_err().0, Status::INVALID);
    }
}
