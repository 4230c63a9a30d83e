//! Displays: machines on a wall or a desk that show who has come, and that nobody sits at.
//!
//! A display has an account that is asked for and approved like that of a person. The code of its invitation is
//! typed on the machine once; what the machine keeps from then on is a key, which lets it in by itself, from the
//! address where it was typed and from nowhere else, for a day at a time.

use zeroize::Zeroizing;

use super::super::fault::Fault;
use super::super::{Caller, Grant, Service};
use super::LoggedIn;
use crate::account::session::For;
use crate::hex::hex;
use crate::randomness;
use crate::record::{Account, AccountState, Device, Key, Staff, StaffId};
use crate::rights::Role;
use crate::store::{Actor, Stored};

impl Service {
    /// Lets a machine be the display of this number, with the code of its invitation. Returns the key that the
    /// machine keeps.
    ///
    /// # Errors
    /// `NotAccepted` for a wrong or late code, and for an account of a person; `Store`.
    pub async fn pair_display(
        &self,
        from: &str,
        number: &str,
        code: &str,
    ) -> Result<Zeroizing<String>, Fault> {
        let (staff, account) = self.invited(from, number, code).await?;
        if !account.record.is_display() {
            return Err(Fault::NotAccepted);
        }
        let random: Zeroizing<[u8; 32]> = Zeroizing::new(randomness::bytes(self.randomness.as_ref())?);
        let secret = Zeroizing::new(hex(random.as_ref()));
        let device = Device { key_hash: Device::hash(&secret), from: from.to_owned(), since: self.now() };
        let caller = Caller::new(Actor::Staff(staff.record.id), from, Grant::of_token([], None));
        let paired = Account {
            state: AccountState::Active,
            invitation: None,
            device: Some(device),
            since: self.now(),
            epoch: account.record.epoch.wrapping_add(1),
            ..account.record
        };
        self.put(&caller, "display.pair", paired, account.version).await?;
        self.forget_failures(number).await?;
        Ok(Zeroizing::new(format!("{}.{}", staff.record.id, *secret)))
    }

    /// Begins a session of the display that has this key, at this address.
    ///
    /// # Errors
    /// `NotAccepted` for a key that is none, that was taken back, or that comes from elsewhere; `Store`.
    pub async fn log_in_display(&self, from: &str, key: &str) -> Result<LoggedIn, Fault> {
        let Some((id, secret)) = key.split_once('.') else { return Err(Fault::NotAccepted) };
        let Ok(id) = id.parse::<StaffId>() else { return Err(Fault::NotAccepted) };
        let mut found = self.store.get(&[Key::Staff(id), Key::Account(id)]).await?.into_iter();
        let staff: Option<Stored<Staff>> = found.next().flatten().and_then(Stored::typed);
        let account: Option<Stored<Account>> = found.next().flatten().and_then(Stored::typed);
        let caller = Caller::new(Actor::Staff(id), from, Grant::of_token([], None));
        let fits = |staff: &Staff, account: &Account| {
            let device = account.device.as_ref().filter(|_| account.is_display() && !staff.left);
            device.filter(|device| device.key_hash == Device::hash(secret)).cloned()
        };
        let device =
            staff.as_ref().zip(account.as_ref()).and_then(|(one, other)| fits(&one.record, &other.record));
        let (Some(device), Some(staff), Some(account)) = (device, staff, account) else {
            let nobody = Caller { actor: Actor::Host, ..caller };
            self.note_refusal(&nobody, "session.begin", None, "no such display").await?;
            return Err(Fault::NotAccepted);
        };
        let why = match () {
            () if device.from != from => Some("a display from another address than it was set up at"),
            () if !self.is_usable(&account.record) => Some("the account of the display cannot be used"),
            () => None,
        };
        if let Some(why) = why {
            self.note_refusal(&caller, "session.begin", None, why).await?;
            return Err(Fault::NotAccepted);
        }
        let Account { epoch, last_login, ref roles, .. } = account.record;
        let roles = roles.clone();
        let noted = Account { last_login: Some(self.now()), ..account.record };
        match self.put(&caller, "session.begin", noted, account.version).await {
            Ok(_) => {}
            Err(Fault::Conflict { .. }) => return Err(Fault::NotAccepted),
            Err(fault) => return Err(fault),
        }
        let keys = self.begin_session(For { staff: id, epoch, is_display: true }, from).await?;
        Ok(LoggedIn { keys, staff, roles, failures_before: 0, last_login })
    }
}

impl Account {
    /// Whether it is that of a machine.
    pub fn is_display(&self) -> bool {
        self.roles.contains(&Role::Display)
    }
}
