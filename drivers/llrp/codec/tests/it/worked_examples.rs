//! The worked examples of the protocol document (§13), both ways.

use rfid_llrp::enumeration::*;
use rfid_llrp::message::*;
use rfid_llrp::parameter::*;
use rfid_llrp::{Bits, Decoding, Message, Password, Version, impinj};

pub(crate) const EXAMPLES: &[(&str, &str)] = &[
    // Greeting: connection accepted.
    ("E1", "043f000000201974f2b300f600160080000c0004fa79159854d1010000060000"),
    // Greeting: refused, somebody else is connected.
    ("E2", "043f000000200000000200f600160080000c0006608b015f3000010000060002"),
    // Ask for all capabilities.
    ("E3", "04010000000b0000000000"),
    // Capabilities of a (shortened) one-antenna reader.
    (
        "E4",
        "040b000000bf00000002011f00080000000000890035000140000000651a001e886a000a352e31342e302e323430008b000800010000008d000800040004008c00090001000101008e001c48010000000000010000002000000001000005e400000008008f0055034800010090004d00910008000103e80091000800510bb800920015800093001001000002000dc65e000dc8520148002401490020000003ea0000000200009c40000005dc0000186a0000186a0000000001470007400002",
    ),
    // Configure: events, keepalive every 10 s, hold after reconnect.
    (
        "E5",
        "040300000039000000030000f4002000f5000700028000f5000700038000f5000700048000f5000700088000dc0009010000271000e2000580",
    ),
    // Success answer.
    ("E6", "040d0000001200000003011f000800000000"),
    // Delete every ROSpec.
    ("E7", "04150000000e0000000400000000"),
    // A plain ROSpec: start at once, stop after 3 s, antenna 1.
    (
        "E8",
        "04140000005c0000000f00b1005200000001000000b2001200b300050100b600090100000bb800b700360001000100b80009000000000000ba002504d20100de001e0001014a001800014f0008000000000150000b40000100000000",
    ),
    // The ROSpec a driver wants: null triggers, two antennas, select filter on EPC prefix 3008, report each tag.
    (
        "E9",
        "04140000008f0000000500b1008500000007000000b2001200b300050000b60009000000000000b7005700020001000200b80009000000000000ba004400010100de003d000000e0000a000100000051014a002d00014b001540014c000b40002000103008014e000500014f000803ea00000150000b8000200000000000ed001202000100ee000b9680015c000540",
    ),
    // Refusal with the culprit named.
    (
        "E10",
        "041e0000003900000005011f002f00640017486f705461626c654944206f7574206f662072616e67650121001000e000c9012000080001012d",
    ),
    // Refusal of an Impinj reader, as recorded.
    (
        "E11",
        "04330000003f00000009011f0035006500254c4c5250205b3430395d203a202f2f416363657373537065634944203a20696e76616c6964012000080001012c",
    ),
    // Enable, then start.
    ("E12a", "04180000000e0000000600000007"),
    // Enable, then start.
    ("E12b", "04160000000e0000000700000007"),
    // An empty report (nothing to tell).
    ("E13", "043d0000000a3afb30a8"),
    // One tag of an Impinj reader.
    ("E14", "043d000000293afb30b600f0001f8d0b7f0000000000000051023881000186bc8200058880194ba9d5"),
    // One tag of a Zebra FX9500.
    ("E15", "043d0000002a000001be00f000208de2005037590701270270edaf87001884000591e2f0b6d69a8814fe"),
    // A 128-bit EPC: EPCData, not EPC-96.
    (
        "E16",
        "043d000000380000006500f0002e00f100160080e2801160600002054c3f1a2b0000000181000286c3820006608b016112408800038c4000",
    ),
    // Impinj extensions on: handshake.
    ("E17", "07ff00000013000000010000651a1500000000"),
    // … and its answer.
    ("E18", "07ff00000017000000080000651a16011f000800000000"),
    // A tag with Impinj peak RSSI and phase.
    (
        "E19",
        "043d0000003c0000006600f000328de28011710000020d056e9bee81000186bd03ff000e0000651a0000003804fc03ff000e0000651a00000039e5d4",
    ),
    // Read 16 words of user memory of the tags whose EPC starts with 0b.
    (
        "E20",
        "04280000004a0000068f00cf0040000001af000101000000000100d0000700000100d10024015200110153000d6000200008ff00080b0155000f006f00000000c00000001000ef000500",
    ),
    // … and a report with the data read.
    (
        "E21",
        "043d000000523afb370600f000488d0b030000000000000051023881000186bc82000588801983ab7e015d002900006f00109d22038a4b44a2e4d3a6623484ae999c214871586d7ec4fcc32a2987fa6b52ab",
    ),
    // … and one where the read failed.
    (
        "E22",
        "043d000000323afb370500f000288d0b030000000000000051023881000186bc8200058880198392a9015d000902006f0000",
    ),
    // Block write.
    (
        "E23",
        "04280000004c0000066200cf0042000001af000101000000000100d0000700000100d10026015200110153000d6000200008ff00080b015b0011006f000000000000030001002100ef000500",
    ),
    // … and its result.
    (
        "E24",
        "043d000000323afb36ed00f000288d0b030000000000000051023881000186bc8200058880197fbddd0162000900006f0001",
    ),
    // Rewrite one tag's EPC, then lock EPC memory; once.
    (
        "E25",
        "04280000007c0000000900cf007200000005000001000000000000d0000701000100d1005601520027015300236000200060ffffffffffffffffffffffff0060300833b2ddd90140000000010156001b0001000000004000020006300833b2ddd90140000000020158001000021122334401590006000200ef000501",
    ),
    // Keepalive and its acknowledgement.
    ("E26a", "043e0000000a000003de"),
    // Keepalive and its acknowledgement.
    ("E26b", "04480000000a000003de"),
    // Antenna 2 lost.
    ("E27", "043f00000021000003df00f600170080000c0006608b016e724000ff0007000002"),
    // Report buffer overflowed.
    ("E28", "043f0000001e000003e000f600140080000c0006608b017db48000fb0004"),
    // Reader closes on its own.
    ("E29", "043f0000001e0000000100f600140080000c0005ac35bd20d1da01010004"),
    // Version question to a 1.0.1 reader.
    ("E30a", "082e0000000a00000001"),
    // Version question to a 1.0.1 reader.
    ("E30b", "08640000001200000001011f0008006e0000"),
    // Version question to a 1.1 reader, and the choice.
    ("E31a", "083800000014000000010102011f000800000000"),
    // Version question to a 1.1 reader, and the choice.
    ("E31b", "082f0000000b0000000202"),
    // Release held reports; poll; close.
    ("E32a", "04400000000a0000000a"),
    // Release held reports; poll; close.
    ("E32b", "043c0000000a0000000b"),
    // Release held reports; poll; close.
    ("E32c", "040e0000000a0000000c"),
    // Release held reports; poll; close.
    ("E32d", "0404000000120000000c011f000800000000"),
];

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn example(name: &str) -> Vec<u8> {
    bytes(EXAMPLES.iter().find(|(known, _)| *known == name).unwrap().1)
}

fn decoded(name: &str) -> Message {
    let mut decoding = Decoding::strict();
    Message::decode(&example(name), &mut decoding).unwrap_or_else(|fault| panic!("{name}: {fault}")).1
}

/// The message of an example, taken out of its variant.
macro_rules! decoded {
    ($name:literal, $variant:ident) => {
        match decoded($name) {
            Message::$variant(message) => message,
            other => panic!("{} is {}", $name, other.name()),
        }
    };
}

#[test]
fn every_example_is_read_strictly_and_written_again_octet_by_octet() {
    for (name, hex) in EXAMPLES {
        let bytes = bytes(hex);
        for mut decoding in [Decoding::strict(), Decoding::lenient()] {
            let (header, message) =
                Message::decode(&bytes, &mut decoding).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(decoding.skipped(), 0, "{name}");
            assert_eq!(message.encode(header.version, header.id).unwrap(), bytes, "{name}");
        }
    }
}

#[test]
fn greetings_say_whether_the_connection_stands() {
    for (name, status, microseconds) in [
        ("E1", ConnectionAttemptStatus::SUCCESS, 1_401_297_867_134_161),
        ("E2", ConnectionAttemptStatus::CLIENT_INITIATED_EXISTS, 1_795_000_000_000_000),
    ] {
        let Message::ReaderEventNotification(greeting) = decoded(name) else { panic!("{name}") };
        assert_eq!(greeting.data.timestamp, Timestamp::UTCTimestamp(UTCTimestamp { microseconds }));
        assert_eq!(greeting.data.connection_attempt_event, Some(ConnectionAttemptEvent { status }));
    }
}

#[test]
fn capabilities_of_a_one_antenna_reader() {
    assert_eq!(decoded!("E3", GetReaderCapabilities).requested_data, CapabilitiesRequest::ALL);
    let answer = decoded!("E4", GetReaderCapabilitiesResponse);
    assert!(answer.status.is_success());
    let general = answer.general.unwrap();
    assert_eq!(general.max_number_of_antenna_supported, 1);
    assert!(!general.can_set_antenna_properties && general.has_utc_clock_capability);
    assert_eq!((general.device_manufacturer_name, general.model_name), (impinj::VENDOR, 2_001_002));
    assert_eq!(general.firmware_version, "5.14.0.240");
    assert_eq!(general.receive_sensitivities[0].receive_sensitivity_value, 0);
    assert_eq!(general.gpio_capabilities, GPIOCapabilities { num_gpis: 4, num_gpos: 4 });
    assert_eq!(general.air_protocols[0].protocol_id, [1]);
    let llrp = answer.llrp_capabilities.unwrap();
    assert!(!llrp.can_do_rf_survey && llrp.can_report_buffer_fill_warning);
    assert!(llrp.supports_event_and_report_holding && !llrp.supports_client_request_op_spec);
    assert_eq!((llrp.max_num_ro_specs, llrp.max_num_specs_per_ro_spec), (1, 32));
    assert_eq!((llrp.max_num_access_specs, llrp.max_num_op_specs_per_access_spec), (1508, 8));
    let regulatory = answer.regulatory_capabilities.unwrap();
    assert_eq!(regulatory.country_code, 840);
    assert_eq!(regulatory.communications_standard, CommunicationsStandard::US_FCC_PART_15);
    let band = regulatory.uhf_band_capabilities.unwrap();
    let powers: Vec<_> =
        band.transmit_powers.iter().map(|entry| (entry.index, entry.transmit_power_value)).collect();
    assert_eq!(powers, [(1, 1000), (81, 3000)]);
    assert!(band.frequency_information.hopping);
    assert_eq!(band.frequency_information.frequency_hop_tables[0].frequency, [902_750, 903_250]);
    let mode = &band.rf_mode_tables[0].entries[0];
    assert_eq!((mode.mode_identifier, mode.spectral_mask_indicator), (1002, SpectralMaskIndicator::MULTI));
    assert_eq!((mode.bdr_value, mode.pie_value, mode.min_tari_value), (40_000, 1500, 6250));
    let air = answer.c1g2_llrp_capabilities.unwrap();
    assert!(air.can_support_block_write && !air.can_support_block_erase);
    assert_eq!(air.max_num_select_filters_per_query, 2);
}

#[test]
fn configuration_of_events_keepalive_and_holding() {
    let config = decoded!("E5", SetReaderConfig);
    assert!(!config.reset_to_factory_default);
    let states = config.reader_event_notification_spec.unwrap().states;
    assert!(states.iter().all(|state| state.notification_state));
    let types: Vec<_> = states.iter().map(|state| state.event_type.0).collect();
    assert_eq!(types, [2, 3, 4, 8]);
    let keepalive = config.keepalive_spec.unwrap();
    assert_eq!(keepalive.keepalive_trigger_type, KeepaliveTriggerType::PERIODIC);
    assert_eq!(keepalive.periodic_trigger_value, 10_000);
    assert!(config.events_and_reports.unwrap().hold_events_and_reports_upon_reconnect);
    assert!(decoded!("E6", SetReaderConfigResponse).status.is_success());
    assert_eq!(decoded!("E7", DeleteROSpec).ro_spec_id, 0);
}

#[test]
fn ro_specs() {
    let plain = decoded!("E8", AddROSpec).ro_spec;
    assert_eq!((plain.ro_spec_id, plain.current_state), (1, ROSpecState::DISABLED));
    let start = plain.ro_boundary_spec.ro_spec_start_trigger.ro_spec_start_trigger_type;
    let stop = plain.ro_boundary_spec.ro_spec_stop_trigger;
    assert_eq!(start, ROSpecStartTriggerType::IMMEDIATE);
    assert_eq!(stop.ro_spec_stop_trigger_type, ROSpecStopTriggerType::DURATION);
    assert_eq!((stop.duration_trigger_value, plain.ro_report_spec), (3000, None));

    let wanted = ROSpec {
        ro_spec_id: 7,
        priority: 0,
        current_state: ROSpecState::DISABLED,
        ro_boundary_spec: ROBoundarySpec::null(),
        specs: vec![Spec::AISpec(AISpec {
            antenna_ids: vec![1, 2],
            ai_spec_stop_trigger: AISpecStopTrigger::null(),
            inventory_parameter_specs: vec![InventoryParameterSpec {
                inventory_parameter_spec_id: 1,
                protocol_id: ProtocolID::C1G2,
                antenna_configurations: vec![AntennaConfiguration {
                    antenna_id: 0,
                    rf_receiver: None,
                    rf_transmitter: Some(RFTransmitter {
                        hop_table_id: 1,
                        channel_index: 0,
                        transmit_power: 81,
                    }),
                    inventory_commands: vec![C1G2InventoryCommand {
                        tag_inventory_state_aware: false,
                        filters: vec![C1G2Filter {
                            t: Truncation::DO_NOT_TRUNCATE,
                            mask: C1G2TagInventoryMask {
                                mb: MemoryBank::EPC,
                                pointer: 32,
                                tag_mask: Bits::whole(&[0x30, 0x08]),
                            },
                            state_aware_action: None,
                            state_unaware_action: Some(C1G2TagInventoryStateUnawareFilterAction {
                                action: StateUnawareAction::SELECT_UNSELECT,
                            }),
                        }],
                        rf_control: Some(C1G2RFControl { mode_index: 1002, tari: 0 }),
                        singulation_control: Some(C1G2SingulationControl {
                            session: 2,
                            tag_population: 32,
                            tag_transit_time: 0,
                            state_aware_action: None,
                        }),
                        customs: vec![],
                    }],
                    customs: vec![],
                }],
                customs: vec![],
            }],
            customs: vec![],
        })],
        ro_report_spec: Some(ROReportSpec {
            ro_report_trigger: ROReportTrigger::TAGS_OR_RO_SPEC,
            n: 1,
            content: TagReportContentSelector {
                enable_ro_spec_id: true,
                enable_antenna_id: true,
                enable_peak_rssi: true,
                enable_first_seen_timestamp: true,
                enable_tag_seen_count: true,
                epc_memory_selectors: vec![C1G2EPCMemorySelector {
                    enable_crc: false,
                    enable_pc_bits: true,
                    enable_xpc_bits: false,
                }],
                ..TagReportContentSelector::none()
            },
            customs: vec![],
        }),
    };
    assert_eq!(decoded!("E9", AddROSpec).ro_spec, wanted);
    let message = Message::from(AddROSpec { ro_spec: wanted });
    assert_eq!(message.encode(Version::V1_0_1, 5).unwrap(), example("E9"));
    assert_eq!(decoded!("E12a", EnableROSpec).ro_spec_id, 7);
    assert_eq!(decoded!("E12b", StartROSpec).ro_spec_id, 7);
}

#[test]
fn refusals_name_the_culprit() {
    let said = |status: &LLRPStatus| status.to_string();
    assert_eq!(
        said(&decoded!("E10", AddROSpecResponse).status),
        "M_ParameterError (100) \"HopTableID out of range\": parameter 224 RFTransmitter: P_FieldError (201): \
         field 1: A_OutOfRange (301)"
    );
    assert_eq!(
        said(&decoded!("E11", DeleteAccessSpecResponse).status),
        "M_FieldError (101) \"LLRP [409] : //AccessSpecID : invalid\": field 1: A_Invalid (300)"
    );
}

#[test]
fn reports_as_structures() {
    assert_eq!(decoded!("E13", ROAccessReport).tag_report_data, []);
    let tag = |name: &str| match decoded(name) {
        Message::ROAccessReport(report) => report.tag_report_data.into_iter().next().unwrap(),
        other => panic!("{name} is {}", other.name()),
    };
    let epc96 = |hex: &str| EPC::EPC96(EPC96 { epc: bytes(hex).try_into().unwrap() });
    let impinj_tag = tag("E14");
    assert_eq!(impinj_tag.epc, epc96("0b7f00000000000000510238"));
    assert_eq!(impinj_tag.antenna_id, Some(AntennaID { antenna_id: 1 }));
    assert_eq!(impinj_tag.peak_rssi, Some(PeakRSSI { peak_rssi: -68 }));
    let zebra = tag("E15");
    assert_eq!(zebra.channel_index, Some(ChannelIndex { channel_index: 24 }));
    assert_eq!(zebra.tag_seen_count, Some(TagSeenCount { tag_count: 5374 }));
    assert_eq!(
        zebra.last_seen_timestamp_utc,
        Some(LastSeenTimestampUTC { microseconds: 1_567_778_770_704_026 })
    );
    let long = tag("E16");
    let epc = Bits::whole(&bytes("e2801160600002054c3f1a2b00000001"));
    assert_eq!(long.epc, EPC::EPCData(EPCData { epc }));
    assert_eq!(long.air_protocol_data, [C1G2PC { pc_bits: 0x4000 }.into()]);
    let phase = tag("E19").customs;
    let find_phase = impinj::find(&phase, impinj::RFPhaseAngle::from_custom).unwrap();
    assert_eq!(find_phase, Some(impinj::RFPhaseAngle { angle: 1276 }));
    let find_rssi = impinj::find(&phase, impinj::PeakRSSI::from_custom).unwrap();
    assert_eq!(find_rssi, Some(impinj::PeakRSSI { rssi: -6700 }));
    let OpSpecResult::C1G2ReadOpSpecResult(read) = &tag("E21").op_spec_results[0] else { panic!() };
    assert_eq!((read.result, read.op_spec_id, read.read_data.len()), (ReadResult::SUCCESS, 111, 16));
    assert_eq!((read.read_data[0], read.read_data[15]), (0x9D22, 0x52AB));
    let OpSpecResult::C1G2ReadOpSpecResult(failed) = &tag("E22").op_spec_results[0] else { panic!() };
    assert_eq!((failed.result, failed.read_data.len()), (ReadResult::NO_RESPONSE, 0));
    let OpSpecResult::C1G2BlockWriteOpSpecResult(written) = &tag("E24").op_spec_results[0] else { panic!() };
    assert_eq!((written.result, written.num_words_written), (WriteResult::SUCCESS, 1));
}

#[test]
fn the_handshake_of_impinj() {
    let asked = decoded!("E17", CustomMessage);
    assert_eq!(asked, impinj::enable_extensions());
    assert!(impinj::is_enable_extensions(&asked));
    let answer = decoded!("E18", CustomMessage);
    assert_eq!(impinj::extensions_status(&answer).unwrap(), Some(LLRPStatus::success()));
    let ours = impinj::enable_extensions_response(&LLRPStatus::success(), Version::V1_0_1);
    assert_eq!(ours, Ok(answer));
}

#[test]
fn access_specs() {
    let read = decoded!("E20", AddAccessSpec).access_spec;
    assert_eq!((read.access_spec_id, read.antenna_id, read.ro_spec_id), (431, 1, 1));
    let target = &read.access_command.tag_spec.target_tags[0];
    assert_eq!((target.mb, target.matches, target.pointer), (MemoryBank::EPC, true, 32));
    assert_eq!((&target.tag_mask, &target.tag_data), (&Bits::ones(8), &Bits::whole(&[0x0B])));
    let wanted = C1G2Read {
        op_spec_id: 111,
        access_password: Password(0),
        mb: MemoryBank::USER,
        word_pointer: 0,
        word_count: 16,
    };
    assert_eq!(read.access_command.op_specs, [wanted.into()]);

    let block = decoded!("E23", AddAccessSpec).access_spec.access_command;
    let AccessOperation::C1G2BlockWrite(write) = &block.op_specs[0] else { panic!() };
    assert_eq!((write.word_pointer, write.write_data.as_slice()), (3, [0x21].as_slice()));

    let spec = decoded!("E25", AddAccessSpec).access_spec;
    assert_eq!(spec.access_spec_stop_trigger.operation_count_value, 1);
    let report = spec.access_report_spec.unwrap();
    assert_eq!(report.access_report_trigger, AccessReportTrigger::AT_END);
    let [AccessOperation::C1G2Write(write), AccessOperation::C1G2Lock(lock)] =
        spec.access_command.op_specs.as_slice()
    else {
        panic!()
    };
    assert_eq!((write.mb, write.word_pointer, write.write_data.len()), (MemoryBank::EPC, 2, 6));
    assert_eq!(lock.access_password, Password(0x1122_3344));
    assert_eq!(
        lock.payloads,
        [C1G2LockPayload { privilege: LockPrivilege::READ_WRITE, data_field: LockDataField::EPC }]
    );
    assert!(!format!("{lock:?}").contains("287454020"), "a password does not show itself");
}

#[test]
fn events_and_the_end() {
    assert_eq!(decoded("E26a"), Keepalive {}.into());
    assert_eq!(decoded("E26b"), KeepaliveAck {}.into());
    let lost = decoded!("E27", ReaderEventNotification).data.antenna_event;
    assert_eq!(lost, Some(AntennaEvent { event_type: AntennaEventType::DISCONNECTED, antenna_id: 2 }));
    let overflow = decoded!("E28", ReaderEventNotification).data;
    assert_eq!(overflow.report_buffer_overflow_error_event, Some(ReportBufferOverflowErrorEvent {}));
    let closed = decoded!("E29", ReaderEventNotification).data;
    assert_eq!(closed.connection_close_event, Some(ConnectionCloseEvent {}));
    assert_eq!(decoded("E30a"), GetSupportedVersion {}.into());
    let refused = decoded!("E30b", ErrorMessage).status;
    assert_eq!(refused.status_code, StatusCode::M_UNSUPPORTED_VERSION);
    let versions = decoded!("E31a", GetSupportedVersionResponse);
    assert_eq!((versions.current_version, versions.supported_version), (1, 2));
    assert_eq!(decoded!("E31b", SetProtocolVersion).protocol_version, 2);
    assert_eq!(decoded("E32a"), EnableEventsAndReports {}.into());
    assert_eq!(decoded("E32b"), GetReport {}.into());
    assert_eq!(decoded("E32c"), CloseConnection {}.into());
    assert!(decoded!("E32d", CloseConnectionResponse).status.is_success());
}
