//! A bank for tests, here and elsewhere: two branches, a clock that is set, a trail, and people who have logged in.

#![expect(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use rfid_core::{Error, ErrorKind, ManualClock, TagId, TagIdKind};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::account::password::Cost;
use crate::account::session::Keys as SessionKeys;
use crate::account::{AccountSettings, second_factor};
use crate::audit::Recorded;
use crate::randomness::SystemRandomness;
use crate::record::{Account, AccountState, Device, Personal, StaffRole};
use crate::rights::{Matrix, Role};
use crate::seal;
use crate::store::{BreakingStore, MemoryStore};

/// Everybody's password, and the key of every display.
pub const PASSWORD: &str = "trellis ombre fjord walnut";
/// Where displays are: as the routes see whoever comes through no socket.
pub const DISPLAY_FROM: &str = "unknown";

/// A bank.
pub struct Bank {
    /// Its customer service.
    pub service: Arc<Service>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Where cards are encoded.
    pub desk: Arc<Desk>,
    /// Its store.
    pub store: Arc<BreakingStore>,
    /// Where its trail and the list of erased persons are.
    pub folder: TempDir,
}

/// A desk on which a card lies, or does not.
#[derive(Default)]
pub struct Desk {
    /// What lies there.
    pub lies: Mutex<Option<OnDesk>>,
    /// Whether the next card is torn away half-way.
    pub tears: Mutex<bool>,
}

/// The one desk of the bank.
pub const DESK: &str = "desk";

#[async_trait::async_trait]
impl CardDesk for Desk {
    fn desks(&self) -> Vec<requests::Desk> {
        vec![requests::Desk { name: DESK.to_owned(), branch: Some("a".into()) }]
    }

    async fn look(&self, _: &str, steps: &Steps) -> std::result::Result<OnDesk, DeskFault> {
        steps.tell(DeskStep::Pad);
        let nothing = || {
            let error = Error::new(ErrorKind::TagLost, "look").with_detail("lay one card on the desk");
            DeskFault::at(DeskStep::Pad, error)
        };
        self.lies.lock().unwrap().clone().ok_or_else(nothing)
    }

    async fn encode(
        &self,
        desk: &str,
        plan: &EncodePlan,
        steps: &Steps,
    ) -> std::result::Result<OnDesk, DeskFault> {
        let there = self.look(desk, steps).await?;
        steps.tell(DeskStep::Chip);
        assert_eq!(there.uid, plan.uid);
        let torn = std::mem::take(&mut *self.tears.lock().unwrap());
        let number = (!torn).then(|| plan.number.clone());
        *self.lies.lock().unwrap() = Some(OnDesk { epc: plan.epc, uid: plan.uid, number });
        if torn {
            let error = Error::new(ErrorKind::TagLost, "encode").with_detail("the card was taken away");
            return Err(DeskFault::at(DeskStep::Chip, error));
        }
        steps.tell(DeskStep::ReadBack);
        self.look(desk, steps).await
    }
}

impl Desk {
    /// Lays a new card there, with the numbers of its factory.
    pub fn lay(&self, number: u8) {
        let epc = TagId::new(TagIdKind::Epc, &[0xE2, 0, 0, number]).unwrap();
        let uid = TagId::new(TagIdKind::Iso14443Uid, &[4, 0, 0, number]).unwrap();
        *self.lies.lock().unwrap() = Some(OnDesk { epc, uid, number: None });
    }
}

impl Bank {
    /// A bank with the branches a and b, and nobody in it, on the morning of 2026-11-29 in Shanghai.
    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap()).await
    }

    /// The same over a store, with a folder for its trail.
    pub async fn over(store: Arc<dyn Store>, folder: TempDir) -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-29T01:00:00Z".parse().unwrap()));
        let keys = Arc::new(seal::Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap());
        let trail = Trail::open(&folder.path().join("audit"), keys, clock.clone()).await.unwrap();
        let store = Arc::new(BreakingStore::over(store));
        let randomness = Arc::new(SystemRandomness);
        let cost = Cost { memory_kib: 64, passes: 1 };
        let desk = Arc::new(Desk::default());
        let service = Service::new(store.clone(), RecognitionSettings::default(), clock.clone(), randomness)
            .with_trail(Arc::new(trail))
            .with_erased_list(ErasedList::in_folder(folder.path()))
            .with_desk(desk.clone())
            .with_exports(folder.path().join("exports"), "bank".into(), ExportSettings::default())
            .with_accounts(AccountSettings { cost, ..AccountSettings::default() });
        let branch = |code: &str| BranchDraft { code: code.into(), name: code.to_owned(), position: None };
        service.take_branches(&Caller::console(), &[branch("a"), branch("b")]).await.unwrap();
        Self { service: Arc::new(service), clock, desk, store, folder }
    }

    /// The same with another service, as if its host had started anew.
    pub fn changed(self, change: impl FnOnce(Service) -> Service) -> Self {
        let Ok(service) = Arc::try_unwrap(self.service) else { panic!("the service is held elsewhere") };
        Self { service: Arc::new(change(service)), ..self }
    }

    /// Somebody of a branch with these roles and an account that can be used.
    pub async fn employ(&self, number: &str, branch: &str, roles: &[Role]) {
        let (console, service) = (Caller::console(), &self.service);
        let name = "李静".into();
        let draft = StaffDraft {
            staff_number: number.to_owned(),
            name,
            role: StaffRole::Other,
            branch: branch.to_owned(),
        };
        let staff = service.add_staff(&console, draft).await.unwrap().record.id;
        let roles: BTreeSet<Role> = roles.iter().copied().collect();
        let has_second = roles.iter().any(|role| Matrix::get().needs_second_factor(*role));
        let is_display = roles.contains(&Role::Display);
        let secret = second_factor::new_secret(&SystemRandomness).unwrap();
        let cost = Cost { memory_kib: 64, passes: 1 };
        let trier = crate::account::password::Trier::new(cost, 2, &SystemRandomness).unwrap();
        let account = Account {
            staff,
            roles,
            state: AccountState::Active,
            invitation: None,
            password: match is_display {
                true => None,
                false => Some(trier.hash(PASSWORD.into(), &SystemRandomness).await.unwrap()),
            },
            device: is_display.then(|| Device {
                key_hash: Device::hash(PASSWORD),
                from: DISPLAY_FROM.to_owned(),
                since: service.now(),
            }),
            second_factor: has_second.then_some(secret),
            last_step: 0,
            confirmed: None,
            warned: None,
            since: service.now(),
            last_login: None,
            lent: None,
            epoch: 0,
        };
        service.put(&console, "account.open", account, 0).await.unwrap();
    }

    /// The digits that somebody's authenticator shows now.
    pub async fn digits(&self, number: &str) -> Option<String> {
        let (_, account) = self.service.account_of_number(number).await.unwrap().unwrap();
        let secret: Personal<String> = account.record.second_factor?;
        Some(second_factor::digits(&secret, self.service.now()).unwrap())
    }

    /// Begins a session of somebody at an address.
    pub async fn session(&self, number: &str, from: &str) -> SessionKeys {
        let (staff, account) = self.service.account_of_number(number).await.unwrap().unwrap();
        if account.record.is_display() {
            let key = format!("{}.{PASSWORD}", staff.record.id);
            return self.service.log_in_display(DISPLAY_FROM, &key).await.unwrap().keys;
        }
        let digits = self.digits(number).await;
        let logged_in = self.service.log_in(from, number, PASSWORD.into(), digits.as_deref()).await;
        logged_in.unwrap_or_else(|fault| panic!("{number}: {fault}")).keys
    }

    /// Logs somebody in from an address.
    pub async fn log_in(&self, number: &str, from: &str) -> Caller {
        let keys = self.session(number, from).await;
        self.service.identify(&keys.token, from).await.unwrap().caller
    }

    /// Employs somebody of branch a, who logs in at a place of their own.
    pub async fn person(&self, number: &str, roles: &[Role]) -> Caller {
        self.employ(number, "a", roles).await;
        self.log_in(number, &format!("10.0.0.{}", number.bytes().map(u32::from).sum::<u32>() % 250)).await
    }

    /// Lets time pass.
    pub fn wait(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// What the trail says, the first first.
    pub async fn told(&self) -> Vec<Recorded> {
        let trail = self.service.trail().unwrap();
        // What was only looked at is written behind this.
        trail.head().await.unwrap();
        let mut told = trail.latest(None, 10_000).await.unwrap();
        told.reverse();
        told
    }
}
