//! What a card is and what stands in it, without I/O.

mod access;
mod atr;
mod key;
mod kind;
mod layout;
mod record;
mod secret_key;
mod trailer;
mod uid;
mod value;

pub use access::{AccessBits, CopiesDiffer, DataAccess, DataOperation, TrailerAccess, TrailerOperation};
pub use atr::kind_of_atr;
pub use key::{Key, KeySlot};
pub use kind::CardKind;
pub use layout::{Sector, is_trailer};
pub use record::{Binding, Content, CustomerNumber, NotACustomerNumber, Record, Slot};
pub use secret_key::{NotASecretKey, SecretKey};
pub use trailer::{KeyPair, Trailer, WeakKeys};
pub use uid::{NotAUid, Uid};
pub use value::ValueBlock;

/// Bytes of a block.
pub const BLOCK: usize = 16;

/// What stands in a block.
pub type Block = [u8; BLOCK];
