//! LLRP, the Low Level Reader Protocol, in versions 1.0.1 and 1.1: every message and parameter.
//!
//! The crate stands alone. It does no I/O, needs no runtime and no other crate, and knows nothing
//! of the host that it was written for: whoever has a connection to a reader, or plays one, can use
//! it.
//!
//! | part | what it does |
//! |---|---|
//! | [`Frames`], [`first_frame`] | cut a stream of bytes into messages |
//! | [`Message`], [`message`] | all messages, as structures |
//! | [`parameter`], [`enumeration`] | what stands in them |
//! | [`TagReports`] | tags out of a report, where they lie: nothing is copied or allocated |
//! | [`Recall`] | fills in what a reader leaves out because it has not changed |
//! | [`impinj`] | the extensions of one vendor |
//!
//! Reading is [lenient](Decoding::lenient) or [strict](Decoding::strict); each fault says at which
//! octet it is. No sequence of bytes makes it panic, and none makes it allocate more than it is
//! long.
//!
//! The tags of a report:
//!
//! ```
//! use rfid_llrp::{Frames, TagReports};
//!
//! # fn main() -> Result<(), rfid_llrp::Fault> {
//! // As a Speedway sends it, in whatever pieces it comes.
//! let mut frames = Frames::default();
//! frames.push(&[0x04, 0x3D, 0, 0, 0, 0x29, 0x3A, 0xFB, 0x30, 0xB6, 0x00, 0xF0, 0x00, 0x1F]);
//! assert!(frames.next_frame()?.is_none());
//! frames.push(&[0x8D, 0x0B, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x51, 0x02, 0x38, 0x81, 0x00, 0x01]);
//! frames.push(&[0x86, 0xBC, 0x82, 0x00, 0x05, 0x88, 0x80, 0x19, 0x4B, 0xA9, 0xD5]);
//! let frame = frames.next_frame()?.expect("that is all of it");
//! for tag in TagReports::of_frame(&frame).expect("it is a report") {
//!     let tag = tag?;
//!     assert_eq!(tag.epc(), [0x0B, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x51, 0x02, 0x38]);
//!     assert_eq!((tag.antenna_id(), tag.peak_rssi()), (Some(1), Some(-68)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A ROSpec that reads with antennas 1 and 2 until it is stopped, and reports each tag at once:
//!
//! ```
//! use rfid_llrp::enumeration::*;
//! use rfid_llrp::message::{AddROSpec, Message};
//! use rfid_llrp::parameter::*;
//! use rfid_llrp::Version;
//!
//! # fn main() -> Result<(), rfid_llrp::EncodeFault> {
//! let inventory = InventoryParameterSpec {
//!     inventory_parameter_spec_id: 1,
//!     protocol_id: ProtocolID::C1G2,
//!     antenna_configurations: Vec::new(),
//!     customs: Vec::new(),
//! };
//! let reading = AISpec {
//!     antenna_ids: vec![1, 2],
//!     ai_spec_stop_trigger: AISpecStopTrigger::null(),
//!     inventory_parameter_specs: vec![inventory],
//!     customs: Vec::new(),
//! };
//! let content = TagReportContentSelector {
//!     enable_antenna_id: true,
//!     enable_peak_rssi: true,
//!     ..TagReportContentSelector::none()
//! };
//! let message = Message::from(AddROSpec {
//!     ro_spec: ROSpec {
//!         ro_spec_id: 7,
//!         priority: 0,
//!         current_state: ROSpecState::DISABLED,
//!         ro_boundary_spec: ROBoundarySpec::null(),
//!         specs: vec![reading.into()],
//!         ro_report_spec: Some(ROReportSpec {
//!             ro_report_trigger: ROReportTrigger::TAGS_OR_RO_SPEC,
//!             n: 1,
//!             content,
//!             customs: Vec::new(),
//!         }),
//!     },
//! });
//! let bytes = message.encode(Version::V1_0_1, 5)?;
//! assert_eq!(bytes[..10], [0x04, 0x14, 0, 0, 0, 77, 0, 0, 0, 5]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

#[macro_use]
mod kind;
#[macro_use]
mod layout;

pub mod enumeration;
mod fault;
mod frame;
#[cfg(test)]
mod identity_tests;
pub mod impinj;
pub mod message;
pub mod parameter;
mod plain;
mod recall;
mod status;
mod tag_report;
mod wire;

pub use fault::{EncodeFault, EncodeFaultKind, Fault, FaultKind};
pub use frame::{Frame, Frames, HEADER_OCTETS, Header, LONGEST_MESSAGE, Version, first_frame};
pub use layout::{Definition, Parameter, Part};
pub use message::Message;
pub use recall::{Members, Recall};
pub use tag_report::{OpResult, OpResults, TagReport, TagReports};
pub use wire::{Bits, Decoding, Encoder, Head, Mode, Password, Reader};
