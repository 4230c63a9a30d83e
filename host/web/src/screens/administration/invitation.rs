//! Accepting an invitation: a password of one's own, and a second factor where the roles need one.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use qrcodegen::{QrCode, QrCodeEcc};
use rfid_service::account::password::Weak;
use rfid_service::record::Personal;
use rfid_service::service::Fault;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Refusal, shown, text_of};
use super::roles_said;
use super::stranger::Stranger;
use crate::api::Api;

/// What an authenticator calls this host.
const ISSUER: &str = "rfid-host";
/// Longest address of a second factor that is drawn.
const LONGEST_ADDRESS: usize = 300;
/// The quiet border of a QR code, in modules.
const BORDER: i32 = 4;

#[derive(Template)]
#[template(path = "administration/invitation.html")]
struct InvitationPage {
    text: Text,
    staff_number: String,
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "administration/enrol.html")]
struct EnrolPage {
    text: Text,
    staff_number: String,
    code: String,
    roles: String,
    shortest: usize,
    factor: Option<Factor>,
    problem: Option<String>,
}

/// A second factor as an authenticator takes it in.
struct Factor {
    address: String,
    /// The secret in groups of four.
    secret: String,
    /// The modules of the QR code as an SVG path, and how wide it is; nothing where it cannot be drawn.
    drawn: Option<(String, i32)>,
}

#[derive(Template)]
#[template(path = "administration/accepted.html")]
struct AcceptedPage {
    text: Text,
    /// Whether another first administrator is missing.
    is_more: bool,
}

#[derive(Template)]
#[template(path = "administration/weighed.html")]
pub(super) struct WeighedPart {
    pub(super) said: String,
    pub(super) is_good: bool,
}

#[derive(Deserialize)]
pub(super) struct BeginForm {
    staff_number: String,
    code: String,
}

#[derive(Deserialize)]
pub(super) struct AcceptForm {
    staff_number: String,
    code: String,
    password: Personal<String>,
    #[serde(default)]
    again: Personal<String>,
    #[serde(default)]
    digits: String,
    /// The address of the second factor that stands on the page, so that it stands there again.
    #[serde(default)]
    address: Personal<String>,
}

#[derive(Deserialize)]
pub(super) struct WeighForm {
    staff_number: String,
    code: String,
    password: Personal<String>,
}

pub(super) async fn page(State(api): State<Api>, headers: HeaderMap) -> Response {
    let text = text_of(&headers, &api);
    shown(&InvitationPage { text, staff_number: String::new(), problem: None })
}

pub(super) async fn begin(
    State(api): State<Api>,
    Stranger { text, from, form: BeginForm { staff_number, code } }: Stranger<BeginForm>,
) -> Response {
    enrol(&api, text, &from, staff_number.trim(), &plain(&code)).await
}

/// A code as it is kept: people write it in groups.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The page on which somebody who was invited sets a password, with a second factor that is made now.
pub(super) async fn enrol(api: &Api, text: Text, from: &str, number: &str, code: &str) -> Response {
    let service = api.service();
    let begun = async {
        let invited = service.invitation_of(from, number, code).await?;
        let address = match invited.needs_second_factor {
            true => Some(service.offer_second_factor(from, number, code, ISSUER).await?),
            false => None,
        };
        Ok((invited, address))
    };
    match begun.await {
        Ok((invited, address)) => shown(&EnrolPage {
            staff_number: number.to_owned(),
            code: code.to_owned(),
            roles: roles_said(&text, &invited.roles),
            shortest: invited.shortest_password,
            factor: address.map(|address| Factor::of(address.reveal())),
            problem: None,
            text,
        }),
        Err(fault) => not_begun(text, number, &fault),
    }
}

fn not_begun(text: Text, number: &str, fault: &Fault) -> Response {
    let (status, key) = match fault {
        Fault::NotAccepted => (StatusCode::UNAUTHORIZED, "problem-invitation"),
        Fault::Conflict { .. } => (StatusCode::CONFLICT, "problem-not-possible"),
        other => {
            tracing::warn!(fault = %other, "an invitation cannot be accepted");
            (StatusCode::SERVICE_UNAVAILABLE, "problem-store")
        }
    };
    let problem = Some(text.say(key));
    (status, shown(&InvitationPage { staff_number: number.to_owned(), problem, text })).into_response()
}

pub(super) async fn accept(
    State(api): State<Api>,
    Stranger { text, from, form }: Stranger<AcceptForm>,
) -> Response {
    let AcceptForm { staff_number, code, password, again, digits, address } = form;
    let (service, number, code) = (api.service(), staff_number.trim(), plain(&code));
    let digits = Some(digits.trim()).filter(|digits| !digits.is_empty());
    let invited = match service.invitation_of(&from, number, &code).await {
        Ok(invited) => invited,
        Err(fault) => return not_begun(text, number, &fault),
    };
    let not_yet = |status: StatusCode, problem: String| {
        let is_address =
            address.reveal().starts_with("otpauth://totp/") && address.reveal().len() <= LONGEST_ADDRESS;
        let page = EnrolPage {
            staff_number: number.to_owned(),
            code: code.clone(),
            roles: roles_said(&text, &invited.roles),
            shortest: invited.shortest_password,
            factor: is_address.then(|| Factor::of(address.reveal())),
            problem: Some(problem),
            text: text.clone(),
        };
        (status, shown(&page)).into_response()
    };
    if password.reveal() != again.reveal() {
        return not_yet(StatusCode::UNPROCESSABLE_ENTITY, text.say("problem-passwords-differ"));
    }
    match service.weigh_password_of_invited(&from, (number, &code), &password).await {
        Ok(None) => {}
        Ok(Some(weak)) => return not_yet(StatusCode::UNPROCESSABLE_ENTITY, weak_said(&text, &weak)),
        Err(fault) => return not_begun(text, number, &fault),
    }
    match service.accept_invitation(&from, number, &code, password, digits).await {
        Ok(()) => {
            let missing = service.missing_administrators().await.unwrap_or_default();
            shown(&AcceptedPage { is_more: !missing.is_empty(), text })
        }
        Err(Fault::NotAccepted) => not_yet(StatusCode::UNAUTHORIZED, text.say("problem-digits")),
        Err(fault) => not_begun(text, number, &fault),
    }
}

/// What is wrong with a password while somebody types it: the host decides, and the page says it.
pub(super) async fn weigh(
    State(api): State<Api>,
    Stranger { text, from, form }: Stranger<WeighForm>,
) -> Result<Response, Refusal> {
    let WeighForm { staff_number, code, password } = form;
    let who = (staff_number.trim(), &*plain(&code));
    let weighed = api.service().weigh_password_of_invited(&from, who, &password).await;
    let weak = weighed.map_err(|_| {
        Refusal::to_stranger(StatusCode::UNAUTHORIZED, "problem-invitation", text.clone(), true)
    })?;
    Ok(shown(&weighed_part(&text, weak.as_ref())))
}

/// What came of weighing a password.
pub(super) fn weighed_part(text: &Text, weak: Option<&Weak>) -> WeighedPart {
    let said = weak.map_or_else(|| text.say("password-good"), |weak| weak_said(text, weak));
    WeighedPart { said, is_good: weak.is_none() }
}

/// Why a password is not taken.
pub(super) fn weak_said(text: &Text, weak: &Weak) -> String {
    match weak {
        Weak::Short(least) => text.with("password-short", "n", *least),
        Weak::Long => text.with("password-long", "n", rfid_service::account::password::LONGEST),
        Weak::Guessable => text.say("password-guessable"),
    }
}

impl Factor {
    fn of(address: &str) -> Self {
        let secret = address.split("secret=").nth(1).and_then(|rest| rest.split('&').next());
        let secret: Vec<char> = secret.unwrap_or_default().chars().collect();
        let groups: Vec<String> = secret.chunks(4).map(|group| group.iter().collect()).collect();
        Self { address: address.to_owned(), secret: groups.join(" "), drawn: drawn(address) }
    }
}

/// A text as a QR code: the path of its dark modules, and its width with the quiet border.
fn drawn(text: &str) -> Option<(String, i32)> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + BORDER, y + BORDER));
        }
    }
    Some((path, size + 2 * BORDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_in_groups_and_drawn_within_its_border() {
        let factor = Factor::of("otpauth://totp/rfid-host:S1?secret=ABCDEFGHIJ&issuer=rfid-host");
        assert_eq!(factor.secret, "ABCD EFGH IJ");
        let (path, width) = factor.drawn.unwrap();
        // The corner of the first finder, and nothing in the border.
        assert!(path.starts_with("M4 4h1v1h-1z") && width >= 29);
        assert!(!path.contains("M3 ") && !path.contains("M0 "));
        assert!(Factor::of("").secret.is_empty());
    }

    #[test]
    fn a_code_is_taken_as_people_write_it() {
        assert_eq!(plain(" ABCD EFGH\tIJKL\n"), "ABCDEFGHIJKL");
    }
}
