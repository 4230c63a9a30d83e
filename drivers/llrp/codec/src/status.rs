//! What a reader says of what it was asked, for programs and for people.

use std::fmt;

use crate::enumeration::StatusCode;
use crate::parameter::{FieldError, LLRPStatus, TLV_PARAMETERS, TV_PARAMETERS};

impl LLRPStatus {
    /// What a reader says to what it does.
    pub fn success() -> Self {
        Self::of(StatusCode::M_SUCCESS, "")
    }

    /// A code, and a text for people.
    pub fn of(status_code: StatusCode, text: &str) -> Self {
        Self { status_code, error_description: text.to_owned(), field_error: None, parameter_error: None }
    }

    /// Whether the reader does what it was asked.
    pub fn is_success(&self) -> bool {
        self.status_code == StatusCode::M_SUCCESS
    }
}

impl fmt::Display for LLRPStatus {
    /// The whole chain down to the culprit: it is all that people have to go by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.status_code, self.status_code.0)?;
        if !self.error_description.is_empty() {
            write!(f, " {:?}", self.error_description)?;
        }
        if let Some(field) = &self.field_error {
            write!(f, ": {field}")?;
        }
        let mut next = self.parameter_error.as_deref();
        while let Some(error) = next {
            write!(f, ": parameter {}", error.parameter_type)?;
            let definition = TLV_PARAMETERS.iter().chain(TV_PARAMETERS);
            if let Some(known) = definition.clone().find(|known| known.number == error.parameter_type) {
                write!(f, " {}", known.name)?;
            }
            write!(f, ": {} ({})", error.error_code, error.error_code.0)?;
            if let Some(field) = &error.field_error {
                write!(f, ": {field}")?;
            }
            next = error.parameter_error.as_deref();
        }
        Ok(())
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}: {} ({})", self.field_num, self.error_code, self.error_code.0)
    }
}
