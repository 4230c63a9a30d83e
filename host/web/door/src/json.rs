//! Bodies of requests, as JSON with limits of size and depth, and raw.
//!
//! The size is that of [`axum::extract::DefaultBodyLimit`]; a route that takes more than others
//! has a layer of its own. Whatever is refused is a [`Problem`] that says where the fault lies and
//! does not repeat what was sent.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::door::TooSlow;
use crate::problem::Problem;

/// Arrays and objects within each other.
pub const MOST_DEPTH: usize = 32;

/// A body that is JSON and says a `T`; as an answer, a `T` as JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("Send JSON, and Content-Type: application/json."));
        }
        let body = Bytes::from_request(request, state).await.map_err(|refused| unread(&refused))?;
        parse(&body).map(Self)
    }
}

/// A body that is taken as it comes, up to what its route takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|refused| unread(&refused))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR)
                .detail("The answer cannot be written as JSON.")
                .into_response(),
        }
    }
}

/// Reads JSON that is no deeper than [`MOST_DEPTH`].
///
/// # Errors
///
/// 400 for what is not JSON or is too deep, 422 for JSON that does not say a `T`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if is_too_deep(body) {
        return Err(Problem::new(StatusCode::BAD_REQUEST)
            .title("Too deep")
            .detail(format!("At most {MOST_DEPTH} arrays and objects may stand within each other.")));
    }
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let (status, title, detail) = match error.classify() {
            Category::Data => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "Not what is asked for",
                format!("Line {line}, column {column}: a field is missing, is unknown or has another type."),
            ),
            Category::Eof => {
                (StatusCode::BAD_REQUEST, "Not JSON", "The body ends in the middle of a value.".to_owned())
            }
            Category::Io | Category::Syntax => (
                StatusCode::BAD_REQUEST,
                "Not JSON",
                format!("Line {line}, column {column}: this cannot stand here."),
            ),
        };
        Problem::new(status).title(title).detail(detail).with("line", line).with("column", column)
    })
}

/// serde_json stops at 128 by itself, and only where it builds what it reads: what a type ignores
/// is skipped at any depth.
fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > MOST_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase())
        .is_some_and(|kind| {
            kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
        })
}

fn unread(refused: &BytesRejection) -> Problem {
    if refused.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail("The body is larger than this path takes.");
    }
    let mut causes = std::iter::successors(refused.source(), |error| (*error).source());
    if causes.any(|error| error.is::<TooSlow>()) {
        return Problem::new(StatusCode::REQUEST_TIMEOUT).detail("The body came too slowly.");
    }
    Problem::new(StatusCode::BAD_REQUEST).detail("The body did not arrive whole.")
}

#[cfg(test)]
mod tests {
    use axum::RequestExt;
    use axum::body::Body;
    use axum::extract::DefaultBodyLimit;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        number: u32,
    }

    fn refused(body: &str) -> (u16, String) {
        let problem = parse::<Asked>(body.as_bytes()).unwrap_err();
        (problem.status().as_u16(), problem.what_to_do().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_fault_is_located_and_what_was_sent_is_not_repeated() {
        assert_eq!(parse::<Asked>(br#"{"number":7}"#).unwrap(), Asked { number: 7 });
        assert_eq!(
            refused("{\n\"number\" 7}"),
            (400, "Line 2, column 10: this cannot stand here.".to_owned())
        );
        assert_eq!(refused("{\"number\":").0, 400);
        for body in [r#"{"number":"Zhang"}"#, r#"{"Zhang":1}"#, "{}", "7"] {
            let (status, detail) = refused(body);
            assert_eq!(status, 422, "{body}");
            assert!(!detail.contains("Zhang"), "{detail}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_text_only() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<Value>(nested(MOST_DEPTH).as_bytes()).is_ok());
        let status = |body: &str| parse::<Value>(body.as_bytes()).map_err(|problem| problem.status());
        assert_eq!(status(&nested(MOST_DEPTH + 1)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(status(&nested(200_000)), Err(StatusCode::BAD_REQUEST));
        assert_eq!(status(&"{\"a\":".repeat(200_000)), Err(StatusCode::BAD_REQUEST));
        let text = format!(r#"["\"{}\\"]"#, "[".repeat(100));
        assert!(status(&text).is_ok());
        assert!(parse::<serde::de::IgnoredAny>(nested(MOST_DEPTH + 1).as_bytes()).is_err());
    }

    async fn asked(kind: &str, length: usize) -> Result<(), StatusCode> {
        let body = format!("{}{}", " ".repeat(length - 12), r#"{"number":7}"#);
        let mut request =
            Request::builder().header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
        DefaultBodyLimit::max(100).apply(&mut request);
        let asked = request.extract::<Json<Asked>, _>().await;
        asked.map(drop).map_err(|problem| problem.status())
    }

    #[tokio::test]
    async fn only_json_of_the_size_that_is_taken_is_read() {
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert_eq!(asked(kind, 100).await, Ok(()), "{kind}");
        }
        assert_eq!(asked("application/json", 101).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "text/x+json"] {
            assert_eq!(asked(kind, 20).await, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{kind}");
        }
    }
}
