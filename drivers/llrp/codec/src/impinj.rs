//! Impinj's extensions (enterprise number 25882).
//!
//! A reader takes none of them until [`enable_extensions`] was answered, once per connection. The
//! places matter: [`InventorySearchMode`], [`FixedFrequencyList`], [`ReducedPowerFrequencyList`]
//! and [`LowDutyCycle`] stand in a `C1G2InventoryCommand`, [`TagReportContentSelector`] in a
//! `ROReportSpec`; elsewhere the reader refuses them.

use crate::layout::{Body, Parameter};
use crate::message::CustomMessage;
use crate::parameter::{C1G2Read, Custom, LLRPStatus};
use crate::wire::{Decoding, Encoder, Reader};
use crate::{EncodeFault, Fault, Version};

/// Impinj's enterprise number.
pub const VENDOR: u32 = 25_882;

const ENABLE_EXTENSIONS: u8 = 21;
const ENABLE_EXTENSIONS_RESPONSE: u8 = 22;

/// The message after which a reader takes the parameters of this module.
pub fn enable_extensions() -> CustomMessage {
    CustomMessage { vendor_id: VENDOR, subtype: ENABLE_EXTENSIONS, data: vec![0; 4] }
}

/// Whether a message is that of [`enable_extensions`].
pub fn is_enable_extensions(message: &CustomMessage) -> bool {
    message.vendor_id == VENDOR && message.subtype == ENABLE_EXTENSIONS
}

/// What a reader answers to [`enable_extensions`].
///
/// # Errors
/// A status whose text is too long.
pub fn enable_extensions_response(
    status: &LLRPStatus,
    version: Version,
) -> Result<CustomMessage, EncodeFault> {
    let data = status.to_bytes(version)?;
    Ok(CustomMessage { vendor_id: VENDOR, subtype: ENABLE_EXTENSIONS_RESPONSE, data })
}

/// The status in the answer to [`enable_extensions`]; `None` if the message is another one.
///
/// # Errors
/// A status that is none.
pub fn extensions_status(message: &CustomMessage) -> Result<Option<LLRPStatus>, Fault> {
    if message.vendor_id != VENDOR || message.subtype != ENABLE_EXTENSIONS_RESPONSE {
        return Ok(None);
    }
    LLRPStatus::from_bytes(&message.data, &mut Decoding::lenient()).map(Some)
}

macro_rules! extensions {
    ($( $(#[$meta:meta])* $subtype:literal $name:ident = $octets:literal {
        $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(+ $reserved:literal)? ),* $(,)?
        $(; $( $(#[$part_meta:meta])* $sub:ident : $card:ident $part:ident ),* $(,)? )?
    } )*) => { $(
        layout! {
            $(#[$meta])*
            #[doc = concat!("Impinj's parameter ", stringify!($subtype), ".")]
            $name, $octets, {
                $( $(#[$field_meta])* $field : $kind $(+ $reserved)? ),*
                $(; $( $(#[$part_meta])* $sub : $card $part ),* )?
            }
        }

        const _: () = assert!(
            (12 * 8 $( + field_bits!($kind) $(+ $reserved)? )*) == $octets * 8,
            "the fields make up other octets than the table says"
        );

        impl $name {
            /// Its subtype.
            pub const SUBTYPE: u32 = $subtype;

            /// What a vendor's parameter says, if it is this one.
            ///
            /// # Errors
            /// One of this subtype that cannot be read. Places are counted from its data.
            pub fn from_custom(custom: &Custom, decoding: &mut Decoding) -> Result<Option<Self>, Fault> {
                if custom.vendor_id != VENDOR || custom.subtype != $subtype {
                    return Ok(None);
                }
                let mut reader = Reader::new(&custom.data, 0, stringify!($name));
                Self::decode_body(&mut reader, decoding).map(Some)
            }

            /// The vendor's parameter that says this.
            ///
            /// # Errors
            /// What does not fit.
            pub fn to_custom(&self) -> Result<Custom, EncodeFault> {
                let mut encoder = Encoder::new(Vec::new(), Version::V1_0_1, stringify!($name));
                self.encode_body(&mut encoder)?;
                Ok(Custom { vendor_id: VENDOR, subtype: $subtype, data: encoder.bytes })
            }
        }
    )*

        /// Each of them as a vendor's parameter, and what is read from that again.
        #[cfg(test)]
        pub(crate) fn there_and_back(source: &mut crate::identity_tests::Source) -> Result<(), String> {
            $(
                let sent = $name::arbitrary(source);
                let custom = sent.to_custom().map_err(|fault| fault.to_string())?;
                let mut decoding = Decoding::strict();
                let heard = $name::from_custom(&custom, &mut decoding).map_err(|fault| fault.to_string())?;
                if heard.as_ref() != Some(&sent) {
                    return Err(format!("{sent:?} became {heard:?}"));
                }
            )*
            Ok(())
        }
    };
}

extensions! {
    /// What is asked of GET_READER_CAPABILITIES or GET_READER_CONFIG: 1000 all capabilities, 1001
    /// detailed version, 1002 frequency capabilities, 2000 all configuration, 2001 sub-regulatory
    /// region, 2003 GPI debounce, 2004 temperature, 2005 link monitor, 2006 report buffer, 2007
    /// AccessSpec configuration.
    21 RequestedData = 16 { requested_data: u32 }
    /// Region within a regulatory region.
    22 SubRegulatoryRegion = 14 { region: u16 }
    /// How often a tag is read: 0 the reader's choice, 1 single target, 2 dual target, 3 single
    /// target with suppression. Newer firmware has more.
    23 InventorySearchMode = 14 { mode: u16 }
    /// Frequencies to use: 0 off, 1 automatic, 2 those of the list.
    26 FixedFrequencyList = 18 { mode: u16 + 16, channels: u16s }
    /// Frequencies to use with less power: 0 off, 1 those of the list.
    27 ReducedPowerFrequencyList = 18 { mode: u16 + 16, channels: u16s }
    /// Rests while there is no tag.
    28 LowDutyCycle = 18 {
        mode: u16,
        /// Milliseconds.
        empty_field_timeout: u16,
        /// Milliseconds.
        field_ping_interval: u16,
    }
    /// What a reader is made of.
    29 DetailedVersion = 24 {
        model_name: utf8, serial_number: utf8, software_version: utf8, firmware_version: utf8,
        fpga_version: utf8, pcba_version: utf8;
        customs: any Custom
    }
    /// Frequencies that a reader has.
    30 FrequencyCapabilities = 14 {
        /// kHz.
        frequencies: u32s,
    }
    /// How long an input must stay at a level.
    36 GPIDebounce = 18 {
        port: u16,
        /// Milliseconds.
        timeout: u32,
    }
    /// Temperature of the reader.
    37 ReaderTemperature = 14 {
        /// Degrees Celsius.
        temperature: s16,
    }
    /// Whether the reader closes a connection whose keepalives nobody acknowledges.
    38 LinkMonitor = 16 { mode: u16, missed_keepalives: u16 }
    /// How reports are buffered: 0 normal, 1 low latency.
    39 ReportBuffer = 14 { mode: u16 }
    /// How AccessSpecs work: holds [`BlockWriteWordCount`], [`OpSpecRetryCount`] and
    /// [`AccessSpecOrdering`].
    40 AccessSpecConfiguration = 12 { ; customs: any Custom }
    /// Words that one block write takes.
    41 BlockWriteWordCount = 14 { words: u16 }
    /// Holds the switches 51 to 54, 65, 67 and 72.
    50 TagReportContentSelector = 12 { ; customs: any Custom }
    /// Whether tags are reported with their serialised TID.
    51 EnableSerializedTID = 14 { mode: u16 }
    /// Whether tags are reported with [`RFPhaseAngle`].
    52 EnableRFPhaseAngle = 14 { mode: u16 }
    /// Whether tags are reported with [`PeakRSSI`].
    53 EnablePeakRSSI = 14 { mode: u16 }
    /// Whether tags are reported with [`GPSCoordinates`].
    54 EnableGPSCoordinates = 14 { mode: u16 }
    /// The serialised TID of a tag.
    55 SerializedTID = 14 { words: u16s }
    /// Phase of a tag's answer; 4096 are one turn.
    56 RFPhaseAngle = 14 { angle: u16 }
    /// Signal strength.
    57 PeakRSSI = 14 {
        /// dBm × 100.
        rssi: s16,
    }
    /// Where the reader was.
    58 GPSCoordinates = 20 { latitude: u32, longitude: u32 }
    /// How often an operation is tried again.
    63 OpSpecRetryCount = 14 { count: u16 }
    /// Whether tags are read while they are inventoried.
    65 EnableOptimizedRead = 14 { mode: u16; reads: any C1G2Read }
    /// Which of several AccessSpecs runs: 0 the first created, 1 the lowest number.
    66 AccessSpecOrdering = 14 { order: u16 }
    /// Whether tags are reported with [`RFDopplerFrequency`].
    67 EnableRFDopplerFrequency = 14 { mode: u16 }
    /// How fast a tag approaches.
    68 RFDopplerFrequency = 14 {
        /// Hz × 16.
        frequency: s16,
    }
    /// Whether tags are reported with [`TxPower`].
    72 EnableTxPower = 14 { mode: u16 }
    /// With which power the reader sent: an index into its table of powers.
    73 TxPower = 14 { power: u16 }
}

/// The first of a vendor's parameters of one kind.
///
/// # Errors
/// One of the subtype that cannot be read.
pub fn find<T>(
    customs: &[Custom],
    from: impl Fn(&Custom, &mut Decoding) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    for custom in customs {
        if let Some(found) = from(custom, &mut Decoding::lenient())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
