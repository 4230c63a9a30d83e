//! What is said to a receiver, and what its answer means.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::StatusCode;
use rfid_core::UtcTime;

use super::signature::SigningKey;

/// Longest wait that a receiver may ask for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// One signed request.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// `webhook-id`: the event's id.
    pub(crate) id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub(crate) timestamp: u64,
    /// `webhook-signature`.
    pub(crate) signature: String,
    /// The event as a CloudEvent.
    pub(crate) body: Bytes,
}

impl Post {
    /// The request that says this at this moment.
    pub(crate) fn signed(key: &SigningKey, id: String, body: Bytes, now: UtcTime) -> Self {
        let timestamp = now.as_nanos() / 1_000_000_000;
        let signature = key.sign(&id, timestamp, &body);
        Self { id, timestamp, signature, body }
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it.
    Taken {
        /// Its status.
        status: u16,
    },
    /// Trying again gives the same.
    Refused {
        /// Its status.
        status: u16,
        /// In words.
        why: String,
    },
    /// Trying again may help.
    Failed(Failure),
}

/// A try that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) why: String,
    /// Status, if the receiver answered at all.
    pub(crate) status: Option<u16>,
    /// Whether there was nobody to talk to.
    pub(crate) unreachable: bool,
    /// How long the receiver wants to be left alone.
    pub(crate) after: Option<Duration>,
}

/// Carries requests to one receiver.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// Sends one request, once.
    async fn post(&self, post: Post) -> Answer;
}

/// What an answer's head means.
pub(crate) fn judge(status: StatusCode, retry_after: Option<&str>, now: UtcTime) -> Answer {
    let said = match status.canonical_reason() {
        Some(reason) => format!("the receiver answered {} {reason}", status.as_u16()),
        None => format!("the receiver answered {}", status.as_u16()),
    };
    match status.as_u16() {
        200..=299 => Answer::Taken { status: status.as_u16() },
        408 | 425 | 429 | 500..=599 => Answer::Failed(Failure {
            why: said,
            status: Some(status.as_u16()),
            unreachable: false,
            after: retry_after.and_then(|text| wait_in(text, now)),
        }),
        300..=399 => Answer::Refused {
            status: status.as_u16(),
            why: format!("{said}; redirects are not followed, so write the URL that it leads to"),
        },
        _ => Answer::Refused { status: status.as_u16(), why: said },
    }
}

/// `Retry-After`: seconds, or a date.
fn wait_in(text: &str, now: UtcTime) -> Option<Duration> {
    let wait = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(text.trim()).ok()?;
            at.duration_since(std::time::UNIX_EPOCH)
                .ok()?
                .saturating_sub(Duration::from_nanos(now.as_nanos()))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Answer {
        let now = UtcTime::from_nanos(1_700_000_000_000_000_000);
        judge(StatusCode::from_u16(status).unwrap(), retry_after, now)
    }

    #[test]
    fn answers_are_told_apart() {
        for status in [200, 201, 202, 204] {
            assert_eq!(judged(status, None), Answer::Taken { status });
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            let Answer::Failed(failure) = judged(status, None) else { panic!("{status}") };
            assert_eq!((failure.status, failure.unreachable, failure.after), (Some(status), false, None));
        }
        for status in [300, 301, 304, 307, 308, 400, 401, 404, 410, 413, 418, 422] {
            assert!(matches!(judged(status, None), Answer::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn a_redirect_says_what_to_do() {
        let Answer::Refused { why, .. } = judged(301, None) else { panic!() };
        assert_eq!(
            why,
            "the receiver answered 301 Moved Permanently; redirects are not followed, so write the URL that it leads to"
        );
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_has_an_end() {
        let wait = |text| match judged(503, Some(text)) {
            Answer::Failed(failure) => failure.after,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("86400"), Some(LONGEST_WAIT));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Tue, 14 Nov 2000 22:13:30 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "99999999999999999999999"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }
}
