//! AccessSpecs through their lives, and what tags answer.

use rfid_driver_llrp::emulator::{Emulator, Profile};
use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Bits, Message, Password, Version};

use crate::client::{Client, EPC, epc_of, faults, one_tag, reader, ro_spec};

fn access_spec(access_spec_id: u32, times: u16, operations: Vec<AccessOperation>) -> AccessSpec {
    let anybody = C1G2TargetTag {
        mb: MemoryBank::EPC,
        matches: true,
        pointer: 32,
        tag_mask: Bits::default(),
        tag_data: Bits::default(),
    };
    AccessSpec {
        access_spec_id,
        antenna_id: 0,
        protocol_id: ProtocolID::C1G2,
        current_state: false,
        ro_spec_id: 0,
        access_spec_stop_trigger: AccessSpecStopTrigger {
            access_spec_stop_trigger_type: AccessSpecStopTriggerType::OPERATION_COUNT,
            operation_count_value: times,
        },
        access_command: AccessCommand {
            tag_spec: C1G2TagSpec { target_tags: vec![anybody] },
            op_specs: operations,
        },
        access_report_spec: Some(AccessReportSpec { access_report_trigger: AccessReportTrigger::AT_END }),
        customs: Vec::new(),
    }
}

fn read(
    op_spec_id: u16,
    mb: MemoryBank,
    word_pointer: u16,
    word_count: u16,
    password: u32,
) -> AccessOperation {
    C1G2Read { op_spec_id, access_password: Password(password), mb, word_pointer, word_count }.into()
}

fn write(
    op_spec_id: u16,
    mb: MemoryBank,
    word_pointer: u16,
    words: &[u16],
    password: u32,
) -> AccessOperation {
    let access_password = Password(password);
    C1G2Write { op_spec_id, access_password, mb, word_pointer, write_data: words.to_vec() }.into()
}

fn lock(
    op_spec_id: u16,
    privilege: LockPrivilege,
    data_field: LockDataField,
    password: u32,
) -> AccessOperation {
    let payloads = vec![C1G2LockPayload { privilege, data_field }];
    C1G2Lock { op_spec_id, access_password: Password(password), payloads }.into()
}

fn kill(op_spec_id: u16, password: u32) -> AccessOperation {
    C1G2Kill { op_spec_id, kill_password: Password(password) }.into()
}

/// A client with a ROSpec at work.
async fn working(profile: Profile, scenario: &str, version: Version) -> (Emulator, Client) {
    let reader = reader(profile, scenario).await;
    let mut client = Client::connect(&reader).await;
    if version == Version::V1_1 {
        client.version = version;
        client.done(SetProtocolVersion { protocol_version: 2 }).await;
    }
    client.run(ro_spec(7)).await;
    (reader, client)
}

/// Does this once to whatever tag comes first, and gives the report with the results.
async fn once(client: &mut Client, id: u32, operations: Vec<AccessOperation>) -> TagReportData {
    client.done(AddAccessSpec { access_spec: access_spec(id, 1, operations) }).await;
    client.done(EnableAccessSpec { access_spec_id: id }).await;
    loop {
        let found = client.report().await.into_iter().find(|tag| !tag.op_spec_results.is_empty());
        if let Some(tag) = found {
            return tag;
        }
    }
}

#[tokio::test]
async fn an_access_spec_goes_through_its_states_and_ends_itself() {
    let (reader, mut client) = working(Profile::R420, &one_tag(), Version::V1_0_1).await;
    let spec = || access_spec(5, 2, vec![read(1, MemoryBank::EPC, 1, 2, 0)]);
    assert_eq!(client.code(EnableAccessSpec { access_spec_id: 5 }).await, StatusCode::M_FIELD_ERROR);
    client.done(DeleteAccessSpec { access_spec_id: 0 }).await;
    client.done(AddAccessSpec { access_spec: spec() }).await;
    assert_eq!(client.code(AddAccessSpec { access_spec: spec() }).await, StatusCode::M_PARAMETER_ERROR);
    let enabled = AccessSpec { current_state: true, access_spec_id: 6, ..spec() };
    assert_eq!(client.code(AddAccessSpec { access_spec: enabled }).await, StatusCode::M_PARAMETER_ERROR);
    client.done(EnableAccessSpec { access_spec_id: 5 }).await;
    for _ in 0..2 {
        let tag = loop {
            let tag = client.report().await.remove(0);
            if !tag.op_spec_results.is_empty() {
                break tag;
            }
        };
        let result = C1G2ReadOpSpecResult {
            result: ReadResult::SUCCESS,
            op_spec_id: 1,
            read_data: vec![0x3000, 0x3008],
        };
        assert_eq!(tag.op_spec_results, [result.into()]);
    }
    let Message::GetAccessSpecsResponse(left) = client.ask(GetAccessSpecs {}).await else { panic!() };
    assert!(left.access_specs.is_empty(), "it has deleted itself");
    assert_eq!(client.code(DeleteAccessSpec { access_spec_id: 5 }).await, StatusCode::M_FIELD_ERROR);
    client.done(AddAccessSpec { access_spec: AccessSpec { access_spec_id: 8, ..spec() } }).await;
    client.done(EnableAccessSpec { access_spec_id: 0 }).await;
    client.done(DisableAccessSpec { access_spec_id: 8 }).await;
    client.done(DeleteAccessSpec { access_spec_id: 0 }).await;
    reader.shutdown().await;
}

#[tokio::test]
async fn an_epc_is_rewritten_locked_and_opened_by_the_password() {
    let (reader, mut client) = working(Profile::AlrF800, &one_tag(), Version::V1_1).await;
    // The access password, a shorter EPC with its PC word, and a lock that needs the password.
    let operations = vec![
        write(1, MemoryBank::RESERVED, 2, &[0x1122, 0x3344], 0),
        write(2, MemoryBank::EPC, 1, &[0x1000, 0xABCD, 0xEF01], 0x1122_3344),
        lock(3, LockPrivilege::READ_WRITE, LockDataField::EPC, 0x1122_3344),
    ];
    let tag = once(&mut client, 1, operations).await;
    assert_eq!(epc_of(&tag), EPC, "as it answered before");
    assert_eq!(tag.op_spec_results.len(), 3);
    loop {
        if epc_of(&client.report().await[0]) == "abcdef01" {
            break;
        }
    }
    let result = |tag: TagReportData| match &tag.op_spec_results[..] {
        [OpSpecResult::C1G2WriteOpSpecResult(write)] => (write.result, write.num_words_written),
        other => panic!("{other:?}"),
    };
    let try_write = |password| vec![write(4, MemoryBank::EPC, 2, &[1], password)];
    assert_eq!(result(once(&mut client, 2, try_write(0)).await), (WriteResult::LOCKED, 0));
    assert_eq!(result(once(&mut client, 3, try_write(9)).await), (WriteResult::BAD_PASSWORD, 0));
    assert_eq!(result(once(&mut client, 4, try_write(0x1122_3344)).await), (WriteResult::SUCCESS, 1));
    let far = vec![write(5, MemoryBank::USER, 32, &[1], 0)];
    assert_eq!(result(once(&mut client, 5, far).await), (WriteResult::OVERRUN, 0));
    reader.shutdown().await;
}

#[tokio::test]
async fn the_first_failure_ends_it_and_codes_are_those_of_the_version() {
    for (profile, version, expected) in [
        (Profile::AlrF800, Version::V1_1, ReadResult::OVERRUN),
        (Profile::R420, Version::V1_0_1, ReadResult::TAG_ERROR),
    ] {
        let (reader, mut client) = working(profile, &one_tag(), version).await;
        let operations = vec![
            read(1, MemoryBank::USER, 0, 0, 0),
            read(2, MemoryBank::USER, 31, 2, 0),
            read(3, MemoryBank::TID, 0, 1, 0),
        ];
        let tag = once(&mut client, 1, operations).await;
        let results: Vec<(u16, ReadResult, usize)> = tag
            .op_spec_results
            .iter()
            .map(|result| match result {
                OpSpecResult::C1G2ReadOpSpecResult(read) => {
                    (read.op_spec_id, read.result, read.read_data.len())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(results, [(1, ReadResult::SUCCESS, 32), (2, expected, 0)]);
        reader.shutdown().await;
    }
}

#[tokio::test]
async fn a_kill_needs_its_password_and_silences() {
    let scenario = format!("{}kill_password = \"0x22222222\"\n", one_tag());
    let (reader, mut client) = working(Profile::AlrF800, &scenario, Version::V1_1).await;
    let result = |tag: TagReportData| match &tag.op_spec_results[..] {
        [OpSpecResult::C1G2KillOpSpecResult(kill)] => kill.result,
        other => panic!("{other:?}"),
    };
    assert_eq!(result(once(&mut client, 1, vec![kill(1, 1)]).await), KillResult::BAD_PASSWORD);
    assert_eq!(result(once(&mut client, 2, vec![kill(1, 0x2222_2222)]).await), KillResult::SUCCESS);
    client.done(StopROSpec { ro_spec_id: 7 }).await;
    client.done(StartROSpec { ro_spec_id: 7 }).await;
    let id = client.send(GetROSpecs {}).await;
    while client.next_with_header().await.unwrap().0.id != id {}
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let id = client.send(GetROSpecs {}).await;
    assert_eq!(client.next_with_header().await.unwrap().0.id, id, "no tag before it");
    reader.shutdown().await;
}

#[tokio::test]
async fn a_tag_without_a_kill_password_cannot_be_killed() {
    let (reader, mut client) = working(Profile::R420, &one_tag(), Version::V1_0_1).await;
    let tag = once(&mut client, 1, vec![kill(1, 0x2222_2222)]).await;
    let expected = C1G2KillOpSpecResult { result: KillResult::ZERO_PASSWORD, op_spec_id: 1 };
    assert_eq!(tag.op_spec_results, [expected.into()]);
    reader.shutdown().await;
}

#[tokio::test]
async fn block_writes_are_done_by_models_that_have_them() {
    let (reader, mut client) = working(Profile::R420, &one_tag(), Version::V1_0_1).await;
    let block = |op_spec_id| -> Vec<AccessOperation> {
        let (access_password, mb) = (Password(0), MemoryBank::USER);
        vec![
            C1G2BlockWrite { op_spec_id, access_password, mb, word_pointer: 3, write_data: vec![0x21] }
                .into(),
        ]
    };
    let tag = once(&mut client, 1, block(111)).await;
    let expected =
        C1G2BlockWriteOpSpecResult { result: WriteResult::SUCCESS, op_spec_id: 111, num_words_written: 1 };
    assert_eq!(tag.op_spec_results, [expected.into()]);
    reader.set_faults(faults("no_block_write = true"));
    let status = client.status(AddAccessSpec { access_spec: access_spec(2, 1, block(1)) }).await;
    let error = status.parameter_error.unwrap().parameter_error.unwrap().parameter_error.unwrap();
    assert_eq!((error.parameter_type, error.error_code), (347, StatusCode::P_UNSUPPORTED_PARAMETER));
    reader.shutdown().await;
}

#[tokio::test]
async fn the_first_created_that_means_a_tag_acts_on_it() {
    let tags = "[[tag]]\nepc = \"310000000000000000000001\"\n[[tag]]\nepc = \"320000000000000000000002\"\n";
    let (reader, mut client) = working(Profile::R420, tags, Version::V1_0_1).await;
    let target = |matches| C1G2TargetTag {
        mb: MemoryBank::EPC,
        matches,
        pointer: 32,
        tag_mask: Bits::ones(8),
        tag_data: Bits::whole(&[0x31]),
    };
    for (id, matches) in [(1, true), (2, false), (3, true)] {
        let mut spec = access_spec(id, 0, vec![read(id as u16, MemoryBank::TID, 0, 1, 0)]);
        spec.access_command.tag_spec.target_tags = vec![target(matches)];
        client.done(AddAccessSpec { access_spec: spec }).await;
    }
    client.done(EnableAccessSpec { access_spec_id: 0 }).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 {
        for tag in client.report().await {
            if let [OpSpecResult::C1G2ReadOpSpecResult(read)] = &tag.op_spec_results[..] {
                seen.insert((epc_of(&tag).remove(1), read.op_spec_id));
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [('1', 1), ('2', 2)]);
    reader.shutdown().await;
}
