//! People of the demo: accounts that are made as everywhere, by two who ask and approve.

use std::time::Duration;

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
const STEP: Duration = Duration::from_secs(30);

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

/// The display on the wall of the hall: it has no person, and a code with which a machine becomes it.
const DISPLAY: (&str, &str) = ("D001", "大堂显示屏");

/// Somebody who works there.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) role: Role,
    /// What the codes of the second factor are made of, where there is one.
    pub(super) secret: Option<Personal<String>>,
    /// The code of an invitation that nobody has used yet.
    #[serde(default)]
    pub(super) invitation: Option<Personal<String>>,
}

impl Person {
    /// The code that an authenticator would show now, or that of the invitation.
    pub(super) fn code(&self, now: UtcTime) -> Option<String> {
        if let Some(code) = &self.invitation {
            return Some(code.reveal().clone());
        }
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
    let (number, name) = DISPLAY;
    people.push(Person {
        number: number.to_owned(),
        name: name.to_owned(),
        role: Role::Display,
        secret: None,
        invitation: Some(invite(service, [&security, &system], (number, name, Role::Display)).await?.into()),
    });
    for (number, name, role) in PEOPLE {
        let code = invite(service, [&security, &system], (number, name, role)).await?;
        let secret = if Matrix::get().needs_second_factor(role) {
            let address = service.offer_second_factor("console", number, &code, "demo").await?;
            Some(secret_of(&address)?)
        } else {
            None
        };
        accept(service, clock, ("console", number, &code), password, secret.as_ref()).await?;
        let (number, name) = (number.to_owned(), name.to_owned());
        people.push(Person { number, name, role, secret, invitation: None });
    }
    // Below those who log in.
    people.rotate_left(1);
    Ok(people)
}

/// Has an account asked for by the first and approved by the second. Returns the code of its invitation.
async fn invite(
    service: &Service,
    [asks, approves]: [&Caller; 2],
    (number, name, role): (&str, &str, Role),
) -> Result<String, Fault> {
    let asked = Asked::OpenAccount {
        staff_number: number.to_owned(),
        name: name.into(),
        branch: "hubin".to_owned(),
        roles: [role].into(),
    };
    let drafted = service.draft_request(asks, asked).await?;
    let request = service.submit_request(asks, drafted.record.id, drafted.version).await?;
    let hash = request.record.proposal.hash();
    let decided = service.approve_request(approves, request.record.id, &hash).await?;
    let asker = service.fetch_code(asks, request.record.id).await?;
    let approver = decided.code_half.ok_or(Fault::NotFound("code"))?;
    Ok(format!("{}{}", *asker, *approver))
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
        let before = clock.now().utc.minus(STEP);
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
    Ok((caller, Person { number, name, role, secret: Some(secret), invitation: None }))
}
