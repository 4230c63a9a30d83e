//! Headers that every answer has, and the one that every request must have.

use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};

use crate::problem::Problem;

/// For answers that are data: a browser that is made to show one runs nothing out of it.
const FOR_DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// For pages: scripts, styles and pictures of our own, from files, and nothing within the page.
const FOR_PAGES: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What a page uses of the machine: nothing. A page that takes photos says so itself.
const USES: &str =
    "camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), payment=()";
/// A year.
const ONLY_TLS: &str = "max-age=31536000";

/// Adds what a browser has to be told; what a handler has set itself stays.
pub(super) fn secure<B>(response: &mut Response<B>, is_tls: bool) {
    let is_page = kind(response).starts_with("text/html");
    let mut set = |name: HeaderName, value: &'static str| {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, if is_page { FOR_PAGES } else { FOR_DATA });
    if is_page {
        set(HeaderName::from_static("permissions-policy"), USES);
    }
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    if is_tls {
        set(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}

pub(super) fn is_event_stream<B>(response: &Response<B>) -> bool {
    kind(response).starts_with("text/event-stream")
}

fn kind<B>(response: &Response<B>) -> &str {
    response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// What is wrong with the host that a request is for.
pub(super) fn misdirected<B>(request: &Request<B>, hosts: &[String]) -> Option<Problem> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let in_header = named.next();
    let is_missing = in_header.is_none() && request.version() == Version::HTTP_11;
    if is_missing || named.next().is_some() {
        return Some(Problem::new(StatusCode::BAD_REQUEST).detail("A request names its host exactly once."));
    }
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = authority.or_else(|| in_header?.to_str().ok()).map(without_port).unwrap_or_default();
    let is_ours = hosts.is_empty() || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host));
    (!is_ours).then(|| {
        Problem::new(StatusCode::MISDIRECTED_REQUEST)
            .detail("The request is for another host. The setting \"hosts\" lists what this one is called.")
    })
}

/// Without the brackets of an address of IPv6, too.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &[&str], named: &[&str]) -> Option<u16> {
        let mut request = Request::new(());
        for host in named {
            request.headers_mut().append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        misdirected(&request, &hosts).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_request_is_for_one_host_and_that_is_ours() {
        assert_eq!(status(&[], &["anything"]), None);
        assert_eq!([status(&[], &[]), status(&[], &["a", "a"])], [Some(400); 2]);
        let ours = ["rfid.bank.example", "127.0.0.1", "::1"];
        for host in ["rfid.bank.example", "RFID.bank.example:8080", "127.0.0.1:80", "[::1]:8080", "[::1]"] {
            assert_eq!(status(&ours, &[host]), None, "{host}");
        }
        for host in ["evil.example", "rfid.bank.example.evil.example", "", "[", "127.0.0.2:80"] {
            assert_eq!(status(&ours, &[host]), Some(421), "{host}");
        }
    }

    #[test]
    fn a_page_may_use_our_own_files_and_data_nothing() {
        let secured = |kind: &'static str, is_tls| {
            let mut response = Response::new(());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            secure(&mut response, is_tls);
            response.into_parts().0.headers
        };
        let page = secured("text/html; charset=utf-8", true);
        assert_eq!(page[header::CONTENT_SECURITY_POLICY], FOR_PAGES);
        assert_eq!(page[header::STRICT_TRANSPORT_SECURITY], ONLY_TLS);
        assert!(page["permissions-policy"].to_str().unwrap().starts_with("camera=()"));
        let data = secured("application/json", false);
        assert_eq!(data[header::CONTENT_SECURITY_POLICY], FOR_DATA);
        assert!(
            !data.contains_key(header::STRICT_TRANSPORT_SECURITY) && !data.contains_key("permissions-policy")
        );
        for headers in [page, data] {
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        }
    }
}
