//! Who is logged in: sessions are kept by the host and known to a browser by a random reference alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rfid_core::{Name, Result, UtcTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::AccountSettings;
use crate::hex::hex;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether a display has it, and no person.
    pub is_display: bool,
    /// What it looks at, unless it is its own branch.
    pub acting: Option<Acting>,
    /// Since when this host has known it, and how old it was and for how long unused by then: an earlier run
    /// of the host may have begun it.
    known: Duration,
    age_then: Duration,
    unused_then: Duration,
    /// When it was used in this run.
    used: Option<Duration>,
    /// When the person proved who it is, in this run.
    proved: Option<Duration>,
}

impl Session {
    /// Whether the person has proved a moment ago who it is.
    pub fn is_proved(&self, now: Duration, settings: &AccountSettings) -> bool {
        self.proved.is_some_and(|proved| now.saturating_sub(proved) <= settings.proved_for)
    }

    fn age(&self, now: Duration) -> Duration {
        self.age_then + now.saturating_sub(self.known)
    }

    fn unused(&self, now: Duration) -> Duration {
        match self.used {
            Some(used) => now.saturating_sub(used),
            None => self.unused_then + now.saturating_sub(self.known),
        }
    }

    fn is_alive(&self, now: Duration, settings: &AccountSettings) -> bool {
        let AccountSettings { session_at_most, idle_after, display_at_most, .. } = *settings;
        // A display has nobody who does anything on it.
        let (at_most, idle) =
            if self.is_display { (display_at_most, display_at_most) } else { (session_at_most, idle_after) };
        self.age(now) < at_most && self.unused(now) < idle
    }
}

/// A session as it outlasts the end of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptSession {
    /// SHA-256 of the reference.
    hash: [u8; 32],
    staff: StaffId,
    epoch: u32,
    proof: String,
    alias: String,
    since: UtcTime,
    from: String,
    is_display: bool,
    #[serde(default)]
    acting: Option<Acting>,
    age: Duration,
    unused: Duration,
}

/// For whom a session is begun.
#[derive(Clone, Copy, Debug)]
pub struct For {
    /// Whose it is.
    pub staff: StaffId,
    /// The number of the account.
    pub epoch: u32,
    /// Whether it is a display.
    pub is_display: bool,
}

/// All sessions of a host.
#[derive(Default)]
pub struct Sessions {
    sessions: Mutex<HashMap<[u8; 32], Session>>,
    /// Counts what was changed.
    changes: AtomicU64,
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
        For { staff, epoch, is_display }: For,
        from: &str,
        (utc, now): (UtcTime, Duration),
        settings: &AccountSettings,
        randomness: &dyn Randomness,
    ) -> Result<Keys> {
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
            is_display,
            acting: None,
            known: now,
            age_then: Duration::ZERO,
            unused_then: Duration::ZERO,
            used: Some(now),
            proved: Some(now),
        };
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.is_alive(now, settings));
        let mut own: Vec<([u8; 32], Duration)> = sessions
            .iter()
            .filter(|(_, session)| session.staff == staff)
            .map(|(hash, session)| (*hash, session.age(now)))
            .collect();
        own.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        // One machine is one display.
        let most = if is_display { 1 } else { settings.sessions_each.max(1) };
        let too_many = (own.len() + 1).saturating_sub(most);
        for (hash, _) in own.into_iter().take(too_many) {
            sessions.remove(&hash);
        }
        if sessions.len() >= MOST
            && let Some(oldest) =
                sessions.iter().max_by_key(|(_, session)| session.unused(now)).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&keys.token), session);
        self.note_change();
        Ok(keys)
    }

    /// The session of a reference, which is used by that; nothing if there is none or it is over.
    pub fn find(&self, token: &str, now: Duration, settings: &AccountSettings) -> Option<Session> {
        let mut sessions = self.lock();
        let hash = hash(token);
        let session = sessions.get_mut(&hash)?;
        self.note_change();
        if !session.is_alive(now, settings) {
            sessions.remove(&hash);
            return None;
        }
        session.used = Some(now);
        Some(session.clone())
    }

    /// Whether a session goes on, without using it.
    pub fn goes_on(&self, alias: &str, now: Duration, settings: &AccountSettings) -> bool {
        self.lock().values().any(|session| session.alias == alias && session.is_alive(now, settings))
    }

    /// Notes that the person of a session has proved again who it is.
    pub fn prove(&self, alias: &str, now: Duration) {
        for session in self.lock().values_mut().filter(|session| session.alias == alias) {
            session.proved = Some(now);
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
                self.note_change();
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
            .filter(|session| session.staff == staff && session.is_alive(now, settings))
            .cloned()
            .collect();
        own.sort_by_key(|session| std::cmp::Reverse(session.age(now)));
        own
    }

    /// Ends those sessions of a person that are called so; all of them if it is not said which. Returns
    /// how many.
    pub fn end(&self, staff: StaffId, alias: Option<&str>) -> usize {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions
            .retain(|_, session| session.staff != staff || alias.is_some_and(|alias| session.alias != alias));
        self.note_change();
        before - sessions.len()
    }

    /// Sessions that go on, as they outlast the end of the host.
    pub(crate) fn kept(&self, now: Duration, settings: &AccountSettings) -> Vec<KeptSession> {
        let kept = |(hash, session): (&[u8; 32], &Session)| KeptSession {
            hash: *hash,
            staff: session.staff,
            epoch: session.epoch,
            proof: session.proof.clone(),
            alias: session.alias.clone(),
            since: session.since,
            from: session.from.clone(),
            is_display: session.is_display,
            acting: session.acting.clone(),
            age: session.age(now),
            unused: session.unused(now),
        };
        self.lock().iter().filter(|(_, session)| session.is_alive(now, settings)).map(kept).collect()
    }

    /// Takes over sessions of an earlier run of the host, which ended so long ago. Nobody has proved in this run
    /// who they are. Returns how many go on.
    pub(crate) fn take_over(
        &self,
        kept: Vec<KeptSession>,
        ended: Duration,
        now: Duration,
        settings: &AccountSettings,
    ) -> usize {
        let session = |kept: KeptSession| {
            let session = Session {
                staff: kept.staff,
                epoch: kept.epoch,
                proof: kept.proof,
                alias: kept.alias,
                since: kept.since,
                from: kept.from,
                is_display: kept.is_display,
                acting: kept.acting,
                known: now,
                age_then: kept.age.saturating_add(ended),
                unused_then: kept.unused.saturating_add(ended),
                used: None,
                proved: None,
            };
            (kept.hash, session)
        };
        let mut sessions = self.lock();
        let going_on = kept.into_iter().map(session).filter(|(_, session)| session.is_alive(now, settings));
        sessions.extend(going_on.take(MOST));
        sessions.len()
    }

    /// Counts up with whatever is kept of them.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let me = For { staff: ME, epoch: 1, is_display: false };
        sessions.begin(me, "10.0.0.1", times, &settings, &SystemRandomness).unwrap()
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
    fn what_is_taken_over_is_as_old_as_it_was_and_older_by_the_time_between() {
        let (before, settings) = (Sessions::default(), AccountSettings::default());
        let keys = begin(&before, minutes(100));
        let last = begin(&before, minutes(105));
        let kept = before.kept(minutes(110), &settings);
        assert_eq!(kept.len(), 2);
        let after = Sessions::default();
        // Five minutes later, in a run that has begun just now: one was last used fifteen minutes ago.
        assert_eq!(after.take_over(kept.clone(), minutes(5), minutes(0), &settings), 1);
        assert!(after.find(&keys.token, minutes(0), &settings).is_none());
        let found = after.find(&last.token, minutes(4), &settings).unwrap();
        assert_eq!((found.proof, found.alias), (last.proof.clone(), last.alias.clone()));
        assert!(!after.goes_on(&last.alias, minutes(19), &settings));
        assert_eq!(Sessions::default().take_over(kept, minutes(15), minutes(0), &settings), 0);
        // The end comes eight hours after it began, whichever run it is in.
        let mut now = minutes(4);
        while now + minutes(14) < minutes(8 * 60 - 10) {
            now += minutes(14);
            assert!(after.find(&last.token, now, &settings).is_some(), "{now:?}");
        }
        assert!(after.find(&last.token, minutes(8 * 60 - 10), &settings).is_none());
    }

    #[test]
    fn whoever_is_taken_over_proves_anew_who_it_is() {
        let (before, settings) = (Sessions::default(), AccountSettings::default());
        let keys = begin(&before, minutes(0));
        let after = Sessions::default();
        after.take_over(before.kept(minutes(0), &settings), Duration::ZERO, minutes(0), &settings);
        let is_proved =
            || after.find(&keys.token, minutes(0), &settings).unwrap().is_proved(minutes(0), &settings);
        assert!(!is_proved());
        after.prove(&keys.alias, minutes(0));
        assert!(is_proved());
    }

    #[test]
    fn a_display_goes_on_for_a_day_without_anybody_and_is_one() {
        let (sessions, settings) = (Sessions::default(), AccountSettings::default());
        let display = For { staff: ME, epoch: 1, is_display: true };
        let begin = |now| {
            let times = (UtcTime::from_nanos(0), now);
            sessions.begin(display, "10.0.0.1", times, &settings, &SystemRandomness).unwrap()
        };
        let first = begin(minutes(0));
        assert!(sessions.goes_on(&first.alias, minutes(24 * 60 - 1), &settings));
        assert!(!sessions.goes_on(&first.alias, minutes(24 * 60), &settings));
        begin(minutes(1));
        assert!(!sessions.goes_on(&first.alias, minutes(1), &settings));
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
