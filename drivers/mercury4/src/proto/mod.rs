//! RQL without I/O: bytes in, bytes out.
//!
//! Facts come from the protocol document of the project (`mercury4-rql`), cited by section.

pub mod air;
pub mod check_code;
mod cursor;
mod doubt;
pub mod identity;
pub mod lines;
pub mod row;
pub mod statement;
pub mod tag_update;

pub use air::RqlProtocol;
pub use lines::{LineTooLong, Lines};
pub use row::{RowDecoder, RowFault};
pub use statement::{Column, Plan};

/// An error that the reader reported (§1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RqlError {
    /// The four digits: 100 for 0100.
    pub code: u16,
    /// The text behind the colon and any run of blanks and tabs.
    pub text: String,
}

impl RqlError {
    /// Reads an error line, `Error 0100:` and text; `None` for any other line.
    ///
    /// Between colon and text the sources show a tab, one blank and five: all are taken.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"Error")?;
        let rest = String::from_utf8_lossy(rest);
        let (code, text) = rest.split_once(':').unwrap_or((&rest, ""));
        Some(Self { code: code.trim().parse().unwrap_or(0), text: text.trim().to_owned() })
    }
}

impl std::fmt::Display for RqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the reader answers \"Error {:04}: {}\"", self.code, self.text)
    }
}

impl std::error::Error for RqlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_with_any_run_of_blanks() {
        for line in [
            "Error 0100: Cursor does not exist",
            "Error 0100:\tCursor does not exist",
            "Error 0100:     Cursor does not exist",
        ] {
            let error = RqlError::parse(line.as_bytes()).unwrap();
            assert_eq!((error.code, error.text.as_str()), (100, "Cursor does not exist"));
        }
        // §9 example 3
        assert_eq!(RqlError::parse(b"Error 0102: Error performing query").unwrap().code, 102);
        assert_eq!(RqlError::parse(b"12|1|0x30"), None);
        assert_eq!(RqlError::parse(b"Error").unwrap().code, 0);
    }
}
