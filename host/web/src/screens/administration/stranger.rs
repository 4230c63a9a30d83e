//! A form that somebody sends whom nobody knows yet.

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::super::text::Text;
use super::super::viewer::{Refusal, text_of};
use crate::api::Api;
use crate::calling;

/// What they send, from where, and in which language they read.
pub(super) struct Stranger<T> {
    pub(super) text: Text,
    pub(super) from: String,
    pub(super) form: T,
}

impl<T: DeserializeOwned + Send> FromRequest<Api> for Stranger<T> {
    type Rejection = Refusal;

    /// From a page of this host, and not too often.
    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let text = text_of(&parts.headers, api);
        let is_part = parts.headers.contains_key("hx-request");
        let refused = |status, key| Refusal::to_stranger(status, key, text.clone(), is_part);
        if calling::is_from_here(&parts.headers).is_err() {
            return Err(refused(StatusCode::FORBIDDEN, "problem-not-from-here"));
        }
        let Ok(calling::Address(from)) = calling::Address::from_request_parts(&mut parts, api).await;
        if api.admit_stranger(&from).is_err() {
            return Err(refused(StatusCode::TOO_MANY_REQUESTS, "problem-too-often"));
        }
        match Form::<T>::from_request(Request::from_parts(parts, body), api).await {
            Ok(Form(form)) => Ok(Self { text, from, form }),
            Err(_) => Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid")),
        }
    }
}
