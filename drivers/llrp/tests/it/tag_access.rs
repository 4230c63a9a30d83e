//! Memory of tags: what is asked of the reader, and what its answers mean.

use std::sync::{Arc, Mutex};

use rfid_core::abilities::{Bank, Gen2Lock, LockField, LockState, LockTarget, TagTarget};
use rfid_core::{AirProtocol, DynSession, ErrorKind, TagId, TagIdKind};
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Message, Password};

use crate::peer::{Answer, Peer, as_usual, epc, refusal, report, session};

fn target() -> TagTarget {
    TagTarget {
        antenna_port: 2,
        protocol: AirProtocol::Gen2,
        id: TagId::new(TagIdKind::Epc, &epc(1)).unwrap(),
        password: Some(0x1122_3344),
    }
}

/// A tag as a scripted reader sees it: its EPC, and what its operations come to.
#[derive(Clone)]
struct Tag {
    epc: Vec<u8>,
    result: fn(&AccessOperation) -> Option<OpSpecResult>,
}

/// A reader that executes the AccessSpec on the tag when its ROSpec is started, and reports the tag.
fn with_tag(tag: Tag) -> (Box<dyn DynSession>, Peer, Arc<Mutex<Tag>>) {
    let tag = Arc::new(Mutex::new(tag));
    let (shared, pending) = (Arc::clone(&tag), Mutex::new(None::<AccessSpec>));
    let (session, peer) = session("", move |message| match message {
        Message::AddAccessSpec(add) => {
            *pending.lock().unwrap() = Some(add.access_spec.clone());
            Answer::Usual
        }
        Message::DeleteAccessSpec(_) if pending.lock().unwrap().is_none() => {
            // It deleted itself when it had run (§7.8).
            let status = refusal(StatusCode::M_FIELD_ERROR, "");
            Answer::Say(vec![DeleteAccessSpecResponse { status }.into()])
        }
        Message::StartROSpec(_) => {
            let mut tag = shared.lock().unwrap();
            let spec = pending.lock().unwrap().take();
            let operation = spec.as_ref().map(|spec| spec.access_command.op_specs[0].clone());
            if let Some(AccessOperation::C1G2Write(write)) = &operation
                && write.mb == MemoryBank::EPC
            {
                let words = if write.word_pointer == 1 { &write.write_data[1..] } else { &write.write_data };
                tag.epc = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            }
            let result = operation.and_then(|operation| (tag.result)(&operation));
            Answer::AndThen(vec![
                // Somebody else's result, with the same number.
                report(&epc(9), |data| {
                    data.access_spec_id = Some(AccessSpecID { access_spec_id: 431 });
                    data.op_spec_results =
                        vec![C1G2KillOpSpecResult { result: KillResult::TAG_ERROR, op_spec_id: 1 }.into()];
                }),
                report(&tag.epc.clone(), |data| {
                    data.op_spec_results = result.into_iter().collect();
                    data.access_spec_id =
                        spec.map(|spec| AccessSpecID { access_spec_id: spec.access_spec_id });
                }),
            ])
        }
        _ => Answer::Usual,
    });
    (session, peer, tag)
}

/// A tag that does what it is told.
fn willing(operation: &AccessOperation) -> Option<OpSpecResult> {
    Some(match operation {
        AccessOperation::C1G2Read(read) => {
            let first = if read.mb == MemoryBank::EPC { 0x3400 } else { read.word_pointer };
            let read_data = (0..read.word_count).map(|word| first + word).collect();
            C1G2ReadOpSpecResult { result: ReadResult::SUCCESS, op_spec_id: read.op_spec_id, read_data }
                .into()
        }
        AccessOperation::C1G2Write(write) => C1G2WriteOpSpecResult {
            result: WriteResult::SUCCESS,
            op_spec_id: write.op_spec_id,
            num_words_written: write.write_data.len() as u16,
        }
        .into(),
        AccessOperation::C1G2BlockWrite(write) => C1G2BlockWriteOpSpecResult {
            result: WriteResult::SUCCESS,
            op_spec_id: write.op_spec_id,
            num_words_written: write.write_data.len() as u16,
        }
        .into(),
        AccessOperation::C1G2Lock(lock) => {
            C1G2LockOpSpecResult { result: LockResult::SUCCESS, op_spec_id: lock.op_spec_id }.into()
        }
        AccessOperation::C1G2Kill(kill) => {
            C1G2KillOpSpecResult { result: KillResult::SUCCESS, op_spec_id: kill.op_spec_id }.into()
        }
        _ => return None,
    })
}

fn access_specs(peer: &Peer) -> Vec<AccessSpec> {
    let specs = peer.heard().into_iter().filter_map(|message| match message {
        Message::AddAccessSpec(add) => Some(add.access_spec),
        _ => None,
    });
    specs.collect()
}

#[tokio::test(start_paused = true)]
async fn memory_is_read_of_that_tag_at_that_antenna_and_nothing_is_left_behind() {
    let (mut session, peer, _) = with_tag(Tag { epc: epc(1).to_vec(), result: willing });
    session.open().await.unwrap();
    let before = peer.names().len();
    let access = session.tag_access().unwrap();
    let data = access.read_memory(&target(), Bank::User, 3, 2).await.unwrap();
    assert_eq!(data, [0, 3, 0, 4]);
    let all = [
        "AddAccessSpec",
        "EnableAccessSpec",
        "AddROSpec",
        "EnableROSpec",
        "StartROSpec",
        "EnableEventsAndReports",
        "DeleteROSpec",
        "DeleteAccessSpec",
    ];
    assert_eq!(peer.names()[before..], all);
    let [spec] = &access_specs(&peer)[..] else { panic!() };
    assert_eq!((spec.antenna_id, spec.access_spec_stop_trigger.operation_count_value), (2, 1));
    assert_eq!(spec.ro_spec_id, peer.ro_specs()[0].ro_spec_id);
    let tag = &spec.access_command.tag_spec.target_tags[0];
    assert_eq!(
        (tag.mb, tag.pointer, tag.tag_data.octets()[2..].to_vec()),
        (MemoryBank::EPC, 16, epc(1).to_vec())
    );
    let AccessOperation::C1G2Read(read) = &spec.access_command.op_specs[0] else { panic!() };
    assert_eq!((read.word_pointer, read.word_count), (3, 2));
    assert_eq!(read.access_password, Password(0x1122_3344));
}

#[tokio::test(start_paused = true)]
async fn long_memory_is_read_and_written_in_parts() {
    let (mut session, peer, _) = with_tag(Tag { epc: epc(1).to_vec(), result: willing });
    session.open().await.unwrap();
    let access = session.tag_access().unwrap();
    let data = access.read_memory(&target(), Bank::User, 0, 100).await.unwrap();
    let words: Vec<u8> = (0..100u16).flat_map(u16::to_be_bytes).collect();
    assert_eq!(data, words);
    access.write_memory(&target(), Bank::User, 10, &words).await.unwrap();
    let operations: Vec<(u16, u16)> = access_specs(&peer)
        .iter()
        .map(|spec| match &spec.access_command.op_specs[0] {
            AccessOperation::C1G2Read(read) => (read.word_pointer, read.word_count),
            AccessOperation::C1G2Write(write) => (write.word_pointer, write.write_data.len() as u16),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(operations, [(0, 64), (64, 36), (10, 64), (74, 36)]);
}

#[tokio::test(start_paused = true)]
async fn blocks_are_written_where_that_is_asked_for() {
    let (mut session, peer) = session("block_write = true", |message| match message {
        Message::StartROSpec(_) => Answer::AndThen(vec![report(&epc(1), |data| {
            let result = C1G2BlockWriteOpSpecResult {
                result: WriteResult::SUCCESS,
                op_spec_id: 1,
                num_words_written: 1,
            };
            data.op_spec_results = vec![result.into()];
        })]),
        _ => Answer::Usual,
    });
    session.open().await.unwrap();
    session.tag_access().unwrap().write_memory(&target(), Bank::User, 0, &[1, 2]).await.unwrap();
    assert!(matches!(access_specs(&peer)[0].access_command.op_specs[0], AccessOperation::C1G2BlockWrite(_)));
}

#[tokio::test(start_paused = true)]
async fn a_new_id_is_written_and_heard() {
    let (mut session, peer, tag) = with_tag(Tag { epc: epc(1).to_vec(), result: willing });
    session.open().await.unwrap();
    session.tag_access().unwrap().write_id(&target(), &epc(2)).await.unwrap();
    assert_eq!(tag.lock().unwrap().epc, epc(2));
    // Another length: the PC word says so, and keeps its other bits.
    let target = TagTarget { id: TagId::new(TagIdKind::Epc, &epc(2)).unwrap(), ..target() };
    session.tag_access().unwrap().write_id(&target, &[0xAB; 16]).await.unwrap();
    assert_eq!(tag.lock().unwrap().epc, [0xAB; 16]);
    let specs = access_specs(&peer);
    let AccessOperation::C1G2Write(write) = &specs.last().unwrap().access_command.op_specs[0] else {
        panic!()
    };
    assert_eq!((write.word_pointer, write.write_data[0]), (1, 0x4400));
    for wrong in [&[1][..], &[], &[1; 64]] {
        let error = session.tag_access().unwrap().write_id(&target, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_the_tag_did_not_take_is_told() {
    fn lying(operation: &AccessOperation) -> Option<OpSpecResult> {
        willing(operation)
    }
    let (mut session, _) = session("", |message| match message {
        Message::StartROSpec(_) => Answer::AndThen(vec![report(&epc(1), |data| {
            let write = C1G2Write {
                op_spec_id: 1,
                access_password: Password(0),
                mb: MemoryBank::EPC,
                word_pointer: 2,
                write_data: vec![0; 6],
            };
            data.op_spec_results = lying(&write.into()).into_iter().collect();
        })]),
        _ => Answer::Usual,
    });
    session.open().await.unwrap();
    let error = session.tag_access().unwrap().write_id(&target(), &epc(2)).await.unwrap_err();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::TagLost, Some("the tag still has its old id")));
}

#[tokio::test(start_paused = true)]
async fn locks_and_kills() {
    let (mut session, peer, tag) = with_tag(Tag { epc: epc(1).to_vec(), result: willing });
    session.open().await.unwrap();
    let access = session.tag_access().unwrap();
    let lock = Gen2Lock::default().with(LockField::Epc, LockState::Password);
    access.lock(&target(), LockTarget::Gen2(lock)).await.unwrap();
    let AccessOperation::C1G2Lock(sent) = &access_specs(&peer)[0].access_command.op_specs[0] else {
        panic!()
    };
    let payload = C1G2LockPayload { privilege: LockPrivilege::READ_WRITE, data_field: LockDataField::EPC };
    assert_eq!((sent.access_password, &sent.payloads), (Password(0x1122_3344), &vec![payload]));

    let error = access.kill(&target(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = access.kill(&target(), 7).await.unwrap_err();
    assert_eq!(
        error.detail(),
        Some("the tag still answers"),
        "it was not silenced, whatever the reader says"
    );
    tag.lock().unwrap().epc = epc(3).to_vec();
    access.kill(&target(), 7).await.unwrap();
    let error = access.lock(&target(), LockTarget::Whole).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_not_there_is_not_waited_for_without_end() {
    let (mut session, peer) = session("", as_usual);
    session.open().await.unwrap();
    let error = session.tag_access().unwrap().read_memory(&target(), Bank::Tid, 0, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TagLost);
    assert!(error.detail().unwrap().contains("not found within 5s"), "{error}");
    assert!(peer.names().ends_with(&["DeleteROSpec", "DeleteAccessSpec"]));
}

#[tokio::test(start_paused = true)]
async fn what_a_tag_refuses_is_named_with_the_readers_code() {
    fn refusing(operation: &AccessOperation) -> Option<OpSpecResult> {
        let AccessOperation::C1G2Read(read) = operation else { return None };
        let result =
            if read.mb == MemoryBank::TID { ReadResult::NO_RESPONSE } else { ReadResult::READER_ERROR };
        Some(C1G2ReadOpSpecResult { result, op_spec_id: read.op_spec_id, read_data: vec![] }.into())
    }
    let (mut session, _, _) = with_tag(Tag { epc: epc(1).to_vec(), result: refusing });
    session.open().await.unwrap();
    let access = session.tag_access().unwrap();
    let error = access.read_memory(&target(), Bank::Tid, 0, 2).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::TagLost, Some(2)));
    assert_eq!(error.detail(), Some("no response of the tag"));
    let error = access.read_memory(&target(), Bank::User, 0, 2).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::Unsupported, Some(3)));
    let other = TagTarget { protocol: AirProtocol::Iso18000_6b, ..target() };
    let error = access.read_memory(&other, Bank::User, 0, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn memory_is_not_touched_while_the_inventory_runs() {
    let (mut session, _) = session("", as_usual);
    crate::peer::begun(&mut *session).await;
    assert!(session.tag_access().is_none() && session.tune().is_none() && session.gpio().is_none());
    session.stop().await.unwrap();
    assert!(session.tag_access().is_some());
}
