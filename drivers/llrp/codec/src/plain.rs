//! Messages and parameters as they are where nothing is asked of them.

use crate::enumeration::{
    AISpecStopTriggerType, ConfigRequest, ROSpecStartTriggerType, ROSpecStopTriggerType,
};
use crate::message::{GetReaderConfig, SetReaderConfig};
use crate::parameter::{
    AISpecStopTrigger, ROBoundarySpec, ROSpecStartTrigger, ROSpecStopTrigger, ReaderEventNotificationData,
    TagReportContentSelector, Timestamp,
};

impl ROBoundarySpec {
    /// Begins when it is started and ends when it is stopped.
    pub fn null() -> Self {
        Self {
            ro_spec_start_trigger: ROSpecStartTrigger {
                ro_spec_start_trigger_type: ROSpecStartTriggerType::NULL,
                periodic_trigger_value: None,
                gpi_trigger_value: None,
            },
            ro_spec_stop_trigger: ROSpecStopTrigger {
                ro_spec_stop_trigger_type: ROSpecStopTriggerType::NULL,
                duration_trigger_value: 0,
                gpi_trigger_value: None,
            },
        }
    }
}

impl AISpecStopTrigger {
    /// Ends with the ROSpec.
    pub fn null() -> Self {
        Self {
            ai_spec_stop_trigger_type: AISpecStopTriggerType::NULL,
            duration_trigger: 0,
            gpi_trigger_value: None,
            tag_observation_trigger: None,
        }
    }
}

impl TagReportContentSelector {
    /// The EPC alone.
    pub fn none() -> Self {
        Self {
            enable_ro_spec_id: false,
            enable_spec_index: false,
            enable_inventory_parameter_spec_id: false,
            enable_antenna_id: false,
            enable_channel_index: false,
            enable_peak_rssi: false,
            enable_first_seen_timestamp: false,
            enable_last_seen_timestamp: false,
            enable_tag_seen_count: false,
            enable_access_spec_id: false,
            epc_memory_selectors: Vec::new(),
            customs: Vec::new(),
        }
    }
}

impl GetReaderConfig {
    /// Asks for this part of the configuration, of all antennas and ports.
    pub fn of_all(requested_data: ConfigRequest) -> Self {
        Self { antenna_id: 0, requested_data, gpi_port_num: 0, gpo_port_num: 0, customs: Vec::new() }
    }
}

impl SetReaderConfig {
    /// Leaves everything as it is. A reader refuses it so: something must be asked.
    pub fn nothing() -> Self {
        Self {
            reset_to_factory_default: false,
            reader_event_notification_spec: None,
            antenna_properties: Vec::new(),
            antenna_configurations: Vec::new(),
            ro_report_spec: None,
            access_report_spec: None,
            keepalive_spec: None,
            gpo_write_data: Vec::new(),
            gpi_port_current_states: Vec::new(),
            events_and_reports: None,
            customs: Vec::new(),
        }
    }
}

impl ReaderEventNotificationData {
    /// Nothing has happened at this time.
    pub fn nothing(timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            hopping_event: None,
            gpi_event: None,
            ro_spec_event: None,
            report_buffer_level_warning_event: None,
            report_buffer_overflow_error_event: None,
            reader_exception_event: None,
            rf_survey_event: None,
            ai_spec_event: None,
            antenna_event: None,
            connection_attempt_event: None,
            connection_close_event: None,
            spec_loop_event: None,
            customs: Vec::new(),
        }
    }
}
