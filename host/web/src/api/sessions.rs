//! Logging in and out, and how an account becomes usable.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use rfid_core::UtcTime;
use rfid_service::record::{Personal, StaffRole};
use rfid_service::rights::{Action, Role};
use rfid_service::service::view::StaffView;
use rfid_service::service::{Identified, LoggedIn, StaffDraft};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Api, Body, Needs, Route, json_answer, schema};
use crate::calling::{self, InSession, Stranger};
use crate::refused::Refused;
use rfid_door::Json;

/// Who somebody says that they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// The bank's staff number.
    staff_number: String,
    /// The password.
    password: Personal<String>,
    /// The six digits of the second factor, where the account has one.
    #[serde(default)]
    digits: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    /// Who it is.
    staff: StaffView,
    /// As what.
    roles: Vec<Role>,
    /// What may be done in some way, by its names in the matrix of rights.
    rights: Vec<&'static str>,
    /// What every request that changes something bears in the header X-Session-Proof.
    proof: String,
    /// What the session is called.
    session: String,
    /// Tries that failed before, since the last that did not; told after logging in.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_before: Option<u32>,
    /// When somebody last logged in before; told after logging in.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login: Option<String>,
}

/// Proves again who somebody is: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Proof {
    /// The password.
    #[serde(default)]
    password: Option<Personal<String>>,
    /// The six digits of the second factor.
    #[serde(default)]
    digits: Option<String>,
}

/// Another password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password of now.
    before: Personal<String>,
    /// The one that it shall be.
    after: Personal<String>,
}

/// A session of one's own.
#[derive(Debug, Serialize, JsonSchema)]
struct OwnSession {
    /// What it is called.
    session: String,
    /// When it began.
    #[schemars(with = "String")]
    since: UtcTime,
    /// From where.
    from: String,
    /// Whether it is the one that asks.
    is_this: bool,
}

/// One of the first two accounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetUp {
    /// The code on the console of the host.
    code: String,
    /// The bank's staff number.
    staff_number: String,
    /// Name.
    name: Personal<String>,
    /// Code of a branch.
    branch: String,
    /// `system_administrator` or `security_administrator`.
    role: Role,
}

/// An invitation.
#[derive(Debug, Serialize, JsonSchema)]
struct InvitationView {
    /// What is used once to set a password.
    code: String,
}

/// Who was invited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invited {
    /// The bank's staff number.
    staff_number: String,
    /// The code: both halves, one behind the other.
    code: String,
}

/// A second factor.
#[derive(Debug, Serialize, JsonSchema)]
struct SecondFactor {
    /// An address that an authenticator takes in (otpauth).
    address: String,
}

/// Somebody who was invited sets a password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    /// The bank's staff number.
    staff_number: String,
    /// The code: both halves, one behind the other.
    code: String,
    /// The password.
    password: Personal<String>,
    /// The six digits of the second factor, where the account has one.
    #[serde(default)]
    digits: Option<String>,
}

pub(super) fn routes() -> Vec<Route> {
    let json = |name, schema| Some(Body::Json(name, schema));
    let session = || Answer::Plain(StatusCode::OK, "Session", schema::<SessionView>);
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
    vec![
        route(
            "post",
            "/api/v1/session",
            "logIn",
            "Logs somebody in; the answer sets the cookie of the session",
            Needs::Nothing,
            json("LogIn", schema::<LogIn>),
            session(),
            post(log_in),
        ),
        route(
            "get",
            "/api/v1/session",
            "getSession",
            "Who is logged in, and what they may do",
            Needs::Session,
            None,
            session(),
            get(current),
        ),
        route(
            "delete",
            "/api/v1/session",
            "logOut",
            "Ends the session",
            Needs::Session,
            None,
            Answer::Nothing,
            delete(log_out),
        ),
        route(
            "post",
            "/api/v1/session/proof",
            "prove",
            "Proves again who it is, for what needs that",
            Needs::Session,
            json("Proof", schema::<Proof>),
            Answer::Nothing,
            post(prove),
        ),
        route(
            "put",
            "/api/v1/session/password",
            "changePassword",
            "Sets another password, and ends one's other sessions",
            Needs::Session,
            json("NewPassword", schema::<NewPassword>),
            Answer::Nothing,
            put(change_password),
        ),
        route(
            "get",
            "/api/v1/sessions",
            "getSessions",
            "One's own sessions",
            Needs::Session,
            None,
            Answer::List("OwnSession", schema::<OwnSession>),
            get(sessions),
        ),
        route(
            "delete",
            "/api/v1/sessions/{session}",
            "endSession",
            "Ends a session of one's own",
            Needs::Session,
            None,
            Answer::Nothing,
            delete(end_session),
        ),
        route(
            "post",
            "/api/v1/setup",
            "setUp",
            "Makes the first system administrator, and the first security administrator, with the code on the \
             console of the host",
            Needs::Nothing,
            json("SetUp", schema::<SetUp>),
            Answer::Plain(StatusCode::CREATED, "Invitation", schema::<InvitationView>),
            post(set_up),
        ),
        route(
            "post",
            "/api/v1/invitation/second-factor",
            "offerSecondFactor",
            "Gives somebody who was invited the secret of a second factor",
            Needs::Nothing,
            json("Invited", schema::<Invited>),
            Answer::Plain(StatusCode::OK, "SecondFactor", schema::<SecondFactor>),
            post(second_factor),
        ),
        route(
            "post",
            "/api/v1/invitation",
            "acceptInvitation",
            "Lets somebody who was invited set a password",
            Needs::Nothing,
            json("Accept", schema::<Accept>),
            Answer::Nothing,
            post(accept),
        ),
    ]
}

async fn log_in(
    State(api): State<Api>,
    Stranger(from): Stranger,
    Json(LogIn { staff_number, password, digits }): Json<LogIn>,
) -> Result<Response, Refused> {
    let LoggedIn { keys, failures_before, last_login, .. } =
        api.service.log_in(&from, &staff_number, password, digits.as_deref()).await?;
    let identified = api.service.identify(&keys.token, &from).await?;
    let view = SessionView {
        failures_before: Some(failures_before),
        last_login: last_login.map(|at| at.to_string()),
        ..view_of(&identified)
    };
    let mut answer = json_answer(StatusCode::OK, &view);
    if let Some(value) = calling::begins(&keys.token) {
        answer.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(answer)
}

fn view_of(identified: &Identified) -> SessionView {
    let Identified { caller, proof, staff, roles, .. } = identified;
    let rights = Action::ALL.into_iter().filter(|action| caller.grant.knows(*action)).map(Action::name);
    SessionView {
        staff: StaffView::of(staff),
        roles: roles.iter().copied().collect(),
        rights: rights.collect(),
        proof: proof.clone(),
        session: caller.session.as_ref().map(|session| session.alias.clone()).unwrap_or_default(),
        failures_before: None,
        last_login: None,
    }
}

async fn current(InSession(identified): InSession) -> Response {
    json_answer(StatusCode::OK, &view_of(&identified))
}

async fn log_out(State(api): State<Api>, InSession(identified): InSession) -> Result<Response, Refused> {
    api.service.log_out(&identified.caller, None).await?;
    Ok((StatusCode::NO_CONTENT, calling::ENDS).into_response())
}

async fn prove(
    State(api): State<Api>,
    InSession(identified): InSession,
    Json(Proof { password, digits }): Json<Proof>,
) -> Result<StatusCode, Refused> {
    api.service.prove(&identified.caller, password, digits.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change_password(
    State(api): State<Api>,
    InSession(identified): InSession,
    Json(NewPassword { before, after }): Json<NewPassword>,
) -> Result<StatusCode, Refused> {
    api.service.change_password(&identified.caller, before, after).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sessions(State(api): State<Api>, InSession(identified): InSession) -> Response {
    let this = identified.caller.session.as_ref().map(|session| session.alias.clone());
    let own = api.service.own_sessions(&identified.caller).into_iter().map(|session| OwnSession {
        is_this: Some(&session.alias) == this.as_ref(),
        session: session.alias,
        since: session.since,
        from: session.from,
    });
    json_answer(StatusCode::OK, &json!({ "items": own.collect::<Vec<_>>() }))
}

async fn end_session(
    State(api): State<Api>,
    InSession(identified): InSession,
    Path(alias): Path<String>,
) -> Result<StatusCode, Refused> {
    api.service.log_out(&identified.caller, Some(&alias)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_up(
    State(api): State<Api>,
    Stranger(from): Stranger,
    Json(SetUp { code, staff_number, name, branch, role }): Json<SetUp>,
) -> Result<Response, Refused> {
    let draft = StaffDraft { staff_number, name, role: StaffRole::Other, branch };
    let code = api.service.set_up(&from, &code, draft, role).await?;
    Ok(json_answer(StatusCode::CREATED, &InvitationView { code: (*code).clone() }))
}

async fn second_factor(
    State(api): State<Api>,
    Stranger(from): Stranger,
    Json(Invited { staff_number, code }): Json<Invited>,
) -> Result<Response, Refused> {
    let address = api.service.offer_second_factor(&from, &staff_number, &code, "rfid-host").await?;
    Ok(json_answer(StatusCode::OK, &SecondFactor { address: address.reveal().clone() }))
}

async fn accept(
    State(api): State<Api>,
    Stranger(from): Stranger,
    Json(Accept { staff_number, code, password, digits }): Json<Accept>,
) -> Result<StatusCode, Refused> {
    api.service.accept_invitation(&from, &staff_number, &code, password, digits.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
