//! Bodies of requests: JSON, of bounded length and depth.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Longest JSON body in bytes.
pub const LONGEST_JSON: usize = 64 * 1024;
/// Deepest nesting of JSON.
pub const DEEPEST_JSON: usize = 32;

/// A JSON body.
///
/// One that is too long is answered by 413, one that is no JSON, too deep, or not of the shape asked
/// for by 400 with the place, and another content type by 415.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON", detail));
        }
        let body = Limited::new(request.into_body(), LONGEST_JSON);
        let bytes = body.collect().await.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => {
                let detail = format!("The body is longer than {LONGEST_JSON} bytes.");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Too long", detail)
            }
            None => Problem::bad_request("The body did not come whole."),
        })?;
        parse(&bytes.to_bytes()).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// A value from the bytes of a body.
///
/// # Errors
/// A problem that names line and column, without what stands there.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if depth(bytes) > DEEPEST_JSON {
        let detail = format!("The JSON is nested more than {DEEPEST_JSON} deep.");
        return Err(Problem::bad_request(detail));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Data => shape(&error.to_string()),
            serde_json::error::Category::Eof => "the JSON ends too early".to_owned(),
            _ => "this is no JSON".to_owned(),
        };
        Problem::bad_request(format!("Line {line}, column {column}: {what}."))
    })
}

/// What serde says of fields that are missing or not known, which are names of ours; of values,
/// which are the sender's and may be personal, only that they are wrong.
fn shape(said: &str) -> String {
    let said = said.split(" at line ").next().unwrap_or_default();
    let is_about_names =
        ["missing field", "unknown field", "duplicate field"].iter().any(|start| said.starts_with(start));
    match said.split_once(", expected") {
        // The unknown name itself is the sender's.
        _ if said.starts_with("unknown field") => {
            let expected = said.split_once(", expected").map_or("", |(_, expected)| expected);
            format!("there is a field that is not known; expected{expected}")
        }
        _ if is_about_names => said.to_owned(),
        Some((_, expected)) => format!("this value is wrong; expected{expected}"),
        None => "this value is not of the kind that stands here".to_owned(),
    }
}

/// How deep brackets are nested, outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert_eq!(depth(br#"{"a":[1,{"b":"[[[\"[["}]}"#), 3);
        assert!(parse::<Value>("[".repeat(200_000).as_bytes()).is_err());
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse::<Value>(deep(DEEPEST_JSON).as_bytes()).is_ok());
        assert!(parse::<Value>(deep(DEEPEST_JSON + 1).as_bytes()).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_without_what_was_sent() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Draft {
            #[expect(dead_code, reason = "only read")]
            number: u8,
        }
        for (text, says) in [
            ("{", "ends too early"),
            ("{\"number\":1,\"张小明\":2}", "a field that is not known; expected `number`"),
            ("{\"number\":\"11010519491231002X\"}", "expected u8"),
            ("{}", "missing field `number`"),
        ] {
            let said = format!("{:?}", parse::<Draft>(text.as_bytes()).unwrap_err());
            assert!(said.contains(says) && !said.contains("110105") && !said.contains("张"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse::<Value>(&bytes);
        }
    }
}
