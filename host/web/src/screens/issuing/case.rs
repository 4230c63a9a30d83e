//! One request: what it says, what it changes, who did what, and what is done with it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rfid_service::record::{Proposal, RequestId};
use rfid_service::rights::Action;
use rfid_service::service::{AtDesk, Case, ChangedField, Decision, DeskWork, Fault};
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use super::bench::BenchView;
use super::customer::{CardView, CustomerView};
use super::work::{Row, has_receipt, whom};
use crate::api::Api;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CaseForm {
    /// The version that was looked at.
    seen: String,
    /// What names the content that was looked at.
    hash: String,
    note: String,
    desk: String,
}

/// A field that the request changes.
pub(super) struct ChangeView {
    pub(super) label: String,
    pub(super) before: String,
    pub(super) after: String,
    /// What stands there again in a while, where it is shown in full; as before and after.
    pub(super) masked: Option<(String, String)>,
}

/// Something that happened to it.
pub(super) struct PastView {
    at: String,
    who: String,
    said: String,
}

pub(super) struct CaseView {
    id: String,
    version: u32,
    hash: String,
    row: Row,
    title: String,
    name: String,
    customer: Option<CustomerView>,
    changes: Vec<ChangeView>,
    /// Whether there is a "before" to look at.
    is_change: bool,
    /// Whether somebody may see in full what they cannot compare otherwise.
    may_unmask: bool,
    has_photo: bool,
    has_present_photo: bool,
    card: Option<CardView>,
    replaces: String,
    /// Branches where the card may be used; empty for everywhere.
    branches: String,
    past: Vec<PastView>,
    stood_in: bool,
    may_edit: bool,
    may_photo: bool,
    may_submit: bool,
    may_cancel: bool,
    may_decide: bool,
    stands_in: bool,
    /// Why somebody whose work it is does not decide about this one.
    barred: String,
    may_encode: bool,
    may_verify: bool,
    may_spoil: bool,
    /// What is done at the desk next.
    work: &'static str,
    has_receipt: bool,
    desks: Vec<String>,
    bench: Option<BenchView>,
    watermark: String,
}

#[derive(Template)]
#[template(path = "issuing/case_page.html")]
struct CasePage {
    text: Text,
    frame: Frame,
    proof: String,
    case: CaseView,
    said: String,
    news: Vec<ChangeView>,
}

#[derive(Template)]
#[template(path = "issuing/case.html")]
struct CasePart {
    text: Text,
    proof: String,
    case: CaseView,
    said: String,
    news: Vec<ChangeView>,
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(request): Path<String>,
) -> Result<Response, Refusal> {
    let case = case_at(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    answer(&api, &viewer, &case, StatusCode::OK, String::new(), Vec::new()).await
}

pub(super) async fn act(
    State(api): State<Api>,
    Path((request, act)): Path<(String, String)>,
    Sent(viewer, form): Sent<CaseForm>,
) -> Result<Response, Refusal> {
    let Ok(id) = request.parse::<RequestId>() else { return Err(viewer.refusal(Fault::NotFound("request"))) };
    let (service, caller) = (api.service(), viewer.caller());
    let seen: u32 = form.seen.parse().unwrap_or(0);
    let at = |work| AtDesk { desk: form.desk.clone(), work };
    let note = form.note.trim();
    let (outcome, said) = match act.as_str() {
        "submit" => (service.submit_request(caller, id, seen).await.map(drop), "issue-said-submitted"),
        "approve" => (service.approve_request(caller, id, &form.hash).await.map(drop), "issue-said-approved"),
        "refuse" if note.is_empty() => {
            let text = viewer.text.say("issue-refuse-why");
            let case = case_at(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
            return answer(&api, &viewer, &case, StatusCode::UNPROCESSABLE_ENTITY, text, Vec::new()).await;
        }
        "refuse" => {
            let refused = service.refuse_request(caller, id, &form.hash, note.into()).await;
            (refused.map(drop), "issue-said-refused")
        }
        "cancel" => (service.cancel_request(caller, id, note.into()).await.map(drop), "issue-said-cancelled"),
        "encode" => (service.begin_at_desk(caller, id, at(DeskWork::Encode)).await, ""),
        "verify" => (service.begin_at_desk(caller, id, at(DeskWork::Verify)).await, ""),
        "stop" => (service.stop_at_desk(caller, id).await, ""),
        "spoil" => (service.spoil_card(caller, id).await.map(drop), "issue-said-spoilt"),
        _ => (Err(Fault::NotFound("act")), ""),
    };
    match outcome {
        Ok(()) if viewer.is_part => {
            let case = case_at(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
            let said = if said.is_empty() { String::new() } else { viewer.text.say(said) };
            answer(&api, &viewer, &case, StatusCode::OK, said, Vec::new()).await
        }
        Ok(()) => Ok(viewer.leads_to(&format!("/issuing/request/{id}"))),
        // Somebody went on with it while this page was open: the page as it is now, and what is other than it was.
        Err(fault @ (Fault::Conflict { .. } | Fault::Rule(_))) => {
            let case = case_at(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
            let said = match &fault {
                Fault::Rule(rule) => viewer.text.rule(*rule),
                _ => viewer.text.say("issue-said-changed"),
            };
            let news = service.changed_since(&case, seen).await.map_err(|fault| viewer.refusal(fault))?;
            let news = news.into_iter().map(|field| change_view(&viewer.text, field)).collect();
            answer(&api, &viewer, &case, StatusCode::CONFLICT, said, news).await
        }
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

/// The ID number that a request changes, in full, for whoever compares it.
pub(super) async fn unmask(
    State(api): State<Api>,
    Path(request): Path<String>,
    Sent(viewer, form): Sent<CaseForm>,
) -> Result<Response, Refusal> {
    let unmasked = async {
        let case = case_at(&api, &viewer, &request).await?;
        let number = api.service().unmasked_in(&viewer.because(&form.note), &case).await?;
        let mut view = view_of(&api, &viewer, &case).await?;
        view.show_in_full(&viewer.text, number);
        Ok(view)
    };
    let view = unmasked.await.map_err(|fault| viewer.refusal(fault))?;
    let said = viewer.text.say("issue-said-unmasked");
    answer_with(&api, &viewer, view, StatusCode::OK, said, Vec::new()).await
}

pub(super) async fn case_at(api: &Api, viewer: &Viewer, request: &str) -> Result<Case, Fault> {
    let id: RequestId = request.parse().map_err(|_| Fault::NotFound("request"))?;
    api.service().case(viewer.caller(), id).await
}

/// The page, or the part of it, as it is now.
pub(super) async fn answer(
    api: &Api,
    viewer: &Viewer,
    case: &Case,
    status: StatusCode,
    said: String,
    news: Vec<ChangeView>,
) -> Result<Response, Refusal> {
    let view = view_of(api, viewer, case).await.map_err(|fault| viewer.refusal(fault))?;
    answer_with(api, viewer, view, status, said, news).await
}

async fn answer_with(
    api: &Api,
    viewer: &Viewer,
    view: CaseView,
    status: StatusCode,
    said: String,
    news: Vec<ChangeView>,
) -> Result<Response, Refusal> {
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    if viewer.is_part {
        return Ok((status, shown(&CasePart { text, proof, case: view, said, news })).into_response());
    }
    let frame = Frame::of(api, viewer, "issuing").await.map_err(|fault| viewer.refusal(fault))?;
    Ok((status, shown(&CasePage { text, frame, proof, case: view, said, news })).into_response())
}

fn change_view(text: &Text, ChangedField { field, before, after }: ChangedField) -> ChangeView {
    let worded = |value: &str| match field {
        "vip_class" => text.known("class", value),
        "consent" => text.of_issuing("consent", value),
        _ => value.to_owned(),
    };
    let shown = |value: String| if value.is_empty() { text.say("issue-nothing") } else { value };
    ChangeView {
        label: text.of_issuing("field", field),
        before: before.map(|value| shown(worded(value.reveal()))).unwrap_or_default(),
        after: shown(worded(after.reveal())),
        masked: None,
    }
}

impl CaseView {
    /// Puts a field in full where it stands masked.
    fn show_in_full(&mut self, text: &Text, field: ChangedField) {
        let full = change_view(text, field);
        if let Some(masked) = self.changes.iter_mut().find(|change| change.label == full.label) {
            let ChangeView { before, after, .. } = std::mem::replace(masked, full);
            masked.masked = Some((before, after));
        }
    }
}

async fn view_of(api: &Api, viewer: &Viewer, case: &Case) -> Result<CaseView, Fault> {
    let (service, caller, text) = (api.service(), viewer.caller(), &viewer.text);
    let request = &case.request.record;
    let changes = service.changes_in(case).await?;
    let has_id_number = changes.iter().any(|change| change.field == "id_number");
    let past = service.past_of(case).await?;
    let mut steps = Vec::with_capacity(past.len());
    for step in past {
        let who = match service.name_in(caller, case, &step.by).await? {
            Some(name) => name.reveal().clone(),
            None => text.who(case, &step.by),
        };
        let what = if step.spoilt { "spoilt" } else { step.state.name() };
        steps.push(PastView { at: text.moment(step.at), who, said: text.of_issuing("past", what) });
    }
    let desks = match case.acts.encode || case.acts.verify {
        true => service.desks(caller).await?.into_iter().map(|desk| desk.name).collect(),
        false => Vec::new(),
    };
    let (replaces, branches) = match &request.proposal {
        Proposal::IssueCard { replaces: Some(old), .. } => {
            let old = service.card(caller, *old).await;
            let ends = old.map(|card| super::work::ends_of(&card.record)).unwrap_or_default();
            (ends, branches_of(&request.proposal))
        }
        proposal => (String::new(), branches_of(proposal)),
    };
    let has_photo = request.proposal.photo().is_some();
    let present = case.customer.as_ref().and_then(|customer| customer.stored.record.photo);
    let has_present_photo = has_photo && present.is_some() && present != request.proposal.photo();
    let (stands_in, barred) = match case.acts.decide {
        Decision::Open { stands_in } => (stands_in, String::new()),
        Decision::Barred(rule) => (false, text.rule(rule)),
        Decision::NotTheirs => (false, String::new()),
    };
    let is_of_customer =
        matches!(request.proposal, Proposal::OpenCustomer { .. } | Proposal::ChangeCustomer { .. });
    let (_, name) = whom(case);
    let is_masked = case.customer.as_ref().is_some_and(|customer| customer.is_masked);
    Ok(CaseView {
        id: request.id.to_string(),
        version: case.request.version,
        hash: request.proposal.hash(),
        row: Row::of(text, case, service.now()),
        title: text.request_kind(request.proposal.kind()),
        // What somebody writes is read whole; of a record only as much as the one who looks sees.
        name: if is_masked && !is_of_customer { rfid_service::mask::name(&name) } else { name },
        customer: case.customer.as_ref().map(|sight| CustomerView::of(text, sight)),
        changes: changes.into_iter().map(|field| change_view(text, field)).collect(),
        is_change: matches!(request.proposal, Proposal::ChangeCustomer { .. }),
        may_unmask: has_id_number && service.may_unmask_in(caller, case),
        has_photo,
        has_present_photo,
        card: case.card.as_ref().map(|card| CardView::of(viewer, card)),
        replaces,
        branches,
        past: steps,
        stood_in: request.stood_in,
        may_edit: case.acts.edit && is_of_customer,
        may_photo: case.acts.edit && is_of_customer && caller.grant.proposes(Action::TakePhotos),
        may_submit: case.acts.submit,
        may_cancel: case.acts.cancel,
        may_decide: matches!(case.acts.decide, Decision::Open { .. }),
        stands_in,
        barred,
        may_encode: case.acts.encode,
        may_verify: case.acts.verify,
        may_spoil: case.acts.spoil,
        work: if case.acts.encode { "encode" } else { "verify" },
        has_receipt: has_receipt(case),
        desks,
        bench: service.bench_of(case).map(|bench| BenchView::of(text, &bench)),
        watermark: viewer.watermark(api),
    })
}

fn branches_of(proposal: &Proposal) -> String {
    match proposal {
        Proposal::IssueCard { draft, .. } => draft.branches.clone().unwrap_or_default().join("、"),
        _ => String::new(),
    }
}
