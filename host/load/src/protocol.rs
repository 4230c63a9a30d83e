//! What emulated readers speak.

use anyhow::Result;

use crate::opening::Statement;
use crate::reports;
use crate::rows::{ROW_BYTES, row};

/// What emulated readers speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// As a Mercury 4 does: each read is a row, and an empty line ends a round.
    #[default]
    Rql,
    /// As almost all others do: each read is a report of one tag.
    Llrp,
}

/// What a client wants of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing but the answer.
    Nothing,
    /// A round.
    Round,
    /// Reads from now on.
    Begins,
    /// No more reads.
    Ends,
}

impl Protocol {
    /// The driver of these readers.
    pub fn driver(self) -> &'static str {
        match self {
            Self::Rql => "mercury4",
            Self::Llrp => "llrp",
        }
    }

    /// Bytes of one read.
    pub(crate) fn read_bytes(self) -> usize {
        match self {
            Self::Rql => ROW_BYTES,
            Self::Llrp => reports::REPORT_BYTES,
        }
    }

    /// Appends one read of this tag.
    pub(crate) fn read(self, number: u32, out: &mut Vec<u8>) {
        match self {
            Self::Rql => {
                let mut text = String::with_capacity(ROW_BYTES);
                row(number, &mut text);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Llrp => reports::report(number, out),
        }
    }

    /// What follows the last read of a round.
    pub(crate) fn end_of_round(self) -> &'static [u8] {
        match self {
            Self::Rql => b"\n",
            Self::Llrp => b"",
        }
    }

    /// What is said to whoever connects.
    pub(crate) fn greeting(self) -> Vec<u8> {
        match self {
            Self::Rql => Vec::new(),
            Self::Llrp => reports::greeting(),
        }
    }

    /// What is said when nothing is read.
    pub(crate) fn sign_of_life(self) -> Vec<u8> {
        match self {
            Self::Rql => b"\n".to_vec(),
            Self::Llrp => reports::sign_of_life(),
        }
    }

    /// Takes the next request off what a client has said, and answers it; nothing while it is not
    /// whole.
    pub(crate) fn next_wish(self, said: &mut Vec<u8>, answers: &mut Vec<u8>) -> Result<Option<Wish>> {
        if self == Self::Llrp {
            return reports::next_wish(said, answers);
        }
        let Some(end) = said.iter().position(|byte| *byte == b';') else { return Ok(None) };
        let statement: Vec<u8> = said.drain(..=end).collect();
        let statement = Statement::of(&String::from_utf8_lossy(&statement));
        answers.extend_from_slice(statement.answer().as_bytes());
        Ok(Some(match statement {
            Statement::Asks(_) => Wish::Nothing,
            Statement::Round => Wish::Round,
            Statement::Begins => Wish::Begins,
            Statement::Ends => Wish::Ends,
        }))
    }
}
