//! Mifare at 13.56 MHz: one card layer over whatever couples to the card.
//!
//! | part | what it does |
//! |---|---|
//! | [`model`] | UIDs, kinds, blocks, keys, without I/O |
//! | [`coupler`] | the border between card layer and transports |
//! | `sim` (feature) | a Mifare Classic in memory, with keys, access bits and faults |
//!
//! The facts come from the project's protocol document (`mifare-13.56`), cited by section. What
//! ISO 14443 calls a card is a tag everywhere else in the framework.
#![forbid(unsafe_code)]

mod card;
pub mod coupler;
mod desk;
pub mod model;
#[cfg(feature = "sim")]
pub mod sim;
