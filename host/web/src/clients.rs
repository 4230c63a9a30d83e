//! Other systems that call: each has a token, and may do what its grant says, as often as it says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use rfid_core::{Stamp, UtcTime};
use rfid_door::Problem;
use rfid_door::rate::{Quota, RateLimit};
use rfid_service::service::Grant;
use sha2::{Digest, Sha256};

use crate::refused::Refused;

/// Shortest token in characters: 128 bits as hexadecimal digits.
pub const SHORTEST_TOKEN: usize = 32;

/// A system that calls.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name, which stands in the history of what it changes.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// How often in a minute; as many may come at once.
    pub requests_per_minute: u32,
    /// From when on its tokens are worth nothing; never if absent.
    pub expires: Option<UtcTime>,
}

/// A token of a system, as it is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// Name of the system.
    pub client: String,
    /// What the token is told by: the beginning of its hash.
    pub token: String,
    /// From when on it is worth nothing.
    pub expires: Option<UtcTime>,
    /// When it was last used since the start of the host.
    pub last_used: Option<UtcTime>,
}

/// A token that is known.
#[derive(Debug)]
struct Known {
    client: Client,
    limit: RateLimit<()>,
    /// Nanoseconds since 1970; 0 if it was not used yet.
    last_used: AtomicU64,
}

/// All systems that may call, by what their tokens hash to: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub struct Clients {
    clients: HashMap<[u8; 32], Known>,
}

impl Clients {
    /// Lets a system call with this token. Two tokens for one system are two entries, which is how
    /// a token is changed without a pause.
    pub fn add(&mut self, token: &str, client: Client) {
        let burst = client.requests_per_minute.max(1);
        let quota = Quota { every: Duration::from_secs(60) / burst, burst };
        let known = Known { client, limit: RateLimit::new(quota, 1), last_used: AtomicU64::new(0) };
        self.clients.insert(hash(token), known);
    }

    /// Whether nobody may call.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// All tokens, by the names of their systems.
    pub fn states(&self) -> Vec<TokenState> {
        let mut states: Vec<TokenState> = self
            .clients
            .iter()
            .map(|(hash, Known { client, last_used, .. })| TokenState {
                client: client.name.clone(),
                token: hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
                expires: client.expires,
                last_used: match last_used.load(Ordering::Relaxed) {
                    0 => None,
                    nanos => Some(UtcTime::from_nanos(nanos)),
                },
            })
            .collect();
        states.sort_by(|one, other| (&one.client, &one.token).cmp(&(&other.client, &other.token)));
        states
    }

    /// Who calls, at this time.
    ///
    /// # Errors
    /// 401 without a token that is known and not expired, 429 for one that calls too often.
    pub fn identify(&self, headers: &HeaderMap, now: Stamp) -> Result<&Client, Refused> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let known = token.and_then(|token| self.clients.get(&hash(token)));
        let is_good = |known: &&Known| known.client.expires.is_none_or(|expires| now.utc < expires);
        let known = known.filter(is_good).ok_or_else(Refused::unknown)?;
        known.limit.admit((), now.monotonic).map_err(Problem::from)?;
        known.last_used.store(now.utc.as_nanos(), Ordering::Relaxed);
        Ok(&known.client)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use rfid_service::service::Scope;

    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp {
            utc: UtcTime::from_nanos(seconds * 1_000_000_000 + 1),
            monotonic: Duration::from_secs(seconds),
        }
    }

    fn clients() -> Clients {
        let mut clients = Clients::default();
        let client = Client {
            name: "core".to_owned(),
            grant: Grant::of_token(Scope::ALL, None),
            requests_per_minute: 2,
            expires: None,
        };
        clients.add("0123456789abcdef0123456789abcdef", client);
        clients
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_names_its_system_and_nothing_else_does() {
        let clients = clients();
        let identify =
            |value: &str| clients.identify(&headers(value), at(0)).map(|client| client.name.clone());
        assert_eq!(identify("bearer 0123456789abcdef0123456789abcdef").unwrap(), "core");
        for value in [
            "Bearer 0123456789abcdef0123456789abcdeF",
            "Basic 0123456789abcdef0123456789abcdef",
            "Bearer",
            "Bearer ",
        ] {
            assert_eq!(identify(value).unwrap_err().status(), StatusCode::UNAUTHORIZED, "{value}");
        }
        assert_eq!(
            clients.identify(&HeaderMap::new(), at(0)).unwrap_err().status(),
            StatusCode::UNAUTHORIZED
        );
    }

    #[test]
    fn whoever_calls_too_often_waits_and_then_may_again() {
        let clients = clients();
        let headers = headers("Bearer 0123456789abcdef0123456789abcdef");
        let may = |at: u64| clients.identify(&headers, self::at(at)).is_ok();
        assert_eq!(
            [may(0), may(0), may(0), may(29), may(30), may(31), may(600), may(600), may(600)],
            [true, true, false, false, true, false, true, true, false]
        );
    }

    #[test]
    fn a_token_ends_and_is_known_by_when_it_was_used() {
        let mut clients = Clients::default();
        for (token, expires) in [("one", None), ("other", Some(UtcTime::from_nanos(60_000_000_000)))] {
            let grant = Grant::of_token(Scope::ALL, None);
            let client = Client { name: "core".to_owned(), grant, requests_per_minute: 60, expires };
            clients.add(token, client);
        }
        let may = |token: &str, seconds| {
            clients.identify(&headers(&format!("Bearer {token}")), at(seconds)).is_ok()
        };
        assert!(may("one", 10) && may("other", 59) && may("one", 60) && !may("other", 60));
        let states = clients.states();
        assert_eq!(states.len(), 2);
        let used: Vec<u64> =
            states.iter().map(|state| state.last_used.unwrap().as_nanos() / 1_000_000_000).collect();
        assert!(used.contains(&60) && used.contains(&59), "{used:?}");
    }
}
