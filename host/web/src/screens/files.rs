//! Style, script and pictures of the screens, which are all inside the binary.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::viewer::text_of;
use crate::api::{Api, has_it};

/// Name, kind and content of each.
const FILES: &[(&str, &str, &[u8])] = &[
    ("screens.css", "text/css; charset=utf-8", include_bytes!("assets/screens.css")),
    ("screens.js", "text/javascript; charset=utf-8", include_bytes!("assets/screens.js")),
    ("administration.css", "text/css; charset=utf-8", include_bytes!("assets/administration.css")),
    ("administration.js", "text/javascript; charset=utf-8", include_bytes!("assets/administration.js")),
    ("issuing.css", "text/css; charset=utf-8", include_bytes!("assets/issuing.css")),
    ("issuing.js", "text/javascript; charset=utf-8", include_bytes!("assets/issuing.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_bytes!("assets/vendor/htmx.min.js")),
    ("centre.css", "text/css; charset=utf-8", include_bytes!("assets/centre.css")),
    ("centre.js", "text/javascript; charset=utf-8", include_bytes!("assets/centre.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("icon-192.png", "image/png", include_bytes!("assets/icon-192.png")),
    ("icon-512.png", "image/png", include_bytes!("assets/icon-512.png")),
    ("icon-maskable-512.png", "image/png", include_bytes!("assets/icon-maskable-512.png")),
    ("display.css", "text/css; charset=utf-8", include_bytes!("assets/display.css")),
];
/// What a home screen shows: size, and whether it may be cut to any shape.
const ICONS: [(&str, &str, &str, &str); 4] = [
    ("icon.svg", "any", "image/svg+xml", "any"),
    ("icon-192.png", "192x192", "image/png", "any"),
    ("icon-512.png", "512x512", "image/png", "any"),
    ("icon-maskable-512.png", "512x512", "image/png", "maskable"),
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
    let icons = ICONS.map(|(name, sizes, kind, purpose)| {
        json!({ "src": format!("/assets/{name}"), "sizes": sizes, "type": kind, "purpose": purpose })
    });
    let manifest = json!({
        "name": text.say("product"),
        "short_name": text.say("screen-lobby"),
        "lang": text.language.tag(),
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f3f5f5",
        "theme_color": "#0b5c5a",
        "icons": icons,
    });
    let told = [(header::CONTENT_TYPE, "application/manifest+json"), (header::CACHE_CONTROL, KEPT)];
    (told, manifest.to_string()).into_response()
}
