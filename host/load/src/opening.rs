//! What a Mercury 4 is told and asked before it reads.

/// What a client's statement, up to its semicolon, means to a reader that has only one antenna
/// and nothing to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A question with this answer.
    Asks(&'static str),
    /// A round is asked for; its rows and an empty line are the answer.
    Round,
    /// The reader is to report by itself from now on.
    Begins,
    /// The reader is to report no more.
    Ends,
}

impl Statement {
    /// Knows what the driver sends when it opens a session, reads and stops.
    pub fn of(statement: &str) -> Self {
        if statement.contains("version FROM settings") {
            Self::Asks("2.3.14 (2005-11-23T14:22:53-05:00 Tesla )\n\n")
        } else if statement.contains("supported_protocols") {
            Self::Asks("EPC1 GEN2\n\n")
        } else if statement.contains("FROM params") {
            Self::Asks("Error 0100:\tUnknown table\n\n")
        } else if statement.contains("lqi") {
            Self::Asks("Error 0100:\tUnknown lqi\n\n")
        } else if statement.contains("DECLARE") || statement.contains("time_out=1;") {
            Self::Asks("\n")
        } else if statement.contains("FROM tag_id") {
            Self::Round
        } else if statement.contains("AUTO=OFF") {
            Self::Ends
        } else if statement.contains("SET AUTO") {
            Self::Begins
        } else {
            Self::Asks("\n")
        }
    }

    /// What the reader answers at once.
    pub fn answer(self) -> &'static str {
        match self {
            Self::Asks(answer) => answer,
            Self::Round => "",
            Self::Begins | Self::Ends => "\n",
        }
    }
}
