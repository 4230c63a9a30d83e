//! Style, script and pictures of the screens, which are all inside the binary.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::viewer::text_of;
use crate::api::{Api, has_it};

/// Name, kind and content of each.
const FILES: [(&str, &str, &[u8]); 6] = [
    ("screens.css", "text/css; charset=utf-8", include_bytes!("assets/screens.css")),
    ("screens.js", "text/javascript; charset=utf-8", include_bytes!("assets/screens.js")),
    ("issuing.css", "text/css; charset=utf-8", include_bytes!("assets/issuing.css")),
    ("issuing.js", "text/javascript; charset=utf-8", include_bytes!("assets/issuing.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_bytes!("assets/vendor/htmx.min.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
];
/// A browser keeps a file and asks each time whether it is still the same: after an update of the host it is not.
const KEPT: &str = "no-cache";

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(other, _, _)| *other == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let has_it = has_it(&headers, &tag);
    let told = [
        (header::CONTENT_TYPE, (*kind).to_owned()),
        (header::CACHE_CONTROL, KEPT.to_owned()),
        (header::ETAG, tag),
    ];
    if has_it { (StatusCode::NOT_MODIFIED, told).into_response() } else { (told, *content).into_response() }
}

/// What a handheld installs on its home screen.
pub(super) async fn manifest(State(api): State<Api>, headers: HeaderMap) -> Response {
    let text = text_of(&headers, &api);
    let manifest = json!({
        "name": text.say("product"),
        "short_name": text.say("screen-lobby"),
        "lang": text.language.tag(),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f3f5f5",
        "theme_color": "#0b5c5a",
        "icons": [{ "src": "/assets/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any" }],
    });
    let told = [(header::CONTENT_TYPE, "application/manifest+json"), (header::CACHE_CONTROL, KEPT)];
    (told, manifest.to_string()).into_response()
}
