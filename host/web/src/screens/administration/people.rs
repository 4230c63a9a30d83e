//! Accounts: what waits for somebody's decision, who has one, and asking for another.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rfid_core::UtcTime;
use rfid_service::record::{Account, AccountState, Personal, Proposal, RequestState};
use rfid_service::rights::{Action, Matrix, Role};
use rfid_service::service::{AccountRequest, Asked, Fault};
use serde::Deserialize;

use super::super::navigation;
use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::{approves, proposes, role_said, roles_said};
use crate::api::Api;
use crate::percent::encoded;

/// Accounts on one page.
const PAGE: usize = 100;
/// What a form calls a role.
const ROLE: &str = "role_";

/// A request as the page shows it.
struct RequestRow {
    id: String,
    /// What names its content; who decides sends it.
    hash: String,
    kind: String,
    whom: String,
    number: String,
    roles: String,
    branch: String,
    asked_by: String,
    at: String,
    is_own: bool,
    has_code: bool,
    may_decide: bool,
}

/// An account in the list.
struct PersonRow {
    number: String,
    name: String,
    branch: String,
    roles: String,
    state: &'static str,
    state_said: String,
    last_login: String,
    due: Due,
}

/// When somebody has to confirm that an account is needed.
#[derive(Default)]
pub(super) struct Due {
    /// The day.
    pub(super) said: String,
    pub(super) is_over: bool,
    /// From when on it cannot be used, where nobody confirms it.
    pub(super) lapses: String,
}

impl Due {
    pub(super) fn of(api: &Api, text: &Text, account: &Account) -> Self {
        let settings = api.service().account_settings();
        if account.state != AccountState::Active {
            return Self::default();
        }
        let since = account.confirmed.unwrap_or(account.since).max(account.since);
        let at = since.plus(settings.confirmed_every);
        Self {
            said: text.day(at),
            is_over: at <= api.service().now(),
            lapses: account
                .warned
                .map(|at| text.day(at.plus(settings.lapses_after_warning)))
                .unwrap_or_default(),
        }
    }
}

/// A role that can be chosen.
pub(super) struct RoleChoice {
    pub(super) field: String,
    pub(super) said: String,
    pub(super) is_chosen: bool,
}

/// All roles of people, with those that are chosen.
pub(super) fn choices(text: &Text, chosen: &BTreeSet<Role>) -> Vec<RoleChoice> {
    let choice = |role: Role| RoleChoice {
        field: format!("{ROLE}{}", role.name()),
        said: role_said(text, role),
        is_chosen: chosen.contains(&role),
    };
    Role::ALL.into_iter().filter(|role| *role != Role::MachineClient).map(choice).collect()
}

/// The roles that a form names.
pub(super) fn chosen(fields: &BTreeMap<String, String>) -> BTreeSet<Role> {
    let is_chosen = |role: &Role| fields.contains_key(&format!("{ROLE}{}", role.name()));
    Role::ALL.into_iter().filter(|role| *role != Role::MachineClient).filter(is_chosen).collect()
}

/// Why nobody holds these roles together, or that there are none.
pub(super) fn unfit(roles: &BTreeSet<Role>) -> Option<&'static str> {
    if roles.is_empty() {
        return Some("problem-no-role");
    }
    Matrix::get().clash(roles.iter().copied()).map(|_| "problem-roles-clash")
}

#[derive(Template)]
#[template(path = "administration/people.html")]
struct PeoplePage {
    text: Text,
    frame: Frame,
    proof: String,
    said: Option<String>,
    /// Half of a code of an invitation, told once, and whose.
    code: Option<(String, String)>,
    waiting: Vec<RequestRow>,
    others: Vec<RequestRow>,
    looks_after: bool,
    people: Vec<PersonRow>,
    count: usize,
    asked: PeopleAsked,
    states: Vec<(&'static str, String)>,
    /// Address and place of each page.
    pages: Vec<(String, usize)>,
    may_ask: bool,
    branches: Vec<(String, String)>,
    roles: Vec<RoleChoice>,
}

/// Which accounts are shown.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PeopleAsked {
    branch: String,
    state: String,
    page: usize,
    /// What was just done.
    done: String,
}

#[derive(Deserialize)]
pub(super) struct AskForm {
    staff_number: String,
    name: Personal<String>,
    branch: String,
    #[serde(flatten)]
    fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct DecideForm {
    #[serde(default)]
    hash: String,
    #[serde(default)]
    note: Personal<String>,
}

/// What can be said to have been done here, by its name in an address.
const DONE: [&str; 5] = ["asked", "approved", "refused", "cancelled", "disabled"];

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Query(asked): Query<PeopleAsked>,
) -> Result<Response, Refusal> {
    let done = DONE.into_iter().find(|done| *done == asked.done);
    let said = done.map(|done| viewer.text.known("people-done", done));
    of(&api, &viewer, asked, said, None).await
}

async fn of(
    api: &Api,
    viewer: &Viewer,
    asked: PeopleAsked,
    said: Option<String>,
    code: Option<(String, String)>,
) -> Result<Response, Refusal> {
    if !navigation::is_of(viewer, "administration/people") {
        return Err(viewer.refusal(Fault::Forbidden(Action::LockAccounts)));
    }
    let (text, service) = (&viewer.text, api.service());
    let page = async {
        let requests = match viewer.knows(Action::RequestAccounts) {
            true => service.account_requests(viewer.caller()).await?,
            false => Vec::new(),
        };
        let rows = requests.iter().map(|request| request_row(viewer, request));
        let (waiting, others): (Vec<_>, Vec<_>) = rows.partition(|row| row.may_decide || row.has_code);
        let looks_after = viewer.may(Action::LockAccounts);
        let mut accounts = match looks_after {
            true => service.accounts(viewer.caller()).await?,
            false => Vec::new(),
        };
        accounts.retain(|(staff, account)| {
            (asked.branch.is_empty() || staff.record.branch.as_str() == asked.branch)
                && (asked.state.is_empty() || is_in_state(api, &account.record, &asked.state))
        });
        // What somebody has to do something about comes first.
        accounts.sort_by_key(|(staff, account)| {
            (!is_in_state(api, &account.record, "due"), staff.record.number.to_string())
        });
        let branches = service.branches(viewer.caller()).await?;
        let count = accounts.len();
        let shown_ones = accounts.iter().skip(asked.page.saturating_mul(PAGE)).take(PAGE);
        let people = shown_ones.map(|(staff, account)| {
            let state = account.record.state.name();
            PersonRow {
                number: staff.record.number.to_string(),
                name: staff.record.name.reveal().clone(),
                branch: staff.record.branch.to_string(),
                roles: roles_said(text, &account.record.roles),
                state,
                state_said: text.known("people-state", state),
                last_login: account.record.last_login.map(|at| text.moment(at)).unwrap_or_default(),
                due: Due::of(api, text, &account.record),
            }
        });
        Ok(PeoplePage {
            frame: Frame::of(api, viewer, "administration/people").await?,
            proof: viewer.proof().to_owned(),
            said,
            code,
            waiting,
            others,
            looks_after,
            people: people.collect(),
            count,
            states: ["active", "invited", "disabled", "due"]
                .map(|state| (state, text.known("people-state", state)))
                .into(),
            pages: (0..count.div_ceil(PAGE))
                .map(|page| {
                    let (branch, state) = (encoded(&asked.branch), encoded(&asked.state));
                    (format!("/administration/people?branch={branch}&state={state}&page={page}"), page)
                })
                .collect(),
            may_ask: proposes(viewer, Action::RequestAccounts),
            branches: branches
                .into_iter()
                .filter(|branch| !branch.record.closed)
                .map(|branch| (branch.record.code.to_string(), branch.record.name))
                .collect(),
            roles: choices(text, &BTreeSet::new()),
            asked,
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

fn is_in_state(api: &Api, account: &Account, state: &str) -> bool {
    let is_due = |now: UtcTime| {
        let since = account.confirmed.unwrap_or(account.since).max(account.since);
        account.state == AccountState::Active
            && since.plus(api.service().account_settings().confirmed_every) <= now
    };
    if state == "due" { is_due(api.service().now()) } else { account.state.name() == state }
}

fn request_row(viewer: &Viewer, asked: &AccountRequest) -> RequestRow {
    let text = &viewer.text;
    let request = &asked.request.record;
    let (roles, action) = match &request.proposal {
        Proposal::OpenAccount { roles, .. } | Proposal::ChangeAccount { roles, .. } => {
            (roles_said(text, roles), Action::RequestAccounts)
        }
        _ => (String::new(), Action::ResetAccounts),
    };
    let asked_by = asked.asked_by.as_ref().map(|by| format!("{} {}", by.number, by.name.reveal()));
    RequestRow {
        id: request.id.to_string(),
        hash: request.proposal.hash(),
        kind: text.known("people-kind", request.proposal.kind().name()),
        whom: asked.whom.name.reveal().clone(),
        number: asked.whom.number.clone(),
        roles,
        branch: request.branch.to_string(),
        asked_by: asked_by.unwrap_or_default(),
        at: asked.submitted_at.map(|at| text.moment(at)).unwrap_or_default(),
        is_own: asked.is_own,
        has_code: asked.has_code,
        may_decide: !asked.is_own && request.state == RequestState::Submitted && approves(viewer, action),
    }
}

/// The page after something was done.
async fn after(
    api: &Api,
    viewer: &Viewer,
    done: &'static str,
    code: Option<(String, String)>,
) -> Result<Response, Refusal> {
    if viewer.is_part || code.is_some() {
        let said = Some(viewer.text.known("people-done", done));
        return of(api, viewer, PeopleAsked::default(), said, code).await;
    }
    Ok(Redirect::to(&format!("/administration/people?done={done}")).into_response())
}

pub(super) async fn ask(
    State(api): State<Api>,
    Sent(viewer, form): Sent<AskForm>,
) -> Result<Response, Refusal> {
    let roles = chosen(&form.fields);
    if let Some(problem) = unfit(&roles) {
        return Err(viewer.saying(StatusCode::UNPROCESSABLE_ENTITY, problem));
    }
    let asked = Asked::OpenAccount {
        staff_number: form.staff_number.trim().to_owned(),
        name: Personal::new(form.name.reveal().trim().to_owned()),
        branch: form.branch,
        roles,
    };
    match api.service().ask_for_account(viewer.caller(), asked).await {
        Ok(_) => after(&api, &viewer, "asked", None).await,
        Err(fault) => Err(viewer.refusal_of(fault, "problem-account-there")),
    }
}

pub(super) async fn decide(
    State(api): State<Api>,
    Path((request, act)): Path<(String, String)>,
    Sent(viewer, form): Sent<DecideForm>,
) -> Result<Response, Refusal> {
    let Ok(id) = request.parse() else { return Err(viewer.refusal(Fault::NotFound("request"))) };
    let (service, caller) = (api.service(), viewer.caller());
    // Whose code it is stands in the request, which is over for whoever fetched it.
    let whose = async {
        let requests = service.account_requests(caller).await?;
        let found = requests.into_iter().find(|request| request.request.record.id == id);
        Ok(found.map(|request| request.whom.number).unwrap_or_default())
    };
    let outcome = match act.as_str() {
        "approve" => {
            let whose = whose.await.map_err(|fault| viewer.refusal(fault))?;
            let decided = service.approve_request(caller, id, &form.hash).await;
            decided.map(|decided| ("approved", decided.code_half.map(|half| (whose, grouped(&half)))))
        }
        "refuse" => {
            let refused = service.refuse_request(caller, id, &form.hash, form.note).await;
            refused.map(|_| ("refused", None))
        }
        "cancel" => service.cancel_request(caller, id, form.note).await.map(|_| ("cancelled", None)),
        "code" => {
            let whose = whose.await.map_err(|fault| viewer.refusal(fault))?;
            let half = service.fetch_code(caller, id).await;
            half.map(|half| ("code", Some((whose, grouped(&half)))))
        }
        _ => Err(Fault::NotFound("act")),
    };
    match outcome {
        Ok((done, code)) => after(&api, &viewer, done, code).await,
        Err(fault) => Err(viewer.refusal_of(fault, "problem-not-yours-to-approve")),
    }
}

/// A code in groups of four, as people read it out.
pub(super) fn grouped(code: &str) -> String {
    let chars: Vec<char> = code.chars().collect();
    let groups: Vec<String> = chars.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}
