//! Every parameter of the standard, defined once: [`TV_PARAMETERS`] and [`TLV_PARAMETERS`].
//!
//! The tables below say what there is, in which order it is written, and since when. Everything
//! else, structures, reading, writing, tests, is made of them. They are read in any order.

use crate::layout::Parameter;

parameters! {
    TV_PARAMETERS, TV, 1;
    1 AntennaID = 3 { antenna_id: u16 }
    2 FirstSeenTimestampUTC = 9 { microseconds: u64 }
    3 FirstSeenTimestampUptime = 9 { microseconds: u64 }
    4 LastSeenTimestampUTC = 9 { microseconds: u64 }
    5 LastSeenTimestampUptime = 9 { microseconds: u64 }
    6 PeakRSSI = 2 {
        /// dBm.
        peak_rssi: s8,
    }
    7 ChannelIndex = 3 {
        /// Counted from 1.
        channel_index: u16,
    }
    8 TagSeenCount = 3 { tag_count: u16 }
    9 ROSpecID = 5 { ro_spec_id: u32 }
    10 InventoryParameterSpecID = 3 { inventory_parameter_spec_id: u16 }
    11 C1G2CRC = 3 { crc: u16 }
    12 C1G2PC = 3 { pc_bits: u16 }
    13 EPC96 = 13 { epc: u96 }
    14 SpecIndex = 3 { spec_index: u16 }
    15 ClientRequestOpSpecResult = 3 { op_spec_id: u16 }
    16 AccessSpecID = 5 { access_spec_id: u32 }
    17 OpSpecID = 3 { op_spec_id: u16 }
    18 C1G2SingulationDetails = 5 { num_collision_slots: u16, num_empty_slots: u16 }
    19 C1G2XPCW1 since V1_1 = 3 { xpcw1: u16 }
    20 C1G2XPCW2 since V1_1 = 3 { xpcw2: u16 }
}

parameters! {
    TLV_PARAMETERS, TLV, 4;
    128 UTCTimestamp = 12 { microseconds: u64 }
    129 Uptime = 12 { microseconds: u64 }
    137 GeneralDeviceCapabilities = 18 {
        max_number_of_antenna_supported: u16,
        can_set_antenna_properties: u1,
        has_utc_clock_capability: u1 + 14,
        /// IANA enterprise number.
        device_manufacturer_name: u32,
        model_name: u32,
        firmware_version: utf8,
        ;
        receive_sensitivities: some ReceiveSensitivityTableEntry,
        receive_sensitivity_ranges: any PerAntennaReceiveSensitivityRange,
        gpio_capabilities: one GPIOCapabilities,
        air_protocols: some PerAntennaAirProtocol,
        maximum_receive_sensitivity: opt MaximumReceiveSensitivity since V1_1,
    }
    139 ReceiveSensitivityTableEntry = 8 {
        index: u16,
        /// dB above the maximum sensitivity.
        receive_sensitivity_value: s16,
    }
    140 PerAntennaAirProtocol = 8 { antenna_id: u16, protocol_id: u8s }
    141 GPIOCapabilities = 8 { num_gpis: u16, num_gpos: u16 }
    142 LLRPCapabilities = 28 {
        can_do_rf_survey: u1,
        can_report_buffer_fill_warning: u1,
        supports_client_request_op_spec: u1,
        can_do_tag_inventory_state_aware_singulation: u1,
        supports_event_and_report_holding: u1 + 3,
        max_priority_level_supported: u8,
        client_request_op_spec_timeout: u16,
        max_num_ro_specs: u32,
        max_num_specs_per_ro_spec: u32,
        max_num_inventory_parameter_specs_per_ai_spec: u32,
        max_num_access_specs: u32,
        max_num_op_specs_per_access_spec: u32,
    }
    143 RegulatoryCapabilities = 8 {
        country_code: u16,
        communications_standard: CommunicationsStandard,
        ;
        uhf_band_capabilities: opt UHFBandCapabilities,
        customs: any Custom,
    }
    144 UHFBandCapabilities = 4 {
        ;
        transmit_powers: some TransmitPowerLevelTableEntry,
        frequency_information: one FrequencyInformation,
        rf_mode_tables: some UHFC1G2RFModeTable,
        rf_survey_frequency_capabilities: opt RFSurveyFrequencyCapabilities since V1_1,
    }
    145 TransmitPowerLevelTableEntry = 8 {
        index: u16,
        /// dBm × 100.
        transmit_power_value: s16,
    }
    146 FrequencyInformation = 5 {
        hopping: u1 + 7,
        ;
        frequency_hop_tables: any FrequencyHopTable,
        fixed_frequency_table: opt FixedFrequencyTable,
    }
    147 FrequencyHopTable = 8 {
        hop_table_id: u8 + 8,
        /// kHz.
        frequency: u32s,
    }
    148 FixedFrequencyTable = 6 {
        /// kHz.
        frequency: u32s,
    }
    149 PerAntennaReceiveSensitivityRange = 10 {
        antenna_id: u16,
        receive_sensitivity_index_min: u16,
        receive_sensitivity_index_max: u16,
    }
    177 ROSpec = 10 {
        ro_spec_id: u32,
        /// 0 is the highest, 7 the lowest.
        priority: u8,
        current_state: ROSpecState,
        ;
        ro_boundary_spec: one ROBoundarySpec,
        specs: some Spec,
        ro_report_spec: opt ROReportSpec,
    }
    178 ROBoundarySpec = 4 {
        ;
        ro_spec_start_trigger: one ROSpecStartTrigger,
        ro_spec_stop_trigger: one ROSpecStopTrigger,
    }
    179 ROSpecStartTrigger = 5 {
        ro_spec_start_trigger_type: ROSpecStartTriggerType,
        ;
        periodic_trigger_value: opt PeriodicTriggerValue,
        gpi_trigger_value: opt GPITriggerValue,
    }
    180 PeriodicTriggerValue = 12 {
        /// Milliseconds.
        offset: u32,
        /// Milliseconds; 0 is once.
        period: u32,
        ;
        utc_timestamp: opt UTCTimestamp,
    }
    181 GPITriggerValue = 11 {
        gpi_port_num: u16,
        gpi_event: u1 + 7,
        /// Milliseconds; 0 is none.
        timeout: u32,
    }
    182 ROSpecStopTrigger = 9 {
        ro_spec_stop_trigger_type: ROSpecStopTriggerType,
        /// Milliseconds; without meaning for other triggers.
        duration_trigger_value: u32,
        ;
        gpi_trigger_value: opt GPITriggerValue,
    }
    183 AISpec = 6 {
        /// 0 stands for all of them.
        antenna_ids: u16s,
        ;
        ai_spec_stop_trigger: one AISpecStopTrigger,
        inventory_parameter_specs: some InventoryParameterSpec,
        customs: any Custom,
    }
    184 AISpecStopTrigger = 9 {
        ai_spec_stop_trigger_type: AISpecStopTriggerType,
        /// Milliseconds; without meaning for other triggers.
        duration_trigger: u32,
        ;
        gpi_trigger_value: opt GPITriggerValue,
        tag_observation_trigger: opt TagObservationTrigger,
    }
    185 TagObservationTrigger = 16 {
        trigger_type: TagObservationTriggerType + 8,
        number_of_tags: u16,
        number_of_attempts: u16,
        /// Milliseconds.
        t: u16,
        /// Milliseconds; 0 is none.
        timeout: u32,
    }
    186 InventoryParameterSpec = 7 {
        inventory_parameter_spec_id: u16,
        protocol_id: ProtocolID,
        ;
        antenna_configurations: any AntennaConfiguration,
        customs: any Custom,
    }
    187 RFSurveySpec = 14 {
        antenna_id: u16,
        /// kHz.
        start_frequency: u32,
        /// kHz.
        end_frequency: u32,
        ;
        rf_survey_spec_stop_trigger: one RFSurveySpecStopTrigger,
        customs: any Custom,
    }
    188 RFSurveySpecStopTrigger = 13 {
        stop_trigger_type: RFSurveySpecStopTriggerType,
        /// Milliseconds.
        duration: u32,
        n: u32,
    }
    207 AccessSpec = 16 {
        access_spec_id: u32,
        /// 0 stands for all of them.
        antenna_id: u16,
        protocol_id: ProtocolID,
        current_state: u1 + 7,
        /// 0 stands for all of them.
        ro_spec_id: u32,
        ;
        access_spec_stop_trigger: one AccessSpecStopTrigger,
        access_command: one AccessCommand,
        access_report_spec: opt AccessReportSpec,
        customs: any Custom,
    }
    208 AccessSpecStopTrigger = 7 {
        access_spec_stop_trigger_type: AccessSpecStopTriggerType,
        operation_count_value: u16,
    }
    209 AccessCommand = 4 { ; tag_spec: one C1G2TagSpec, op_specs: some AccessOperation }
    210 ClientRequestOpSpec = 6 { op_spec_id: u16 }
    211 ClientRequestResponse = 8 { access_spec_id: u32; epc_data: one EPCData, op_specs: any C1G2OpSpec }
    217 LLRPConfigurationStateValue = 8 { llrp_configuration_state_value: u32 }
    218 Identification = 7 { id_type: IDType, reader_id: u8s }
    219 GPOWriteData = 7 { gpo_port_number: u16, gpo_data: u1 + 7 }
    220 KeepaliveSpec = 9 {
        keepalive_trigger_type: KeepaliveTriggerType,
        /// Milliseconds.
        periodic_trigger_value: u32,
    }
    221 AntennaProperties = 9 {
        antenna_connected: u1 + 7,
        antenna_id: u16,
        /// dBi × 100.
        antenna_gain: s16,
    }
    222 AntennaConfiguration = 6 {
        antenna_id: u16,
        ;
        rf_receiver: opt RFReceiver,
        rf_transmitter: opt RFTransmitter,
        inventory_commands: any C1G2InventoryCommand,
        customs: any Custom since V1_1,
    }
    223 RFReceiver = 6 {
        /// Index into the table of sensitivities.
        receiver_sensitivity: u16,
    }
    224 RFTransmitter = 10 {
        hop_table_id: u16,
        /// Counted from 1; of regions with fixed frequencies.
        channel_index: u16,
        /// Index into the table of powers.
        transmit_power: u16,
    }
    225 GPIPortCurrentState = 8 {
        gpi_port_num: u16,
        /// Whether the port is in use.
        config: u1 + 7,
        state: GPIState,
    }
    226 EventsAndReports = 5 { hold_events_and_reports_upon_reconnect: u1 + 7 }
    237 ROReportSpec = 7 {
        ro_report_trigger: ROReportTrigger,
        n: u16,
        ;
        content: one TagReportContentSelector,
        customs: any Custom,
    }
    238 TagReportContentSelector = 6 {
        enable_ro_spec_id: u1,
        enable_spec_index: u1,
        enable_inventory_parameter_spec_id: u1,
        enable_antenna_id: u1,
        enable_channel_index: u1,
        enable_peak_rssi: u1,
        enable_first_seen_timestamp: u1,
        enable_last_seen_timestamp: u1,
        enable_tag_seen_count: u1,
        enable_access_spec_id: u1 + 6,
        ;
        epc_memory_selectors: any C1G2EPCMemorySelector,
        customs: any Custom since V1_1,
    }
    239 AccessReportSpec = 5 { access_report_trigger: AccessReportTrigger }
    240 TagReportData = 4 {
        ;
        epc: one EPC,
        ro_spec_id: opt ROSpecID,
        spec_index: opt SpecIndex,
        inventory_parameter_spec_id: opt InventoryParameterSpecID,
        antenna_id: opt AntennaID,
        peak_rssi: opt PeakRSSI,
        channel_index: opt ChannelIndex,
        first_seen_timestamp_utc: opt FirstSeenTimestampUTC,
        first_seen_timestamp_uptime: opt FirstSeenTimestampUptime,
        last_seen_timestamp_utc: opt LastSeenTimestampUTC,
        last_seen_timestamp_uptime: opt LastSeenTimestampUptime,
        tag_seen_count: opt TagSeenCount,
        air_protocol_data: any AirProtocolTagData,
        access_spec_id: opt AccessSpecID,
        op_spec_results: any OpSpecResult,
        customs: any Custom,
    }
    241 EPCData = 6 { epc: bits }
    242 RFSurveyReportData = 4 {
        ;
        ro_spec_id: opt ROSpecID,
        spec_index: opt SpecIndex,
        levels: some FrequencyRSSILevelEntry,
        customs: any Custom,
    }
    243 FrequencyRSSILevelEntry = 14 {
        /// kHz.
        frequency: u32,
        /// kHz.
        bandwidth: u32,
        /// dBm.
        average_rssi: s8,
        /// dBm.
        peak_rssi: s8,
        ;
        timestamp: one Timestamp,
    }
    244 ReaderEventNotificationSpec = 4 { ; states: some EventNotificationState }
    245 EventNotificationState = 7 { event_type: EventType, notification_state: u1 + 7 }
    246 ReaderEventNotificationData = 4 {
        ;
        timestamp: one Timestamp,
        hopping_event: opt HoppingEvent,
        gpi_event: opt GPIEvent,
        ro_spec_event: opt ROSpecEvent,
        report_buffer_level_warning_event: opt ReportBufferLevelWarningEvent,
        report_buffer_overflow_error_event: opt ReportBufferOverflowErrorEvent,
        reader_exception_event: opt ReaderExceptionEvent,
        rf_survey_event: opt RFSurveyEvent,
        ai_spec_event: opt AISpecEvent,
        antenna_event: opt AntennaEvent,
        connection_attempt_event: opt ConnectionAttemptEvent,
        connection_close_event: opt ConnectionCloseEvent,
        spec_loop_event: opt SpecLoopEvent since V1_1,
        customs: any Custom,
    }
    247 HoppingEvent = 8 { hop_table_id: u16, next_channel_index: u16 }
    248 GPIEvent = 7 { gpi_port_number: u16, gpi_event: u1 + 7 }
    249 ROSpecEvent = 13 { event_type: ROSpecEventType, ro_spec_id: u32, preempting_ro_spec_id: u32 }
    250 ReportBufferLevelWarningEvent = 5 { report_buffer_percentage_full: u8 }
    251 ReportBufferOverflowErrorEvent = 4 {}
    252 ReaderExceptionEvent = 6 {
        /// What the reader says of it.
        message: utf8,
        ;
        ro_spec_id: opt ROSpecID,
        spec_index: opt SpecIndex,
        inventory_parameter_spec_id: opt InventoryParameterSpecID,
        antenna_id: opt AntennaID,
        access_spec_id: opt AccessSpecID,
        op_spec_id: opt OpSpecID,
        customs: any Custom,
    }
    253 RFSurveyEvent = 11 { event_type: RFSurveyEventType, ro_spec_id: u32, spec_index: u16 }
    254 AISpecEvent = 11 {
        event_type: AISpecEventType,
        ro_spec_id: u32,
        spec_index: u16,
        ;
        singulation_details: opt C1G2SingulationDetails,
    }
    255 AntennaEvent = 7 { event_type: AntennaEventType, antenna_id: u16 }
    256 ConnectionAttemptEvent = 6 { status: ConnectionAttemptStatus }
    257 ConnectionCloseEvent = 4 {}
    287 LLRPStatus = 8 {
        status_code: StatusCode,
        error_description: utf8,
        ;
        field_error: opt FieldError,
        parameter_error: boxed ParameterError,
    }
    288 FieldError = 8 { field_num: u16, error_code: StatusCode }
    289 ParameterError = 8 {
        parameter_type: u16,
        error_code: StatusCode,
        ;
        field_error: opt FieldError,
        parameter_error: boxed ParameterError,
    }
    327 C1G2LLRPCapabilities = 7 {
        can_support_block_erase: u1,
        can_support_block_write: u1,
        can_support_block_permalock: u1 since V1_1,
        can_support_tag_recommissioning: u1 since V1_1,
        can_support_umi_method2: u1 since V1_1,
        can_support_xpc: u1 + 2 since V1_1,
        max_num_select_filters_per_query: u16,
    }
    328 UHFC1G2RFModeTable = 4 { ; entries: some UHFC1G2RFModeTableEntry }
    329 UHFC1G2RFModeTableEntry = 32 {
        mode_identifier: u32,
        /// Whether the divide ratio is 64/3; 8 otherwise.
        dr_value: u1,
        epc_hag_tc_conformance: u1 + 6,
        m_value: MValue,
        forward_link_modulation: ForwardLinkModulation,
        spectral_mask_indicator: SpectralMaskIndicator,
        /// Bits per second.
        bdr_value: u32,
        /// Thousandths.
        pie_value: u32,
        /// Nanoseconds.
        min_tari_value: u32,
        /// Nanoseconds.
        max_tari_value: u32,
        /// Nanoseconds.
        step_tari_value: u32,
    }
    330 C1G2InventoryCommand = 5 {
        tag_inventory_state_aware: u1 + 7,
        ;
        filters: any C1G2Filter,
        rf_control: opt C1G2RFControl,
        singulation_control: opt C1G2SingulationControl,
        customs: any Custom,
    }
    331 C1G2Filter = 5 {
        t: Truncation + 6,
        ;
        mask: one C1G2TagInventoryMask,
        state_aware_action: opt C1G2TagInventoryStateAwareFilterAction,
        state_unaware_action: opt C1G2TagInventoryStateUnawareFilterAction,
    }
    332 C1G2TagInventoryMask = 9 {
        mb: MemoryBank + 6,
        /// Bit of the bank; the EPC begins at 32.
        pointer: u16,
        tag_mask: bits,
    }
    333 C1G2TagInventoryStateAwareFilterAction = 6 { target: StateAwareTarget, action: StateAwareAction }
    334 C1G2TagInventoryStateUnawareFilterAction = 5 { action: StateUnawareAction }
    335 C1G2RFControl = 8 {
        /// `mode_identifier` of the table of modes.
        mode_index: u16,
        /// Nanoseconds; 0 leaves it to the reader.
        tari: u16,
    }
    336 C1G2SingulationControl = 11 {
        session: u2 + 6,
        tag_population: u16,
        /// Milliseconds.
        tag_transit_time: u32,
        ;
        state_aware_action: opt C1G2TagInventoryStateAwareSingulationAction,
    }
    337 C1G2TagInventoryStateAwareSingulationAction = 5 {
        /// Whether tags in state B answer; A otherwise.
        i: u1,
        /// Whether tags without SL answer; with it otherwise.
        s: u1,
        /// Whether `s` is ignored.
        s_all: u1 + 5 since V1_1,
    }
    338 C1G2TagSpec = 4 { ; target_tags: pair C1G2TargetTag }
    339 C1G2TargetTag = 11 {
        mb: MemoryBank,
        /// Whether tags that match are meant, or those that do not.
        matches: u1 + 5,
        /// Bit of the bank; the EPC begins at 32.
        pointer: u16,
        tag_mask: bits,
        tag_data: bits,
    }
    341 C1G2Read = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        word_pointer: u16,
        /// 0 is to the end of the bank.
        word_count: u16,
    }
    342 C1G2Write = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        word_pointer: u16,
        write_data: u16s,
    }
    343 C1G2Kill = 10 { op_spec_id: u16, kill_password: password }
    344 C1G2Lock = 10 { op_spec_id: u16, access_password: password; payloads: some C1G2LockPayload }
    345 C1G2LockPayload = 6 { privilege: LockPrivilege, data_field: LockDataField }
    346 C1G2BlockErase = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        word_pointer: u16,
        word_count: u16,
    }
    347 C1G2BlockWrite = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        word_pointer: u16,
        write_data: u16s,
    }
    348 C1G2EPCMemorySelector = 5 { enable_crc: u1, enable_pc_bits: u1, enable_xpc_bits: u1 + 5 since V1_1 }
    349 C1G2ReadOpSpecResult = 9 { result: ReadResult, op_spec_id: u16, read_data: u16s }
    350 C1G2WriteOpSpecResult = 9 { result: WriteResult, op_spec_id: u16, num_words_written: u16 }
    351 C1G2KillOpSpecResult = 7 { result: KillResult, op_spec_id: u16 }
    352 C1G2LockOpSpecResult = 7 { result: LockResult, op_spec_id: u16 }
    353 C1G2BlockEraseOpSpecResult = 7 { result: WriteResult, op_spec_id: u16 }
    354 C1G2BlockWriteOpSpecResult = 9 { result: WriteResult, op_spec_id: u16, num_words_written: u16 }
    355 LoopSpec since V1_1 = 8 {
        /// 0 is for ever.
        loop_count: u32,
    }
    356 SpecLoopEvent since V1_1 = 12 { ro_spec_id: u32, loop_count: u32 }
    357 C1G2Recommission since V1_1 = 11 {
        op_spec_id: u16,
        kill_password: password + 5,
        sb3: u1,
        sb2: u1,
        lsb: u1,
    }
    358 C1G2BlockPermalock since V1_1 = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        block_pointer: u16,
        block_mask: u16s,
    }
    359 C1G2GetBlockPermalockStatus since V1_1 = 15 {
        op_spec_id: u16,
        access_password: password,
        mb: MemoryBank + 6,
        block_pointer: u16,
        block_range: u16,
    }
    360 C1G2RecommissionOpSpecResult since V1_1 = 7 { result: KillResult, op_spec_id: u16 }
    361 C1G2BlockPermalockOpSpecResult since V1_1 = 7 { result: BlockPermalockResult, op_spec_id: u16 }
    362 C1G2GetBlockPermalockStatusOpSpecResult since V1_1 = 9 {
        result: GetBlockPermalockStatusResult,
        op_spec_id: u16,
        permalock_status: u16s,
    }
    363 MaximumReceiveSensitivity since V1_1 = 6 {
        /// dBm × 100.
        maximum_sensitivity_value: s16,
    }
    365 RFSurveyFrequencyCapabilities since V1_1 = 12 {
        /// kHz.
        minimum_frequency: u32,
        /// kHz.
        maximum_frequency: u32,
    }
    1023 Custom = 12 { vendor_id: u32, subtype: u32, data: rest }
}

alternatives! {
    /// The EPC of a tag: of 96 bits, or of any other length.
    EPC { EPC96, EPCData }
    /// A time, by the calendar or since the reader was started.
    Timestamp { UTCTimestamp, Uptime }
    /// What a ROSpec does.
    Spec { AISpec, RFSurveySpec, LoopSpec since V1_1, Custom }
    /// An operation on a tag.
    C1G2OpSpec {
        C1G2Read, C1G2Write, C1G2Kill, C1G2Lock, C1G2BlockErase, C1G2BlockWrite, C1G2Recommission since V1_1,
        C1G2BlockPermalock since V1_1, C1G2GetBlockPermalockStatus since V1_1,
    }
    /// What an AccessCommand does. A vendor's parameter may also stand behind all operations; on the
    /// wire that is the same.
    AccessOperation {
        C1G2Read, C1G2Write, C1G2Kill, C1G2Lock, C1G2BlockErase, C1G2BlockWrite, C1G2Recommission since V1_1,
        C1G2BlockPermalock since V1_1, C1G2GetBlockPermalockStatus since V1_1, ClientRequestOpSpec, Custom,
    }
    /// What a Gen2 tag says besides its EPC.
    AirProtocolTagData { C1G2PC, C1G2CRC, C1G2XPCW1 since V1_1, C1G2XPCW2 since V1_1 }
    /// What came of an operation.
    OpSpecResult {
        C1G2ReadOpSpecResult, C1G2WriteOpSpecResult, C1G2KillOpSpecResult, C1G2LockOpSpecResult,
        C1G2BlockEraseOpSpecResult, C1G2BlockWriteOpSpecResult, C1G2RecommissionOpSpecResult since V1_1,
        C1G2BlockPermalockOpSpecResult since V1_1, C1G2GetBlockPermalockStatusOpSpecResult since V1_1,
        ClientRequestOpSpecResult,
    }
}

/// Octets of each TV parameter, its type included; 0 where there is none.
const TV_OCTETS: [u8; 128] = {
    let mut octets = [0; 128];
    let mut index = 0;
    while index < TV_PARAMETERS.len() {
        octets[TV_PARAMETERS[index].number as usize] = TV_PARAMETERS[index].octets as u8;
        index += 1;
    }
    octets
};

/// How long a TV parameter is; nobody knows that of an unknown one.
pub(crate) fn tv_octets(number: u8) -> Option<usize> {
    let octets = TV_OCTETS.get(usize::from(number)).copied().unwrap_or_default();
    (octets > 0).then_some(octets.into())
}
