//! What stands under which path.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use rfid_core::Name;
use serde_json::{Value, json};

use super::board::{Board, ReloadOutcome};
use super::{metrics, recording, taps};

/// A comment on an otherwise silent stream, so that proxies do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/api/v1/events", get(events))
        .route("/api/v1/status", get(status))
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/readers/{name}/reads", get(reads_of_reader))
        .route("/api/v1/readers/{name}/recording", post(recording_of_reader))
        .route("/api/v1/pipelines/{name}/events", get(events_of_pipeline))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(board)
}

/// The process is alive and answers; with it, how each reader is, what came of the last
/// reload, and what is not as it should be although the host does its work.
async fn health(State(board): State<Arc<Board>>) -> Response {
    let view = board.view();
    let body = json!({
        "status": "alive",
        "host": view.host,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": view.started.elapsed().as_secs(),
        "last_reload": board.last_reload(),
        "degraded": view.degraded(),
        "readers": view.reader_states(),
    });
    json_response(StatusCode::OK, "application/json", &body)
}

/// Readers are up and stores are open; 503 with the reasons otherwise.
async fn ready(State(board): State<Arc<Board>>) -> Response {
    let (ready, body) = board.readiness();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, "application/json", &body)
}

/// Everything about every part.
async fn status(State(board): State<Arc<Board>>) -> Response {
    json_response(StatusCode::OK, "application/json", &board.status())
}

/// Reads the configuration anew. 200 with what changed, or 422 with everything that speaks
/// against it.
async fn reload(State(board): State<Arc<Board>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = from_a_page(&headers, "Use SIGHUP, or a client that sends no Origin.") {
        return refusal;
    }
    match board.reload().await {
        Some(ReloadOutcome::Changed(difference)) => {
            let body = json!({ "reloaded": true, "changes": difference });
            json_response(StatusCode::OK, "application/json", &body)
        }
        Some(ReloadOutcome::Refused(reasons)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let body = json!({
                "type": "about:blank",
                "title": "The configuration is refused",
                "status": status.as_u16(),
                "detail": "The host runs on as before.",
                "reasons": reasons,
            });
            json_response(status, "application/problem+json", &body)
        }
        None => problem(StatusCode::SERVICE_UNAVAILABLE, "Stopping", "The host is stopping."),
    }
}

/// A page of another origin can make a browser post here without asking anybody.
fn from_a_page(headers: &HeaderMap, instead: &str) -> Option<Response> {
    let detail = || format!("This is not asked for from a web page. {instead}");
    headers
        .contains_key(header::ORIGIN)
        .then(|| problem(StatusCode::FORBIDDEN, "Not from a web page", &detail()))
}

/// What passes between a driver and its reader from a new opening of its session on, which is why
/// it is asked for by POST.
async fn recording_of_reader(
    State(board): State<Arc<Board>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = from_a_page(&headers, "Use rfid-host record.") {
        return refusal;
    }
    let view = board.view();
    match view.readers.get(name.as_str()) {
        Some(reader) => recording::of(&board, reader),
        None => not_there("reader", &name, view.readers.keys()),
    }
}

/// Reads of one reader as they come from it, before presence.
async fn reads_of_reader(State(board): State<Arc<Board>>, Path(name): Path<String>) -> Response {
    match taps::reads(&board, &name) {
        Some(stream) => sse(stream),
        None => not_there("reader", &name, board.view().readers.keys()),
    }
}

/// Events of one pipeline as they are behind its last sink.
async fn events_of_pipeline(State(board): State<Arc<Board>>, Path(name): Path<String>) -> Response {
    match taps::events(&board, &name) {
        Some(stream) => sse(stream),
        None => not_there("pipeline", &name, board.view().pipelines.keys()),
    }
}

fn sse(stream: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn not_there<'a>(what: &str, name: &str, there: impl Iterator<Item = &'a Name>) -> Response {
    let list: Vec<&str> = there.map(Name::as_str).collect();
    let detail = format!("There is no {what} \"{name}\". There are: {}.", list.join(", "));
    problem(StatusCode::NOT_FOUND, "Not found", &detail)
}

async fn metrics_text(State(board): State<Arc<Board>>) -> Response {
    match metrics::text(board.view()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written", &error.to_string())
        }
    }
}

/// Events as they happen; `Last-Event-ID` resumes behind an event.
async fn events(State(board): State<Arc<Board>>, headers: HeaderMap) -> Response {
    let after = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok())) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => {
            let detail = "Last-Event-ID must be the id of an event: 32 hexadecimal digits.";
            return problem(StatusCode::BAD_REQUEST, "Not an event id", detail);
        }
    };
    match super::events::events(board.view(), after).await {
        Ok(stream) => sse(stream),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, "Too many subscribers", &error.to_string()),
    }
}

async fn not_found(uri: Uri) -> Response {
    let detail = format!(
        "There is nothing at {}. There are /health, /ready, /metrics, /api/v1/events and /api/v1/status.",
        uri.path()
    );
    problem(StatusCode::NOT_FOUND, "Not found", &detail)
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", "This path answers another method.")
}

/// A problem document (RFC 9457).
pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    json_response(status, "application/problem+json", &body)
}

fn json_response(status: StatusCode, content_type: &'static str, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
}
