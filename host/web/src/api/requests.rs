//! Requests: what somebody asks for and somebody else approves.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use rfid_core::UtcTime;
use rfid_service::record::{Key, Personal, RequestId};
use rfid_service::rights::Action;
use rfid_service::service::view::RequestView;
use rfid_service::service::{Asked as AskedFor, Decided, OF_REQUESTS, RequestFilter};
use rfid_service::store::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Api, Asked, Body, Needs, Route, id, json_answer, made_on, one, page, schema, written};
use crate::calling::Calling;
use crate::refused::Refused;
use rfid_door::Json;

/// Which requests, in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestQuery {
    branch: Option<String>,
    open: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What is approved or refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// `hash` of the request as it was read.
    hash: String,
    /// Why, where it is refused.
    #[serde(default)]
    note: Personal<String>,
}

/// Why something is given up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// In words.
    #[serde(default)]
    note: Personal<String>,
}

/// Where a card is encoded or read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtDesk {
    /// Name of the desk, as in [desks.NAME].
    desk: String,
}

/// Half a code.
#[derive(Debug, Serialize, JsonSchema)]
struct CodeHalf {
    /// The half of who asked for the account; the other was told to who approved.
    code_half: String,
}

/// Who asks, decides or carries out.
const ANY: Needs = Needs::Right(&OF_REQUESTS);

pub(super) fn routes() -> Vec<Route> {
    let view = schema::<RequestView> as fn() -> _;
    let route = |method, path, id, summary, if_match, body, status, handler| Route {
        method,
        path,
        id,
        summary,
        needs: ANY,
        query: &[],
        if_match,
        body,
        answer: Answer::One(status, "Request", view),
        handler,
    };
    let asked = || Some(Body::Json("Asked", schema::<AskedFor>));
    let decision = || Some(Body::Json("Decision", schema::<Decision>));
    let at_desk = || Some(Body::Json("AtDesk", schema::<AtDesk>));
    let encoding = Needs::Right(&[Action::EncodeCards]);
    vec![
        Route {
            query: &[
                ("branch", "code of a branch"),
                ("open", "true for requests that are not over"),
                ("cursor", "next_cursor of the page before"),
                ("limit", "records on a page, 1 to 200"),
            ],
            answer: Answer::List("Request", view),
            ..route(
                "get",
                "/api/v1/requests",
                "getRequests",
                "Requests, the latest first",
                false,
                None,
                StatusCode::OK,
                get(list),
            )
        },
        route(
            "post",
            "/api/v1/requests",
            "draftRequest",
            "Begins a request",
            false,
            asked(),
            StatusCode::CREATED,
            post(draft),
        ),
        route(
            "get",
            "/api/v1/requests/{request_id}",
            "getRequest",
            "The request of this id",
            false,
            None,
            StatusCode::OK,
            get(by_id),
        ),
        route(
            "put",
            "/api/v1/requests/{request_id}",
            "editRequest",
            "Writes a request anew, which is a draft again by that",
            true,
            asked(),
            StatusCode::OK,
            put(edit),
        ),
        route(
            "post",
            "/api/v1/requests/{request_id}/submit",
            "submitRequest",
            "Submits a draft: somebody else decides",
            true,
            None,
            StatusCode::OK,
            post(submit),
        ),
        route(
            "post",
            "/api/v1/requests/{request_id}/approve",
            "approveRequest",
            "Approves a request as it was read; what it asks for happens with that. Needs a fresh proof of who it is",
            false,
            decision(),
            StatusCode::OK,
            post(approve),
        ),
        route(
            "post",
            "/api/v1/requests/{request_id}/refuse",
            "refuseRequest",
            "Refuses a request, and says why",
            false,
            decision(),
            StatusCode::OK,
            post(refuse),
        ),
        route(
            "post",
            "/api/v1/requests/{request_id}/cancel",
            "cancelRequest",
            "Gives up a request",
            false,
            Some(Body::Json("Note", schema::<Note>)),
            StatusCode::OK,
            post(cancel),
        ),
        Route {
            needs: Needs::Right(&[Action::RequestAccounts, Action::ResetAccounts]),
            answer: Answer::Plain(StatusCode::OK, "CodeHalf", schema::<CodeHalf>),
            ..route(
                "post",
                "/api/v1/requests/{request_id}/code",
                "fetchCode",
                "The asker's half of the code of an invitation, once",
                false,
                None,
                StatusCode::OK,
                post(code),
            )
        },
        Route {
            needs: Needs::Right(&[Action::MakeFiles]),
            answer: Answer::Plain(StatusCode::OK, "PersonFile", schema::<serde_json::Map<String, Value>>),
            ..route(
                "get",
                "/api/v1/requests/{request_id}/file",
                "getPersonFile",
                "The file of a person, for who asked and who approved, within a day",
                false,
                None,
                StatusCode::OK,
                get(file),
            )
        },
        Route {
            needs: encoding,
            ..route(
                "post",
                "/api/v1/requests/{request_id}/encode",
                "encodeCard",
                "Encodes the card of an approved request at a desk",
                false,
                at_desk(),
                StatusCode::OK,
                post(encode),
            )
        },
        Route {
            needs: encoding,
            ..route(
                "post",
                "/api/v1/requests/{request_id}/verify",
                "verifyCard",
                "Reads an encoded card at a desk; from then on it may be used",
                false,
                at_desk(),
                StatusCode::OK,
                post(verify),
            )
        },
        Route {
            needs: encoding,
            ..route(
                "post",
                "/api/v1/requests/{request_id}/spoilt",
                "spoilCard",
                "Gives up a card that failed on the desk: it has to be destroyed, and the next gets another number",
                false,
                None,
                StatusCode::OK,
                post(spoilt),
            )
        },
    ]
}

async fn list(
    State(api): State<Api>,
    Calling(caller): Calling,
    Asked(query): Asked<RequestQuery>,
) -> Result<Response, Refused> {
    let RequestQuery { branch, open, cursor, limit } = query;
    let filter = RequestFilter { branch: branch.as_deref().map(Into::into), open };
    let after = match cursor.as_deref() {
        None => None,
        Some(cursor) => {
            let (at, id): (UtcTime, RequestId) = api.cursors.open("requests", cursor)?;
            Some(Place { at, key: Key::Request(id) })
        }
    };
    let (found, next) = api.service.requests(&caller, &filter, after, page(limit)?).await?;
    let items: Vec<RequestView> = found.iter().map(RequestView::of).collect();
    let next = match next {
        Some(Place { at, key: Key::Request(id) }) => Some(api.cursors.seal("requests", &(at, id))?),
        _ => None,
    };
    Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_cursor": next })))
}

async fn draft(
    State(api): State<Api>,
    Calling(caller): Calling,
    Json(asked): Json<AskedFor>,
) -> Result<Response, Refused> {
    let request = api.service.draft_request(&caller, asked).await?;
    Ok(one(StatusCode::CREATED, &HeaderMap::new(), request.version, &RequestView::of(&request)))
}

async fn by_id(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let request = api.service.request(&caller, id(&text, "request")?).await?;
    Ok(one(StatusCode::OK, &headers, request.version, &RequestView::of(&request)))
}

async fn edit(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<AskedFor>,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let request = api.service.edit_request(&caller, id(&text, "request")?, expected, asked).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn submit(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let request = api.service.submit_request(&caller, id(&text, "request")?, expected).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn approve(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(decision): Json<Decision>,
) -> Result<Response, Refused> {
    let Decided { request, code_half } =
        api.service.approve_request(&caller, id(&text, "request")?, &decision.hash).await?;
    let view = RequestView { code_half: code_half.map(|half| (*half).clone()), ..RequestView::of(&request) };
    Ok(written(request.version, &view))
}

async fn refuse(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(Decision { hash, note }): Json<Decision>,
) -> Result<Response, Refused> {
    let request = api.service.refuse_request(&caller, id(&text, "request")?, &hash, note).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn cancel(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(Note { note }): Json<Note>,
) -> Result<Response, Refused> {
    let request = api.service.cancel_request(&caller, id(&text, "request")?, note).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn code(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
) -> Result<Response, Refused> {
    let half = api.service.fetch_code(&caller, id(&text, "request")?).await?;
    Ok(json_answer(StatusCode::OK, &CodeHalf { code_half: (*half).clone() }))
}

async fn file(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
) -> Result<Response, Refused> {
    Ok(json_answer(StatusCode::OK, &api.service.person_file(&caller, id(&text, "request")?).await?))
}

async fn encode(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(AtDesk { desk }): Json<AtDesk>,
) -> Result<Response, Refused> {
    let request = api.service.encode_card(&caller, id(&text, "request")?, &desk).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn spoilt(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
) -> Result<Response, Refused> {
    let request = api.service.spoil_card(&caller, id(&text, "request")?).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}

async fn verify(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(text): Path<String>,
    Json(AtDesk { desk }): Json<AtDesk>,
) -> Result<Response, Refused> {
    let request = api.service.verify_card(&caller, id(&text, "request")?, &desk).await?;
    Ok(written(request.version, &RequestView::of(&request)))
}
