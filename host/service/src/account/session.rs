//! Who is logged in: sessions are kept by the host and known to a browser by a random reference alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rfid_core::{Name, Result, UtcTime};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::AccountSettings;
use crate::randomness::{self, Randomness};
use crate::record::StaffId;

/// Sessions of a host at most: what is behind this is an attack.
const MOST: usize = 20_000;

/// What opens a session, and what goes with what is changed in it.
pub struct Keys {
    /// The reference that the browser keeps.
    pub token: Zeroizing<String>,
    /// What every request that changes something bears besides.
    pub proof: String,
    /// What it is called in the audit trail.
    pub alias: String,
}

/// The branch that a session looks at instead of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    /// Its code.
    pub branch: Name,
    /// Why; empty where nobody has to say.
    pub reason: String,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub staff: StaffId,
    /// The number of the account that it was begun under.
    pub epoch: u32,
    /// What every request that changes something bears.
    pub proof: String,
    /// What it is called.
    pub alias: String,
    /// When it began.
    pub since: UtcTime,
    /// From where.
    pub from: String,
    /// What it looks at, unless it is its own branch.
    pub acting: Option<Acting>,
    began: Duration,
    used: Duration,
    proved: Duration,
}

impl Session {
    /// Whether the person has proved a moment ago who it is.
    pub fn is_proved(&self, now: Duration, settings: &AccountSettings) -> bool {
        now.saturating_sub(self.proved) <= settings.proved_for
    }
}

/// All sessions of a host. A start of the host ends them.
#[derive(Default)]
pub struct Sessions {
    sessions: Mutex<HashMap<[u8; 32], Session>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Begins a session. The oldest of the same person end where there are too many.
    ///
    /// # Errors
    /// `Io` without random bytes.
    pub fn begin(
        &self,
        (staff, epoch): (StaffId, u32),
        from: &str,
        (utc, now): (UtcTime, Duration),
        settings: &AccountSettings,
        randomness: &dyn Randomness,
    ) -> Result<Keys> {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let token: Zeroizing<[u8; 32]> = Zeroizing::new(randomness::bytes(randomness)?);
        let proof: [u8; 16] = randomness::bytes(randomness)?;
        let alias: [u8; 6] = randomness::bytes(randomness)?;
        let keys =
            Keys { token: Zeroizing::new(hex(token.as_ref())), proof: hex(&proof), alias: hex(&alias) };
        let session = Session {
            staff,
            epoch,
            proof: keys.proof.clone(),
            alias: keys.alias.clone(),
            since: utc,
            from: from.to_owned(),
            acting: None,
            began: now,
            used: now,
            proved: now,
        };
        let mut sessions = self.lock();
        sessions.retain(|_, session| is_alive(session, now, settings));
        let mut own: Vec<([u8; 32], Duration)> = sessions
            .iter()
            .filter(|(_, session)| session.staff == staff)
            .map(|(hash, session)| (*hash, session.began))
            .collect();
        own.sort_by_key(|(_, began)| *began);
        let too_many = (own.len() + 1).saturating_sub(settings.sessions_each.max(1));
        for (hash, _) in own.into_iter().take(too_many) {
            sessions.remove(&hash);
        }
        if sessions.len() >= MOST
            && let Some(oldest) =
                sessions.iter().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&keys.token), session);
        Ok(keys)
    }

    /// The session of a reference, which is used by that; nothing if there is none or it is over.
    pub fn find(&self, token: &str, now: Duration, settings: &AccountSettings) -> Option<Session> {
        let mut sessions = self.lock();
        let hash = hash(token);
        let session = sessions.get_mut(&hash)?;
        if !is_alive(session, now, settings) {
            sessions.remove(&hash);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Whether a session goes on, without using it.
    pub fn goes_on(&self, alias: &str, now: Duration, settings: &AccountSettings) -> bool {
        self.lock().values().any(|session| session.alias == alias && is_alive(session, now, settings))
    }

    /// Notes that the person of a session has proved again who it is.
    pub fn prove(&self, alias: &str, now: Duration) {
        for session in self.lock().values_mut().filter(|session| session.alias == alias) {
            session.proved = now;
        }
    }

    /// Has a session of a person look at this branch, or at its own again. Returns whether there is such a
    /// session.
    pub fn act(&self, staff: StaffId, alias: &str, acting: Option<Acting>) -> bool {
        let mut sessions = self.lock();
        let is_it = |session: &&mut Session| session.staff == staff && session.alias == alias;
        match sessions.values_mut().find(is_it) {
            Some(session) => {
                session.acting = acting;
                true
            }
            None => false,
        }
    }

    /// The branch that a session of a person looks at instead of its own.
    pub fn acting(&self, staff: StaffId, alias: &str) -> Option<Name> {
        let sessions = self.lock();
        let is_it = |session: &&Session| session.staff == staff && session.alias == alias;
        sessions.values().find(is_it)?.acting.as_ref().map(|acting| acting.branch.clone())
    }

    /// Sessions of a person that go on, the oldest first.
    pub fn of(&self, staff: StaffId, now: Duration, settings: &AccountSettings) -> Vec<Session> {
        let sessions = self.lock();
        let mut own: Vec<Session> = sessions
            .values()
            .filter(|session| session.staff == staff && is_alive(session, now, settings))
            .cloned()
            .collect();
        own.sort_by_key(|session| session.began);
        own
    }

    /// Ends those sessions of a person that are called so; all of them if it is not said which. Returns
    /// how many.
    pub fn end(&self, staff: StaffId, alias: Option<&str>) -> usize {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions
            .retain(|_, session| session.staff != staff || alias.is_some_and(|alias| session.alias != alias));
        before - sessions.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_alive(session: &Session, now: Duration, settings: &AccountSettings) -> bool {
    now.saturating_sub(session.began) < settings.session_at_most
        && now.saturating_sub(session.used) < settings.idle_after
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    const ME: StaffId = StaffId::from_bytes([1; 16]);

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    fn begin(sessions: &Sessions, now: Duration) -> Keys {
        let settings = AccountSettings::default();
        let times = (UtcTime::from_nanos(0), now);
        sessions.begin((ME, 1), "10.0.0.1", times, &settings, &SystemRandomness).unwrap()
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_a_day_of_work() {
        let (sessions, settings) = (Sessions::default(), AccountSettings::default());
        let keys = begin(&sessions, minutes(0));
        let mut now = minutes(0);
        while now < minutes(8 * 60 - 14) {
            now += minutes(14);
            assert!(sessions.find(&keys.token, now, &settings).is_some(), "{now:?}");
        }
        assert!(sessions.find(&keys.token, minutes(8 * 60), &settings).is_none());
        let keys = begin(&sessions, minutes(0));
        assert!(!sessions.goes_on(&keys.alias, minutes(15), &settings));
        assert!(sessions.find(&keys.token, minutes(15), &settings).is_none());
        assert!(sessions.find("", minutes(0), &settings).is_none());
    }

    #[test]
    fn the_oldest_of_too_many_sessions_ends() {
        let (sessions, settings) = (Sessions::default(), AccountSettings::default());
        let [first, second, third] = [0, 1, 2].map(|minute| begin(&sessions, minutes(minute)));
        let is_there = |keys: &Keys| sessions.find(&keys.token, minutes(3), &settings).is_some();
        assert_eq!([is_there(&first), is_there(&second), is_there(&third)], [false, true, true]);
        assert_eq!(sessions.end(ME, Some(&second.alias)), 1);
        assert_eq!(sessions.of(ME, minutes(3), &settings).len(), 1);
        assert_eq!(sessions.end(ME, None), 1);
        assert!(!is_there(&third));
    }

    #[test]
    fn a_proof_counts_for_a_while() {
        let (sessions, settings) = (Sessions::default(), AccountSettings::default());
        let keys = begin(&sessions, minutes(0));
        let is_proved = |now| sessions.find(&keys.token, now, &settings).unwrap().is_proved(now, &settings);
        assert!(is_proved(minutes(5)) && !is_proved(minutes(6)));
        sessions.prove(&keys.alias, minutes(7));
        assert!(is_proved(minutes(12)) && !is_proved(minutes(13)));
    }
}
