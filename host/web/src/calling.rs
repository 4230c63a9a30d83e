//! Who calls: another system by its token, or a person by a session.
//!
//! A session is a cookie, so a page of another origin could make a browser send it: what changes
//! something bears the session's proof in a header besides, and comes from this host's own pages.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rfid_door::door::Peer;
use rfid_service::audit::Entry;
use rfid_service::service::{Caller, Fault, Identified};
use rfid_service::store::Actor;

use crate::api::Api;
use crate::percent::decoded;
use crate::refused::Refused;

/// The cookie of a session. A browser takes one of this name only from this host and over TLS, or on the
/// machine itself.
pub(crate) const COOKIE: &str = "__Host-rfid-session";
/// The cookie with the key of a display.
const DISPLAY_COOKIE: &str = "__Host-rfid-display";
/// A browser keeps a cookie for 400 days at most; a display that nobody used for so long is none by then.
const DISPLAY_KEPT_S: u32 = 400 * 24 * 3600;
/// The header with the proof of a session.
const PROOF: &str = "x-session-proof";
/// The header with the reason of what needs one, in UTF-8, percent-encoded where it is not ASCII.
const REASON: &str = "x-reason";

/// Who calls: the first thing that each handler asks for.
pub(crate) struct Calling(pub(crate) Caller);

/// The same for what only a person in a session does.
pub(crate) struct InSession(pub(crate) Identified);

/// Who looks on while things happen: as [`Calling`], and whose session looks at another branch needs to say
/// no more why.
pub(crate) struct LookingOn(pub(crate) Caller);

/// From where somebody calls whom nobody knows yet.
pub(crate) struct Stranger(pub(crate) String);

impl FromRequestParts<Api> for Calling {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let caller = if parts.headers.contains_key(header::AUTHORIZATION) {
            let client = api.clients().identify(&parts.headers, api.now())?;
            Caller::new(Actor::Machine(client.name.clone()), from(parts), client.grant.clone())
        } else {
            in_session(parts, api).await?.caller
        };
        Ok(Self(Caller { reason: reason(&parts.headers)?, ..caller }))
    }
}

impl FromRequestParts<Api> for LookingOn {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let Calling(caller) = Calling::from_request_parts(parts, api).await?;
        if caller.reason.is_some() || caller.session.as_ref().is_none_or(|mark| mark.acting.is_none()) {
            return Ok(Self(caller));
        }
        Ok(Self(in_session(parts, api).await?.caller))
    }
}

impl FromRequestParts<Api> for InSession {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        in_session(parts, api).await.map(Self)
    }
}

impl FromRequestParts<Api> for Stranger {
    type Rejection = Refused;

    /// For what is asked before anybody is known: not from a page of elsewhere, and not too often.
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        is_from_here(&parts.headers)?;
        let from = from(parts);
        api.admit_stranger(&from)?;
        Ok(Self(from))
    }
}

/// Who is behind the session of a request that changes nothing.
pub(crate) async fn looking(parts: &Parts, api: &Api) -> Result<Identified, Fault> {
    let token = cookie(&parts.headers, COOKIE).ok_or(Fault::NoSession)?;
    api.service().identify(&token, &from(parts)).await
}

async fn in_session(parts: &Parts, api: &Api) -> Result<Identified, Refused> {
    let identified = looking(parts, api).await?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        is_from_here(&parts.headers)?;
        let proof = parts.headers.get(PROOF).and_then(|value| value.to_str().ok());
        if proof != Some(identified.proof.as_str()) {
            let detail = "Send the header X-Session-Proof with the proof that /api/v1/session tells.";
            return Err(Refused::new(StatusCode::FORBIDDEN, "Not from this session", detail));
        }
    }
    Ok(identified)
}

/// From where a request comes.
pub(crate) struct Address(pub(crate) String);

impl FromRequestParts<Api> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Self::Rejection> {
        Ok(Self(from(parts)))
    }
}

fn from(parts: &Parts) -> String {
    parts.extensions.get::<Peer>().map_or("unknown".to_owned(), |peer| peer.0.ip().to_string())
}

/// The header that begins a session in a browser. Without Max-Age it goes with the browser; the session ends by
/// itself before that.
pub(crate) fn begins(token: &str) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::from_str(&format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict"))
            .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The header that makes a browser keep the key of the display that it is.
pub(crate) fn keeps_display_key(key: &str) -> Option<HeaderValue> {
    let text = format!(
        "{DISPLAY_COOKIE}={key}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={DISPLAY_KEPT_S}"
    );
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The key of a display, where the browser is one.
pub(crate) fn display_key(headers: &HeaderMap) -> Option<String> {
    cookie(headers, DISPLAY_COOKIE)
}

/// Headers that make a browser forget a session and what it showed.
pub(crate) const ENDS: [(&str, &str); 2] = [
    ("set-cookie", "__Host-rfid-session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"),
    ("clear-site-data", "\"cache\", \"cookies\", \"storage\""),
];

/// What is in the cookie of this name; nothing where there are two, of which one may be somebody else's.
fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value.to_owned());
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Refuses what a page of another origin makes a browser send.
pub(crate) fn is_from_here(headers: &HeaderMap) -> Result<(), Refused> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("not text"));
    let is_own_origin = match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    };
    let is_own_site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    if is_own_origin && is_own_site {
        return Ok(());
    }
    let detail = "This is taken from this host's own pages, and from programs that send no Origin.";
    Err(Refused::new(StatusCode::FORBIDDEN, "Not from this page", detail))
}

/// The reason of a request.
fn reason(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(value) = headers.get(REASON) else { return Ok(None) };
    let wrong = || {
        Refused::bad_request(format!(
            "X-Reason is a text of at most {} characters in UTF-8, percent-encoded where it is not ASCII.",
            Entry::LONGEST_REASON
        ))
    };
    let text = decoded(value.as_bytes()).ok_or_else(wrong)?;
    let text = text.trim();
    let is_text = !text.is_empty()
        && text.chars().count() <= Entry::LONGEST_REASON
        && !text.chars().any(char::is_control);
    if is_text { Ok(Some(text.to_owned())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        for (pairs, is_taken) in [
            (&[][..], true),
            (&[("host", "a:1"), ("origin", "http://a:1")], true),
            (&[("host", "a:1"), ("origin", "http://b:1")], false),
            (&[("host", "a:1"), ("origin", "http://a:2")], false),
            (&[("host", "a:1"), ("origin", "null")], false),
            (&[("origin", "http://a:1")], false),
            (&[("host", "a:1"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "a:1"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "a:1"), ("sec-fetch-site", "same-origin")], true),
        ] {
            assert_eq!(is_from_here(&headers(pairs)).is_ok(), is_taken, "{pairs:?}");
        }
    }

    #[test]
    fn one_cookie_is_a_session_and_two_are_none() {
        let of = |value: &str| cookie(&headers(&[("cookie", value)]), COOKIE);
        assert_eq!(of("__Host-rfid-session=abc").as_deref(), Some("abc"));
        assert_eq!(of("a=b; __Host-rfid-session=abc; c=d").as_deref(), Some("abc"));
        assert_eq!(of("__Host-rfid-session=abc; __Host-rfid-session=def"), None);
        assert_eq!(of("rfid-session=abc"), None);
    }

    #[test]
    fn a_reason_is_a_short_text() {
        let of = |value: &str| reason(&headers(&[("x-reason", value)])).ok().flatten();
        assert_eq!(of("asked by phone").as_deref(), Some("asked by phone"));
        assert_eq!(of("%E7%94%B5%E8%AF%9D").as_deref(), Some("电话"));
        for wrong in ["", " ", "%", "%0A", "%zz", "%+1", "%ff", &"x".repeat(201)] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
