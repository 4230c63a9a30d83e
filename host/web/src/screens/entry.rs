//! Logging in and out, the language, and the first screen of each role.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rfid_service::record::Personal;
use rfid_service::service::Fault;
use serde::Deserialize;

use super::navigation;
use super::text::{self, Language, Text};
use super::viewer::{Frame, Nothing, Notice, Refusal, Sent, Viewer, shown, text_of};
use crate::api::Api;
use crate::calling;

/// A browser remembers the language for a year.
const YEAR_S: u32 = 365 * 24 * 3600;

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage {
    text: Text,
    staff_number: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "none.html")]
struct NoScreen {
    text: Text,
    frame: Frame,
}

#[derive(Deserialize)]
pub(super) struct LogIn {
    staff_number: String,
    password: Personal<String>,
    #[serde(default)]
    digits: String,
}

#[derive(Deserialize)]
pub(super) struct ProveForm {
    #[serde(default)]
    password: Personal<String>,
    #[serde(default)]
    digits: String,
    /// The page on which they go on.
    #[serde(default)]
    back: String,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    language: String,
    #[serde(default)]
    back: String,
}

/// To the screen on which somebody works.
pub(super) async fn home(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    if let Some(first) = navigation::first(&viewer) {
        return Ok(Redirect::to(&first).into_response());
    }
    let frame = Frame::of(&api, &viewer, "none").await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&NoScreen { text: viewer.text, frame }))
}

pub(super) async fn log_in_page(State(api): State<Api>, headers: HeaderMap) -> Response {
    // While nobody administers the host there is nobody who could log in.
    if api.service().missing_administrators().await.is_ok_and(|missing| missing.len() == 2) {
        return Redirect::to("/setup").into_response();
    }
    shown(&LogInPage { text: text_of(&headers, &api), staff_number: String::new(), problem: None })
}

pub(super) async fn log_in(
    State(api): State<Api>,
    calling::Address(from): calling::Address,
    headers: HeaderMap,
    form: Result<Form<LogIn>, axum::extract::rejection::FormRejection>,
) -> Response {
    let text = text_of(&headers, &api);
    let again = |status: StatusCode, key: &str, staff_number: String| {
        let problem = Some(text.say(key));
        (status, shown(&LogInPage { text: text.clone(), staff_number, problem })).into_response()
    };
    let Ok(Form(LogIn { staff_number, password, digits })) = form else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid", String::new());
    };
    if calling::is_from_here(&headers).is_err() {
        return again(StatusCode::FORBIDDEN, "problem-not-from-here", String::new());
    }
    if api.admit_stranger(&from).is_err() {
        return again(StatusCode::TOO_MANY_REQUESTS, "problem-too-often", staff_number);
    }
    let digits = Some(digits.trim()).filter(|digits| !digits.is_empty());
    match api.service().log_in(&from, staff_number.trim(), password, digits).await {
        Ok(logged_in) => {
            let mut response = Redirect::to("/").into_response();
            if let Some(cookie) = calling::begins(&logged_in.keys.token) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(Fault::NotAccepted) => again(StatusCode::UNAUTHORIZED, "problem-not-accepted", staff_number),
        Err(fault) => {
            tracing::warn!(%fault, "nobody can log in");
            again(StatusCode::SERVICE_UNAVAILABLE, "problem-store", staff_number)
        }
    }
}

pub(super) async fn log_out(
    State(api): State<Api>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    api.service().log_out(viewer.caller(), None).await.map_err(|fault| viewer.refusal(fault))?;
    // The language stays in the browser.
    let ends = [calling::ENDS[0], ("clear-site-data", "\"cache\"")];
    Ok((ends, Redirect::to("/login")).into_response())
}

/// Proves again who it is, for what needs that, by the password or by the digits of now.
pub(super) async fn prove(
    State(api): State<Api>,
    Sent(viewer, ProveForm { password, digits, back }): Sent<ProveForm>,
) -> Result<Response, Refusal> {
    let password = Some(password).filter(|password| !password.reveal().is_empty());
    let digits = Some(digits.trim()).filter(|digits| !digits.is_empty());
    match api.service().prove(viewer.caller(), password, digits).await {
        Ok(()) if viewer.is_part => {
            let said = viewer.text.say("proved");
            Ok(shown(&Notice { said, text: viewer.text, is_over: false, proving: None }))
        }
        Ok(()) => Ok(Redirect::to(navigation::own(&back)).into_response()),
        Err(Fault::NotAccepted) => Err(viewer.not_proved(&back)),
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

pub(super) async fn choose_language(Form(Choice { language, back }): Form<Choice>) -> Response {
    let Some(language) = Language::of_tag(&language) else { return Redirect::to("/").into_response() };
    let cookie =
        format!("{}={}; Path=/; SameSite=Strict; HttpOnly; Max-Age={YEAR_S}", text::COOKIE, language.tag());
    ([(header::SET_COOKIE, cookie)], Redirect::to(navigation::own(&back))).into_response()
}
