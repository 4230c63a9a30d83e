//! Why a request is refused, as a problem document.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rfid_core::ErrorKind;
use rfid_door::Problem;
use rfid_door::cursor::BadCursor;
use rfid_service::rights::Matrix;
use rfid_service::service::{DeskFault, Fault};
use serde_json::{Value, json};

/// A problem document that says what went wrong and what to do, and nothing of what is inside.
#[derive(Clone, Debug)]
pub struct Refused(Problem);

impl Refused {
    /// A refusal of this status; `title` is the same for each of its kind.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Problem::new(status).title(title).detail(detail.into()))
    }

    /// With one more member.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.with(name, value))
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// Nothing there, or nothing that the caller may know of.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", format!("There is no such {what}."))
    }

    /// Nobody says who is calling.
    pub fn unknown() -> Self {
        let detail =
            "Log in, or send the header Authorization: Bearer TOKEN, with a token that this host knows.";
        Self::new(StatusCode::UNAUTHORIZED, "Who is calling?", detail)
    }

    /// Something is wrong with the request itself.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Not understood", detail)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<BadCursor> for Refused {
    fn from(bad: BadCursor) -> Self {
        Self(bad.into())
    }
}

/// A sentence as people write it: with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let said = sentence(&fault.to_string());
        match fault {
            Fault::NotFound(what) => Self::not_found(what),
            Fault::Forbidden(action) => {
                let refused =
                    Self::new(StatusCode::FORBIDDEN, "Not allowed", said).with("right", action.name());
                match Matrix::get().scope(action) {
                    Some(scope) => refused.with("scope", scope),
                    None => refused,
                }
            }
            Fault::ReasonNeeded(action) => {
                let detail = "Say why in the header X-Reason: it goes into the audit trail.";
                Self::new(StatusCode::FORBIDDEN, "Say why", detail).with("right", action.name())
            }
            Fault::NoSession => Self::unknown(),
            Fault::NotAccepted => {
                let detail =
                    "What was sent was not accepted. After several tries nobody is looked at for a while.";
                Self::new(StatusCode::UNAUTHORIZED, "Not accepted", detail)
            }
            Fault::ProofNeeded => {
                let detail =
                    "Send your password or second factor to /api/v1/session/proof, and then this again.";
                Self::new(StatusCode::FORBIDDEN, "Prove who you are", detail)
            }
            Fault::Desk(DeskFault { error, .. }) => {
                tracing::warn!(error = format!("{error:#}"), "a card is not encoded");
                let detail = error.detail().map_or(said, sentence);
                Self::new(StatusCode::CONFLICT, "The desk refuses", detail)
                    .with("cause", error.kind().label())
            }
            Fault::Unaudited(error) => {
                tracing::error!(error = format!("{error:#}"), "refused, because it cannot be audited");
                let detail =
                    "The audit trail cannot be written just now, so nothing is done that belongs into it.";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "Not auditable", detail)
            }
            Fault::Invalid(faults) => {
                let list: Vec<Value> = faults
                    .iter()
                    .map(|fault| json!({ "field": fault.field, "detail": fault.what }))
                    .collect();
                let detail = "Something in what was sent is wrong; errors says what, field by field.";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Not valid", detail).with("errors", list)
            }
            Fault::NotAllowed(_) | Fault::Rule(_) => {
                Self::new(StatusCode::CONFLICT, "Not possible now", said)
            }
            Fault::Taken(field) => Self::new(StatusCode::CONFLICT, "Taken", said).with("field", field),
            Fault::Conflict { found, by } => {
                let problem = Self::new(StatusCode::PRECONDITION_FAILED, "Changed meanwhile", said)
                    .with("version", found);
                match by {
                    Some(by) => problem.with("changed_at", by.at.to_string()),
                    None => problem,
                }
            }
            Fault::Store(error) => {
                // Which keys and files it was about is for the log, not for the caller.
                let text = format!("{error:#}");
                match error.kind() {
                    ErrorKind::Damaged | ErrorKind::Internal | ErrorKind::Denied | ErrorKind::Unsupported => {
                        tracing::error!(error = text, "a request could not be answered");
                        let detail = "The record could not be read. The log of the host says why.";
                        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Not readable", detail)
                    }
                    _ => {
                        tracing::warn!(error = text, "the store does not answer");
                        let detail = "The store does not answer just now.";
                        Self(Problem::unavailable(Duration::from_secs(2)).title("Not now").detail(detail))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rfid_core::Error;
    use rfid_service::service::FieldFault;

    use super::*;

    #[test]
    fn each_fault_has_its_status_and_tells_nothing_of_the_inside() {
        let inside = || Error::new(ErrorKind::Damaged, "get").with_detail("/var/lib/rfid-host/service/db");
        for (fault, status) in [
            (Fault::NotFound("customer"), 404),
            (Fault::Forbidden(rfid_service::rights::Action::SeeCards), 403),
            (Fault::ReasonNeeded(rfid_service::rights::Action::SeeArrivals), 403),
            (Fault::NoSession, 401),
            (Fault::NotAccepted, 401),
            (Fault::ProofNeeded, 403),
            (Fault::Unaudited(inside()), 507),
            (Fault::Invalid(vec![FieldFault::new("name", "must not be empty")]), 422),
            (Fault::NotAllowed("the customer is here already".to_owned()), 409),
            (Fault::Taken("epc_hex"), 409),
            (Fault::Conflict { found: 3, by: None }, 412),
            (Fault::Store(inside()), 500),
            (Fault::Store(Error::new(ErrorKind::Connect, "get").with_detail("10.0.0.3:5432")), 503),
        ] {
            let refused = Refused::from(fault);
            assert_eq!(refused.status().as_u16(), status);
            let said = refused.0.what_to_do().unwrap();
            assert!(said.ends_with('.') && !said.contains("/var") && !said.contains("5432"), "{said}");
        }
    }
}
