//! What numbers mean.
//!
//! A number that nobody knows is kept as it is: readers are newer than programs.

use std::fmt;

use crate::wire::{Encoder, Reader};
use crate::{EncodeFault, EncodeFaultKind, Fault, Version};

macro_rules! number {
    (u2) => {
        u8
    };
    ($width:ident) => {
        $width
    };
}

macro_rules! bits {
    (u2) => {
        2
    };
    (u8) => {
        8
    };
    (u16) => {
        16
    };
}

macro_rules! read_number {
    (u2 $reader:ident) => {
        $reader.bits(2)?
    };
    (u8 $reader:ident) => {
        $reader.u8()?
    };
    (u16 $reader:ident) => {
        $reader.u16()?
    };
}

macro_rules! write_number {
    (u2 $encoder:ident $number:expr) => {
        $encoder.bits($number, 2)?
    };
    ($width:ident $encoder:ident $number:expr) => {
        $encoder.put(&$number.to_be_bytes())
    };
}

macro_rules! since {
    () => {
        Version::V1_0_1
    };
    ($since:ident) => {
        Version::$since
    };
}

macro_rules! enumerations {
    ($( $(#[$meta:meta])* $name:ident : $width:ident {
        $( $number:literal $constant:ident $text:literal $(since $since:ident)? ),* $(,)?
    } )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub number!($width));

        impl $name {
            $(
                #[doc = concat!(stringify!($number), ": ", $text, ".")]
                pub const $constant: Self = Self($number);
            )*

            /// All numbers that are known.
            pub const KNOWN: &'static [Self] = &[$(Self($number)),*];

            pub(crate) const BITS: usize = bits!($width);

            /// What the number means, if that is known.
            pub fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $( $number => Some($text), )*
                    _ => None,
                }
            }

            /// First version that knows the number. What nobody knows, no version forbids.
            pub fn since(self) -> Version {
                match self.0 {
                    $( $number => since!($($since)?), )*
                    _ => Version::V1_0_1,
                }
            }

            pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
                Ok(Self(read_number!($width reader)))
            }

            pub(crate) fn write(self, encoder: &mut Encoder) -> Result<(), EncodeFault> {
                if self.since() > encoder.version {
                    return Err(encoder.fault(EncodeFaultKind::NewerThan(encoder.version)));
                }
                write_number!($width encoder self.0);
                Ok(())
            }

            #[cfg(test)]
            pub(crate) fn arbitrary(source: &mut crate::identity_tests::Source) -> Self {
                let known: Vec<Self> =
                    Self::KNOWN.iter().copied().filter(|value| source.has(value.since())).collect();
                let index = source.below(known.len());
                known.get(index).copied().unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.meaning() {
                    Some(meaning) => f.write_str(meaning),
                    None => write!(f, "{}", self.0),
                }
            }
        }
    )* };
}

enumerations! {
    /// An air protocol.
    ProtocolID: u8 { 0 UNSPECIFIED "unspecified", 1 C1G2 "EPCglobal Class-1 Gen-2" }
    /// What is asked of GET_READER_CAPABILITIES.
    CapabilitiesRequest: u8 {
        0 ALL "all", 1 GENERAL_DEVICE "general device", 2 LLRP "LLRP", 3 REGULATORY "regulatory",
        4 AIR_PROTOCOL "air protocol",
    }
    /// What is asked of GET_READER_CONFIG.
    ConfigRequest: u8 {
        0 ALL "all", 1 IDENTIFICATION "Identification", 2 ANTENNA_PROPERTIES "AntennaProperties",
        3 ANTENNA_CONFIGURATION "AntennaConfiguration", 4 RO_REPORT_SPEC "ROReportSpec",
        5 READER_EVENT_NOTIFICATION_SPEC "ReaderEventNotificationSpec",
        6 ACCESS_REPORT_SPEC "AccessReportSpec",
        7 LLRP_CONFIGURATION_STATE_VALUE "LLRPConfigurationStateValue",
        8 KEEPALIVE_SPEC "KeepaliveSpec", 9 GPI_PORT_CURRENT_STATE "GPIPortCurrentState",
        10 GPO_WRITE_DATA "GPOWriteData", 11 EVENTS_AND_REPORTS "EventsAndReports",
    }
    /// The state of a ROSpec.
    ROSpecState: u8 { 0 DISABLED "disabled", 1 INACTIVE "inactive", 2 ACTIVE "active" }
    /// What starts a ROSpec.
    ROSpecStartTriggerType: u8 { 0 NULL "null", 1 IMMEDIATE "immediate", 2 PERIODIC "periodic", 3 GPI "GPI" }
    /// What stops a ROSpec.
    ROSpecStopTriggerType: u8 { 0 NULL "null", 1 DURATION "duration", 2 GPI "GPI with timeout" }
    /// What stops an AISpec.
    AISpecStopTriggerType: u8 {
        0 NULL "null", 1 DURATION "duration", 2 GPI "GPI with timeout", 3 TAG_OBSERVATION "tag observation",
    }
    /// What is counted to stop an AISpec.
    TagObservationTriggerType: u8 {
        0 OBSERVATIONS "N observations or timeout",
        1 NO_OBSERVATION "no new observation for T ms or timeout",
        2 ATTEMPTS "N attempts or timeout",
        3 UNIQUE_TAGS "N unique tags or timeout" since V1_1,
        4 NO_UNIQUE_TAG "no new unique tag for T ms or timeout" since V1_1,
    }
    /// What stops a survey.
    RFSurveySpecStopTriggerType: u8 { 0 NULL "null", 1 DURATION "duration", 2 PASSES "N passes over the range" }
    /// What stops an AccessSpec.
    AccessSpecStopTriggerType: u8 { 0 NULL "null", 1 OPERATION_COUNT "operation count" }
    /// When tags are reported. N = 0 means "only at the end".
    ROReportTrigger: u8 {
        0 NONE "none, poll only", 1 TAGS_OR_AI_SPEC "N tags or end of AISpec",
        2 TAGS_OR_RO_SPEC "N tags or end of ROSpec",
        3 SECONDS_OR_AI_SPEC "N s or end of AISpec" since V1_1,
        4 SECONDS_OR_RO_SPEC "N s or end of ROSpec" since V1_1,
        5 MILLISECONDS_OR_AI_SPEC "N ms or end of AISpec" since V1_1,
        6 MILLISECONDS_OR_RO_SPEC "N ms or end of ROSpec" since V1_1,
    }
    /// When the results of tag operations are reported.
    AccessReportTrigger: u8 { 0 WITH_RO_REPORT "with the RO report", 1 AT_END "at the end of the AccessSpec's execution" }
    /// Whether a reader says that it is alive.
    KeepaliveTriggerType: u8 { 0 NULL "none", 1 PERIODIC "periodic" }
    /// The level of an input.
    GPIState: u8 { 0 LOW "low", 1 HIGH "high", 2 UNKNOWN "unknown" }
    /// What a reader is identified by.
    IDType: u8 { 0 MAC "MAC as EUI-64", 1 EPC "EPC" }
    /// An event that can be asked for.
    EventType: u16 {
        0 HOPPING "hop", 1 GPI "GPI", 2 RO_SPEC "ROSpec", 3 REPORT_BUFFER_FILL "report buffer fill warning",
        4 READER_EXCEPTION "reader exception", 5 RF_SURVEY "RF survey", 6 AI_SPEC "AISpec end",
        7 AI_SPEC_WITH_DETAILS "AISpec end with singulation details", 8 ANTENNA "antenna",
        9 SPEC_LOOP "spec loop" since V1_1,
    }
    /// What happened to a ROSpec.
    ROSpecEventType: u8 { 0 START "start", 1 END "end", 2 PREEMPTION "preemption" }
    /// What happened to a survey.
    RFSurveyEventType: u8 { 0 START "start", 1 END "end" }
    /// What happened to an AISpec.
    AISpecEventType: u8 { 0 END "end" }
    /// What happened to an antenna.
    AntennaEventType: u8 { 0 DISCONNECTED "disconnected", 1 CONNECTED "connected" }
    /// What became of a connection.
    ConnectionAttemptStatus: u16 {
        0 SUCCESS "success",
        1 READER_INITIATED_EXISTS "failed, a reader-initiated connection exists",
        2 CLIENT_INITIATED_EXISTS "failed, a client-initiated connection exists",
        3 FAILED "failed for another reason",
        4 ANOTHER_ATTEMPTED "another connection was attempted",
    }
    /// Subcarrier of a tag's answer.
    MValue: u8 { 0 FM0 "FM0", 1 MILLER_2 "Miller 2", 2 MILLER_4 "Miller 4", 3 MILLER_8 "Miller 8" }
    /// Modulation of what a reader sends.
    ForwardLinkModulation: u8 { 0 PR_ASK "PR-ASK", 1 SSB_ASK "SSB-ASK", 2 DSB_ASK "DSB-ASK" }
    /// How many readers may be near.
    SpectralMaskIndicator: u8 { 0 UNKNOWN "unknown", 1 SINGLE "single", 2 MULTI "multi", 3 DENSE "dense interrogator" }
    /// Whether tags cut off their EPC.
    Truncation: u2 { 0 UNSPECIFIED "unspecified", 1 DO_NOT_TRUNCATE "do not truncate", 2 TRUNCATE "truncate" }
    /// What a filter does to matching tags, and to others.
    StateUnawareAction: u8 {
        0 SELECT_UNSELECT "select, others unselect", 1 SELECT "select", 2 OTHERS_UNSELECT "others unselect",
        3 UNSELECT "unselect", 4 UNSELECT_SELECT "unselect, others select", 5 OTHERS_SELECT "others select",
    }
    /// Flag of a tag that a filter moves.
    StateAwareTarget: u8 { 0 SL "SL", 1 S0 "S0", 2 S1 "S1", 3 S2 "S2", 4 S3 "S3" }
    /// What a filter does to the flag of matching tags, and of others.
    StateAwareAction: u8 {
        0 ASSERT_DEASSERT "assert SL or A, others deassert SL or B", 1 ASSERT "assert SL or A",
        2 OTHERS_DEASSERT "others deassert SL or B", 3 NEGATE "negate",
        4 DEASSERT_ASSERT "deassert SL or B, others assert SL or A", 5 DEASSERT "deassert SL or B",
        6 OTHERS_ASSERT "others assert SL or A", 7 OTHERS_NEGATE "others negate",
    }
    /// A bank of a tag's memory.
    MemoryBank: u2 { 0 RESERVED "reserved", 1 EPC "EPC", 2 TID "TID", 3 USER "user" }
    /// What a lock does.
    LockPrivilege: u8 {
        0 READ_WRITE "read/write lock", 1 PERMALOCK "permanent lock", 2 PERMAUNLOCK "permanent unlock", 3 UNLOCK "unlock",
    }
    /// What a lock is on.
    LockDataField: u8 {
        0 KILL_PASSWORD "kill password", 1 ACCESS_PASSWORD "access password", 2 EPC "EPC", 3 TID "TID", 4 USER "user",
    }
    /// Rules of the air that a reader obeys.
    CommunicationsStandard: u16 {
        0 UNSPECIFIED "unspecified", 1 US_FCC_PART_15 "US FCC part 15", 2 ETSI_302_208 "ETSI 302 208",
        3 ETSI_300_220 "ETSI 300 220", 4 AUSTRALIA_1W "Australia 1 W", 5 AUSTRALIA_4W "Australia 4 W",
        6 JAPAN_ARIB_STD_T89 "Japan ARIB T89", 7 HONG_KONG_OFTA_1049 "Hong Kong OFTA 1049",
        8 TAIWAN_LP0002 "Taiwan LP0002", 9 KOREA_MIC_5_2 "Korea MIC 5-2",
        10 HOPPING_902_928 "902-928 MHz 4 W hopping" since V1_1,
        11 ETSI_302_208_NO_LBT "ETSI 302 208 2 W without LBT" since V1_1,
        12 BRAZIL "Brazil" since V1_1, 13 CHINA_840 "China 840 MHz" since V1_1,
        14 CHINA_920 "China 920 MHz" since V1_1, 15 HONG_KONG "Hong Kong" since V1_1,
        16 ISRAEL "Israel" since V1_1, 17 JAPAN_952_954 "Japan 952-954 MHz" since V1_1,
        18 JAPAN_952_955 "Japan 952-955 MHz" since V1_1, 19 UHF_865_868 "865-868 MHz 0.5 W" since V1_1,
        20 KOREA_A "Korea, first" since V1_1, 21 KOREA_B "Korea, second" since V1_1,
        22 MALAYSIA_A "Malaysia, first" since V1_1, 23 MALAYSIA_B "Malaysia, second" since V1_1,
        24 NEW_ZEALAND "New Zealand" since V1_1, 25 SINGAPORE_A "Singapore, first" since V1_1,
        26 SINGAPORE_B "Singapore, second" since V1_1, 27 SOUTH_AFRICA_A "South Africa, first" since V1_1,
        28 SOUTH_AFRICA_B "South Africa, second" since V1_1, 29 TAIWAN_A "Taiwan, first" since V1_1,
        30 TAIWAN_B "Taiwan, second" since V1_1, 31 THAILAND "Thailand" since V1_1,
        32 VENEZUELA "Venezuela" since V1_1, 33 VIETNAM_A "Vietnam, first" since V1_1,
        34 VIETNAM_B "Vietnam, second" since V1_1,
    }
    /// Result of a read.
    ReadResult: u8 {
        0 SUCCESS "success", 1 TAG_ERROR "tag error", 2 NO_RESPONSE "no response of the tag",
        3 READER_ERROR "reader error", 4 OVERRUN "memory overrun" since V1_1, 5 LOCKED "memory locked" since V1_1,
        6 BAD_PASSWORD "wrong password" since V1_1,
    }
    /// Result of a write, a block write or a block erase.
    WriteResult: u8 {
        0 SUCCESS "success", 1 OVERRUN "memory overrun", 2 LOCKED "memory locked", 3 LOW_POWER "too little power",
        4 TAG_ERROR "tag error", 5 NO_RESPONSE "no response of the tag", 6 READER_ERROR "reader error",
        7 BAD_PASSWORD "wrong password" since V1_1,
    }
    /// Result of a kill or a recommission.
    KillResult: u8 {
        0 SUCCESS "success", 1 ZERO_PASSWORD "the kill password is zero", 2 LOW_POWER "too little power",
        3 TAG_ERROR "tag error", 4 NO_RESPONSE "no response of the tag", 5 READER_ERROR "reader error",
        6 BAD_PASSWORD "wrong password" since V1_1,
    }
    /// Result of a lock.
    LockResult: u8 {
        0 SUCCESS "success", 1 LOW_POWER "too little power", 2 TAG_ERROR "tag error",
        3 NO_RESPONSE "no response of the tag", 4 READER_ERROR "reader error",
        5 BAD_PASSWORD "wrong password" since V1_1, 6 OVERRUN "memory overrun" since V1_1,
        7 LOCKED "memory locked" since V1_1,
    }
    /// Result of a permanent lock of blocks.
    BlockPermalockResult: u8 {
        0 SUCCESS "success", 1 LOW_POWER "too little power", 2 TAG_ERROR "tag error",
        3 NO_RESPONSE "no response of the tag", 4 READER_ERROR "reader error", 5 BAD_PASSWORD "wrong password",
        6 OVERRUN "memory overrun",
    }
    /// Result of the question which blocks are locked.
    GetBlockPermalockStatusResult: u8 {
        0 SUCCESS "success", 1 TAG_ERROR "tag error", 2 NO_RESPONSE "no response of the tag",
        3 READER_ERROR "reader error", 4 BAD_PASSWORD "wrong password", 5 OVERRUN "memory overrun",
    }
    /// What a reader says of a message, a parameter or a field. Each number but 0 is a failure, also
    /// one that nobody knows.
    StatusCode: u16 {
        0 M_SUCCESS "M_Success", 100 M_PARAMETER_ERROR "M_ParameterError", 101 M_FIELD_ERROR "M_FieldError",
        102 M_UNEXPECTED_PARAMETER "M_UnexpectedParameter", 103 M_MISSING_PARAMETER "M_MissingParameter",
        104 M_DUPLICATE_PARAMETER "M_DuplicateParameter", 105 M_OVERFLOW_PARAMETER "M_OverflowParameter",
        106 M_OVERFLOW_FIELD "M_OverflowField", 107 M_UNKNOWN_PARAMETER "M_UnknownParameter",
        108 M_UNKNOWN_FIELD "M_UnknownField", 109 M_UNSUPPORTED_MESSAGE "M_UnsupportedMessage",
        110 M_UNSUPPORTED_VERSION "M_UnsupportedVersion", 111 M_UNSUPPORTED_PARAMETER "M_UnsupportedParameter",
        112 M_UNEXPECTED_MESSAGE "M_UnexpectedMessage" since V1_1,
        200 P_PARAMETER_ERROR "P_ParameterError", 201 P_FIELD_ERROR "P_FieldError",
        202 P_UNEXPECTED_PARAMETER "P_UnexpectedParameter", 203 P_MISSING_PARAMETER "P_MissingParameter",
        204 P_DUPLICATE_PARAMETER "P_DuplicateParameter", 205 P_OVERFLOW_PARAMETER "P_OverflowParameter",
        206 P_OVERFLOW_FIELD "P_OverflowField", 207 P_UNKNOWN_PARAMETER "P_UnknownParameter",
        208 P_UNKNOWN_FIELD "P_UnknownField", 209 P_UNSUPPORTED_PARAMETER "P_UnsupportedParameter",
        300 A_INVALID "A_Invalid", 301 A_OUT_OF_RANGE "A_OutOfRange", 401 R_DEVICE_ERROR "R_DeviceError",
    }
}
