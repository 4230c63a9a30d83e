//! Finding customers by what somebody remembers of them.
//!
//! Names and employers are sealed where they are kept, so text is searched in memory, the same over
//! every store: the folded text of all customers stands in one piece of memory ([`SearchIndex`]) that is
//! looked through from one end to the other. That is as quick as memory is, finds a text also in the
//! middle of a name, and has no structure that could disagree with the store. It is filled when the
//! service opens, follows every write, and is wiped when it goes.
//!
//! A Chinese name is found by its characters, by pinyin without tones (`zhangxiaoming`, `xiaoming`), by
//! initials (`zxm`), and by the surname with initials (`zhangxm`); a character with several readings by
//! each of them. Case, accents, white space and marks of direction make no difference.

mod cards;
mod fold;
mod index;
mod readings;

pub use cards::CardIndex;
pub use index::{Found, Position, SearchFilter, SearchIndex};
