//! The routes under `/api/v1` of the customer service.

mod accounts;
mod arrivals;
mod cards;
mod customers;
mod exports;
mod openapi;
mod page;
mod photos;
mod reports;
mod requests;
mod sessions;
mod staff;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use rfid_core::{Clock, Stamp, UtcTime};
use rfid_service::rights::Action;
use rfid_service::service::Service;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clients::Clients;
use crate::installation::{Installation, PipelineGlimpses};
use crate::refused::Refused;
use crate::screens;
use rfid_door::cursor::Cursors;
use rfid_door::rate::{Quota, RateLimit};

/// Records on a page, unless asked for otherwise, and at most.
const USUAL_PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;
/// Tries to log in from one address: thirty in a minute, and as many at once.
const STRANGERS: Quota = Quota { every: Duration::from_secs(2), burst: 30 };
/// Addresses that are told apart.
const REMEMBERED_STRANGERS: usize = 10_000;

/// What the routes stand on.
#[derive(Clone)]
pub struct Api {
    service: Arc<Service>,
    clients: Arc<Clients>,
    cursors: Cursors,
    clock: Arc<dyn Clock>,
    /// How often those call whom nobody knows yet, by their addresses.
    strangers: Arc<RateLimit<String>>,
    /// The host around it; none where the routes stand alone.
    installation: Option<Arc<dyn Installation>>,
}

/// A route: what its row in the OpenAPI document says, and what answers.
struct Route {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    needs: Needs,
    /// Parameters of the query: name, what it is.
    query: &'static [(&'static str, &'static str)],
    /// Whether the request names the version that it was made on.
    if_match: bool,
    body: Option<Body>,
    answer: Answer,
    handler: MethodRouter<Api>,
}

/// Who may ask.
#[derive(Clone, Copy)]
enum Needs {
    /// Whoever has one of these rights, in whatever way; the service says whether it is enough.
    Right(&'static [Action]),
    /// Whoever may do anything at all.
    Anything,
    /// A person who has logged in.
    Session,
    /// Nobody is asked: it is how somebody becomes known.
    Nothing,
}

/// What a route takes.
enum Body {
    /// JSON of a schema of this name.
    Json(&'static str, Schema),
    /// A picture.
    Picture,
}

/// What a route answers when all is well.
enum Answer {
    /// One record.
    One(StatusCode, &'static str, Schema),
    /// Something that is no record.
    Plain(StatusCode, &'static str, Schema),
    /// Nothing but that it was done.
    Nothing,
    /// Some, in `items`, and perhaps `next_cursor`.
    List(&'static str, Schema),
    /// Server-sent events.
    Stream(&'static str),
    /// A photo.
    Picture,
    /// A file of one of these types.
    File(&'static str, &'static [&'static str]),
}

/// Makes a JSON Schema.
type Schema = fn() -> Value;

fn schema<T: schemars::JsonSchema>() -> Value {
    rfid_core::settings::schema_of::<T>()
}

impl Api {
    /// Routes over this service, for these clients. `cursor_key` is random.
    pub fn new(service: Arc<Service>, clients: Clients, cursor_key: [u8; 32], clock: Arc<dyn Clock>) -> Self {
        let strangers = Arc::new(RateLimit::new(STRANGERS, REMEMBERED_STRANGERS));
        Self {
            service,
            clients: Arc::new(clients),
            cursors: Cursors::new(cursor_key),
            clock,
            strangers,
            installation: None,
        }
    }

    /// Shows the parts of this host as well.
    #[must_use]
    pub fn with_installation(self, installation: Arc<dyn Installation>) -> Self {
        let glimpses = Arc::new(PipelineGlimpses(Arc::downgrade(&installation)));
        self.service.recognition().counters().take_glimpses(glimpses);
        Self { installation: Some(installation), ..self }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The host around it, if it is known.
    pub(crate) fn installation(&self) -> Option<&Arc<dyn Installation>> {
        self.installation.as_ref()
    }

    pub(crate) fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// Lets somebody try who is not known yet, unless they try too often.
    pub(crate) fn admit_stranger(&self, from: &str) -> Result<(), Refused> {
        let admitted = self.strangers.admit(from.to_owned(), self.now().monotonic);
        Ok(admitted.map_err(rfid_door::Problem::from)?)
    }

    fn routes() -> Vec<Route> {
        [
            customers::routes(),
            photos::routes(),
            cards::routes(),
            visits::routes(),
            staff::routes(),
            arrivals::routes(),
            requests::routes(),
            exports::routes(),
            sessions::routes(),
            accounts::routes(),
            reports::routes(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The router, to be merged into that of the host.
    pub fn router(self) -> Router {
        let routes = Self::routes();
        let document = openapi::document(&routes);
        let page = page::routes(&document);
        let document = document.to_string();
        let document = get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) });
        let mut router = Router::new().route("/api/v1/openapi.json", document).merge(page);
        router = router.merge(screens::routes());
        for route in routes {
            router = router.route(route.path, route.handler);
        }
        router.with_state(self)
    }

    /// The OpenAPI document.
    pub fn openapi() -> Value {
        openapi::document(&Self::routes())
    }
}

/// Parameters of a query, of which none may be unknown.
struct Asked<T>(T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let query = Query::<T>::from_request_parts(parts, api).await;
        let wrong = |_| {
            Refused::bad_request(
                "A parameter of the query is not known, or its value is wrong; openapi.json says which there are.",
            )
        };
        query.map(|Query(asked)| Self(asked)).map_err(wrong)
    }
}

/// One record with its version as a strong entity tag; 304 to whoever has it already.
fn one(status: StatusCode, headers: &HeaderMap, version: u32, record: &impl Serialize) -> Response {
    let tag = entity_tag(version);
    let mut response = if has_it(headers, &tag) && status == StatusCode::OK {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_answer(status, record)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// One record as it is after the caller wrote it.
fn written(version: u32, record: &impl Serialize) -> Response {
    one(StatusCode::OK, &HeaderMap::new(), version, record)
}

/// Whether the caller has what bears this entity tag already.
pub(crate) fn has_it(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.trim() == "*" || value.split(',').any(|other| other.trim().trim_start_matches("W/") == tag)
    })
}

fn json_answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (status, headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            let detail = "The answer could not be written. The log of the host says why.";
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "Not writable", detail).into_response()
        }
    }
}

fn entity_tag(version: u32) -> String {
    format!("\"{version}\"")
}

/// The version that a change was made on.
fn made_on(headers: &HeaderMap) -> Result<u32, Refused> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        let detail = "Send If-Match with the ETag of the record that this change was made on.";
        return Err(Refused::new(StatusCode::PRECONDITION_REQUIRED, "On which version?", detail));
    };
    let version =
        value.to_str().ok().and_then(|value| value.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    version.ok_or_else(|| Refused::bad_request("If-Match must be an ETag of this record, as in \"3\"."))
}

/// How many records on a page.
fn page(limit: Option<usize>) -> Result<usize, Refused> {
    match limit {
        None => Ok(USUAL_PAGE),
        Some(limit @ 1..=LARGEST_PAGE) => Ok(limit),
        Some(_) => Err(Refused::bad_request(format!("limit is 1 to {LARGEST_PAGE}."))),
    }
}

/// A time in a query.
fn time(name: &str, text: &str) -> Result<UtcTime, Refused> {
    let timestamp = text.parse::<jiff::Timestamp>().ok();
    let nanos = timestamp.and_then(|timestamp| u64::try_from(timestamp.as_nanosecond()).ok());
    nanos.map(UtcTime::from_nanos).ok_or_else(|| {
        Refused::bad_request(format!(
            "{name} is a time since 1970 with its offset, as in 2026-11-29T09:00:00+08:00."
        ))
    })
}

/// An id in a path: what is none is not there.
fn id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Refused> {
    text.parse().map_err(|_| Refused::not_found(what))
}

#[cfg(test)]
mod accounts_tests;
#[cfg(test)]
mod exports_tests;
#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
