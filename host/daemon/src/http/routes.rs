//! What stands under which path.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use rfid_sink_notify::{Delivery, Subscription};
use serde_json::{Value, json};

use super::metrics;
use super::view::View;

/// A comment on an otherwise silent stream, so that proxies do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router(view: Arc<View>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/api/v1/events", get(events))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(view)
}

/// The process is alive and answers.
async fn health(State(view): State<Arc<View>>) -> Response {
    let uptime = view.started.elapsed().as_secs();
    let body = json!({
        "status": "alive",
        "host": view.host,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": uptime,
    });
    json_response(StatusCode::OK, "application/json", &body)
}

/// Readers are up and stores are open; 503 with the reasons otherwise.
async fn ready(State(view): State<Arc<View>>) -> Response {
    let (ready, body) = view.readiness();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, "application/json", &body)
}

async fn metrics_text(State(view): State<Arc<View>>) -> Response {
    match metrics::text(view) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written", &error.to_string())
        }
    }
}

/// Events as they happen; `Last-Event-ID` resumes behind an event.
async fn events(State(view): State<Arc<View>>, headers: HeaderMap) -> Response {
    let after = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok())) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => {
            let detail = "Last-Event-ID must be the id of an event: 32 hexadecimal digits.";
            return problem(StatusCode::BAD_REQUEST, "Not an event id", detail);
        }
    };
    match view.hub.subscribe(after) {
        Ok(subscription) => {
            Sse::new(stream(subscription)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
        }
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "Too many subscribers", &error.to_string()),
    }
}

fn stream(subscription: Subscription) -> impl Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(subscription, |mut subscription| async {
        let event = match subscription.next().await {
            Delivery::Notice(notice) => Event::default()
                .id(notice.event().event_id.to_string())
                .event(notice.event().kind.name())
                .data(String::from_utf8_lossy(notice.json())),
            Delivery::Missed { count } => {
                Event::default().event("missed").data(json!({ "count": count }).to_string())
            }
            Delivery::Closed => return None,
        };
        Some((Ok(event), subscription))
    })
}

async fn not_found(uri: Uri) -> Response {
    let detail = format!(
        "There is nothing at {}. There are /health, /ready, /metrics and /api/v1/events.",
        uri.path()
    );
    problem(StatusCode::NOT_FOUND, "Not found", &detail)
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "Only GET is answered here.")
}

/// A problem document (RFC 9457).
fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    json_response(status, "application/problem+json", &body)
}

fn json_response(status: StatusCode, content_type: &'static str, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
}
