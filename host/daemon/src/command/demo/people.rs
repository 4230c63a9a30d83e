//! People of the demo: accounts that are made as everywhere, by two who ask and approve.

use rfid_core::{Clock, Error, ErrorKind, UtcTime};
use rfid_service::account::second_factor;
use rfid_service::record::{Personal, StaffRole};
use rfid_service::rights::{Matrix, Role};
use rfid_service::service::{Asked, Caller, Fault, Service, StaffDraft};
use serde::{Deserialize, Serialize};

/// Who asks and who approves: number, name, desk, role. Each sits at a desk of their own.
const SECURITY: (&str, &str, &str, Role) = ("S901", "何安", "10.0.0.1", Role::SecurityAdministrator);
const SYSTEM: (&str, &str, &str, Role) = ("S902", "罗维", "10.0.0.2", Role::SystemAdministrator);

/// How long the digits of a second factor are good for.
const STEP_NANOS: u64 = 30_000_000_000;

/// Everybody else who logs in to the demo: number, name, role.
const PEOPLE: [(&str, &str, Role); 7] = [
    ("S001", "刘静", Role::LobbyManager),
    ("S002", "陈强", Role::AccountManager),
    ("S003", "赵敏", Role::IssuingClerk),
    ("S004", "周婷", Role::ApprovingReviewer),
    ("S005", "孙丽", Role::BranchSupervisor),
    ("S006", "郑洁", Role::Auditor),
    // The last: from then on the centre approves accounts, and the first two no longer stand in for it.
    ("S007", "吴昊", Role::CentreSupervisor),
];

/// Everybody, as the first page of the demo lists them: number, name, role.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str, Role)> {
    let administrators = [SECURITY, SYSTEM].map(|(number, name, _, role)| (number, name, role));
    PEOPLE.into_iter().chain(administrators)
}

/// Somebody who works there.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) role: Role,
    /// What the codes of the second factor are made of, where there is one.
    pub(super) secret: Option<Personal<String>>,
}

impl Person {
    /// The code that an authenticator would show now.
    pub(super) fn code(&self, now: UtcTime) -> Option<String> {
        second_factor::digits(self.secret.as_ref()?, now).ok()
    }
}

/// Gives everybody an account with this password.
pub(super) async fn employ(
    service: &Service,
    clock: &dyn Clock,
    password: &str,
) -> Result<Vec<Person>, Fault> {
    let (security, first) = administrator(service, clock, password, SECURITY).await?;
    let (system, second) = administrator(service, clock, password, SYSTEM).await?;
    let mut people = vec![first, second];
    for (number, name, role) in PEOPLE {
        let asked = Asked::OpenAccount {
            staff_number: number.to_owned(),
            name: name.into(),
            branch: "hubin".to_owned(),
            roles: [role].into(),
        };
        let drafted = service.draft_request(&security, asked).await?;
        let request = service.submit_request(&security, drafted.record.id, drafted.version).await?;
        let hash = request.record.proposal.hash();
        let decided = service.approve_request(&system, request.record.id, &hash).await?;
        let asker = service.fetch_code(&security, request.record.id).await?;
        let approver = decided.code_half.ok_or(Fault::NotFound("code"))?;
        let code = format!("{}{}", *asker, *approver);
        let secret = if Matrix::get().needs_second_factor(role) {
            let address = service.offer_second_factor("console", number, &code, "demo").await?;
            Some(secret_of(&address)?)
        } else {
            None
        };
        accept(service, clock, ("console", number, &code), password, secret.as_ref()).await?;
        people.push(Person { number: number.to_owned(), name: name.to_owned(), role, secret });
    }
    Ok(people)
}

/// Lets somebody who was invited set a password, by the digits of a moment ago: those of now are for logging in,
/// and none are taken twice. Where they have just become too old, the next ones are taken.
async fn accept(
    service: &Service,
    clock: &dyn Clock,
    (from, number, code): (&str, &str, &str),
    password: &str,
    secret: Option<&Personal<String>>,
) -> Result<(), Fault> {
    let try_once = async || {
        let before = UtcTime::from_nanos(clock.now().utc.as_nanos().saturating_sub(STEP_NANOS));
        let digits = secret.map(|secret| second_factor::digits(secret, before)).transpose()?;
        service.accept_invitation(from, number, code, password.into(), digits.as_deref()).await
    };
    match try_once().await {
        Err(Fault::NotAccepted) => try_once().await,
        outcome => outcome,
    }
}

/// The secret in the address that an authenticator takes in.
fn secret_of(address: &Personal<String>) -> Result<Personal<String>, Fault> {
    let secret = address.reveal().split("secret=").nth(1).and_then(|rest| rest.split('&').next());
    let unreadable = || Error::new(ErrorKind::Internal, "demo").with_detail("a second factor has no secret");
    Ok(secret.ok_or_else(unreadable)?.into())
}

/// One of the first two, who has logged in.
async fn administrator(
    service: &Service,
    clock: &dyn Clock,
    password: &str,
    (number, name, from, role): (&str, &str, &str, Role),
) -> Result<(Caller, Person), Fault> {
    let draft = StaffDraft {
        staff_number: number.to_owned(),
        name: name.into(),
        role: StaffRole::Other,
        branch: "hubin".to_owned(),
    };
    let code = service.first_account("console", draft, role).await?;
    let address = service.offer_second_factor(from, number, &code, "demo").await?;
    let secret = secret_of(&address)?;
    accept(service, clock, (from, number, &code), password, Some(&secret)).await?;
    // Whoever logs in to the demo has the digits that come next.
    let second = second_factor::digits(&secret, clock.now().utc)?;
    let keys = service.log_in(from, number, password.into(), Some(&second)).await?.keys;
    let caller = service.identify(&keys.token, from).await?.caller;
    let (number, name) = (number.to_owned(), name.to_owned());
    Ok((caller, Person { number, name, role, secret: Some(secret) }))
}
