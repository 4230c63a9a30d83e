//! The matrix of rights, expanded: every route × everybody who may call × with a reason or without,
//! through HTTP.

use axum::body::Body as HttpBody;
use axum::http::Request;
use rfid_service::record::{Alarm, AlarmId, AlarmKind};
use rfid_service::rights::{Cell, Matrix, Reach, Role};
use rfid_service::service::bank::Bank;
use rfid_service::service::{Asked as AskedFor, Caller, CardDraft, CustomerDraft, Grant, Scope, StaffDraft};
use rfid_service::store::{Actor, Change, Commit, Origin};
use serde_json::json;
use tower_service::Service as _;

use super::*;
use crate::calling::COOKIE;
use crate::clients::Client;

/// How a route uses a right.
#[derive(Clone, Copy)]
enum Use {
    Do,
    Propose,
    Approve,
    /// By oneself, or by asking for it.
    DoOrPropose,
}

/// What a row is about; all of it belongs to branch a.
#[derive(Clone, Copy, PartialEq)]
enum About {
    /// A customer of the account manager of a.
    Customer,
    /// Something of the branch, whoever looks after it.
    Branch,
    /// A member of staff, whom nobody in the matrix is.
    Staff,
    /// A request for a card, which is hidden from whoever has nothing to do with it.
    Request,
    /// A list: what is not to be seen is left out.
    List,
}

/// A route as it is asked, the right that it takes, and how.
struct Row {
    id: &'static str,
    path: &'static str,
    body: Option<Value>,
    rights: &'static [(Action, Use)],
    about: About,
}

fn rows() -> Vec<Row> {
    use About::{Branch, Customer, List, Staff};
    use Action as A;
    use Use::{Approve, Do, DoOrPropose, Propose};
    let row = |id, path, body: Value, rights, about| Row {
        id,
        path,
        body: (!body.is_null()).then_some(body),
        rights,
        about,
    };
    let none = || Value::Null;
    let draft = |number: &str| json!({ "customer_number": number, "name": "x", "vip_class": "gold", "branch": "a", "consent": "given" });
    let card = json!({ "valid_from": "2026-01-01", "valid_until": "2028-01-01" });
    let issue = json!({ "kind": "issue_card", "customer_number": "6001", "draft": card });
    let export = json!({
        "branch": "a", "from": "2026-11-01", "to": "2026-11-29", "format": "csv", "purpose": "audit",
    });
    vec![
        row("getCustomer", "/api/v1/customers/6001", none(), &[(A::SeeCustomers, Do)], Customer),
        row("changeCustomer", "/api/v1/customers/6001", draft("6001"), &[(A::ChangeCustomers, Do)], Customer),
        row("openCustomer", "/api/v1/customers", draft("6009"), &[(A::ChangeCustomers, Do)], Branch),
        row(
            "searchCustomers",
            "/api/v1/customers/search",
            json!({ "text": "x" }),
            &[(A::SearchCustomers, Do)],
            List,
        ),
        row(
            "unmaskIdNumber",
            "/api/v1/customers/6001/id-number",
            none(),
            &[(A::UnmaskCustomers, Do)],
            Customer,
        ),
        row(
            "noteConsent",
            "/api/v1/customers/6001/consent",
            json!({ "consent": "given" }),
            &[(A::NoteConsent, Do)],
            Customer,
        ),
        row("getPhoto", "/api/v1/customers/6001/photo", none(), &[(A::SeeCustomers, Do)], Customer),
        row("takePhoto", "/api/v1/customers/6001/photo", none(), &[(A::TakePhotos, DoOrPropose)], Customer),
        row("removePhoto", "/api/v1/customers/6001/photo", none(), &[(A::TakePhotos, Do)], Customer),
        row("getCards", "/api/v1/customers/6001/cards", none(), &[(A::SeeCards, Do)], Customer),
        row("searchCards", "/api/v1/cards/search", json!({ "state": "active" }), &[(A::SeeCards, Do)], List),
        row("getCard", "/api/v1/cards/{card}", none(), &[(A::SeeCards, Do)], Customer),
        row(
            "changeCardState",
            "/api/v1/cards/{card}/state",
            json!({ "state": "lost" }),
            &[(A::BlockCards, Do)],
            Customer,
        ),
        row("getVisits", "/api/v1/visits", none(), &[(A::SeeHistory, Do)], List),
        row("getVisits", "/api/v1/visits?open=true", none(), &[(A::SeeArrivals, Do)], List),
        row(
            "getVisits",
            "/api/v1/visits?from=2026-11-29T00:00:00%2B08:00",
            none(),
            &[(A::ListVisits, Do)],
            List,
        ),
        row(
            "checkIn",
            "/api/v1/visits",
            json!({ "customer_number": "6001", "branch": "a", "staff_number": "S1" }),
            &[(A::ActInVisits, Do)],
            Branch,
        ),
        row("getVisit", "/api/v1/visits/{visit}", none(), &[(A::SeeArrivals, Do)], Customer),
        row(
            "greet",
            "/api/v1/visits/{visit}/greet",
            json!({ "staff_number": "S1" }),
            &[(A::ActInVisits, Do)],
            Branch,
        ),
        row(
            "serve",
            "/api/v1/visits/{visit}/serve",
            json!({ "staff_number": "S1" }),
            &[(A::ActInVisits, Do)],
            Branch,
        ),
        row(
            "noteBusiness",
            "/api/v1/visits/{visit}/business",
            json!({ "business": ["x"] }),
            &[(A::ActInVisits, Do)],
            Branch,
        ),
        row("depart", "/api/v1/visits/{gone}/depart", none(), &[(A::ActInVisits, Do)], Branch),
        row("getAlarms", "/api/v1/alarms", none(), &[(A::SeeArrivals, Do)], List),
        row(
            "acknowledgeAlarm",
            "/api/v1/alarms/{alarm}/acknowledge",
            json!({ "staff_number": "S1" }),
            &[(A::AcknowledgeAlarms, Do)],
            Branch,
        ),
        row(
            "addStaff",
            "/api/v1/staff",
            json!({ "staff_number": "S1", "name": "x", "role": "other", "branch": "a" }),
            &[(A::ChangeStaff, Do)],
            List,
        ),
        row("getStaff", "/api/v1/staff/S1", none(), &[(A::SeeStaff, Do)], Staff),
        row("setDuty", "/api/v1/staff/S1/duty", json!({ "on_duty": false }), &[(A::SetDuty, Do)], Staff),
        row("streamArrivals", "/api/v1/arrivals", none(), &[(A::SeeArrivals, Do)], List),
        row("getRequests", "/api/v1/requests", none(), &OF_REQUESTS, List),
        row("draftRequest", "/api/v1/requests", issue.clone(), &[(A::RequestCards, Propose)], Customer),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "change_customer", "customer_number": "6001", "version": 1, "draft": draft("6001") }),
            &[(A::ChangeCustomers, Propose)],
            Customer,
        ),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "reenable_card", "card_id": "{card}" }),
            &[(A::ReenableCards, Propose)],
            Customer,
        ),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "reset_account", "staff_number": "S1" }),
            &[(A::ResetAccounts, Propose)],
            Staff,
        ),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "change_account", "staff_number": "S1", "roles": ["lobby_manager"] }),
            &[(A::RequestAccounts, Propose)],
            Staff,
        ),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "erase_person", "customer_number": "6001" }),
            &[(A::ErasePersons, Propose)],
            Customer,
        ),
        row(
            "getRequest",
            "/api/v1/requests/{request}",
            none(),
            &[(A::RequestCards, Propose), (A::RequestCards, Approve), (A::EncodeCards, Do)],
            About::Request,
        ),
        row(
            "approveRequest",
            "/api/v1/requests/{request}/approve",
            json!({ "hash": "0" }),
            &[(A::RequestCards, Approve)],
            About::Request,
        ),
        row(
            "refuseRequest",
            "/api/v1/requests/{request}/refuse",
            json!({ "hash": "0" }),
            &[(A::RequestCards, Approve)],
            About::Request,
        ),
        row(
            "editRequest",
            "/api/v1/requests/{request}",
            issue,
            &[(A::RequestCards, Propose)],
            About::Request,
        ),
        row(
            "submitRequest",
            "/api/v1/requests/{request}/submit",
            none(),
            &[(A::RequestCards, Propose)],
            About::Request,
        ),
        row(
            "cancelRequest",
            "/api/v1/requests/{done}/cancel",
            json!({}),
            &[(A::RequestCards, Propose)],
            About::Request,
        ),
        row(
            "encodeCard",
            "/api/v1/requests/{request}/encode",
            json!({ "desk": "x" }),
            &[(A::EncodeCards, Do)],
            Branch,
        ),
        row(
            "verifyCard",
            "/api/v1/requests/{request}/verify",
            json!({ "desk": "x" }),
            &[(A::EncodeCards, Do)],
            Branch,
        ),
        row("spoilCard", "/api/v1/requests/{request}/spoilt", none(), &[(A::EncodeCards, Do)], Branch),
        row("confirmDestroyed", "/api/v1/cards/{card}/destroyed", none(), &[(A::DestroyCards, Do)], Customer),
        row("getAccounts", "/api/v1/accounts", none(), &[(A::LockAccounts, Do)], List),
        row("confirmAccount", "/api/v1/accounts/S1/confirm", none(), &[(A::ConfirmAccounts, Do)], Staff),
        row("disableAccount", "/api/v1/accounts/S1/disable", none(), &[(A::LockAccounts, Do)], Staff),
        row("resetAccount", "/api/v1/accounts/S1/reset", none(), &[(A::ResetAccounts, Do)], Staff),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "break_glass", "right": "cards.see", "minutes": 30, "reason": "x" }),
            &[(A::RequestBreakGlass, Propose)],
            List,
        ),
        row("getBreakGlass", "/api/v1/break-glass", none(), &[(A::SeeBreakGlass, Do)], List),
        row("getClients", "/api/v1/clients", none(), &[(A::SeeClients, Do)], List),
        row("getAudit", "/api/v1/audit", none(), &[(A::ReadAudit, Do)], List),
        row(
            "getReport",
            "/api/v1/reports/visits?from=2026-11-01&to=2026-11-29",
            none(),
            &[(A::SeeReports, Do)],
            List,
        ),
        row("askExport", "/api/v1/exports", export.clone(), &[(A::ExportVisits, Do)], Branch),
        row(
            "draftRequest",
            "/api/v1/requests",
            json!({ "kind": "export_visits", "draft": export, "reason": "x" }),
            &[(A::RequestExports, Propose)],
            Branch,
        ),
        row(
            "getExports",
            "/api/v1/exports",
            none(),
            &[(A::ExportVisits, Do), (A::RequestExports, Propose), (A::RequestExports, Approve)],
            List,
        ),
        row("verifyAudit", "/api/v1/audit/verification", none(), &[(A::VerifyAudit, Do)], List),
    ]
}

const OF_REQUESTS: [(Action, Use); 22] = [
    (Action::ChangeCustomers, Use::DoOrPropose),
    (Action::ChangeCustomers, Use::Approve),
    (Action::TakePhotos, Use::DoOrPropose),
    (Action::TakePhotos, Use::Approve),
    (Action::RequestCards, Use::DoOrPropose),
    (Action::RequestCards, Use::Approve),
    (Action::EncodeCards, Use::Do),
    (Action::EncodeCards, Use::Approve),
    (Action::ReenableCards, Use::DoOrPropose),
    (Action::ReenableCards, Use::Approve),
    (Action::RequestAccounts, Use::DoOrPropose),
    (Action::RequestAccounts, Use::Approve),
    (Action::ResetAccounts, Use::DoOrPropose),
    (Action::ResetAccounts, Use::Approve),
    (Action::MakeFiles, Use::DoOrPropose),
    (Action::MakeFiles, Use::Approve),
    (Action::RequestExports, Use::DoOrPropose),
    (Action::RequestExports, Use::Approve),
    (Action::ErasePersons, Use::DoOrPropose),
    (Action::ErasePersons, Use::Approve),
    (Action::RequestBreakGlass, Use::DoOrPropose),
    (Action::RequestBreakGlass, Use::Approve),
];

/// Routes of people in sessions and of those whom nobody knows yet, and what has no owner: they are not
/// in the matrix, and other tests are about them.
const OUTSIDE: [&str; 16] = [
    "logIn",
    "getSession",
    "logOut",
    "prove",
    "changePassword",
    "getSessions",
    "endSession",
    "setUp",
    "offerSecondFactor",
    "acceptInvitation",
    "getBranches",
    // Whoever did not ask for an account gets 404, right or no right.
    "fetchCode",
    // The same of who neither asked for a file nor approved it.
    "getPersonFile",
    // The same of who neither asked for an export nor approves it.
    "getExport",
    "fetchExport",
    "makeRequestedExport",
];

/// Somebody who calls.
struct Somebody {
    name: String,
    /// What the matrix says of them.
    cell: Box<dyn Fn(Action) -> Option<Cell>>,
    /// Of which branch.
    is_of_a: bool,
    /// Whether it is the account manager of the customer.
    is_manager: bool,
    headers: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Reached,
    Hidden,
    Forbidden,
}

/// The rights by which somebody has to do with the request of the rows.
const BY_CARD: [(Action, Use); 3] = [
    (Action::RequestCards, Use::Propose),
    (Action::RequestCards, Use::Approve),
    (Action::EncodeCards, Use::Do),
];

fn expected(row: &Row, who: &Somebody, has_reason: bool) -> Outcome {
    if row.about != About::Request {
        return by_rights(row.rights, row.about, who, has_reason);
    }
    if by_rights(&OF_REQUESTS, About::List, who, true) == Outcome::Forbidden {
        return Outcome::Forbidden;
    }
    match by_rights(&BY_CARD, About::Branch, who, true) {
        Outcome::Reached => by_rights(row.rights, About::Branch, who, has_reason),
        _ => Outcome::Hidden,
    }
}

fn by_rights(rights: &[(Action, Use)], about: About, who: &Somebody, has_reason: bool) -> Outcome {
    let mut outcome = Outcome::Forbidden;
    for (action, how) in rights {
        let Some(cell) = (who.cell)(*action) else { continue };
        let fits = match how {
            Use::Do => cell.does,
            Use::Propose => cell.proposes,
            Use::Approve => cell.approves,
            Use::DoOrPropose => cell.does || cell.proposes,
        };
        if !fits || cell.reason && !has_reason {
            continue;
        }
        let is_reached = match (about, cell.reach) {
            (About::List, _) | (_, Reach::All) => true,
            (About::Customer, Reach::Own) => who.is_manager,
            (About::Branch | About::Staff | About::Request, Reach::Own) => false,
            (_, Reach::Branch) => who.is_of_a,
        };
        match is_reached {
            true => return Outcome::Reached,
            false => outcome = Outcome::Hidden,
        }
    }
    outcome
}

/// Where everything is about which the rows ask.
struct World {
    bank: Bank,
    router: Router,
    people: Vec<Somebody>,
    names: Vec<(&'static str, String)>,
}

impl World {
    async fn new() -> Self {
        let bank = Bank::new().await;
        let (service, console) = (Arc::clone(&bank.service), Caller::console());
        let staff = |number: &str| StaffDraft {
            staff_number: number.to_owned(),
            name: "x".into(),
            role: rfid_service::record::StaffRole::Other,
            branch: "a".to_owned(),
        };
        let mut clients = Clients::default();
        let mut people = Vec::new();
        for (branch, is_of_a) in [("a", true), ("b", false)] {
            for role in Role::ALL.into_iter().filter(|role| *role != Role::MachineClient) {
                let number = format!("{}-{branch}", role.short());
                bank.employ(&number, branch, &[role]).await;
                let keys = bank.session(&number, "unknown").await;
                people.push(Somebody {
                    name: number,
                    cell: Box::new(move |action| Matrix::get().cell(role, action)),
                    is_of_a,
                    is_manager: is_of_a && role == Role::AccountManager,
                    headers: vec![
                        ("cookie", format!("{COOKIE}={}", *keys.token)),
                        ("x-session-proof", keys.proof.clone()),
                    ],
                });
            }
            for scope in Scope::ALL {
                let token = format!("{}-{branch}-0123456789abcdef0123456789abcdef", scope.name());
                let grant = Grant::of_token([scope], Some([branch.into()].into()));
                clients.add(
                    &token,
                    Client { name: token.clone(), grant, requests_per_minute: 1_000_000, expires: None },
                );
                people.push(Somebody {
                    name: token.clone(),
                    cell: Box::new(move |action| {
                        let is_covered = Matrix::get().scope(action) == Some(scope.name());
                        is_covered.then(|| Matrix::get().cell(Role::MachineClient, action)).flatten()
                    }),
                    is_of_a,
                    is_manager: false,
                    headers: vec![("authorization", format!("Bearer {token}"))],
                });
            }
        }
        service.add_staff(&console, staff("S2")).await.unwrap();
        bank.employ("S1", "a", &[Role::LobbyManager]).await;
        let draft = |number: &str| CustomerDraft {
            customer_number: number.into(),
            name: "x".into(),
            id_number: Some("11010519491231002X".into()),
            employer: "".into(),
            vip_class: "gold".to_owned(),
            usual_business: "".into(),
            branch: "a".to_owned(),
            account_manager: Some("AM-a".to_owned()),
            notes: "".into(),
            consent: rfid_service::service::ConsentDraft::Given,
        };
        let customer = service.open_customer(&console, draft("6001")).await.unwrap();
        service.open_customer(&console, draft("6002")).await.unwrap();
        let picture = crate::api::tests::picture();
        let customer_id = customer.record.id;
        service.take_photo(&console, "6001", customer.version, picture).await.unwrap();
        let card = CardDraft {
            epc_hex: Some("2D01".to_owned()),
            uid_hex: None,
            valid_from: "2026-01-01".parse().unwrap(),
            valid_until: "2028-01-01".parse().unwrap(),
            branches: None,
        };
        let bound = service.bind_card(&console, customer_id, card.clone()).await.unwrap().record.id;
        let visit = service.check_in(&console, "6001", "a", Some("S2")).await.unwrap().record.id;
        let gone = service.check_in(&console, "6002", "a", Some("S2")).await.unwrap().record.id;
        let alarm = AlarmId::from_bytes([9; 16]);
        let record = Alarm {
            id: alarm,
            card: bound,
            branch: "a".into(),
            at: service.now(),
            kind: AlarmKind::NotAuthentic,
            acknowledged: None,
        };
        let origin = Origin { by: Actor::Host, at: service.now(), from: "test".to_owned() };
        service.store().commit(Commit { origin, changes: vec![Change::new(record)] }).await.unwrap();
        let clerk = bank.log_in("IC-a", "10.0.0.1").await;
        let mut requests = Vec::new();
        for _ in 0..2 {
            let draft = CardDraft { epc_hex: None, ..card.clone() };
            let asked = AskedFor::IssueCard { customer_number: "6001".into(), draft, replaces: None };
            requests.push(service.draft_request(&clerk, asked).await.unwrap());
        }
        let request = &requests[0];
        service.submit_request(&clerk, request.record.id, request.version).await.unwrap();
        service.cancel_request(&clerk, requests[1].record.id, "".into()).await.unwrap();
        let names = vec![
            ("{card}", bound.to_string()),
            ("{visit}", visit.to_string()),
            ("{gone}", gone.to_string()),
            ("{alarm}", alarm.to_string()),
            ("{request}", request.record.id.to_string()),
            ("{done}", requests[1].record.id.to_string()),
        ];
        let router = Api::new(service, clients, [7; 32], bank.clock.clone()).router();
        Self { bank, router, people, names }
    }

    fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    async fn ask(&self, row: &Row, method: &str, who: Option<&Somebody>, has_reason: bool) -> u16 {
        let mut request =
            Request::builder().method(method).uri(self.named(row.path)).header("if-match", "\"99\"");
        for (name, value) in who.iter().flat_map(|who| &who.headers) {
            request = request.header(*name, value);
        }
        if has_reason {
            request = request.header("x-reason", "asked by phone");
        }
        let body = match row.body.clone() {
            Some(mut body) => {
                request = request.header("content-type", "application/json");
                // A person acts for itself.
                let is_person = who.is_some_and(|who| who.headers.iter().any(|(name, _)| *name == "cookie"));
                if let (true, About::Branch, Value::Object(fields)) = (is_person, row.about, &mut body) {
                    fields.remove("staff_number");
                }
                HttpBody::from(self.named(&body.to_string()))
            }
            None => HttpBody::empty(),
        };
        self.router.clone().call(request.body(body).unwrap()).await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn everybody_may_what_the_matrix_says_and_nothing_else_on_every_route() {
    let world = World::new().await;
    let (rows, routes) = (rows(), Api::routes());
    for route in &routes {
        let is_known = rows.iter().any(|row| row.id == route.id) || OUTSIDE.contains(&route.id);
        assert!(is_known, "{} has no row: who may ask it?", route.id);
    }
    let mut cells = 0;
    let mut wrong = Vec::new();
    for row in &rows {
        let route = routes.iter().find(|route| route.id == row.id).unwrap_or_else(|| panic!("{}", row.id));
        let method = route.method.to_uppercase();
        assert_eq!(world.ask(row, &method, None, false).await, 401, "{}", row.id);
        for who in &world.people {
            for has_reason in [false, true] {
                let status = world.ask(row, &method, Some(who), has_reason).await;
                let outcome = match status {
                    401 => panic!("{}: {} is not known", row.id, who.name),
                    403 => Outcome::Forbidden,
                    404 => Outcome::Hidden,
                    // There is no such branch, as far as this one may know.
                    422 if row.id == "openCustomer" => Outcome::Hidden,
                    500..=599 => panic!("{}: {}: {status}", row.id, who.name),
                    _ => Outcome::Reached,
                };
                let expected = expected(row, who, has_reason);
                cells += 1;
                if outcome != expected {
                    wrong.push(format!(
                        "{} {} {} (reason {has_reason}): {status}, expected {expected:?}",
                        row.id, row.path, who.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 3_000, "{cells}");
    // All of it is in the trail, and the trail is whole.
    let trail = world.bank.service.verify_trail(&Caller::console()).await.unwrap();
    assert_eq!(trail.fault, None);
}
