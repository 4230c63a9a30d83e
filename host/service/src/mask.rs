//! Personal values with most of them hidden.

/// What stands in the place of a hidden character.
const HIDDEN: char = '*';

/// An ID number of which the first and the last character are left: `1****************X`.
///
/// A shorter text than three characters is hidden wholly.
pub fn id_number(number: &str) -> String {
    ends(number, 1, 1)
}

/// The first character of a name and a star for each other one: `张**`. In lists.
///
/// What looks like one character may be several code points (a letter and its accents): only the
/// first code point is left, and one that is a mark by itself is hidden, too.
pub fn name(name: &str) -> String {
    ends(name, 1, 0)
}

fn ends(text: &str, first: usize, last: usize) -> String {
    let length = text.chars().count();
    if length <= first + last {
        return HIDDEN.to_string().repeat(length);
    }
    let is_left = |at: usize| at < first || at >= length - last;
    text.chars()
        .enumerate()
        .map(|(at, c)| if is_left(at) && c.is_alphanumeric() { c } else { HIDDEN })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn masks_as_the_bank_writes_them() {
        assert_eq!(id_number("11010519491231002X"), "1****************X");
        assert_eq!(name("张小明"), "张**");
        assert_eq!(name("王"), "*");
        assert_eq!(name(""), "");
        assert_eq!(name("\u{301}e"), "**");
        assert_eq!(name("👩‍👧 x"), "*****");
    }

    proptest! {
        #[test]
        fn no_mask_shows_more_than_it_may(text in ".{0,30}") {
            let shown = |mask: String| mask.chars().filter(|c| *c != HIDDEN).count();
            let length = text.chars().count();
            prop_assert!(shown(name(&text)) <= 1 && shown(name(&text)) < length.max(1));
            prop_assert!(shown(id_number(&text)) <= 2 && (length < 3 || shown(id_number(&text)) < length));
            prop_assert_eq!(name(&text).chars().count(), length);
        }
    }
}
