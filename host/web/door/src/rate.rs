//! How many requests a caller may make.
//!
//! The generic cell rate algorithm, one time a caller, and no more callers than a bound. It is our
//! own because the crate for it keeps every key that it ever saw until it is told to look for old
//! ones, and whoever can choose keys, as with addresses, chooses how much memory that takes.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::problem::Problem;

/// How often a caller may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Time between two requests of somebody who asks steadily.
    pub every: Duration,
    /// Requests at once after a silence; at least 1.
    pub burst: u32,
}

impl Quota {
    /// So many requests a second, and as many at once. 0 is taken for 1.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        let requests = requests.max(1);
        Self { every: Duration::from_secs(1) / requests, burst: requests }
    }

    /// What may be used up in advance.
    fn tolerance(self) -> Duration {
        self.every.saturating_mul(self.burst.max(1) - 1)
    }
}

/// One quota for each of many callers: addresses (see [`caller`]), or the ids of tokens.
///
/// `most` callers are told apart. Those who come when so many are busy share one more quota until
/// others fall silent: they are slowed down, and nobody is forgotten who has used up theirs.
///
/// ```
/// use std::time::Duration;
/// use rfid_door::rate::{Quota, RateLimit};
///
/// let limit = RateLimit::new(Quota::per_second(2), 10_000);
/// let now = Duration::from_secs(100); // of the caller's monotonic clock
/// assert!(limit.admit("token 7", now).is_ok());
/// assert!(limit.admit("token 7", now).is_ok());
/// let refused = limit.admit("token 7", now).unwrap_err();
/// assert_eq!(refused.retry_after, Duration::from_millis(500));
/// ```
#[derive(Debug)]
pub struct RateLimit<K> {
    quota: Quota,
    most: usize,
    callers: Mutex<Callers<K>>,
}

#[derive(Debug)]
struct Callers<K> {
    /// When each would be at rest again.
    due: HashMap<K, Duration>,
    /// The same of all who have no place of their own.
    others: Duration,
    /// Those at rest are looked for again from then on: looking takes time.
    sweep: Duration,
}

/// The caller asks too often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooOften {
    /// After this time it may ask again.
    pub retry_after: Duration,
}

impl From<TooOften> for Problem {
    fn from(refused: TooOften) -> Self {
        Self::too_many_requests(refused.retry_after)
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    /// One quota for each of `most` callers, at about 50 bytes and a key each.
    #[must_use]
    pub fn new(quota: Quota, most: usize) -> Self {
        let callers = Callers { due: HashMap::new(), others: Duration::ZERO, sweep: Duration::ZERO };
        Self { quota, most, callers: Mutex::new(callers) }
    }

    /// Counts a request at `now`, a time of a monotonic clock.
    ///
    /// # Errors
    ///
    /// The caller has used up its quota. A refused request does not count.
    pub fn admit(&self, caller: K, now: Duration) -> Result<(), TooOften> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let Callers { due, others, sweep } = &mut *callers;
        let is_known = due.contains_key(&caller);
        if !is_known && due.len() >= self.most && *sweep <= now {
            due.retain(|_, due| *due > now);
            *sweep = now + self.quota.tolerance().max(self.quota.every);
        }
        if is_known || due.len() < self.most {
            self.count(due.entry(caller).or_default(), now)
        } else {
            self.count(others, now)
        }
    }

    fn count(&self, due: &mut Duration, now: Duration) -> Result<(), TooOften> {
        let from = (*due).max(now);
        let ahead = from - now;
        match ahead.checked_sub(self.quota.tolerance()) {
            Some(wait) if !wait.is_zero() => Err(TooOften { retry_after: wait }),
            _ => {
                *due = from.saturating_add(self.quota.every);
                Ok(())
            }
        }
    }
}

/// What stands for an address in a limit: a network of IPv6 (/64) is one caller, because whoever
/// has one address of it has them all.
#[must_use]
pub fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { every: Duration::from_millis(100), burst: 3 };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let limit = RateLimit::new(QUOTA, 10);
        let mut admitted = Vec::new();
        for time in (0..1000).step_by(10) {
            if limit.admit("a", at(time)).is_ok() {
                admitted.push(time);
            }
        }
        assert_eq!(admitted, [0, 10, 20, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(limit.admit("a", at(999)), Err(TooOften { retry_after: at(1) }));
        assert_eq!(limit.admit("b", at(999)), Ok(()));
    }

    #[test]
    fn those_beyond_the_bound_share_one_quota_and_nobody_busy_is_forgotten() {
        let limit = RateLimit::new(QUOTA, 2);
        for caller in ["a", "a", "a", "b"] {
            limit.admit(caller, at(1)).unwrap();
        }
        assert!(limit.admit("a", at(1)).is_err());
        let mut strangers = (0..1000).map(|number| limit.admit(["c", "d", "e"][number % 3], at(1)).is_ok());
        assert_eq!(strangers.by_ref().filter(|admitted| *admitted).count(), 3);
        assert!(limit.admit("a", at(1)).is_err());
        assert_eq!(limit.callers.lock().unwrap().due.len(), 2);
        // "a" and "b" have fallen silent: there is room.
        for _ in 0..3 {
            limit.admit("c", at(1000)).unwrap();
        }
        assert!(limit.admit("c", at(1000)).is_err());
        assert_eq!(limit.admit("d", at(1000)), Ok(()));
    }

    #[test]
    fn a_network_is_one_caller() {
        let of = |address: &str| caller(address.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    proptest! {
        #[test]
        fn no_span_of_time_admits_more_than_the_quota(steps in prop::collection::vec(0..300_u64, 1..200)) {
            let limit = RateLimit::new(QUOTA, 1);
            let (mut now, mut admitted) = (0, Vec::new());
            for step in steps {
                now += step;
                if limit.admit((), at(now)).is_ok() {
                    admitted.push(now);
                }
            }
            for first in 0..admitted.len() {
                for last in first..admitted.len() {
                    let span = admitted[last] - admitted[first];
                    prop_assert!((last - first) as u64 <= span / 100 + 2, "{admitted:?}");
                }
            }
        }

        #[test]
        fn waiting_as_told_helps(steps in prop::collection::vec(0..50_u64, 1..50)) {
            let limit = RateLimit::new(QUOTA, 1);
            let mut now = Duration::ZERO;
            for step in steps {
                now += at(step);
                if let Err(refused) = limit.admit((), now) {
                    now += refused.retry_after;
                    prop_assert_eq!(limit.admit((), now), Ok(()));
                }
            }
        }
    }
}
