//! A customer as somebody writes one: opened, changed, or as it stands in a draft. A field that is wrong says so where
//! it stands, and nothing of what was typed is lost.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rfid_service::mask;
use rfid_service::record::{
    ConsentDraft, Customer, CustomerDraft, CustomerId, Personal, Proposal, Request, RequestId,
};
use rfid_service::rights::Action;
use rfid_service::service::{Asked, CustomerPatch, Fault, FieldFault};
use rfid_service::store::Stored;
use serde::Deserialize;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Sent, Viewer, shown};
use crate::api::Api;

/// Classes that a bank usually has.
const CLASSES: [&str; 4] = ["silver", "gold", "platinum", "diamond"];

/// What somebody typed.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct CustomerForm {
    /// The version that it was made on, in a form a text like everything.
    seen: String,
    customer_number: String,
    name: String,
    id_number: Personal<String>,
    employer: String,
    vip_class: String,
    usual_business: String,
    account_manager: String,
    notes: String,
    consent: String,
    /// Names of fields that are to be emptied although nothing is to be seen in them.
    clear_id_number: String,
    clear_employer: String,
    clear_usual_business: String,
    clear_notes: String,
}

#[derive(Deserialize)]
pub(super) struct IdNumberForm {
    #[serde(default)]
    id_number: Personal<String>,
}

/// A field as it stands in the form.
struct FieldView {
    name: &'static str,
    label: String,
    value: String,
    /// What stands in the record where it may not be seen whole: whoever leaves the field empty leaves that.
    kept: String,
    hint: String,
    fault: String,
    longest: usize,
    is_required: bool,
    may_clear: bool,
}

struct Choice {
    value: String,
    said: String,
    is_chosen: bool,
}

/// A form, wherever it goes.
struct FormView {
    /// Where it is sent.
    to: String,
    /// Where whoever gives up goes back to.
    back: String,
    title: String,
    seen: u32,
    has_kept: bool,
    fields: Vec<FieldView>,
    classes: Vec<Choice>,
    consents: Vec<Choice>,
    notes: FieldView,
    class_fault: String,
    /// How many things are wrong, said above.
    problem: String,
}

#[derive(Template)]
#[template(path = "issuing/form_page.html")]
struct FormPage {
    text: Text,
    frame: Frame,
    proof: String,
    form: FormView,
}

#[derive(Template)]
#[template(path = "issuing/form.html")]
struct FormPart {
    text: Text,
    proof: String,
    form: FormView,
}

#[derive(Template)]
#[template(path = "issuing/id_number.html")]
struct IdNumberPart {
    fault: Option<String>,
    good: String,
}

/// What a form is about.
enum About {
    /// Somebody who is no customer yet.
    New,
    /// A customer, of whose record not everything may be seen.
    Customer { customer: Box<Stored<Customer>>, is_masked: bool },
    /// The customer of a request.
    Request { request: Box<Stored<Request>>, draft: Box<CustomerDraft> },
}

pub(super) async fn new(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    if !viewer.caller().grant.proposes(Action::ChangeCustomers) {
        return Err(viewer.refusal(Fault::Forbidden(Action::ChangeCustomers)));
    }
    let own = viewer.identified.staff.record.number.to_string();
    let is_manager = viewer.identified.roles.contains(&rfid_service::rights::Role::AccountManager);
    let form = CustomerForm {
        vip_class: "gold".to_owned(),
        consent: ConsentDraft::NotAsked.name().to_owned(),
        account_manager: if is_manager { own } else { String::new() },
        ..CustomerForm::default()
    };
    answer(&api, &viewer, &About::New, &form, None).await
}

pub(super) async fn open(
    State(api): State<Api>,
    Sent(viewer, form): Sent<CustomerForm>,
) -> Result<Response, Refusal> {
    let before = CustomerDraft {
        customer_number: String::new().into(),
        name: String::new().into(),
        id_number: None,
        employer: String::new().into(),
        vip_class: String::new(),
        usual_business: String::new().into(),
        branch: viewer.branch().to_string(),
        account_manager: None,
        notes: String::new().into(),
        consent: ConsentDraft::NotAsked,
    };
    let draft = patch_of(&form, &[]).of(before);
    let drafted = api.service().draft_request(viewer.caller(), Asked::OpenCustomer { draft }).await;
    done(&api, &viewer, About::New, form, drafted).await
}

pub(super) async fn changing(
    State(api): State<Api>,
    viewer: Viewer,
    Path(customer): Path<String>,
) -> Result<Response, Refusal> {
    if !viewer.caller().grant.proposes(Action::ChangeCustomers) {
        return Err(viewer.refusal(Fault::Forbidden(Action::ChangeCustomers)));
    }
    let about = about_customer(&api, &viewer, &customer).await.map_err(|fault| viewer.refusal(fault))?;
    let form = written(&api, &viewer, &about).await.map_err(|fault| viewer.refusal(fault))?;
    answer(&api, &viewer, &about, &form, None).await
}

pub(super) async fn change(
    State(api): State<Api>,
    Path(customer): Path<String>,
    Sent(viewer, form): Sent<CustomerForm>,
) -> Result<Response, Refusal> {
    let about = about_customer(&api, &viewer, &customer).await.map_err(|fault| viewer.refusal(fault))?;
    let About::Customer { customer, .. } = &about else {
        return Err(viewer.refusal(Fault::NotFound("customer")));
    };
    let (id, seen) = (customer.record.id, seen_in(&form));
    let patch = patch_of(&form, hidden_of(&about));
    let drafted = api.service().draft_change(viewer.caller(), id, seen, patch).await;
    done(&api, &viewer, about, form, drafted).await
}

pub(super) async fn editing(
    State(api): State<Api>,
    viewer: Viewer,
    Path(request): Path<String>,
) -> Result<Response, Refusal> {
    let about = about_request(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    let form = written(&api, &viewer, &about).await.map_err(|fault| viewer.refusal(fault))?;
    answer(&api, &viewer, &about, &form, None).await
}

pub(super) async fn edit(
    State(api): State<Api>,
    Path(request): Path<String>,
    Sent(viewer, form): Sent<CustomerForm>,
) -> Result<Response, Refusal> {
    let about = about_request(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    let About::Request { request, .. } = &about else {
        return Err(viewer.refusal(Fault::NotFound("request")));
    };
    let (id, seen) = (request.record.id, seen_in(&form));
    let patch = patch_of(&form, hidden_of(&about));
    let edited = api.service().edit_customer_of(viewer.caller(), id, seen, patch).await;
    done(&api, &viewer, about, form, edited).await
}

/// Says at once whether an ID number is one.
pub(super) async fn check_id_number(
    Sent(viewer, IdNumberForm { id_number }): Sent<IdNumberForm>,
) -> Response {
    let number = id_number.reveal().trim();
    let fault = if number.is_empty() { None } else { viewer.text.id_number_fault(number) };
    let good = if number.is_empty() || fault.is_some() {
        String::new()
    } else {
        viewer.text.say("issue-id-number-good")
    };
    shown(&IdNumberPart { fault, good })
}

async fn about_customer(api: &Api, viewer: &Viewer, customer: &str) -> Result<About, Fault> {
    let id: CustomerId = customer.parse().map_err(|_| Fault::NotFound("customer"))?;
    let sight = api.service().customer(viewer.caller(), id).await?;
    Ok(About::Customer { is_masked: sight.is_masked, customer: Box::new(sight.stored) })
}

async fn about_request(api: &Api, viewer: &Viewer, request: &str) -> Result<About, Fault> {
    let id: RequestId = request.parse().map_err(|_| Fault::NotFound("request"))?;
    let case = api.service().case(viewer.caller(), id).await?;
    let request = case.request;
    if !case.acts.edit {
        return Err(Fault::NotFound("request"));
    }
    match request.record.proposal.clone() {
        Proposal::OpenCustomer { draft, .. } | Proposal::ChangeCustomer { draft, .. } => {
            Ok(About::Request { request: Box::new(request), draft: Box::new(draft) })
        }
        _ => Err(Fault::NotFound("request")),
    }
}

/// Fields in which nothing stands although the record has something: left empty they stay as they are.
fn hidden_of(about: &About) -> &'static [&'static str] {
    match about {
        About::New => &[],
        About::Customer { is_masked: true, .. } => {
            &["name", "id_number", "employer", "usual_business", "notes"]
        }
        // An ID number never leaves the host whole.
        About::Customer { .. } | About::Request { .. } => &["id_number"],
    }
}

/// What stands in the form before anybody types.
async fn written(api: &Api, viewer: &Viewer, about: &About) -> Result<CustomerForm, Fault> {
    Ok(match about {
        About::New => CustomerForm::default(),
        About::Customer { customer, is_masked } => {
            let Customer { number, name, employer, vip_class, usual_business, notes, consent, .. } =
                &customer.record;
            let shown =
                |text: &Personal<String>| if *is_masked { String::new() } else { text.reveal().clone() };
            let manager = match customer.record.account_manager {
                Some(id) => match api.service().staff(viewer.caller(), id).await {
                    Ok(staff) => staff.record.number.to_string(),
                    Err(Fault::NotFound(_)) => String::new(),
                    Err(fault) => return Err(fault),
                },
                None => String::new(),
            };
            CustomerForm {
                seen: customer.version.to_string(),
                customer_number: number.to_string(),
                name: shown(name),
                employer: shown(employer),
                vip_class: vip_class.to_string(),
                usual_business: shown(usual_business),
                account_manager: manager,
                notes: shown(notes),
                consent: ConsentDraft::of(consent).name().to_owned(),
                ..CustomerForm::default()
            }
        }
        About::Request { request, draft } => CustomerForm {
            seen: request.version.to_string(),
            customer_number: draft.customer_number.reveal().clone(),
            name: draft.name.reveal().clone(),
            employer: draft.employer.reveal().clone(),
            vip_class: draft.vip_class.clone(),
            usual_business: draft.usual_business.reveal().clone(),
            account_manager: draft.account_manager.clone().unwrap_or_default(),
            notes: draft.notes.reveal().clone(),
            consent: draft.consent.name().to_owned(),
            ..CustomerForm::default()
        },
    })
}

fn seen_in(form: &CustomerForm) -> u32 {
    form.seen.parse().unwrap_or(0)
}

/// What the form changes.
fn patch_of(form: &CustomerForm, hidden: &[&str]) -> CustomerPatch {
    let text = |name: &str, typed: &str, clear: &str| {
        let typed = typed.trim();
        let stays = typed.is_empty() && hidden.contains(&name) && clear.is_empty();
        (!stays).then(|| typed.to_owned())
    };
    CustomerPatch {
        customer_number: text("customer_number", &form.customer_number, "").map(Into::into),
        name: text("name", &form.name, "").map(Into::into),
        id_number: text("id_number", form.id_number.reveal(), &form.clear_id_number).map(Into::into),
        employer: text("employer", &form.employer, &form.clear_employer).map(Into::into),
        vip_class: text("vip_class", &form.vip_class, ""),
        usual_business: text("usual_business", &form.usual_business, &form.clear_usual_business)
            .map(Into::into),
        account_manager: text("account_manager", &form.account_manager, ""),
        // A browser sends the end of a line as two characters.
        notes: text("notes", &form.notes.replace("\r\n", "\n"), &form.clear_notes).map(Into::into),
        consent: Some(
            ConsentDraft::ALL
                .into_iter()
                .find(|consent| consent.name() == form.consent)
                .unwrap_or(ConsentDraft::NotAsked),
        ),
    }
}

/// On to the photo, or the form again with what is wrong.
async fn done(
    api: &Api,
    viewer: &Viewer,
    about: About,
    form: CustomerForm,
    outcome: Result<Stored<Request>, Fault>,
) -> Result<Response, Refusal> {
    match outcome {
        Ok(request) => {
            let id = request.record.id;
            let next = match about {
                About::Request { .. } => format!("/issuing/request/{id}"),
                _ => format!("/issuing/request/{id}/photo"),
            };
            Ok(viewer.leads_to(&next))
        }
        Err(Fault::Invalid(faults)) => answer(api, viewer, &about, &form, Some(&faults)).await,
        Err(fault) => Err(viewer.refusal(fault)),
    }
}

async fn answer(
    api: &Api,
    viewer: &Viewer,
    about: &About,
    form: &CustomerForm,
    faults: Option<&[FieldFault]>,
) -> Result<Response, Refusal> {
    let status = if faults.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = view_of(&viewer.text, about, form, faults.unwrap_or_default());
    let (text, proof) = (viewer.text.clone(), viewer.proof().to_owned());
    if viewer.is_part {
        return Ok((status, shown(&FormPart { text, proof, form: view })).into_response());
    }
    let frame = Frame::of(api, viewer, "issuing").await.map_err(|fault| viewer.refusal(fault))?;
    Ok((status, shown(&FormPage { text, frame, proof, form: view })).into_response())
}

fn view_of(text: &Text, about: &About, form: &CustomerForm, faults: &[FieldFault]) -> FormView {
    let hidden = hidden_of(about);
    let kept_of = |name: &str| match about {
        About::New => String::new(),
        About::Customer { customer, .. } => {
            let Customer { name: own, id_number, employer, usual_business, notes, .. } = &customer.record;
            match name {
                "name" => mask::name(own.reveal()),
                "id_number" => {
                    id_number.as_ref().map(|number| mask::id_number(number.reveal())).unwrap_or_default()
                }
                "employer" => written_or_not(text, employer),
                "usual_business" => written_or_not(text, usual_business),
                "notes" => written_or_not(text, notes),
                _ => String::new(),
            }
        }
        About::Request { draft, .. } => match name {
            "id_number" => {
                draft.id_number.as_ref().map(|number| mask::id_number(number.reveal())).unwrap_or_default()
            }
            _ => String::new(),
        },
    };
    let fault_of = |name: &str| {
        let Some(_) = faults.iter().find(|fault| fault.field == name) else { return String::new() };
        let of_number =
            if name == "id_number" { text.id_number_fault(form.id_number.reveal()) } else { None };
        of_number.unwrap_or_else(|| text.field_fault(name))
    };
    let field = |name: &'static str, value: &str, longest: usize, is_required: bool| {
        let kept = if hidden.contains(&name) { kept_of(name) } else { String::new() };
        FieldView {
            name,
            label: text.of_issuing("field", name),
            value: value.to_owned(),
            hint: text.of_issuing("hint", name),
            fault: fault_of(name),
            longest,
            is_required: is_required && kept.is_empty(),
            may_clear: !kept.is_empty() && !is_required,
            kept,
        }
    };
    let fields = vec![
        field("customer_number", &form.customer_number, 32, true),
        field("name", &form.name, Customer::LONGEST_TEXT, true),
        field("id_number", form.id_number.reveal(), 18, false),
        field("employer", &form.employer, Customer::LONGEST_TEXT, false),
        field("usual_business", &form.usual_business, Customer::LONGEST_TEXT, false),
        field("account_manager", &form.account_manager, 32, false),
    ];
    let notes = field("notes", &form.notes, Customer::LONGEST_NOTES, false);
    let has_kept = fields.iter().chain([&notes]).any(|field| !field.kept.is_empty());
    let own_class = (!CLASSES.contains(&form.vip_class.as_str()) && !form.vip_class.is_empty())
        .then_some(form.vip_class.as_str());
    let classes = CLASSES.into_iter().chain(own_class).map(|class| Choice {
        value: class.to_owned(),
        said: text.known("class", class),
        is_chosen: class == form.vip_class,
    });
    let consents = ConsentDraft::ALL.map(ConsentDraft::name).map(|consent| Choice {
        value: consent.to_owned(),
        said: text.of_issuing("consent", consent),
        is_chosen: consent == form.consent,
    });
    let (to, back, title) = match about {
        About::New => {
            ("/issuing/customer/new".to_owned(), "/issuing".to_owned(), text.say("issue-open-customer"))
        }
        About::Customer { customer, .. } => {
            let page = format!("/issuing/customer/{}", customer.record.id);
            (format!("{page}/change"), page, text.say("issue-change-customer"))
        }
        About::Request { request, .. } => {
            let page = format!("/issuing/request/{}", request.record.id);
            (format!("{page}/edit"), page, text.say("issue-edit-request"))
        }
    };
    let problem =
        if faults.is_empty() { String::new() } else { text.with("issue-form-faults", "n", faults.len()) };
    FormView {
        to,
        back,
        title,
        seen: seen_in(form),
        has_kept,
        fields,
        classes: classes.collect(),
        consents: consents.into_iter().collect(),
        notes,
        class_fault: fault_of("vip_class"),
        problem,
    }
}

fn written_or_not(text: &Text, value: &Personal<String>) -> String {
    if value.reveal().is_empty() { String::new() } else { text.say("issue-kept-unseen") }
}
