//! A sentence for those whose heads cannot be read.
//!
//! hyper answers a head that is no HTTP, or is too large, by itself and without a body, before there is a
//! request that a handler could answer. That answer is recognised where it is written: nobody is
//! answering anything, and it lacks what every answer of ours has. In its place goes one that says what is
//! wrong.

use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::BodyExt;

use super::headers;
use super::limits::Limits;
use crate::problem::Problem;

/// Every answer of ours has it.
const OURS: &[u8] = b"x-content-type-options";

/// How answers of hyper's own are recognised, and what goes in their place.
pub(super) struct Refusals {
    head_size: usize,
    headers: usize,
    is_tls: bool,
}

impl Refusals {
    pub(super) fn new(limits: &Limits, is_tls: bool) -> Self {
        Self { head_size: limits.head_size, headers: limits.headers, is_tls }
    }

    /// What goes in the place of this, if it is hyper's own; asked while nobody answers anything.
    pub(super) fn instead_of(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = StatusCode::from_bytes(status).ok().filter(|status| !status.is_success())?;
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = bytes.get(..end)?.to_ascii_lowercase();
        if head.windows(OURS.len()).any(|part| part == OURS) {
            return None;
        }
        let detail = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
                "The head of the request is too large: at most {} bytes and {} fields are read.",
                self.head_size, self.headers
            ),
            StatusCode::URI_TOO_LONG => "The address of the request is too long.".to_owned(),
            _ => "The head of the request cannot be read: it is not HTTP/1.1.".to_owned(),
        };
        rendered(Problem::new(status).detail(detail), self.is_tls)
    }
}

/// A problem as it goes over a connection that ends with it.
fn rendered(problem: Problem, is_tls: bool) -> Option<Vec<u8>> {
    let mut response = problem.into_response();
    headers::secure(&mut response, is_tls);
    let (head, body) = response.into_parts();
    // It is all there already.
    let body = body.collect().now_or_never()?.ok()?.to_bytes();
    let head = Response::from_parts(head, ());
    let status = head.status();
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    for (name, value) in head.headers() {
        if name != axum::http::header::CONTENT_LENGTH {
            bytes += &format!("{name}: {}\r\n", value.to_str().ok()?);
        }
    }
    bytes += &format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    Some([bytes.as_bytes(), &body].concat())
}
