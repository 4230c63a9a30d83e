//! A visit and its customer, as a page shows them.

use rfid_service::mask;
use rfid_service::record::{ConsentDraft, Customer, Outcome, Way};
use rfid_service::service::{Attendant, Extent, Guest, VisitState};
use rfid_service::store::Stored;

use super::text::Text;

/// What a page shows of a visit.
#[derive(Default)]
pub(super) struct GuestView {
    /// Id of the visit; empty where a customer is looked at who is not here.
    pub(super) visit: String,
    pub(super) state: &'static str,
    pub(super) state_said: String,
    pub(super) name: String,
    /// The first character of the name, where there is no photo.
    pub(super) initial: String,
    pub(super) number: String,
    pub(super) class: String,
    pub(super) class_said: String,
    pub(super) usual_business: String,
    /// Addresses of the photo, large and small; empty where there is none.
    pub(super) photo: String,
    pub(super) photo_small: String,
    /// These three only where the whole record is seen.
    pub(super) id_number: String,
    pub(super) employer: String,
    pub(super) notes: String,
    /// Code of the home branch, where it is another.
    pub(super) home_branch: String,
    /// That the customer is not to be recognised, and what follows; both empty of one who agrees to it.
    pub(super) no_consent: String,
    pub(super) no_consent_hint: String,
    pub(super) zone_said: String,
    pub(super) is_by_hand: bool,
    pub(super) was_at_desk: bool,
    pub(super) arrived: String,
    pub(super) day: String,
    pub(super) arrived_ms: u64,
    pub(super) left: String,
    pub(super) greeted_by: String,
    pub(super) served_by: String,
    pub(super) business: String,
    /// Why the card was refused.
    pub(super) refusal: String,
    pub(super) is_suspect: bool,
    pub(super) is_here: bool,
}

/// What is needed to show visits.
pub(super) struct Showing<'a> {
    pub(super) text: &'a Text,
    /// The branch of who looks.
    pub(super) branch: &'a str,
    /// Cards of which nobody knows whether they were copied.
    pub(super) suspects: &'a [String],
}

impl Showing<'_> {
    fn who(&self, attendant: Option<&Attendant>) -> String {
        match attendant {
            None => String::new(),
            Some(Attendant { name: Some(name), .. }) => name.reveal().clone(),
            Some(_) => self.text.say("another-branch"),
        }
    }

    pub(super) fn guest(&self, guest: &Guest) -> GuestView {
        let Guest { visit: Stored { record: visit, .. }, customer, greeted, served } = guest;
        let text = self.text;
        let stage = VisitState::of(visit);
        let mut view = GuestView {
            visit: visit.id.to_string(),
            is_here: visit.departed_at.is_none(),
            arrived: text.clock(visit.arrived_at),
            day: text.day(visit.arrived_at),
            arrived_ms: visit.arrived_at.as_nanos() / 1_000_000,
            left: visit.departed_at.map(|at| text.clock(at)).unwrap_or_default(),
            greeted_by: self.who(greeted.as_ref()),
            served_by: self.who(served.as_ref()),
            business: visit.business.iter().map(ToString::to_string).collect::<Vec<_>>().join("、"),
            was_at_desk: visit.desk_read.is_some(),
            is_suspect: visit.card.is_some_and(|card| self.suspects.contains(&card.to_string())),
            ..self.nobody(stage)
        };
        match &visit.way {
            Way::Heard { zone, .. } => view.zone_said = text.known("zone", zone),
            Way::ByHand { .. } => view.is_by_hand = true,
        }
        if let Outcome::Refused(refusal) = visit.outcome {
            view.refusal = text.known("refusal", refusal.name());
        }
        if let Some((customer, extent)) = customer {
            self.customer(&mut view, customer, *extent);
            if *extent >= Extent::Greeting && customer.record.photo.is_some() {
                view.photo = format!("/photos/{}/large", visit.id);
                view.photo_small = format!("/photos/{}/small", visit.id);
            }
        }
        view
    }

    /// A customer who is not here.
    pub(super) fn absent(&self, customer: &Stored<Customer>, extent: Extent) -> GuestView {
        let mut view = self.nobody(VisitState::Left);
        view.state_said = self.text.say("state-absent");
        self.customer(&mut view, customer, extent);
        if extent >= Extent::Greeting && customer.record.photo.is_some() {
            view.photo = format!("/photos/customer/{}/large", customer.record.id);
            view.photo_small = format!("/photos/customer/{}/small", customer.record.id);
        }
        view
    }

    fn customer(&self, view: &mut GuestView, customer: &Stored<Customer>, extent: Extent) {
        let customer = &customer.record;
        let name = customer.name.reveal();
        view.number = customer.number.to_string();
        view.class = customer.vip_class.to_string();
        view.class_said = self.text.known("class", &customer.vip_class);
        view.name = if extent >= Extent::Greeting { name.clone() } else { mask::name(name) };
        view.initial = name.chars().find(|c| c.is_alphanumeric()).map(String::from).unwrap_or_default();
        if customer.branch.as_str() != self.branch {
            view.home_branch = customer.branch.to_string();
        }
        view.no_consent = said_of_consent(self.text, "no-consent", customer);
        view.no_consent_hint = said_of_consent(self.text, "no-consent-hint", customer);
        if extent >= Extent::Greeting {
            view.usual_business = customer.usual_business.reveal().clone();
        }
        if extent == Extent::Whole {
            view.employer = customer.employer.reveal().clone();
            view.notes = customer.notes.reveal().clone();
            view.id_number = customer
                .id_number
                .as_ref()
                .map(|number| mask::id_number(number.reveal()))
                .unwrap_or_default();
        }
    }

    fn nobody(&self, stage: VisitState) -> GuestView {
        let state_said = self.text.known("state", stage.name());
        GuestView { state: stage.name(), state_said, ..GuestView::default() }
    }
}

/// What is said of a customer who has not agreed to be recognised; nothing of one who has.
pub(super) fn said_of_consent(text: &Text, what: &str, customer: &Customer) -> String {
    match ConsentDraft::of(&customer.consent) {
        ConsentDraft::Given => String::new(),
        consent => text.known(what, consent.name()),
    }
}
