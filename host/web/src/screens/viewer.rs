//! Who looks at a screen, what they send, and what is said to whom something is refused.

use askama::Template;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use rfid_core::Name;
use rfid_service::rights::Action;
use rfid_service::service::{Caller, Fault, Identified};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::help;
use super::navigation::{self, Link};
use super::text::{Language, Text};
use crate::api::Api;
use crate::calling;

/// Somebody who has logged in and looks at a screen.
pub(super) struct Viewer {
    pub(super) identified: Identified,
    pub(super) text: Text,
    /// Whether only a part of the page is asked for.
    pub(super) is_part: bool,
    /// The page that they look at, or from which they send something, as in an address.
    pub(super) page: String,
}

impl Viewer {
    pub(super) fn caller(&self) -> &Caller {
        &self.identified.caller
    }

    /// The branch in which they work, or at which their session looks: the only one whose hall is shown to
    /// them.
    pub(super) fn branch(&self) -> &Name {
        match &self.identified.acting {
            Some(acting) => &acting.branch,
            None => &self.identified.staff.record.branch,
        }
    }

    /// Whether their session looks at a branch that they chose.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.identified.acting.is_some()
    }

    /// They, giving a reason, if there is one; otherwise that which stands in the session.
    pub(super) fn because(&self, reason: &str) -> Caller {
        let given = Some(reason.trim()).filter(|reason| !reason.is_empty()).map(str::to_owned);
        let reason = given.or_else(|| self.caller().reason.clone());
        Caller { reason, ..self.caller().clone() }
    }

    pub(super) fn proof(&self) -> &str {
        &self.identified.proof
    }

    /// Opens another page for them, also for a form that htmx has sent.
    pub(super) fn leads_to(&self, path: &str) -> Response {
        if self.is_part {
            return [("hx-redirect", path.to_owned())].into_response();
        }
        Redirect::to(path).into_response()
    }

    pub(super) fn may(&self, action: Action) -> bool {
        self.identified.caller.grant.does(action)
    }

    /// The same, also where they only ask for it or approve it.
    pub(super) fn knows(&self, action: Action) -> bool {
        self.identified.caller.grant.knows(action)
    }

    /// What stands across a photo that they look at: who looked, and when.
    pub(super) fn watermark(&self, api: &Api) -> String {
        format!("{} {}", self.identified.staff.record.number.as_str(), self.text.clock(api.service().now()))
    }

    /// What is said where something is refused to them.
    pub(super) fn refusal(&self, fault: Fault) -> Refusal {
        self.refusal_of(fault, "problem-not-possible")
    }

    /// The same, with the key of what it means here that the state of things does not allow it.
    pub(super) fn refusal_of(&self, fault: Fault, not_allowed: &'static str) -> Refusal {
        let needs_proof = matches!(fault, Fault::ProofNeeded);
        let refusal = Refusal::new(fault, not_allowed, self.text.clone(), self.is_part);
        Refusal { proving: needs_proof.then(|| self.proving(&self.page)), ..refusal }
    }

    /// What a form bears in which they prove who they are, and from which they go on to a page.
    fn proving(&self, back: &str) -> Proving {
        Proving { proof: self.proof().to_owned(), back: back.to_owned() }
    }
}

/// What stands on every page of somebody who has logged in.
pub(super) struct Frame {
    pub(super) branch: String,
    pub(super) name: String,
    pub(super) number: String,
    pub(super) proof: String,
    pub(super) is_on_duty: bool,
    pub(super) has_duty: bool,
    /// Screens on which they work.
    pub(super) links: Vec<Link>,
    /// Screens of the group that they look at.
    pub(super) within: Vec<Link>,
    /// Path of the guide of this screen; empty if there is none.
    pub(super) guide: String,
    /// Now, in milliseconds since 1970: screens count from the clock of the host, not from their own.
    pub(super) now_ms: u64,
    /// Which screen it is, for forms that come back to it.
    pub(super) screen: &'static str,
    /// Why they look at this branch, where they chose it.
    pub(super) looks_because: Option<String>,
}

impl Frame {
    pub(super) async fn of(api: &Api, viewer: &Viewer, screen: &'static str) -> Result<Self, Fault> {
        let (service, staff) = (api.service(), &viewer.identified.staff.record);
        let branch = match service.branch(viewer.caller(), viewer.branch()).await {
            Ok(branch) => branch.record.name,
            Err(Fault::NotFound(_)) => viewer.branch().to_string(),
            Err(other) => return Err(other),
        };
        let now = service.now();
        Ok(Self {
            branch,
            name: staff.name.reveal().clone(),
            number: staff.number.to_string(),
            proof: viewer.proof().to_owned(),
            is_on_duty: service.is_on_duty(staff.id).await?,
            has_duty: viewer.may(Action::SetDuty),
            links: navigation::links(viewer, screen),
            within: navigation::within(viewer, screen),
            guide: help::path_of(screen),
            now_ms: now.as_nanos() / 1_000_000,
            screen,
            looks_because: viewer.identified.acting.as_ref().map(|acting| acting.reason.clone()),
        })
    }
}

impl FromRequestParts<Api> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let text = text_of(&parts.headers, api);
        let is_part = parts.headers.contains_key("hx-request");
        match calling::looking(parts, api).await {
            Ok(identified) => Ok(Self { identified, text, is_part, page: page_of(parts) }),
            Err(fault) => Err(Refusal::new(fault, "problem-not-possible", text, is_part)),
        }
    }
}

/// The page of ours that a request asks for, or that it comes from; the first one where it does not say so.
fn page_of(parts: &Parts) -> String {
    let said = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if parts.method == Method::GET && !parts.headers.contains_key("hx-request") {
        return navigation::own(parts.uri.path_and_query().map_or("/", PathAndQuery::as_str)).to_owned();
    }
    let from = said(header::REFERER).and_then(|from| from.parse::<Uri>().ok());
    let from = from.filter(|from| from.authority().map(Authority::as_str) == said(header::HOST));
    let place = from.as_ref().and_then(Uri::path_and_query).map_or("/", PathAndQuery::as_str);
    navigation::own(place).to_owned()
}

/// Texts in the language of a request.
pub(super) fn text_of(headers: &HeaderMap, api: &Api) -> Text {
    Text::new(Language::of(headers), api.service().zone())
}

/// A form that somebody sent from a page of theirs: it bears the proof of the session.
pub(super) struct Sent<T>(pub(super) Viewer, pub(super) T);

#[derive(Deserialize)]
struct Signed<T> {
    proof: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned + Send> FromRequest<Api> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::sending(&mut parts, api).await?;
        let form = Form::<Signed<T>>::from_request(Request::from_parts(parts, body), api).await;
        let Ok(Form(Signed { proof, form })) = form else {
            return Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid"));
        };
        viewer.proves(Some(proof.as_bytes()))?;
        Ok(Self(viewer, form))
    }
}

/// A form that says no more than that somebody sent it.
#[derive(Deserialize)]
pub(super) struct Nothing {}

impl Viewer {
    /// Who sends a form, from a page of this host. What they send must bear their proof besides.
    pub(super) async fn sending(parts: &mut Parts, api: &Api) -> Result<Self, Refusal> {
        let viewer = Self::from_request_parts(parts, api).await?;
        match calling::is_from_here(&parts.headers) {
            Ok(()) => Ok(viewer),
            Err(_) => Err(viewer.not_from_here()),
        }
    }

    /// Refuses what does not bear the proof of their session.
    pub(super) fn proves(&self, proof: Option<&[u8]>) -> Result<(), Refusal> {
        if proof != Some(self.proof().as_bytes()) {
            return Err(self.not_from_here());
        }
        Ok(())
    }

    fn not_from_here(&self) -> Refusal {
        self.saying(StatusCode::FORBIDDEN, "problem-not-from-here")
    }

    /// What is said to whom it was not proved who they are: they may try again, and go on to the same page.
    pub(super) fn not_proved(&self, back: &str) -> Refusal {
        let refusal = self.saying(StatusCode::FORBIDDEN, "problem-not-proved");
        Refusal { proving: Some(self.proving(back)), ..refusal }
    }

    /// A refusal that says the text of a key.
    pub(super) fn saying(&self, status: StatusCode, key: &'static str) -> Refusal {
        let (text, is_part) = (self.text.clone(), self.is_part);
        let said = text.say(key);
        Refusal { status, said, text, is_part, is_over: false, proving: None }
    }
}

/// Something that is not done, said on the screen.
pub(super) struct Refusal {
    status: StatusCode,
    said: String,
    text: Text,
    is_part: bool,
    /// Whether nobody is logged in any more.
    is_over: bool,
    /// Where somebody has to prove first who they are.
    proving: Option<Proving>,
}

/// What a form bears in which somebody proves who they are.
pub(super) struct Proving {
    /// The proof of their session.
    pub(super) proof: String,
    /// The page on which they go on.
    pub(super) back: String,
}

impl Refusal {
    /// Whether nobody is logged in any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The same for another reason, where somebody is not logged in and something else is wrong.
    pub(super) fn of_key(self, status: StatusCode, key: &'static str) -> Self {
        Self { status, said: self.text.say(key), is_over: false, ..self }
    }

    /// What is said to somebody whom nobody knows yet.
    pub(super) fn to_stranger(status: StatusCode, key: &'static str, text: Text, is_part: bool) -> Self {
        Self { status, said: text.say(key), text, is_part, is_over: false, proving: None }
    }

    fn new(fault: Fault, not_allowed: &'static str, text: Text, is_part: bool) -> Self {
        let by_name = match &fault {
            Fault::Rule(rule) => Some(text.known("issuing-rule", rule.name())),
            Fault::Desk(fault) => Some(text.known("issuing-trouble", fault.trouble.name())),
            Fault::Taken(field) => Some(text.known("issuing-taken", field)).filter(|said| said != field),
            _ => None,
        };
        let (status, key) = match &fault {
            Fault::NoSession => (StatusCode::UNAUTHORIZED, "problem-no-session"),
            Fault::NotFound(_) => (StatusCode::NOT_FOUND, "problem-not-found"),
            Fault::Forbidden(_) => (StatusCode::FORBIDDEN, "problem-forbidden"),
            Fault::ReasonNeeded(_) => (StatusCode::FORBIDDEN, "problem-reason"),
            Fault::ProofNeeded => (StatusCode::FORBIDDEN, "problem-proof"),
            Fault::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "problem-invalid"),
            Fault::NotAccepted => (StatusCode::UNAUTHORIZED, "problem-not-accepted"),
            Fault::NotAllowed(_)
            | Fault::Rule(_)
            | Fault::Conflict { .. }
            | Fault::Taken(_)
            | Fault::Desk(_) => (StatusCode::CONFLICT, not_allowed),
            Fault::Store(error) => {
                tracing::warn!(error = format!("{error:#}"), "a screen cannot be shown");
                (StatusCode::SERVICE_UNAVAILABLE, "problem-store")
            }
            Fault::Unaudited(error) => {
                tracing::error!(error = format!("{error:#}"), "refused, because it cannot be audited");
                (StatusCode::INSUFFICIENT_STORAGE, "problem-unaudited")
            }
        };
        let said = by_name.unwrap_or_else(|| text.say(key));
        Self { status, said, text, is_part, is_over: matches!(fault, Fault::NoSession), proving: None }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    pub(super) said: String,
    pub(super) text: Text,
    pub(super) is_over: bool,
    /// Where a password or digits are asked for.
    pub(super) proving: Option<Proving>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    said: String,
    text: Text,
    proving: Option<Proving>,
}

impl IntoResponse for Refusal {
    /// A part of a page is left as it is, with everything that was typed, and what went wrong stands above it.
    fn into_response(self) -> Response {
        let Self { status, said, text, is_part, is_over, proving } = self;
        if is_part {
            // Whatever part of an answer the form would have taken.
            let place = [("hx-retarget", "#notice"), ("hx-reswap", "innerHTML"), ("hx-reselect", ".notice")];
            return (status, place, shown(&Notice { said, text, is_over, proving })).into_response();
        }
        if is_over {
            return Redirect::to("/login").into_response();
        }
        (status, shown(&Problem { said, text, proving })).into_response()
    }
}

/// A page, or a part of one.
pub(super) fn shown(page: &impl Template) -> Response {
    match page.render() {
        // A browser that may tell nobody where a form comes from does not tell us either, and we ask.
        Ok(html) => ([(header::REFERRER_POLICY, "same-origin")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
