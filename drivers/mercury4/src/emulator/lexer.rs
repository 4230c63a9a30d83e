//! Words, numbers and signs of a statement.

use std::fmt;

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Number(u64),
    /// Digits behind `0x`, in upper case.
    Hex(String),
    /// What stands between quotes.
    Text(String),
    Symbol(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Hex(digits) => write!(f, "0x{digits}"),
            Self::Symbol(symbol) => f.write_str(symbol),
        }
    }
}

const SYMBOLS: [&str; 9] = ["<=", ">=", "<>", "<", ">", "=", ",", "(", ")"];

/// Cuts a statement into tokens.
///
/// # Errors
/// The text of the reader's error message.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, behind) = if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Token::Symbol(symbol), rest.get(symbol.len()..).unwrap_or_default())
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, behind) = quoted.split_once('\'').ok_or("Syntax Error")?;
            (Token::Text(text.to_owned()), behind)
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            (word_or_number(word)?, behind)
        } else {
            return Err(format!("syntax error at '{}'", first.escape_default()));
        };
        tokens.push(token);
        rest = behind.trim_start();
    }
    Ok(tokens)
}

fn word_or_number(word: &str) -> Result<Token, String> {
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        let is_hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return if is_hex {
            Ok(Token::Hex(digits.to_ascii_uppercase()))
        } else {
            Err(format!("syntax error at '{word}'"))
        };
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return word.parse().map(Token::Number).map_err(|_| format!("syntax error at '{word}'"));
    }
    Ok(Token::Word(word.to_owned()))
}
