//! Mifare at 13.56 MHz: one card layer over whatever couples to the card.
//!
//! | part | what it does |
//! |---|---|
//! | [`model`] | UIDs, kinds, blocks, keys, trailers, records, without I/O |
//! | [`coupler`] | the border between card layer and transports |
//! | [`Mifare`] | the driver: cards on a pad, whether they are authentic, their memory, personalising |
//! | [`pcsc`] | the transport over a reader of the PC/SC service: commands and answers; the rest with the feature `pcsc` |
//! | [`pn532`] | the transport over a PN532 on a serial line, and an emulated one (feature `emulator`) |
//! | `sim` (feature) | a Mifare Classic in memory, with keys, access bits and faults, and a PC/SC reader for it |
//!
//! The facts come from the project's protocol document (`mifare-13.56`), cited by section. What
//! ISO 14443 calls a card is a tag everywhere else in the framework.
//!
//! # What a UID proves
//!
//! Nothing: it is sent in clear and can be put on another card. With `read_secret` and
//! `record_secret`, the driver looks for a record that was signed for this card, and events say
//! `authentic`: a UID that was copied alone carries none. A complete copy of a Mifare Classic cannot
//! be told from the original by what it holds, and its cipher is broken: it is a hint and no proof.
//! A card that makes up a UID each time it is laid on, as phones do, is read and the read is flagged:
//! its UID is no identity. Presence counts it (`rfid_pipeline_no_identity_total`) and makes no visit
//! of it, so it is neither looked up nor kept; `rfid-host read` and `/api/v1/readers/NAME/reads` show it with
//! `random_id`. It is never said to be authentic, and no number is written to it.
//!
//! # Presence at a pad
//!
//! A card is reported as long as it lies there, four times a second unless `repeat` says otherwise;
//! presence makes an arrival and a departure of that. What serves a pad:
//!
//! ```toml
//! [pipeline.presence]
//! confirm_reads = 1                    # one read is a card
//! lost_after = "1s"                    # four reads that did not come
//! revisit_within = "0s"                # laid on again is another visit
//! stationary_after = "40d"             # a card that stays is not forgotten
//! ```
//!
//! # Personalising
//!
//! The customer number stands in two blocks of one sector, which are written in turn: the one that
//! counts is never written over. A new card gets keys of its own last, derived after AN10922. A
//! card that is pulled away in the middle has its old number or the new one; only one that is
//! pulled away while its keys are being written may be lost, as the card has no way to tear-proof
//! that.
//!
//! **Tested on** a real `pcscd` with a virtual reader that plays four families; no hardware has been
//! seen.
//!
//! **Figures**, from `cargo run --release -p rfid-driver-mifare --features pcsc --example figures -- 20` on
//! two cores. PN532, 5 ms an answer: 1K dump 518 ms, 1.01 times what a bare client takes; a card laid on is
//! seen within 111 ms; an idle pad takes 0.8 % of a processor, the emulated chip included. PC/SC: 1K dump
//! 11.2 ms, 1.46 times what a bare client takes; a card laid on is seen within 12 ms; an idle pad takes 0.2 %,
//! what plays the reader included. What the daemon makes of a thousand cards and a hundred outages is played
//! by `rfid-faults pad` and `pad-pcsc`.
//!
//! **Limits.** Readers that keep keys only in lasting memory (Omnikey 5x21) are refused. Escape
//! commands, lamps and buzzers are not used. Where the PC/SC service looks at its reader only now and
//! then, it misses a swap between two looks; so a card that lies there is asked for its UID eight times
//! a second; its kind may still be that of the first one. What is called MAD is neither read nor written.
#![forbid(unsafe_code)]

mod card;
mod card_access;
pub mod config;
pub mod coupler;
mod desk;
mod driver;
pub mod model;
pub mod pcsc;
pub mod pn532;
mod session;
#[cfg(feature = "sim")]
pub mod sim;

pub use config::MifareConfig;
pub use driver::{Mifare, session_over};
#[cfg(feature = "pcsc")]
pub use pcsc::PcscCoupler;
pub use session::SeveralCards;
