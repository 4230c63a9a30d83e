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

/// Whether somebody of this name is meant by this text, as [`SearchIndex::find`] takes it: it is in the name, or
/// in a way to type it.
pub fn is_meant(name: &str, text: &str) -> bool {
    let (name, text) = (fold::folded(name), fold::folded(text));
    !text.is_empty()
        && (name.contains(&text) || readings::readings(&name).iter().any(|reading| reading.contains(&text)))
}

pub use cards::CardIndex;
pub use index::{Found, Position, SearchFilter, SearchIndex};

#[cfg(test)]
mod tests {
    use super::is_meant;

    #[test]
    fn somebody_is_meant_by_characters_by_pinyin_and_by_initials() {
        for text in ["张小明", "小明", "zhangxiaoming", "xiaoming", "zxm", "zhangxm", " Zhang XM "] {
            assert!(is_meant("张小明", text), "{text}");
        }
        for text in ["", " ", "李", "zhangli", "6001"] {
            assert!(!is_meant("张小明", text), "{text}");
        }
        assert!(is_meant("O'Neil", "o'n"));
    }
}
