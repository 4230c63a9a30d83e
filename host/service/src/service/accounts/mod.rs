//! Accounts: logging in, sessions, and what makes an account usable.
//!
//! * `acting.rs`: the branch that somebody of the centre looks at.
//! * `confirming.rs`: who still needs one.
//! * `failures.rs`: tries that failed.
//! * `invitations.rs`: how somebody comes to a password.
//! * `setup.rs`: the first two accounts.
//! * `keeping.rs`: who has one, and who has none any more.
//! * `outlasting.rs`: sessions when the host starts anew.
//! * `displays.rs`: machines that are let in without a person.

mod acting;
mod confirming;
mod displays;
mod failures;
mod invitations;
mod keeping;
mod outlasting;
mod setup;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rfid_core::{Result as CoreResult, UtcTime};

use self::setup::Setup;
use super::fault::{Fault, FieldFault};
use super::{Caller, Grant, Service, SessionMark};
use crate::account::kept::SessionFile;
use crate::account::password::{self, Trier, Weak};
use crate::account::session::{Acting, For, Keys as SessionKeys, Session, Sessions};
use crate::account::{AccountSettings, second_factor};
use crate::record::{Account, AccountState, Key, Lent, Personal, Staff, StaffId};
use crate::rights::{Matrix, Role};
use crate::store::{Actor, Stored};

pub use confirming::Reviewed;
pub use invitations::Invited;

/// Of whom there is no account.
const NOBODY: StaffId = StaffId::from_bytes([0; 16]);
/// Failures of an invitation that end it.
const WRONG_CODES: u32 = 5;

/// What the service keeps about who may log in, besides the accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) settings: AccountSettings,
    sessions: Arc<Sessions>,
    /// Where sessions outlast the end of the host; nowhere in most tests.
    file: Option<SessionFile>,
    /// Made by the first try.
    trier: OnceLock<Trier>,
    setup: Mutex<Option<Setup>>,
    /// Whose turn it is to ask for something about an account.
    pub(super) asking: tokio::sync::Mutex<()>,
    /// Whether there was a system administrator and a security administrator when it was last looked.
    is_administered: AtomicBool,
}

impl Accounts {
    pub(super) fn new(settings: AccountSettings) -> Self {
        Self { settings, ..Self::default() }
    }
}

/// Somebody who has logged in.
pub struct LoggedIn {
    /// What opens the session.
    pub keys: SessionKeys,
    /// Who it is.
    pub staff: Stored<Staff>,
    /// As what.
    pub roles: BTreeSet<Role>,
    /// Tries that failed since the last time.
    pub failures_before: u32,
    /// The last time.
    pub last_login: Option<UtcTime>,
}

/// Who is behind a session.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The caller, with all that the person may do.
    pub caller: Caller,
    /// What a request that changes something must bear.
    pub proof: String,
    /// Who it is.
    pub staff: Stored<Staff>,
    /// As what.
    pub roles: BTreeSet<Role>,
    /// The branch that they look at instead of their own, and why.
    pub acting: Option<Acting>,
}

impl Service {
    /// The same with other figures for accounts.
    #[must_use]
    pub fn with_accounts(self, settings: AccountSettings) -> Self {
        let file = self.accounts.file;
        Self { accounts: Accounts { file, ..Accounts::new(settings) }, ..self }
    }

    /// How accounts are kept.
    pub fn account_settings(&self) -> &AccountSettings {
        &self.accounts.settings
    }

    fn trier(&self) -> CoreResult<&Trier> {
        if let Some(trier) = self.accounts.trier.get() {
            return Ok(trier);
        }
        let AccountSettings { cost, tried_at_once, .. } = self.accounts.settings;
        let made = Trier::new(cost, tried_at_once, self.randomness.as_ref())?;
        Ok(self.accounts.trier.get_or_init(|| made))
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// Logs somebody in, who says who it is from this address.
    ///
    /// # Errors
    /// `NotAccepted`, whatever was wrong: the number, the password, the digits, or that the account
    /// cannot be used just now. It takes as long for each.
    pub async fn log_in(
        &self,
        from: &str,
        number: &str,
        password: Personal<String>,
        digits: Option<&str>,
    ) -> Result<LoggedIn, Fault> {
        let found = self.account_of_number(number).await?;
        let is_open = !self.is_locked(number).await?;
        let usable = found.as_ref().filter(|(_, account)| is_open && self.is_usable(&account.record));
        let kept = usable.and_then(|(_, account)| account.record.password.as_ref());
        let is_it = self.trier()?.is_it(password, kept).await?;
        let step = match usable {
            Some((_, account)) => self.step(&account.record, digits)?,
            None => None,
        };
        let caller = |actor| Caller::new(actor, from, Grant::of_token([], None));
        let accepted = found.as_ref().filter(|_| is_it).zip(step);
        let Some(((staff, account), step)) = accepted else {
            let (count, locked) = self.note_failure(number).await?;
            let who = found.map_or(Actor::Host, |(staff, _)| Actor::Staff(staff.record.id));
            let mark = self.trail.as_ref().map_or_else(String::new, |trail| trail.mark(number.as_bytes()));
            self.did(&caller(who), "session.begin", |entry| {
                entry.outcome = crate::audit::Outcome::Refused;
                entry.count = Some(u64::from(count));
                entry.facts.insert("number".to_owned(), mark);
                if locked {
                    entry.rule = Some("locked".to_owned());
                }
            })
            .await?;
            return Err(Fault::NotAccepted);
        };
        let (staff, account) = (staff.clone(), account.clone());
        let (id, roles, last_login) =
            (staff.record.id, account.record.roles.clone(), account.record.last_login);
        let epoch = account.record.epoch;
        let noted = Account { last_login: Some(self.now()), last_step: step, ..account.record };
        // Two who use the same digits at once: the second finds another version and is refused.
        match self.put(&caller(Actor::Staff(id)), "session.begin", noted, account.version).await {
            Ok(_) => {}
            Err(Fault::Conflict { .. }) => return Err(Fault::NotAccepted),
            Err(fault) => return Err(fault),
        }
        let failures_before = self.forget_failures(number).await?;
        let keys = self.begin_session(For { staff: id, epoch, is_display: false }, from).await?;
        Ok(LoggedIn { keys, staff, roles, failures_before, last_login })
    }

    async fn begin_session(&self, whose: For, from: &str) -> Result<SessionKeys, Fault> {
        let keys = self.accounts.sessions.begin(
            whose,
            from,
            (self.now(), self.monotonic()),
            &self.accounts.settings,
            self.randomness.as_ref(),
        )?;
        // The oldest may have ended by it, and stays so.
        self.save_sessions().await?;
        Ok(keys)
    }

    /// Who calls with the reference of a session, from this address.
    ///
    /// # Errors
    /// `NoSession` if there is none, it is over, or the account cannot be used any more.
    pub async fn identify(&self, token: &str, from: &str) -> Result<Identified, Fault> {
        let settings = &self.accounts.settings;
        let session =
            self.accounts.sessions.find(token, self.monotonic(), settings).ok_or(Fault::NoSession)?;
        let keys = [Key::Staff(session.staff), Key::Account(session.staff)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let staff: Option<Stored<Staff>> = found.next().flatten().and_then(Stored::typed);
        let account: Option<Stored<Account>> = found.next().flatten().and_then(Stored::typed);
        let usable = staff.zip(account).filter(|(staff, account)| {
            let account = &account.record;
            !staff.record.left && account.state == AccountState::Active && account.epoch == session.epoch
        });
        let Some((staff, account)) = usable else {
            self.accounts.sessions.end(session.staff, Some(&session.alias));
            return Err(Fault::NoSession);
        };
        let lent = account.record.lent.filter(|lent| self.has_what_was_lent(Some(lent.until)));
        let roles = account.record.roles;
        let caller = self.caller_of(&session, from, &staff.record, &roles, lent);
        // Who may do much does it from one place; for others another address is noted by what they do.
        if session.from != from && roles.iter().any(|role| Matrix::get().needs_second_factor(*role)) {
            self.accounts.sessions.end(session.staff, Some(&session.alias));
            self.save_sessions().await?;
            self.note_refusal(&caller, "session.use", None, "from another address than it was begun").await?;
            return Err(Fault::NoSession);
        }
        Ok(Identified { caller, proof: session.proof, staff, roles, acting: session.acting })
    }

    fn caller_of(
        &self,
        session: &Session,
        from: &str,
        staff: &Staff,
        roles: &BTreeSet<Role>,
        lent: Option<Lent>,
    ) -> Caller {
        let is_proved = session.is_proved(self.monotonic(), &self.accounts.settings);
        let grant = Grant::of_roles(roles.iter().copied(), staff.branch.clone(), staff.id);
        let grant = match lent {
            Some(lent) => grant.with_lent(lent),
            None => grant,
        };
        let acting = session.acting.as_ref();
        let branch = acting.map(|acting| acting.branch.clone());
        Caller {
            actor: Actor::Staff(staff.id),
            from: from.to_owned(),
            // Where somebody works comes from the session and never from a request.
            grant: match &branch {
                Some(branch) => grant.within(branch),
                None => grant,
            },
            session: Some(SessionMark { alias: session.alias.clone(), is_proved, acting: branch }),
            reason: acting.map(|acting| acting.reason.clone()).filter(|reason| !reason.is_empty()),
        }
    }

    /// A caller with all that the person may do, whatever branch their session looks at.
    async fn whole_caller(&self, caller: &Caller) -> Result<Caller, Fault> {
        let me = caller.grant.who().ok_or(Fault::NoSession)?;
        let staff: Stored<Staff> = self.get(Key::Staff(me), "member of staff").await?;
        let account: Stored<Account> = self.get(Key::Account(me), "account").await?;
        let grant = Grant::of_roles(account.record.roles, staff.record.branch, me);
        Ok(Caller { grant, ..caller.clone() })
    }

    /// Whether what goes on in the name of a caller may go on: a session that is over ends what it began.
    pub fn goes_on(&self, caller: &Caller) -> bool {
        let until = caller.grant.lent().map(|lent| lent.until);
        let has_session = caller.session.as_ref().is_none_or(|session| {
            self.accounts.sessions.goes_on(&session.alias, self.monotonic(), &self.accounts.settings)
        });
        has_session && self.has_what_was_lent(until)
    }

    /// The same, and whether the account can still be used, which another host may have changed.
    pub async fn still_is(&self, caller: &Caller) -> bool {
        if !self.goes_on(caller) {
            return false;
        }
        let (Some(me), Some(mark)) = (caller.grant.who(), &caller.session) else { return true };
        let settings = &self.accounts.settings;
        let sessions = self.accounts.sessions.of(me, self.monotonic(), settings);
        let Some(session) = sessions.into_iter().find(|session| session.alias == mark.alias) else {
            return false;
        };
        // While the store does not answer, whoever is there stays.
        let Ok(account) = self.find::<Account>(Key::Account(me)).await else { return true };
        account.is_some_and(|Stored { record, .. }| {
            record.state == AccountState::Active && record.epoch == session.epoch
        })
    }

    /// Ends sessions of the caller: the one that is called so, or the one that calls.
    ///
    /// # Errors
    /// `NotFound`, `Unaudited`.
    pub async fn log_out(&self, caller: &Caller, alias: Option<&str>) -> Result<(), Fault> {
        let (Some(me), Some(session)) = (caller.grant.who(), &caller.session) else {
            return Err(Fault::NotFound("session"));
        };
        let alias = alias.unwrap_or(&session.alias);
        if self.accounts.sessions.end(me, Some(alias)) == 0 {
            return Err(Fault::NotFound("session"));
        }
        self.save_sessions().await?;
        self.did(caller, "session.end", |entry| {
            entry.facts.insert("session".to_owned(), alias.to_owned());
        })
        .await
    }

    /// Sessions of the caller that go on.
    pub fn own_sessions(&self, caller: &Caller) -> Vec<Session> {
        let settings = &self.accounts.settings;
        caller.grant.who().map_or(Vec::new(), |me| self.accounts.sessions.of(me, self.monotonic(), settings))
    }

    /// Proves again who the caller is, by the password or by the digits of now, for what needs that.
    ///
    /// # Errors
    /// `NotAccepted`.
    pub async fn prove(
        &self,
        caller: &Caller,
        password: Option<Personal<String>>,
        digits: Option<&str>,
    ) -> Result<(), Fault> {
        let (Some(me), Some(session)) = (caller.grant.who(), &caller.session) else {
            return Err(Fault::NoSession);
        };
        let staff: Stored<Staff> = self.get(Key::Staff(me), "member of staff").await?;
        let account: Stored<Account> = self.get(Key::Account(me), "account").await?;
        let number = staff.record.number.to_string();
        let is_open = !self.is_locked(&number).await?;
        let by_password = match password.filter(|_| is_open) {
            Some(password) => self.trier()?.is_it(password, account.record.password.as_ref()).await?,
            None => false,
        };
        let step = match digits.filter(|_| is_open && !by_password) {
            Some(digits) if account.record.second_factor.is_some() => {
                self.step(&account.record, Some(digits))?
            }
            _ => None,
        };
        if !by_password && step.is_none() {
            self.note_failure(&number).await?;
            self.note_refusal(caller, "session.prove", None, "not accepted").await?;
            return Err(Fault::NotAccepted);
        }
        if let Some(step) = step {
            let noted = Account { last_step: step, ..account.record };
            self.put(caller, "session.prove", noted, account.version).await?;
        } else {
            self.did(caller, "session.prove", |_| {}).await?;
        }
        self.accounts.sessions.prove(&session.alias, self.monotonic());
        Ok(())
    }

    /// Sets another password for the caller, and ends the caller's other sessions.
    ///
    /// # Errors
    /// `NotAccepted` for the password of now, `Invalid` for the new one.
    pub async fn change_password(
        &self,
        caller: &Caller,
        before: Personal<String>,
        after: Personal<String>,
    ) -> Result<(), Fault> {
        let (Some(me), Some(session)) = (caller.grant.who(), &caller.session) else {
            return Err(Fault::NoSession);
        };
        self.prove(caller, Some(before), None).await?;
        let staff: Stored<Staff> = self.get(Key::Staff(me), "member of staff").await?;
        let account: Stored<Account> = self.get(Key::Account(me), "account").await?;
        self.check_password(&after, &staff.record, &account.record.roles)?;
        let kept = self.trier()?.hash(after, self.randomness.as_ref()).await?;
        let changed = Account { password: Some(kept), ..account.record };
        self.put(caller, "account.password", changed, account.version).await?;
        for other in self.own_sessions(caller).iter().filter(|other| other.alias != session.alias) {
            self.accounts.sessions.end(me, Some(&other.alias));
        }
        self.save_sessions().await
    }

    pub(super) async fn account_of_number(
        &self,
        number: &str,
    ) -> Result<Option<(Stored<Staff>, Stored<Account>)>, Fault> {
        let staff = match self.any_staff_of_number(number).await {
            Ok(staff) => staff,
            Err(Fault::NotFound(_)) => {
                // As much is asked of the store as for a number that somebody has.
                self.find::<Account>(Key::Account(NOBODY)).await?;
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        let account = self.find(Key::Account(staff.record.id)).await?;
        Ok(account.map(|account| (staff, account)))
    }

    fn is_usable(&self, account: &Account) -> bool {
        let used = account.last_login.unwrap_or(account.since).max(account.since);
        account.state == AccountState::Active && self.now().since(used) < self.accounts.settings.dormant_after
    }

    /// The step of the second factor that these digits use; zero where none is needed, nothing where they
    /// are wrong.
    fn step(&self, account: &Account, digits: Option<&str>) -> CoreResult<Option<u64>> {
        let is_needed = account.roles.iter().any(|role| Matrix::get().needs_second_factor(*role));
        match (&account.second_factor, digits) {
            (Some(secret), Some(digits)) => {
                second_factor::step(secret, digits, self.now(), account.last_step)
            }
            (None, _) if !is_needed => Ok(Some(0)),
            _ => Ok(None),
        }
    }

    /// What is wrong with a password that the caller thinks of, for somebody who types it just now.
    ///
    /// # Errors
    /// `NoSession`, `Store`.
    pub async fn weigh_password(
        &self,
        caller: &Caller,
        password: &Personal<String>,
    ) -> Result<Option<Weak>, Fault> {
        let me = caller.grant.who().ok_or(Fault::NoSession)?;
        let staff: Stored<Staff> = self.get(Key::Staff(me), "member of staff").await?;
        let account: Stored<Account> = self.get(Key::Account(me), "account").await?;
        Ok(self.weak(password, &staff.record, &account.record.roles))
    }

    /// Fewest characters of a password of somebody with these roles.
    pub fn shortest_password(&self, roles: &BTreeSet<Role>) -> usize {
        let settings = &self.accounts.settings;
        match roles.iter().any(|role| Matrix::get().needs_second_factor(*role)) {
            true => settings.shortest_with_second_factor,
            false => settings.shortest_password,
        }
    }

    fn weak(&self, password: &Personal<String>, staff: &Staff, roles: &BTreeSet<Role>) -> Option<Weak> {
        let number = staff.number.to_string();
        let words = [number.as_str(), staff.name.reveal(), staff.branch.as_str()];
        password::check(password.reveal(), self.shortest_password(roles), &words).err()
    }

    pub(super) fn check_password(
        &self,
        password: &Personal<String>,
        staff: &Staff,
        roles: &BTreeSet<Role>,
    ) -> Result<(), Fault> {
        match self.weak(password, staff, roles) {
            Some(weak) => Err(Fault::Invalid(vec![FieldFault::new("password", weak.to_string())])),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
