//! How a reader says what is wrong with a request: the chain from the message down to the culprit.

use rfid_llrp::enumeration::StatusCode;
use rfid_llrp::message::MESSAGES;
use rfid_llrp::parameter::{FieldError, LLRPStatus, ParameterError, TLV_PARAMETERS, TV_PARAMETERS};
use rfid_llrp::{Fault, FaultKind};

/// A request that is not carried out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) LLRPStatus);

pub(super) type Outcome<T = ()> = Result<T, Refusal>;

/// Number of a vendor's parameter.
pub(super) const CUSTOM: u16 = 1023;

impl Refusal {
    /// A code that says everything.
    pub(super) fn of(code: StatusCode, text: &str) -> Self {
        Self(LLRPStatus::of(code, text))
    }

    /// A field of the message itself. Fields are counted from 1, as Impinj does.
    pub(super) fn field(field_num: u16, error_code: StatusCode, text: &str) -> Self {
        let field_error = Some(FieldError { field_num, error_code });
        Self(LLRPStatus { field_error, ..LLRPStatus::of(StatusCode::M_FIELD_ERROR, text) })
    }

    /// A parameter that stands in others, the outermost of which comes first.
    pub(super) fn parameter(path: &[u16], error_code: StatusCode, text: &str) -> Self {
        Self::chain(path, error_code, None, text)
    }

    /// A field of a parameter.
    pub(super) fn field_of(path: &[u16], field_num: u16, error_code: StatusCode, text: &str) -> Self {
        Self::chain(path, StatusCode::P_FIELD_ERROR, Some(FieldError { field_num, error_code }), text)
    }

    fn chain(path: &[u16], code: StatusCode, mut field: Option<FieldError>, text: &str) -> Self {
        let mut status = LLRPStatus::of(StatusCode::M_PARAMETER_ERROR, text);
        let mut inner: Option<Box<ParameterError>> = None;
        for &parameter_type in path.iter().rev() {
            let error = match inner.take() {
                None => ParameterError {
                    parameter_type,
                    error_code: code,
                    field_error: field.take(),
                    parameter_error: None,
                },
                outer => ParameterError {
                    parameter_type,
                    error_code: StatusCode::P_PARAMETER_ERROR,
                    field_error: None,
                    parameter_error: outer,
                },
            };
            inner = Some(Box::new(error));
        }
        status.parameter_error = inner;
        Self(status)
    }

    /// What could not be read, in the reader's words.
    pub(super) fn of_fault(fault: &Fault) -> Self {
        let text = fault.to_string();
        // Codes in parameters are those in messages plus 100.
        let (code, culprit) = match fault.kind {
            FaultKind::UnexpectedParameter(number) if is_known(number) => {
                (StatusCode::M_UNEXPECTED_PARAMETER, Some(number))
            }
            FaultKind::UnexpectedParameter(number) => (StatusCode::M_UNKNOWN_PARAMETER, Some(number)),
            FaultKind::UnknownTv(number) => (StatusCode::M_UNKNOWN_PARAMETER, Some(number.into())),
            FaultKind::Missing(name) => (StatusCode::M_MISSING_PARAMETER, number_of(name)),
            FaultKind::Repeated(name) => (StatusCode::M_DUPLICATE_PARAMETER, number_of(name)),
            FaultKind::OutOfOrder(name) => (StatusCode::M_UNEXPECTED_PARAMETER, number_of(name)),
            FaultKind::NewerThan(_) => (StatusCode::M_UNSUPPORTED_PARAMETER, None),
            _ => (StatusCode::M_FIELD_ERROR, None),
        };
        if MESSAGES.iter().any(|message| message.name == fault.inside) || fault.inside == "a message" {
            let mut refusal = match culprit {
                Some(culprit) => Self::parameter(&[culprit], in_parameter(code), &text),
                None => Self::of(code, &text),
            };
            refusal.0.status_code = code;
            return refusal;
        }
        let path: Vec<u16> = number_of(fault.inside).into_iter().chain(culprit).collect();
        Self::parameter(&path, in_parameter(code), &text)
    }
}

fn in_parameter(code: StatusCode) -> StatusCode {
    match code {
        // The two lists part behind the unknown ones.
        StatusCode::M_UNSUPPORTED_PARAMETER => StatusCode::P_UNSUPPORTED_PARAMETER,
        StatusCode(number) => StatusCode(number + 100),
    }
}

fn is_known(number: u16) -> bool {
    TLV_PARAMETERS.iter().chain(TV_PARAMETERS).any(|parameter| parameter.number == number)
}

fn number_of(name: &str) -> Option<u16> {
    let mut all = TLV_PARAMETERS.iter().chain(TV_PARAMETERS);
    all.find(|parameter| parameter.name == name).map(|parameter| parameter.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_refusal_of_a_hop_table_is_made_byte_by_byte() {
        let refusal = Refusal::field_of(&[224], 1, StatusCode::A_OUT_OF_RANGE, "HopTableID out of range");
        let message =
            rfid_llrp::Message::from(rfid_llrp::message::AddROSpecResponse { status: refusal.0.clone() });
        let bytes = message.encode(rfid_llrp::Version::V1_0_1, 5).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "041e0000003900000005011f002f00640017486f705461626c654944206f7574206f662072616e6765\
             0121001000e000c9012000080001012d"
        );
    }

    #[test]
    fn a_parameter_in_a_parameter_is_named_by_the_whole_way_to_it() {
        let refusal = Refusal::parameter(&[177, 183, 222], StatusCode::P_UNSUPPORTED_PARAMETER, "");
        let text = refusal.0.to_string();
        assert_eq!(
            text,
            "M_ParameterError (100): parameter 177 ROSpec: P_ParameterError (200): parameter 183 AISpec: \
             P_ParameterError (200): parameter 222 AntennaConfiguration: P_UnsupportedParameter (209)"
        );
    }
}
