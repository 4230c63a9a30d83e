//! A form with one file in it, as a browser sends it (`multipart/form-data`, RFC 7578): read from a body that is
//! within its limit already. What is not written as browsers write it is none.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};

/// Parts of a form at most.
const MOST_PARTS: usize = 16;
/// Longest boundary, as the standard says.
const LONGEST_BOUNDARY: usize = 70;

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) content: Bytes,
}

/// The boundary that the headers of a request name; nothing if it is no such form.
pub(super) fn boundary_of(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let is_one = !boundary.is_empty() && boundary.len() <= LONGEST_BOUNDARY && boundary.is_ascii();
    is_one.then_some(boundary)
}

/// The parts of a form; nothing if it is not whole.
pub(super) fn parts_of(body: &Bytes, boundary: &str) -> Option<Vec<Part>> {
    let first = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut at = first.len();
    if !body.starts_with(first.as_bytes()) {
        return None;
    }
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        if !rest.starts_with(b"\r\n") || parts.len() == MOST_PARTS {
            return None;
        }
        let begin = at + 2;
        let head = position(body.get(begin..)?, b"\r\n\r\n")?;
        let content = begin + head + 4;
        let length = position(body.get(content..)?, between.as_bytes())?;
        let name = name_in(body.get(begin..begin + head)?)?;
        parts.push(Part { name, content: body.slice(content..content + length) });
        at = content + length + between.len();
    }
}

/// The name of a part, from its headers.
fn name_in(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head
        .split("\r\n")
        .find(|line| line.get(..20).is_some_and(|name| name.eq_ignore_ascii_case("content-disposition:")))?;
    let value = line.split(';').find_map(|part| part.trim().strip_prefix("name="))?;
    Some(value.trim_matches('"').to_owned())
}

fn position(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"proof\"\r\n\r\nabc\r\n--x\r\n\
        Content-Disposition: form-data; name=\"photo\"; filename=\"a;name=b.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\
        \xFF\xD8\r\n--y\r\n\r\n--x--\r\n";

    fn parsed(body: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let parts = parts_of(&Bytes::copy_from_slice(body), "x")?;
        Some(parts.into_iter().map(|part| (part.name, part.content.to_vec())).collect())
    }

    #[test]
    fn a_form_is_its_parts_and_a_file_may_hold_anything() {
        let parts = parsed(FORM).unwrap();
        assert_eq!(parts[0], ("proof".to_owned(), b"abc".to_vec()));
        assert_eq!(parts[1], ("photo".to_owned(), b"\xFF\xD8\r\n--y\r\n".to_vec()));
        assert_eq!(parsed(b"--x--").unwrap(), []);
    }

    #[test]
    fn whatever_is_cut_or_turned_over_is_no_form_and_no_panic() {
        for length in 0..FORM.len() - 2 {
            let cut = parsed(&FORM[..length]);
            // Nothing is taken for whole before the end has come.
            assert!(cut.is_none() || length >= FORM.len() - 4, "{length}");
        }
        for at in 0..FORM.len() {
            for bit in 0..8 {
                let mut turned = FORM.to_vec();
                turned[at] ^= 1 << bit;
                if let Some(parts) = parsed(&turned) {
                    assert!(parts.len() <= 2, "{at}");
                }
            }
        }
        let many = [
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n".repeat(MOST_PARTS + 1),
            b"--x--".to_vec(),
        ];
        assert_eq!(parsed(&many.concat()), None);
    }

    #[test]
    fn only_a_form_of_parts_has_a_boundary() {
        let of =
            |kind: &str| boundary_of(&[(header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect());
        assert_eq!(of("multipart/form-data; boundary=----WebKit1").as_deref(), Some("----WebKit1"));
        assert_eq!(of("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Some("a b"));
        for other in ["multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary="]
        {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(of(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
    }
}
