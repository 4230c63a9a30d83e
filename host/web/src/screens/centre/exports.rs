//! Visits that are carried out as files: a few alone, more when somebody else has approved it, each fetched once
//! with a key that is shown once.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rfid_service::record::{
    ExportContent, ExportFormat, ExportId, ExportPurpose, ExportState, Hand, LocalDate, Personal, Proposal,
    RequestId, RequestState,
};
use rfid_service::rights::Action;
use rfid_service::service::{
    Asked as RequestAsked, BegunExport, ExportDraft, ExportView, Fault, FetchedExport, RequestFilter,
};
use serde::Deserialize;

use super::{Area, Named, areas, branches_of, may_enter, said_of_branch};
use crate::api::Api;
use crate::screens::text::Text;
use crate::screens::viewer::{Frame, Refusal, Sent, Viewer, shown};

/// Exports and requests that are shown.
const MOST: usize = 50;
/// Pages of as many requests of any kind that are looked through.
const PAGES: usize = 20;
/// Formats, as they are offered.
const FORMATS: [ExportFormat; 3] = [ExportFormat::Csv, ExportFormat::Xlsx, ExportFormat::Jsonl];
const PURPOSES: [ExportPurpose; 5] = [
    ExportPurpose::ServiceQuality,
    ExportPurpose::Complaint,
    ExportPurpose::Audit,
    ExportPurpose::Incident,
    ExportPurpose::Authority,
];

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskForm {
    branch: String,
    from: String,
    to: String,
    format: String,
    purpose: String,
    reason: String,
    /// `yes` for who came.
    unmasked: String,
    /// `alone`, or `request`.
    way: String,
}

#[derive(Deserialize)]
pub(super) struct DecideForm {
    /// What the request said when it was looked at.
    #[serde(default)]
    hash: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
pub(super) struct FetchForm {
    key: Personal<String>,
}

/// An export, or a request for one, as a row shows it.
struct Row {
    id: String,
    branch: String,
    span: String,
    format: &'static str,
    purpose: String,
    reason: String,
    unmasked: bool,
    rows: u64,
    state: &'static str,
    state_said: String,
    asked_at: String,
    /// Whether they who look asked for it.
    is_mine: bool,
    /// What a request says, for who decides; empty of an export.
    hash: String,
    /// Why it was refused or not made.
    note: String,
}

/// What was begun, with the key that is shown now and never again.
struct Begun {
    id: String,
    key: String,
}

struct Lists {
    exports: Vec<Row>,
    requests: Vec<Row>,
    /// Whether they who look approve exports of others.
    approves: bool,
}

#[derive(Template)]
#[template(path = "centre/exports.html")]
struct ExportsPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    proof: String,
    asked: AskForm,
    branches: Vec<Named>,
    formats: Vec<&'static str>,
    purposes: Vec<(&'static str, String)>,
    begun: Option<Begun>,
    said: String,
    lists: Lists,
}

#[derive(Template)]
#[template(path = "centre/exports_list.html")]
struct ListPart {
    text: Text,
    proof: String,
    lists: Lists,
}

#[derive(Template)]
#[template(path = "centre/exports_done.html")]
struct DonePart {
    text: Text,
    proof: String,
    begun: Option<Begun>,
    said: String,
    lists: Lists,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    may_export(&viewer).map_err(|fault| viewer.refusal(fault))?;
    page_of(&api, &viewer, AskForm::default(), None, String::new()).await
}

/// The lists alone, which change by themselves.
pub(super) async fn list(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let part = async {
        may_export(&viewer)?;
        let lists = lists_of(&api, &viewer).await?;
        Ok(ListPart { text: viewer.text.clone(), proof: viewer.proof().to_owned(), lists })
    };
    part.await.map(|part| shown(&part)).map_err(|fault| viewer.refusal(fault))
}

/// Asks for an export: alone, or by a request that somebody else approves.
pub(super) async fn ask(
    State(api): State<Api>,
    Sent(viewer, form): Sent<AskForm>,
) -> Result<Response, Refusal> {
    let is_request = form.way == "request";
    let outcome = async {
        may_export(&viewer)?;
        let draft = draft_of(&form)?;
        let service = api.service();
        if is_request {
            let reason = form.reason.trim().into();
            let drafted =
                service.draft_request(viewer.caller(), RequestAsked::ExportVisits { draft, reason }).await?;
            service.submit_request(viewer.caller(), drafted.record.id, drafted.version).await?;
            return Ok(None);
        }
        // Each export has its own reason: that for looking at a branch is another.
        if form.reason.trim().is_empty() {
            return Err(Fault::ReasonNeeded(Action::ExportVisits));
        }
        Ok(Some(begun_of(&service.ask_export(&viewer.because(&form.reason), draft).await?)))
    };
    let not_allowed = if is_request { "problem-export-request" } else { "problem-export-alone" };
    let begun = outcome.await.map_err(|fault| viewer.refusal_of(fault, not_allowed))?;
    let said = if begun.is_some() { String::new() } else { viewer.text.say("export-asked") };
    answer(&api, &viewer, begun, said).await
}

/// Approves or refuses what somebody else asks for, or makes what was approved.
pub(super) async fn decide(
    State(api): State<Api>,
    Path((request, act)): Path<(String, String)>,
    Sent(viewer, DecideForm { hash, note }): Sent<DecideForm>,
) -> Result<Response, Refusal> {
    let outcome = async {
        may_export(&viewer)?;
        let id: RequestId = request.parse().map_err(|_| Fault::NotFound("request"))?;
        let (service, caller) = (api.service(), viewer.caller());
        // What is not about an export is decided elsewhere.
        if !matches!(service.request(caller, id).await?.record.proposal, Proposal::ExportVisits { .. }) {
            return Err(Fault::NotFound("request"));
        }
        match act.as_str() {
            "approve" => {
                service.approve_request(caller, id, &hash).await?;
                Ok((None, viewer.text.say("export-approved")))
            }
            "refuse" => {
                service.refuse_request(caller, id, &hash, note.trim().into()).await?;
                Ok((None, viewer.text.say("export-refused")))
            }
            "make" => Ok((Some(begun_of(&service.make_requested_export(caller, id).await?)), String::new())),
            _ => Err(Fault::NotFound("act")),
        }
    };
    let outcome = outcome.await.map_err(|fault| viewer.refusal_of(fault, "problem-export-decided"));
    let (begun, said) = outcome?;
    answer(&api, &viewer, begun, said).await
}

/// The file of an export, once.
pub(super) async fn fetch(
    State(api): State<Api>,
    Path(export): Path<String>,
    Sent(viewer, FetchForm { key }): Sent<FetchForm>,
) -> Result<Response, Refusal> {
    let outcome = async {
        may_export(&viewer)?;
        let id: ExportId = export.parse().map_err(|_| Fault::NotFound("export"))?;
        api.service().fetch_export(viewer.caller(), id, key.reveal().trim()).await
    };
    let FetchedExport { export, mut file } =
        outcome.await.map_err(|fault| viewer.refusal_of(fault, "problem-export-gone"))?;
    let format = export.record.content.format;
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CACHE_CONTROL, "no-store")];
    let mut response = (headers, std::mem::take(&mut *file)).into_response();
    let name = format!("attachment; filename=\"visits-{}.{}\"", export.record.id, format.name());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn may_export(viewer: &Viewer) -> Result<(), Fault> {
    may_enter(viewer)?;
    if viewer.may(Action::ExportVisits) { Ok(()) } else { Err(Fault::Forbidden(Action::ExportVisits)) }
}

fn draft_of(form: &AskForm) -> Result<ExportDraft, Fault> {
    let invalid = || Fault::Invalid(Vec::new());
    let day = |said: &str| said.trim().parse::<LocalDate>().map_err(|_| invalid());
    let format = FORMATS.into_iter().find(|format| format.name() == form.format).ok_or_else(invalid)?;
    let purpose = PURPOSES.into_iter().find(|purpose| purpose.name() == form.purpose).ok_or_else(invalid)?;
    Ok(ExportDraft {
        branch: Some(form.branch.trim().to_owned()).filter(|branch| !branch.is_empty()),
        from: day(&form.from)?,
        to: day(&form.to)?,
        format,
        unmasked: form.unmasked == "yes",
        purpose,
    })
}

fn begun_of(begun: &BegunExport) -> Begun {
    Begun { id: begun.export.record.id.to_string(), key: (*begun.key).clone() }
}

async fn answer(api: &Api, viewer: &Viewer, begun: Option<Begun>, said: String) -> Result<Response, Refusal> {
    if !viewer.is_part {
        return page_of(api, viewer, AskForm::default(), begun, said).await;
    }
    let lists = lists_of(api, viewer).await.map_err(|fault| viewer.refusal(fault))?;
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    Ok(shown(&DonePart { text, proof, begun, said, lists }))
}

async fn page_of(
    api: &Api,
    viewer: &Viewer,
    asked: AskForm,
    begun: Option<Begun>,
    said: String,
) -> Result<Response, Refusal> {
    let page = async {
        let text = viewer.text.clone();
        Ok(ExportsPage {
            frame: Frame::of(api, viewer, "centre").await?,
            areas: areas(viewer, "exports"),
            proof: viewer.proof().to_owned(),
            asked,
            branches: branches_of(api, viewer).await?,
            formats: FORMATS.map(ExportFormat::name).to_vec(),
            purposes: PURPOSES.map(|one| (one.name(), text.known("purpose", one.name()))).to_vec(),
            begun,
            said,
            lists: lists_of(api, viewer).await?,
            text,
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

async fn lists_of(api: &Api, viewer: &Viewer) -> Result<Lists, Fault> {
    let (service, caller, text) = (api.service(), viewer.caller(), &viewer.text);
    let branches = branches_of(api, viewer).await?;
    let me = viewer.identified.staff.record.id;
    let of_content = |content: &ExportContent| Row {
        id: String::new(),
        branch: said_of_branch(text, &branches, content.branch.as_deref()),
        span: format!("{} – {}", content.from, content.to),
        format: content.format.name(),
        purpose: text.known("purpose", content.purpose.name()),
        reason: content.reason.reveal().clone(),
        unmasked: content.unmasked,
        rows: content.rows,
        state: "",
        state_said: String::new(),
        asked_at: String::new(),
        is_mine: false,
        hash: String::new(),
        note: String::new(),
    };
    let time = |at| text.moment(at);
    let exports = service.exports(caller, None, MOST).await?.0;
    let exports = exports.iter().map(|stored| {
        let (export, view) = (&stored.record, ExportView::of(stored));
        Row {
            id: view.id,
            rows: view.rows,
            state: export.state.name(),
            state_said: text.known("export-state", export.state.name()),
            asked_at: time(export.asked_at),
            is_mine: export.asker == me,
            note: if export.state == ExportState::Failed {
                view.failure.unwrap_or_default()
            } else {
                String::new()
            },
            ..of_content(&export.content)
        }
    });
    let exports: Vec<Row> = exports.collect();
    let (mut found, mut after) = (Vec::new(), None);
    // Requests are of many kinds.
    for _ in 0..PAGES {
        let filter = RequestFilter { branch: None, open: false };
        let (page, next) = service.requests(caller, &filter, after, MOST).await?;
        let is_export = |request: &Proposal| matches!(request, Proposal::ExportVisits { .. });
        found.extend(page.into_iter().filter(|request| is_export(&request.record.proposal)));
        after = next;
        if after.is_none() || found.len() >= MOST {
            break;
        }
    }
    let requests = found.iter().filter_map(|stored| {
        let request = &stored.record;
        let Proposal::ExportVisits { asker, content } = &request.proposal else { return None };
        // What was made of it stands among the exports.
        let is_made = exports.iter().any(|export| export.id == request.id.to_string());
        let is_open = matches!(request.state, RequestState::Submitted | RequestState::Done);
        (is_open && !is_made || request.state == RequestState::Refused).then(|| Row {
            id: request.id.to_string(),
            state: request.state.name(),
            state_said: text.known("export-state", request.state.name()),
            asked_at: time(request.drafted_at),
            is_mine: *asker == me || request.hands.contains(&Hand::Staff(me)),
            hash: if request.state == RequestState::Submitted {
                request.proposal.hash()
            } else {
                String::new()
            },
            note: request.note.as_ref().map(|note| note.reveal().clone()).unwrap_or_default(),
            ..of_content(content)
        })
    });
    let requests = requests.collect();
    Ok(Lists { exports, requests, approves: caller.grant.approves(Action::RequestExports) })
}
