//! Accounts: logging in, sessions, and what makes an account usable.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rfid_core::{Result as CoreResult, UtcTime};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::fault::{Fault, FieldFault};
use super::{Caller, Grant, Service, SessionMark, StaffDraft};
use crate::account::password::{self, Trier};
use crate::account::session::{Keys as SessionKeys, Session, Sessions};
use crate::account::{AccountSettings, code, second_factor};
use crate::record::{Account, AccountState, Invitation, Key, Kind, Personal, Record, Staff, StaffId};
use crate::rights::{Action, Matrix, Role};
use crate::store::{Actor, Stored};

/// Accounts that are read at once.
const PAGE: usize = 256;
/// Numbers whose failures are remembered; those that are forgotten first are the oldest.
const REMEMBERED: usize = 10_000;
/// Failures of an invitation that end it.
const WRONG_CODES: u32 = 5;

/// What the service keeps about who may log in, besides the accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) settings: AccountSettings,
    sessions: Sessions,
    /// Made by the first try.
    trier: OnceLock<Trier>,
    failures: Mutex<HashMap<[u8; 32], Failures>>,
    setup: Mutex<Option<Setup>>,
}

impl Accounts {
    pub(super) fn new(settings: AccountSettings) -> Self {
        Self { settings, ..Self::default() }
    }
}

/// Tries that failed for a staff number, whether or not anybody has it: nobody learns from a lock which
/// numbers there are.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last: Duration,
    locked_until: Duration,
}

/// The door by which the first two accounts are made.
#[derive(Debug)]
struct Setup {
    code_hash: String,
    until: Duration,
    wrong: u32,
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
}

impl Service {
    /// The same with other figures for accounts.
    #[must_use]
    pub fn with_accounts(self, settings: AccountSettings) -> Self {
        Self { accounts: Accounts::new(settings), ..self }
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
        let is_open = !self.is_locked(number);
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
            let (count, locked) = self.note_failure(number);
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
        let failures_before = self.forget_failures(number);
        let keys = self.accounts.sessions.begin(
            (id, epoch),
            from,
            (self.now(), self.monotonic()),
            &self.accounts.settings,
            self.randomness.as_ref(),
        )?;
        Ok(LoggedIn { keys, staff, roles, failures_before, last_login })
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
        let roles = account.record.roles;
        let caller = self.caller_of(&session, from, &staff.record, &roles);
        // Who may do much does it from one place; for others another address is noted by what they do.
        if session.from != from && roles.iter().any(|role| Matrix::get().needs_second_factor(*role)) {
            self.accounts.sessions.end(session.staff, Some(&session.alias));
            self.note_refusal(&caller, "session.use", None, "from another address than it was begun").await?;
            return Err(Fault::NoSession);
        }
        Ok(Identified { caller, proof: session.proof, staff, roles })
    }

    fn caller_of(&self, session: &Session, from: &str, staff: &Staff, roles: &BTreeSet<Role>) -> Caller {
        let is_proved = session.is_proved(self.monotonic(), &self.accounts.settings);
        Caller {
            actor: Actor::Staff(staff.id),
            from: from.to_owned(),
            grant: Grant::of_roles(roles.iter().copied(), staff.branch.clone(), staff.id),
            session: Some(SessionMark { alias: session.alias.clone(), is_proved }),
            reason: None,
        }
    }

    /// Whether what goes on in the name of a caller may go on: a session that is over ends what it began.
    pub fn goes_on(&self, caller: &Caller) -> bool {
        caller.session.as_ref().is_none_or(|session| {
            self.accounts.sessions.goes_on(&session.alias, self.monotonic(), &self.accounts.settings)
        })
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
        let Ok(mut found) = self.store.get(&[Key::Account(me)]).await else { return true };
        let account: Option<Stored<Account>> = found.pop().flatten().and_then(Stored::typed);
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
        let is_open = !self.is_locked(&number);
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
            self.note_failure(&number);
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
        Ok(())
    }

    // ---- invitations

    /// Gives somebody who was invited the secret of a second factor, as an address that an authenticator
    /// takes in. Asked for again, it is another.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code.
    pub async fn offer_second_factor(
        &self,
        from: &str,
        number: &str,
        code: &str,
        host: &str,
    ) -> Result<Personal<String>, Fault> {
        let (staff, account) = self.invited(from, number, code).await?;
        let secret = second_factor::new_secret(self.randomness.as_ref())?;
        let address = second_factor::address(&secret, host, &staff.record.number.to_string());
        let caller = Caller::new(Actor::Staff(staff.record.id), from, Grant::of_token([], None));
        let offered = Account { second_factor: Some(secret), last_step: 0, ..account.record };
        self.put(&caller, "account.second_factor", offered, account.version).await?;
        Ok(address)
    }

    /// Lets somebody who was invited set a password; with a second factor the digits of now, too.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code, or digits that are not those of now; `Invalid` for a
    /// password that is not good enough.
    pub async fn accept_invitation(
        &self,
        from: &str,
        number: &str,
        code: &str,
        password: Personal<String>,
        digits: Option<&str>,
    ) -> Result<(), Fault> {
        let (staff, account) = self.invited(from, number, code).await?;
        self.check_password(&password, &staff.record, &account.record.roles)?;
        let Some(last_step) = self.step(&account.record, digits)? else {
            self.note_failure(number);
            return Err(Fault::NotAccepted);
        };
        let kept = self.trier()?.hash(password, self.randomness.as_ref()).await?;
        let caller = Caller::new(Actor::Staff(staff.record.id), from, Grant::of_token([], None));
        let accepted = Account {
            state: AccountState::Active,
            invitation: None,
            password: Some(kept),
            last_step,
            since: self.now(),
            epoch: account.record.epoch.wrapping_add(1),
            ..account.record
        };
        self.put(&caller, "account.accept", accepted, account.version).await?;
        self.forget_failures(number);
        Ok(())
    }

    /// Whose invitation this is.
    async fn invited(
        &self,
        from: &str,
        number: &str,
        code: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let found = self.account_of_number(number).await?;
        let now = self.now();
        let fits = |account: &Account| {
            account.state == AccountState::Invited
                && account.invitation.as_ref().is_some_and(|invitation| {
                    invitation.until > now && invitation.code_hash == code::hash(code)
                })
        };
        let is_open = !self.is_locked(number) && self.failures(number) < WRONG_CODES;
        if let Some(invited) = found.filter(|(_, account)| is_open && fits(&account.record)) {
            return Ok(invited);
        }
        self.note_failure(number);
        let caller = Caller::new(Actor::Host, from, Grant::of_token([], None));
        self.note_refusal(&caller, "account.accept", None, "no such invitation").await?;
        Err(Fault::NotAccepted)
    }

    /// A new invitation of an account, and the code that goes with it, in two halves.
    pub(super) fn invitation(&self) -> CoreResult<(Invitation, [Zeroizing<String>; 2])> {
        let halves = [code::half(self.randomness.as_ref())?, code::half(self.randomness.as_ref())?];
        let whole = Zeroizing::new(format!("{}{}", *halves[0], *halves[1]));
        let until = self.now().plus(self.accounts.settings.invited_for);
        Ok((Invitation { code_hash: code::hash(&whole), until }, halves))
    }

    // ---- the first accounts

    /// Opens the door by which the first system administrator and the first security administrator are
    /// made, if there are none. Returns the code, which belongs on the console.
    ///
    /// # Errors
    /// `Store`.
    pub async fn open_setup(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        if self.missing_administrators().await?.is_empty() {
            return Ok(None);
        }
        let code = Zeroizing::new(format!(
            "{}{}",
            *code::half(self.randomness.as_ref())?,
            *code::half(self.randomness.as_ref())?
        ));
        let until = self.monotonic() + self.accounts.settings.setup_for;
        let setup = Setup { code_hash: code::hash(&code), until, wrong: 0 };
        *self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner) = Some(setup);
        Ok(Some(code))
    }

    /// Which of the first two administrators there is not.
    async fn missing_administrators(&self) -> Result<Vec<Role>, Fault> {
        let mut missing = vec![Role::SystemAdministrator, Role::SecurityAdministrator];
        let accounts = self.all_accounts().await?;
        missing.retain(|role| !accounts.iter().any(|account| account.record.roles.contains(role)));
        Ok(missing)
    }

    pub(super) async fn all_accounts(&self) -> Result<Vec<Stored<Account>>, Fault> {
        let mut accounts: Vec<Stored<Account>> = Vec::new();
        loop {
            let after = accounts.last().map(|stored| Key::Account(stored.record.staff));
            let page = self.store.scan(Kind::Account, after.as_ref(), PAGE).await?;
            if page.is_empty() {
                return Ok(accounts);
            }
            accounts.extend(page.into_iter().filter_map(Stored::typed));
        }
    }

    /// Makes one of the first two accounts with the code of the console. Returns the code of its
    /// invitation.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong code, or where the door is closed; `Invalid`; `NotAllowed` for a role
    /// that somebody has already, or that is not one of the two.
    pub async fn set_up(
        &self,
        from: &str,
        code: &str,
        draft: StaffDraft,
        role: Role,
    ) -> Result<Zeroizing<String>, Fault> {
        if !self.is_setup_code(code) {
            let caller = Caller::new(Actor::Host, from, Grant::of_token([], None));
            self.note_refusal(&caller, "account.set_up", None, "no such code").await?;
            return Err(Fault::NotAccepted);
        }
        let invited = self.first_account(from, draft, role).await?;
        if self.missing_administrators().await?.is_empty() {
            *self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(invited)
    }

    /// The same at the console of the host, without a code.
    ///
    /// # Errors
    /// As [`Service::set_up`].
    pub async fn first_account(
        &self,
        from: &str,
        draft: StaffDraft,
        role: Role,
    ) -> Result<Zeroizing<String>, Fault> {
        if !self.missing_administrators().await?.contains(&role) {
            let why = "this makes the first system administrator and the first security administrator; others \
                       are asked for, and somebody else approves";
            return Err(Fault::NotAllowed(why.to_owned()));
        }
        let caller = Caller { from: from.to_owned(), ..Caller::console() };
        let staff = self.staff_of_draft(draft).await?;
        let (invitation, [first, second]) = self.invitation()?;
        let account = self.new_account(staff.id, BTreeSet::from([role]), invitation);
        let others = vec![Stored { version: 0, record: Record::from(staff) }];
        self.put_with(&caller, "account.set_up", account, 0, others).await?;
        Ok(Zeroizing::new(format!("{}{}", *first, *second)))
    }

    fn is_setup_code(&self, code: &str) -> bool {
        let now = self.monotonic();
        let mut setup = self.accounts.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = setup.as_mut().filter(|open| now <= open.until && open.wrong < WRONG_CODES) else {
            return false;
        };
        let is_it = open.code_hash == code::hash(code);
        if !is_it {
            open.wrong += 1;
        }
        is_it
    }

    pub(super) fn new_account(
        &self,
        staff: StaffId,
        roles: BTreeSet<Role>,
        invitation: Invitation,
    ) -> Account {
        Account {
            staff,
            roles,
            state: AccountState::Invited,
            invitation: Some(invitation),
            password: None,
            second_factor: None,
            last_step: 0,
            since: self.now(),
            last_login: None,
            epoch: 0,
        }
    }

    // ---- looking after accounts

    /// All accounts that the caller looks after, each with whose it is.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn accounts(&self, caller: &Caller) -> Result<Vec<(Stored<Staff>, Stored<Account>)>, Fault> {
        let may = self.may(caller, Action::LockAccounts).await?;
        let mut found = Vec::new();
        for account in self.all_accounts().await? {
            let staff = self.store.get(&[Key::Staff(account.record.staff)]).await?.pop().flatten();
            let staff = staff.and_then(Stored::typed::<Staff>);
            found.extend(
                staff.filter(|staff| may.of_staff(&staff.record).is_some()).map(|staff| (staff, account)),
            );
        }
        self.saw(caller, "account.list", None, None, found.len()).await?;
        Ok(found)
    }

    /// Disables an account and ends its sessions, at once.
    ///
    /// # Errors
    /// `NotFound`; `NotAllowed` for one's own, and for the last of a power; `Conflict`; `Store`.
    pub async fn disable_account(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let may = self.may(caller, Action::LockAccounts).await?;
        let found = self.account_of_number(number).await?;
        let reached = found.filter(|(staff, _)| may.of_staff(&staff.record).is_some());
        let Some((staff, account)) = reached else {
            return Err(self.nothing(caller, Action::LockAccounts, "account").await);
        };
        if caller.grant.who() == Some(staff.record.id) {
            return Err(Fault::NotAllowed("nobody changes an account of their own".to_owned()));
        }
        self.is_not_the_last(&account.record, &BTreeSet::new()).await?;
        let Account { epoch, .. } = account.record;
        let disabled = Account {
            state: AccountState::Disabled,
            invitation: None,
            epoch: epoch.wrapping_add(1),
            ..account.record
        };
        let disabled = self.put(caller, "account.disable", disabled, account.version).await?;
        self.accounts.sessions.end(staff.record.id, None);
        Ok((staff, disabled))
    }

    /// Whether somebody else holds each power that this account would no longer have.
    pub(super) async fn is_not_the_last(
        &self,
        account: &Account,
        keeps: &BTreeSet<Role>,
    ) -> Result<(), Fault> {
        let lost = account.roles.difference(keeps).filter(|role| {
            matches!(role, Role::SystemAdministrator | Role::SecurityAdministrator | Role::Auditor)
        });
        let accounts = self.all_accounts().await?;
        for role in lost {
            let has = |other: &&Stored<Account>| {
                other.record.staff != account.staff
                    && other.record.state == AccountState::Active
                    && other.record.roles.contains(role)
            };
            if account.state == AccountState::Active && accounts.iter().find(has).is_none() {
                let why = format!("nobody else is {}: make another one first", role.name());
                return Err(Fault::NotAllowed(why));
            }
        }
        Ok(())
    }

    /// Ends the sessions of somebody whose powers have changed.
    pub(super) fn end_sessions(&self, staff: StaffId) {
        self.accounts.sessions.end(staff, None);
    }

    pub(super) async fn account_of_number(
        &self,
        number: &str,
    ) -> Result<Option<(Stored<Staff>, Stored<Account>)>, Fault> {
        let staff = match self.any_staff_of_number(number).await {
            Ok(staff) => staff,
            Err(Fault::NotFound(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let account = self.store.get(&[Key::Account(staff.record.id)]).await?.pop().flatten();
        Ok(account.and_then(Stored::typed).map(|account| (staff, account)))
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

    pub(super) fn check_password(
        &self,
        password: &Personal<String>,
        staff: &Staff,
        roles: &BTreeSet<Role>,
    ) -> Result<(), Fault> {
        let settings = &self.accounts.settings;
        let has_second = roles.iter().any(|role| Matrix::get().needs_second_factor(*role));
        let least =
            if has_second { settings.shortest_with_second_factor } else { settings.shortest_password };
        let number = staff.number.to_string();
        let words = [number.as_str(), staff.name.reveal(), staff.branch.as_str()];
        password::check(password.reveal(), least, &words)
            .map_err(|weak| Fault::Invalid(vec![FieldFault::new("password", weak.to_string())]))
    }

    // ---- failures

    fn is_locked(&self, number: &str) -> bool {
        let now = self.monotonic();
        self.remembered(number).is_some_and(|failures| now < failures.locked_until)
    }

    fn failures(&self, number: &str) -> u32 {
        self.remembered(number).map_or(0, |failures| failures.count)
    }

    fn remembered(&self, number: &str) -> Option<Failures> {
        let failures = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&number_hash(number)).copied()
    }

    /// Notes a failure. Returns how many there were, and whether nobody is looked at for a while.
    fn note_failure(&self, number: &str) -> (u32, bool) {
        let AccountSettings { failures: most, locked_for, locked_at_most, .. } = self.accounts.settings;
        let now = self.monotonic();
        let mut all = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED
            && let Some(oldest) = all.iter().min_by_key(|(_, failures)| failures.last).map(|(hash, _)| *hash)
        {
            all.remove(&oldest);
        }
        let failures = all.entry(number_hash(number)).or_default();
        // What is tried while it is locked does not lock it for longer.
        if now < failures.locked_until {
            return (failures.count, true);
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let is_locked = failures.count >= most;
        if is_locked {
            let doubled = locked_for.saturating_mul(1 << (failures.count - most).min(16));
            failures.locked_until = now + doubled.min(locked_at_most);
        }
        (failures.count, is_locked)
    }

    fn forget_failures(&self, number: &str) -> u32 {
        let mut failures = self.accounts.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&number_hash(number)).map_or(0, |failures| failures.count)
    }
}

fn number_hash(number: &str) -> [u8; 32] {
    Sha256::digest(number.trim().as_bytes()).into()
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
