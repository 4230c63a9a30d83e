//! What a card is and what stands in it, without I/O.

mod access;
mod key;
mod kind;
mod layout;
mod uid;
mod value;

pub use access::{AccessBits, CopiesDiffer, DataAccess, DataOperation, TrailerAccess, TrailerOperation};
pub use key::{Key, KeySlot};
pub use kind::CardKind;
pub use layout::{Sector, is_trailer};
pub use uid::{NotAUid, Uid};
pub use value::ValueBlock;

/// Bytes of a block.
pub const BLOCK: usize = 16;

/// What stands in a block.
pub type Block = [u8; BLOCK];
