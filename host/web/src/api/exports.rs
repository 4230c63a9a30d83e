//! Exports of visits: asked for, made, fetched once.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rfid_core::UtcTime;
use rfid_door::Json;
use rfid_service::record::{ExportId, Key, Personal};
use rfid_service::rights::Action;
use rfid_service::service::{BegunExport, ExportDraft, ExportView, FetchedExport};
use rfid_service::store::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Api, Asked, Body, Needs, Route, id, json_answer, one, page, schema};
use crate::calling::Calling;
use crate::refused::Refused;

/// Which exports, in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExportQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What opens the file of an export. It comes in the body: what stands in an address is kept in logs and
/// histories on the way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExportKey {
    /// `key` as it was told when the export was asked for.
    key: Personal<String>,
}

/// An export that is under way.
#[derive(Debug, Serialize, JsonSchema)]
struct Begun {
    /// The export.
    export: ExportView,
    /// Where its file is fetched by a POST, once, by who asked for it.
    link: String,
    /// What opens the file; it is told now and never again.
    key: String,
}

const EITHER: Needs = Needs::Right(&[Action::ExportVisits, Action::RequestExports]);

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<ExportView> as fn() -> _;
    let route = |method, path, id, summary, needs, body, answer, handler| Route {
        method,
        path,
        id,
        summary,
        needs,
        query: &[],
        if_match: false,
        body,
        answer,
        handler,
    };
    let begun = || Answer::Plain(StatusCode::ACCEPTED, "BegunExport", schema::<Begun>);
    vec![
        Route {
            query: &[("cursor", "next_cursor of the page before"), ("limit", "records on a page, 1 to 200")],
            ..route(
                "get",
                "/api/v1/exports",
                "getExports",
                "One's own exports, and those that one approves, the latest first",
                EITHER,
                None,
                Answer::List("Export", view),
                get(list),
            )
        },
        route(
            "post",
            "/api/v1/exports",
            "askExport",
            "Begins an export of a few visits, shortened, which nobody has to approve; needs X-Reason",
            Needs::Right(&[Action::ExportVisits]),
            Some(Body::Json("ExportDraft", schema::<ExportDraft>)),
            begun(),
            post(ask),
        ),
        route(
            "get",
            "/api/v1/exports/{export_id}",
            "getExport",
            "The export of this id: pending, ready, fetched, expired or failed",
            EITHER,
            None,
            Answer::One(StatusCode::OK, "Export", view),
            get(by_id),
        ),
        route(
            "post",
            "/api/v1/exports/{export_id}/file",
            "fetchExport",
            "The file of an export, once, for who asked for it and has its key",
            EITHER,
            Some(Body::Json("ExportKey", schema::<ExportKey>)),
            Answer::File("The file", &["text/csv", "application/jsonl", WORKBOOK]),
            post(fetch),
        ),
        route(
            "post",
            "/api/v1/requests/{request_id}/export",
            "makeRequestedExport",
            "Begins the export of an approved request, once, for who submitted it, within a day",
            Needs::Right(&[Action::RequestExports]),
            None,
            begun(),
            post(make),
        ),
    ]
}

const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

async fn list(
    State(api): State<Api>,
    Calling(caller): Calling,
    Asked(ExportQuery { cursor, limit }): Asked<ExportQuery>,
) -> Result<Response, Refused> {
    let after = match cursor.as_deref() {
        None => None,
        Some(cursor) => {
            let (at, id): (UtcTime, ExportId) = api.cursors.open("exports", cursor)?;
            Some(Place { at, key: Key::Export(id) })
        }
    };
    let (found, next) = api.service.exports(&caller, after, page(limit)?).await?;
    let items: Vec<ExportView> = found.iter().map(ExportView::of).collect();
    let next = match next {
        Some(Place { at, key: Key::Export(id) }) => Some(api.cursors.seal("exports", &(at, id))?),
        _ => None,
    };
    Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next })))
}

async fn ask(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(draft): Json<ExportDraft>,
) -> Result<Response, Refused> {
    Ok(accepted(&api.service.ask_export(&caller, draft).await?))
}

async fn make(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
) -> Result<Response, Refused> {
    Ok(accepted(&api.service.make_requested_export(&caller, id(&text, "request")?).await?))
}

async fn by_id(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let export = api.service.export(&caller, id(&text, "export")?).await?;
    Ok(one(StatusCode::OK, &headers, export.version, &ExportView::of(&export)))
}

async fn fetch(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(ExportKey { key }): Json<ExportKey>,
) -> Result<Response, Refused> {
    let FetchedExport { export, mut file } =
        api.service.fetch_export(&caller, id(&text, "export")?, key.reveal()).await?;
    let format = export.record.content.format;
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CACHE_CONTROL, "no-store")];
    let mut response = (StatusCode::OK, headers, std::mem::take(&mut *file)).into_response();
    let name = format!("attachment; filename=\"visits-{}.{}\"", export.record.id, format.name());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn accepted(begun: &BegunExport) -> Response {
    let export = ExportView::of(&begun.export);
    let link = format!("/api/v1/exports/{}/file", export.id);
    json_answer(StatusCode::ACCEPTED, &Begun { export, link, key: (*begun.key).clone() })
}
