//! Every message of the standard, defined once: [`MESSAGES`].

use crate::frame::HEADER_OCTETS;
use crate::layout::{Body, Definition, Parameter, Part};
use crate::parameter::*;
use crate::wire::{Decoding, Encoder, Reader};
use crate::{EncodeFault, EncodeFaultKind, Fault, FaultKind, Frame, Header, Version};

/// An entry is that of a parameter with the number of its answer behind the name.
macro_rules! messages {
    ($(
        $(#[$meta:meta])* $number:literal $name:ident $(since $since:ident)? $(-> $answer:literal)? = $octets:literal {
            $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(+ $reserved:literal)? ),* $(,)?
            $(; $( $sub:ident : $card:ident $part:ident ),* $(,)? )?
        }
    )*) => {
        $(
            layout! {
                $(#[$meta])*
                #[doc = concat!("`", stringify!($name), "`, message ", stringify!($number), ".")]
                $name, $octets, {
                    $( $(#[$field_meta])* $field : $kind $(+ $reserved)? ),*
                    $(; $( $sub : $card $part ),* )?
                }
            }

            const _: () = assert!(
                (HEADER_OCTETS * 8 $( + field_bits!($kind) $(+ $reserved)? )*) == $octets * 8,
                "the fields make up other octets than the table says"
            );

            impl $name {
                /// Number of the message's type.
                pub const NUMBER: u16 = $number;
            }

            impl From<$name> for Message {
                fn from(message: $name) -> Self {
                    Self::$name(message)
                }
            }
        )*

        /// A message.
        // Most of them are small, and the few large ones are rare.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                $name($name),
            )*
            /// One that nobody knows.
            Unknown {
                /// Number of its type.
                number: u16,
                /// What stands behind its header.
                body: Vec<u8>,
            },
        }

        /// The table.
        pub const MESSAGES: &[Definition] = &[
            $( Definition {
                number: $number,
                name: stringify!($name),
                since: version!($($since)?),
                octets: <$name as Body>::OCTETS,
                fields: &[$(stringify!($field)),*],
                parts: &[$($(
                    Part {
                        name: <$part as Parameter>::NAME,
                        takes: <$part as Parameter>::takes,
                        least: least!($card),
                        most: most!($card),
                        since: Version::V1_0_1,
                    }
                ),*)?],
            }, )*
        ];

        impl Message {
            /// Number of its type.
            pub fn number(&self) -> u16 {
                match self {
                    $( Self::$name(_) => $number, )*
                    Self::Unknown { number, .. } => *number,
                }
            }

            /// What the standard calls it.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$name(_) => stringify!($name), )*
                    Self::Unknown { .. } => "a message",
                }
            }

            /// Number of the message that answers it, if one does. A vendor's message may be
            /// answered by another one, and everything by an ErrorMessage.
            pub fn answer(&self) -> Option<u16> {
                match self {
                    $( Self::$name(_) => messages!(answer $($answer)?), )*
                    Self::Unknown { .. } => None,
                }
            }

            fn decode_body(number: u16, reader: &mut Reader<'_>, decoding: &mut Decoding) -> Result<Self, Fault> {
                match number {
                    $( $number => {
                        decoding.since(version!($($since)?), 0, stringify!($name))?;
                        $name::decode_body(reader, decoding).map(Self::$name)
                    } )*
                    _ => {
                        decoding.tolerate(Fault {
                            offset: 0,
                            inside: "the header",
                            kind: FaultKind::UnknownMessage(number),
                        })?;
                        Ok(Self::Unknown { number, body: reader.rest().to_vec() })
                    }
                }
            }

            fn encode_body(&self, encoder: &mut Encoder) -> Result<(), EncodeFault> {
                match self {
                    $( Self::$name(message) => {
                        encoder.since(version!($($since)?))?;
                        message.encode_body(encoder)
                    } )*
                    Self::Unknown { body, .. } => {
                        encoder.put(body);
                        Ok(())
                    }
                }
            }

            #[cfg(test)]
            pub(crate) fn makers() -> Vec<crate::identity_tests::Maker<Self>> {
                vec![$( (version!($($since)?), |source| Self::$name($name::arbitrary(source))), )*]
            }
        }
    };
    (answer $answer:literal) => { Some($answer) };
    (answer) => { None };
}

messages! {
    1 GetReaderCapabilities -> 11 = 11 { requested_data: CapabilitiesRequest; customs: any Custom }
    2 GetReaderConfig -> 12 = 17 {
        antenna_id: u16,
        requested_data: ConfigRequest,
        gpi_port_num: u16,
        gpo_port_num: u16,
        ;
        customs: any Custom,
    }
    3 SetReaderConfig -> 13 = 11 {
        reset_to_factory_default: u1 + 7,
        ;
        reader_event_notification_spec: opt ReaderEventNotificationSpec,
        antenna_properties: any AntennaProperties,
        antenna_configurations: any AntennaConfiguration,
        ro_report_spec: opt ROReportSpec,
        access_report_spec: opt AccessReportSpec,
        keepalive_spec: opt KeepaliveSpec,
        gpo_write_data: any GPOWriteData,
        gpi_port_current_states: any GPIPortCurrentState,
        events_and_reports: opt EventsAndReports,
        customs: any Custom,
    }
    4 CloseConnectionResponse = 10 { ; status: one LLRPStatus }
    11 GetReaderCapabilitiesResponse = 10 {
        ;
        status: one LLRPStatus,
        general: opt GeneralDeviceCapabilities,
        llrp_capabilities: opt LLRPCapabilities,
        regulatory_capabilities: opt RegulatoryCapabilities,
        c1g2_llrp_capabilities: opt C1G2LLRPCapabilities,
        customs: any Custom,
    }
    12 GetReaderConfigResponse = 10 {
        ;
        status: one LLRPStatus,
        identification: opt Identification,
        antenna_properties: any AntennaProperties,
        antenna_configurations: any AntennaConfiguration,
        reader_event_notification_spec: opt ReaderEventNotificationSpec,
        ro_report_spec: opt ROReportSpec,
        access_report_spec: opt AccessReportSpec,
        llrp_configuration_state_value: opt LLRPConfigurationStateValue,
        keepalive_spec: opt KeepaliveSpec,
        gpi_port_current_states: any GPIPortCurrentState,
        gpo_write_data: any GPOWriteData,
        events_and_reports: opt EventsAndReports,
        customs: any Custom,
    }
    13 SetReaderConfigResponse = 10 { ; status: one LLRPStatus }
    14 CloseConnection -> 4 = 10 {}
    20 AddROSpec -> 30 = 10 { ; ro_spec: one ROSpec }
    21 DeleteROSpec -> 31 = 14 { ro_spec_id: u32 }
    22 StartROSpec -> 32 = 14 { ro_spec_id: u32 }
    23 StopROSpec -> 33 = 14 { ro_spec_id: u32 }
    24 EnableROSpec -> 34 = 14 { ro_spec_id: u32 }
    25 DisableROSpec -> 35 = 14 { ro_spec_id: u32 }
    26 GetROSpecs -> 36 = 10 {}
    30 AddROSpecResponse = 10 { ; status: one LLRPStatus }
    31 DeleteROSpecResponse = 10 { ; status: one LLRPStatus }
    32 StartROSpecResponse = 10 { ; status: one LLRPStatus }
    33 StopROSpecResponse = 10 { ; status: one LLRPStatus }
    34 EnableROSpecResponse = 10 { ; status: one LLRPStatus }
    35 DisableROSpecResponse = 10 { ; status: one LLRPStatus }
    36 GetROSpecsResponse = 10 { ; status: one LLRPStatus, ro_specs: any ROSpec }
    40 AddAccessSpec -> 50 = 10 { ; access_spec: one AccessSpec }
    41 DeleteAccessSpec -> 51 = 14 { access_spec_id: u32 }
    42 EnableAccessSpec -> 52 = 14 { access_spec_id: u32 }
    43 DisableAccessSpec -> 53 = 14 { access_spec_id: u32 }
    44 GetAccessSpecs -> 54 = 10 {}
    45 ClientRequestOp -> 55 = 10 { ; tag_report_data: one TagReportData }
    46 GetSupportedVersion since V1_1 -> 56 = 10 {}
    47 SetProtocolVersion since V1_1 -> 57 = 11 { protocol_version: u8 }
    50 AddAccessSpecResponse = 10 { ; status: one LLRPStatus }
    51 DeleteAccessSpecResponse = 10 { ; status: one LLRPStatus }
    52 EnableAccessSpecResponse = 10 { ; status: one LLRPStatus }
    53 DisableAccessSpecResponse = 10 { ; status: one LLRPStatus }
    54 GetAccessSpecsResponse = 10 { ; status: one LLRPStatus, access_specs: any AccessSpec }
    55 ClientRequestOpResponse = 10 { ; client_request_response: one ClientRequestResponse }
    56 GetSupportedVersionResponse since V1_1 = 12 {
        current_version: u8,
        supported_version: u8,
        ;
        status: one LLRPStatus,
    }
    57 SetProtocolVersionResponse since V1_1 = 10 { ; status: one LLRPStatus }
    60 GetReport = 10 {}
    61 ROAccessReport = 10 {
        ;
        tag_report_data: any TagReportData,
        rf_survey_report_data: any RFSurveyReportData,
        customs: any Custom,
    }
    62 Keepalive = 10 {}
    63 ReaderEventNotification = 10 { ; data: one ReaderEventNotificationData }
    64 EnableEventsAndReports = 10 {}
    72 KeepaliveAck = 10 {}
    100 ErrorMessage = 10 { ; status: one LLRPStatus }
    1023 CustomMessage = 15 { vendor_id: u32, subtype: u8, data: rest }
}

impl Message {
    /// Reads a message, its header included. What is not of the message's own making, a header
    /// that lies or bytes that are missing, is a fault in every mode.
    ///
    /// # Errors
    /// What cannot be read, and where.
    pub fn decode(bytes: &[u8], decoding: &mut Decoding) -> Result<(Header, Self), Fault> {
        let fault = |kind| Fault { offset: 0, inside: "the header", kind };
        let short = FaultKind::TooShort { needed: HEADER_OCTETS, left: bytes.len() };
        let octets = bytes.first_chunk::<HEADER_OCTETS>().ok_or(fault(short))?;
        let header = Header::parse(octets, u32::MAX)?;
        if header.length as usize != bytes.len() {
            return Err(fault(FaultKind::BadLength(header.length)));
        }
        Self::of_frame(&Frame { header, bytes }, decoding).map(|message| (header, message))
    }

    /// Reads a message that was cut out of a stream.
    ///
    /// # Errors
    /// What cannot be read, and where.
    pub fn of_frame(frame: &Frame<'_>, decoding: &mut Decoding) -> Result<Self, Fault> {
        decoding.version = frame.header.version;
        if decoding.is_strict() && frame.bytes.first().is_some_and(|first| first & 0xE0 != 0) {
            return Err(Fault { offset: 0, inside: "the header", kind: FaultKind::ReservedBits });
        }
        let mut reader = Reader::new(frame.body(), HEADER_OCTETS, "a message");
        Self::decode_body(frame.header.number, &mut reader, decoding)
    }

    /// The message as bytes.
    ///
    /// # Errors
    /// What does not fit, or what the version does not have.
    pub fn encode(&self, version: Version, id: u32) -> Result<Vec<u8>, EncodeFault> {
        let mut bytes = Vec::new();
        self.encode_into(version, id, &mut bytes)?;
        Ok(bytes)
    }

    /// Adds the message to bytes that are to be sent. Where it cannot be written, they stay as
    /// they were.
    ///
    /// # Errors
    /// What does not fit, or what the version does not have.
    pub fn encode_into(&self, version: Version, id: u32, bytes: &mut Vec<u8>) -> Result<(), EncodeFault> {
        let start = bytes.len();
        let mut encoder = Encoder::new(std::mem::take(bytes), version, self.name());
        encoder.put(&[0; HEADER_OCTETS]);
        let written = self.encode_body(&mut encoder);
        let length = u32::try_from(encoder.bytes.len() - start);
        let outcome = match (written, length) {
            (Ok(()), Ok(length)) => {
                let header = Header { version, number: self.number(), length, id };
                if let Some(place) = encoder.bytes.get_mut(start..start + HEADER_OCTETS) {
                    place.copy_from_slice(&header.to_bytes());
                }
                Ok(())
            }
            (Ok(()), Err(_)) => Err(encoder.fault(EncodeFaultKind::TooLong)),
            (Err(fault), _) => Err(fault),
        };
        *bytes = encoder.bytes;
        if outcome.is_err() {
            bytes.truncate(start);
        }
        outcome
    }

    /// What the reader says of a request, if this is an answer with a status.
    pub fn status(&self) -> Option<&LLRPStatus> {
        match self {
            Self::CloseConnectionResponse(answer) => Some(&answer.status),
            Self::GetReaderCapabilitiesResponse(answer) => Some(&answer.status),
            Self::GetReaderConfigResponse(answer) => Some(&answer.status),
            Self::SetReaderConfigResponse(answer) => Some(&answer.status),
            Self::AddROSpecResponse(answer) => Some(&answer.status),
            Self::DeleteROSpecResponse(answer) => Some(&answer.status),
            Self::StartROSpecResponse(answer) => Some(&answer.status),
            Self::StopROSpecResponse(answer) => Some(&answer.status),
            Self::EnableROSpecResponse(answer) => Some(&answer.status),
            Self::DisableROSpecResponse(answer) => Some(&answer.status),
            Self::GetROSpecsResponse(answer) => Some(&answer.status),
            Self::AddAccessSpecResponse(answer) => Some(&answer.status),
            Self::DeleteAccessSpecResponse(answer) => Some(&answer.status),
            Self::EnableAccessSpecResponse(answer) => Some(&answer.status),
            Self::DisableAccessSpecResponse(answer) => Some(&answer.status),
            Self::GetAccessSpecsResponse(answer) => Some(&answer.status),
            Self::GetSupportedVersionResponse(answer) => Some(&answer.status),
            Self::SetProtocolVersionResponse(answer) => Some(&answer.status),
            Self::ErrorMessage(answer) => Some(&answer.status),
            _ => None,
        }
    }
}
