//! Errors as problem documents (RFC 9457).
//!
//! ```
//! use axum::http::StatusCode;
//! use rfid_door::Problem;
//!
//! async fn customer() -> Result<String, Problem> {
//!     Err(Problem::new(StatusCode::NOT_FOUND).detail("There is no customer with this number."))
//! }
//! ```

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong with a request, as its sender is told.
///
/// `detail` is for people and says what to do. What a program is to tell apart stands in the type
/// or in a member of its own. Nothing from inside goes in: no path of a file, no text of a library.
#[derive(Clone, Debug)]
pub struct Problem(
    /// Boxed, because a result is as large as the larger of what it may hold.
    Box<Document>,
);

#[derive(Clone, Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    title: Cow<'static, str>,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(flatten)]
    members: Map<String, Value>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem that its status says all of: of type `about:blank`, titled as the status is.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self(Box::new(Document {
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            status,
            detail: None,
            instance: None,
            members: Map::new(),
            retry_after: None,
        }))
    }

    /// 503: nothing is wrong with the request, and it may be sent again after this time.
    #[must_use]
    pub fn unavailable(retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE).retry_after(retry_after)
    }

    /// 429: the caller asks too often, and may ask again after this time.
    #[must_use]
    pub fn too_many_requests(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS)
            .detail("You ask more often than you may. Ask again after the time in Retry-After.")
            .retry_after(retry_after)
    }

    /// A type of its own, a URI reference, for problems that a program is to tell apart.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = kind.into();
        self
    }

    /// A summary that is the same for every problem of the type.
    #[must_use]
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = title.into();
        self
    }

    /// What happened this time, and what to do about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// A URI reference to this one occurrence.
    #[must_use]
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.0.instance = Some(instance.into());
        self
    }

    /// A further member. The five that RFC 9457 names cannot be given in this way.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if !matches!(name, "type" | "title" | "status" | "detail" | "instance") {
            self.0.members.insert(name.to_owned(), value.into());
        }
        self
    }

    /// `Retry-After`, in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// What [`Problem::detail`] was given.
    #[must_use]
    pub fn what_to_do(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The status that the document goes out with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Every member is text, a number or a JSON value: there is nothing that cannot be written.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(after) = self.0.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

/// The answer to a path that nothing stands under.
pub async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND).detail("There is nothing under this path.").instance(uri.path())
}

/// Makes problem documents of errors that are none: of what axum's extractors refuse, of a method
/// that a path does not answer. Their own words come out of libraries and are left out; a page says to a
/// person what is wrong, and stays. For [`axum::middleware::from_fn`], around the whole router.
pub async fn for_every_error(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || says_why(response.headers()) {
        return response;
    }
    let mut document = Problem::new(status).detail(in_words(status)).into_response();
    for (name, value) in response.headers() {
        let describes_the_body = matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH);
        if !describes_the_body {
            document.headers_mut().append(name, value.clone());
        }
    }
    document
}

fn says_why(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind == CONTENT_TYPE || kind.starts_with("application/json") || kind.starts_with("text/html")
    })
}

fn in_words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request cannot be understood.",
        StatusCode::NOT_FOUND => "There is nothing under this path.",
        StatusCode::METHOD_NOT_ALLOWED => "This path answers another method; Allow says which.",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than this path takes.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "This path takes another type of content.",
        StatusCode::UNPROCESSABLE_ENTITY => "The body does not say what this path asks for.",
        status if status.is_server_error() => "The request could not be served. The host's log says why.",
        _ => "The request is refused.",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    async fn read(response: Response) -> Value {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn a_problem_says_what_it_was_given_and_nothing_else() {
        let plain = Problem::new(StatusCode::NOT_FOUND).into_response();
        assert_eq!(plain.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        let blank = json!({ "type": "about:blank", "title": "Not Found", "status": 404 });
        assert_eq!(read(plain).await, blank);

        let full = Problem::new(StatusCode::CONFLICT)
            .kind("/problems/card-in-use")
            .title("The card is in use")
            .detail("Return it first.")
            .instance("/cards/7")
            .with("card", "7")
            .with("status", 200);
        assert_eq!(full.status(), StatusCode::CONFLICT);
        let said = json!({
            "type": "/problems/card-in-use", "title": "The card is in use", "status": 409,
            "detail": "Return it first.", "instance": "/cards/7", "card": "7",
        });
        assert_eq!(read(full.into_response()).await, said);
    }

    #[test]
    fn waiting_times_are_rounded_up() {
        let after = |millis| {
            let response = Problem::too_many_requests(Duration::from_millis(millis)).into_response();
            response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!([after(1), after(2000), after(2001)], ["1", "2", "3"]);
        let unavailable = Problem::unavailable(Duration::from_secs(2)).into_response();
        assert_eq!(unavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(unavailable.headers()[header::RETRY_AFTER], "2");
    }
}
