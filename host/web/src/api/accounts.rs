//! Accounts, tokens, and the audit trail.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use rfid_service::rights::Action;
use rfid_service::service::Decided;
use rfid_service::service::view::{AccountView, RecordedView, RequestView, TrailView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Api, Asked, Needs, Route, json_answer, made_on, page, schema, written};
use crate::calling::Calling;
use crate::clients::TokenState;
use crate::refused::Refused;

/// Which records of the trail, in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TrailQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

/// A token of another system.
#[derive(Serialize, JsonSchema)]
struct TokenView {
    /// Name of the system, as in [clients.NAME].
    client: String,
    /// What the token is told by: the beginning of its SHA-256.
    token: String,
    /// From when on it is worth nothing.
    expires: Option<String>,
    /// When it was last used since the start of the host.
    last_used: Option<String>,
}

/// An extra right that is lent for a while.
#[derive(Serialize, JsonSchema)]
struct LentView {
    /// Whose.
    staff_number: String,
    /// Code of the branch.
    branch: String,
    /// Which, as in the matrix of rights.
    right: &'static str,
    /// Since when.
    since: String,
    /// Until when.
    until: String,
    /// Id of the request by which it was lent.
    request_id: String,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            method: "get",
            path: "/api/v1/accounts",
            id: "getAccounts",
            summary: "Accounts that one looks after",
            needs: Needs::Right(&[Action::LockAccounts]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::List("Account", schema::<AccountView>),
            handler: get(list),
        },
        Route {
            method: "post",
            path: "/api/v1/accounts/{staff_number}/disable",
            id: "disableAccount",
            summary: "Disables an account and ends its sessions, at once",
            needs: Needs::Right(&[Action::LockAccounts]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Account", schema::<AccountView>),
            handler: post(disable),
        },
        Route {
            method: "post",
            path: "/api/v1/accounts/{staff_number}/confirm",
            id: "confirmAccount",
            summary: "Confirms that somebody still needs the account, as it was read",
            needs: Needs::Right(&[Action::ConfirmAccounts]),
            query: &[],
            if_match: true,
            body: None,
            answer: Answer::One(StatusCode::OK, "Account", schema::<AccountView>),
            handler: post(confirm),
        },
        Route {
            method: "post",
            path: "/api/v1/accounts/{staff_number}/reset",
            id: "resetAccount",
            summary: "Lets somebody set a new password and second factor, at once. Needs a fresh proof of who it is; \
                      the answer has half of the code, and somebody else who looks after the account fetches the other",
            needs: Needs::Right(&[Action::ResetAccounts]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::One(StatusCode::OK, "Request", schema::<RequestView>),
            handler: post(reset),
        },
        Route {
            method: "get",
            path: "/api/v1/break-glass",
            id: "getBreakGlass",
            summary: "Extra rights that are lent for a while, and to whom",
            needs: Needs::Right(&[Action::SeeBreakGlass]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::List("LentRight", schema::<LentView>),
            handler: get(break_glass),
        },
        Route {
            method: "get",
            path: "/api/v1/clients",
            id: "getClients",
            summary: "Tokens of other systems: until when they can be used, and when they last were",
            needs: Needs::Right(&[Action::SeeClients]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::List("Token", schema::<TokenView>),
            handler: get(clients),
        },
        Route {
            method: "get",
            path: "/api/v1/audit",
            id: "getAudit",
            summary: "The audit trail, the latest first",
            needs: Needs::Right(&[Action::ReadAudit]),
            query: &[("before", "number behind which to begin"), ("limit", "records on a page, 1 to 200")],
            if_match: false,
            body: None,
            answer: Answer::List("Recorded", schema::<RecordedView>),
            handler: get(trail),
        },
        Route {
            method: "post",
            path: "/api/v1/audit/verification",
            id: "verifyAudit",
            summary: "Goes through the whole audit trail to see whether it is what was written",
            needs: Needs::Right(&[Action::VerifyAudit]),
            query: &[],
            if_match: false,
            body: None,
            answer: Answer::Plain(StatusCode::OK, "Trail", schema::<TrailView>),
            handler: post(verify),
        },
    ]
}

async fn list(State(api): State<Api>, Calling(caller): Calling) -> Result<Response, Refused> {
    let accounts = api.service.accounts(&caller).await?;
    let items: Vec<AccountView> =
        accounts.iter().map(|(staff, account)| AccountView::of(staff, account)).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}

async fn break_glass(State(api): State<Api>, Calling(caller): Calling) -> Result<Response, Refused> {
    let lent = api.service.break_glass(&caller).await?;
    let items: Vec<LentView> = lent
        .iter()
        .map(|(staff, lent)| LentView {
            staff_number: staff.record.number.to_string(),
            branch: staff.record.branch.to_string(),
            right: lent.right.name(),
            since: lent.since.to_string(),
            until: lent.until.to_string(),
            request_id: lent.request.to_string(),
        })
        .collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}

async fn clients(State(api): State<Api>, Calling(caller): Calling) -> Result<Response, Refused> {
    api.service.may_see_clients(&caller).await?;
    let states = api.clients.states().into_iter();
    let items: Vec<TokenView> = states
        .map(|TokenState { client, token, expires, last_used }| TokenView {
            client,
            token,
            expires: expires.map(|at| at.to_string()),
            last_used: last_used.map(|at| at.to_string()),
        })
        .collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items })))
}

async fn disable(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
) -> Result<Response, Refused> {
    let (staff, account) = api.service.disable_account(&caller, &number).await?;
    Ok(written(account.version, &AccountView::of(&staff, &account)))
}

async fn reset(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
) -> Result<Response, Refused> {
    let Decided { request, code_half } = api.service.reset_account(&caller, &number).await?;
    let view = RequestView { code_half: code_half.map(|half| (*half).clone()), ..RequestView::of(&request) };
    Ok(written(request.version, &view))
}

async fn confirm(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = made_on(&headers)?;
    let (staff, account) = api.service.confirm_account(&caller, &number, expected).await?;
    Ok(written(account.version, &AccountView::of(&staff, &account)))
}

async fn trail(
    State(api): State<Api>,
    Calling(caller): Calling,
    Asked(TrailQuery { before, limit }): Asked<TrailQuery>,
) -> Result<Response, Refused> {
    let (found, next) = api.service.audit_trail(&caller, before, page(limit)?).await?;
    let items: Vec<RecordedView> = found.into_iter().map(RecordedView::of).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "items": items, "next_before": next })))
}

async fn verify(State(api): State<Api>, Calling(caller): Calling) -> Result<Response, Refused> {
    let verified = api.service.verify_trail(&caller).await?;
    Ok(json_answer(StatusCode::OK, &TrailView::of(&verified)))
}
