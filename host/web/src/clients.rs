//! Other systems that call: each has a token, and may do what its grant says, as often as it says.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, header};
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
}

/// All systems that may call, by what their tokens hash to: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub struct Clients {
    clients: HashMap<[u8; 32], (Client, RateLimit<()>)>,
}

impl Clients {
    /// Lets a system call with this token. Two tokens for one system are two entries, which is how
    /// a token is changed without a pause.
    pub fn add(&mut self, token: &str, client: Client) {
        let burst = client.requests_per_minute.max(1);
        let quota = Quota { every: Duration::from_secs(60) / burst, burst };
        self.clients.insert(hash(token), (client, RateLimit::new(quota, 1)));
    }

    /// Whether nobody may call.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Who calls, at this time of a clock that never goes back.
    ///
    /// # Errors
    /// 401 without a token that is known, 429 for one that calls too often.
    pub fn identify(&self, headers: &HeaderMap, now: Duration) -> Result<&Client, Refused> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let (client, limit) =
            token.and_then(|token| self.clients.get(&hash(token))).ok_or_else(Refused::unknown)?;
        limit.admit((), now).map_err(Problem::from)?;
        Ok(client)
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

    fn clients() -> Clients {
        let mut clients = Clients::default();
        let client = Client {
            name: "core".to_owned(),
            grant: Grant::of_token(Scope::ALL, None),
            requests_per_minute: 2,
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
            |value: &str| clients.identify(&headers(value), Duration::ZERO).map(|client| client.name.clone());
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
            clients.identify(&HeaderMap::new(), Duration::ZERO).unwrap_err().status(),
            StatusCode::UNAUTHORIZED
        );
    }

    #[test]
    fn whoever_calls_too_often_waits_and_then_may_again() {
        let clients = clients();
        let headers = headers("Bearer 0123456789abcdef0123456789abcdef");
        let may = |at: u64| clients.identify(&headers, Duration::from_secs(at)).is_ok();
        assert_eq!(
            [may(0), may(0), may(0), may(29), may(30), may(31), may(600), may(600), may(600)],
            [true, true, false, false, true, false, true, true, false]
        );
    }
}
