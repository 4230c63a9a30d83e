//! Text as it is compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case, without accents, white space, control characters and marks of direction; wide forms as
/// their usual ones (compatibility decomposition).
pub(super) fn folded(text: &str) -> String {
    let is_kept =
        |c: &char| !is_combining_mark(*c) && !c.is_whitespace() && !c.is_control() && !is_direction(*c);
    text.nfkd().filter(is_kept).flat_map(char::to_lowercase).collect()
}

/// Marks that turn the direction of text, and the invisible ones beside them (Unicode 16, chapter 23.2).
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_makes_no_difference() {
        for (text, folds_to) in [
            ("Zhang Xiao-Ming", "zhangxiao-ming"),
            ("José Müller", "josemuller"),
            ("ＡＢＣ１２", "abc12"),
            ("\u{202E}张\u{200F}小\u{0}明 ", "张小明"),
            ("", ""),
        ] {
            assert_eq!(folded(text), folds_to);
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in ".{0,40}") {
            prop_assert_eq!(folded(&folded(&text)), folded(&text));
        }
    }
}
