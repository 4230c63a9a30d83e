//! Secrets in the texts of the files themselves, which pictures of faults must not show.

use std::ops::Range;

use super::names::nearest;

/// Words of which one in a key says that the value is not for everybody.
const WORDS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "api_key", "private_key"];

/// Keys that are looked at for slips of the pen. No file that a person wrote has more.
const MOST_COMPARED: usize = 10_000;

/// Where values of keys stand that are named like secrets. It looks at the text alone, so it finds
/// them also where a key is misspelt, the driver is not known, or the file is no TOML.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut from, mut keys) = (0, 0);
    while let Some(length) = text.get(from..).and_then(|rest| rest.find('=')) {
        let at = from + length;
        from = at + 1;
        keys += 1;
        if text.get(..at).is_some_and(|before| is_secret(key_before(before), keys <= MOST_COMPARED))
            && let Some(value) = value_after(text, from)
        {
            from = value.end.max(from);
            found.push(value);
        }
    }
    found
}

/// The last part of the key that ends here.
fn key_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t']).trim_end_matches(['"', '\'']);
    let start = text.rfind(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-'));
    let start = start.and_then(|at| text.get(at..)?.chars().next().map(|letter| at + letter.len_utf8()));
    text.get(start.unwrap_or(0)..).unwrap_or_default()
}

fn is_secret(key: &str, may_be_misspelt: bool) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    let meant = || may_be_misspelt && nearest(&key, WORDS.into_iter()).is_some();
    WORDS.iter().any(|word| key.contains(word)) || meant()
}

/// The value that begins here, without its quotes. One that does not end is taken up to the end
/// of its line. Nothing if it only says where the secret is.
fn value_after(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let start = at + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
    let rest = text.get(start..)?;
    let long = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
    if let Some(quotes) = long {
        let inner = start + quotes.len();
        let length = text.get(inner..)?.find(quotes).unwrap_or(text.len() - inner);
        return Some(inner..inner + length);
    }
    let range = match rest.chars().next()? {
        quote @ ('"' | '\'') => start + 1..start + 1 + end_of_text(rest.get(1..)?, quote),
        // A list, a table, or what has lost its quotes.
        _ => start..start + rest.find('\n').unwrap_or(rest.len()),
    };
    let value = text.get(range.clone())?;
    let is_reference = ["env:", "file:", "cred:"].iter().any(|kind| value.starts_with(kind));
    (!is_reference && !value.is_empty()).then_some(range)
}

/// Length of a text up to the quote that ends it, or to the end of its line.
fn end_of_text(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, letter) in rest.char_indices() {
        match letter {
            '\n' => return at,
            _ if letter == quote && !is_escaped => return at,
            '\\' if quote == '"' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

/// The text with these parts made unreadable. Lines and places stay where they are.
pub(super) fn hide(text: &mut String, mut parts: Vec<Range<usize>>) {
    parts.sort_by_key(|part| part.start);
    let mut parts = parts.into_iter().peekable();
    let mut until = 0;
    *text = text
        .char_indices()
        .map(|(at, letter)| {
            while let Some(part) = parts.next_if(|part| part.start <= at) {
                until = until.max(part.end);
            }
            match letter.len_utf8() {
                _ if at >= until || matches!(letter, '\r' | '\n') => letter,
                1 => '*',
                2 => '\u{B7}',
                3 => '\u{2022}',
                _ => '\u{1F784}',
            }
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = text.to_owned();
        hide(&mut shown, secrets(text));
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown.chars().count(), text.chars().count());
        shown
    }

    #[test]
    fn values_of_what_is_named_like_a_secret_are_hidden() {
        for (text, expected) in [
            ("password = \"hunter2\" # mine", "password = \"*******\" # mine"),
            ("a.secret='x'\nb = 1", "a.secret='*'\nb = 1"),
            ("pasword = \"a\\\"b\"", "pasword = \"****\""),
            (
                "{ url = \"u\", hook-secret = \"géh\u{1F600}\" }",
                "{ url = \"u\", hook-secret = \"*\u{B7}*\u{1F784}\" }",
            ),
            ("\"token\" = \"open", "\"token\" = \"****"),
            ("password = 1234\nb = 5", "password = ****\nb = 5"),
            ("secret = \"\"\"a\nb\"\"\"\nc = 1", "secret = \"\"\"*\n*\"\"\"\nc = 1"),
            ("secret = \"env:HOOK\"", "secret = \"env:HOOK\""),
            ("zone = \"door\"", "zone = \"door\""),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_keeps_its_places(text in "[ -~\n=\"'é\u{1F600}]{0,80}", secret in "(token = ?)?") {
            shown(&format!("{secret}{text}"));
        }
    }
}
