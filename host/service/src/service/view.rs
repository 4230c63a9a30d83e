//! Records as they are shown outside: by their numbers, masked, with nothing that is only the
//! service's own.

use rfid_core::UtcTime;
use serde::Serialize;

use super::Sight;
use crate::audit::{Recorded, Verified};
use crate::mask;
use crate::record::{
    Account, AccountState, Alarm, AlarmKind, AllowedBranches, Branch, Card, CardState, ConsentDraft,
    Customer, Duty, LocalDate, Outcome, Refusal, Request, RequestState, Signature, Staff, StaffRole, Visit,
    Way,
};
use crate::rights::Role;
use crate::store::Stored;

/// How a time is written, for schemas: RFC 3339 in UTC.
#[cfg(feature = "schema")]
pub(super) struct Time;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CustomerView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// The bank's customer number.
    pub customer_number: String,
    /// Name.
    pub name: String,
    /// ID number with all but its first and last character hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_number_masked: Option<String>,
    /// Employer.
    pub employer: String,
    /// VIP class.
    pub vip_class: String,
    /// What the customer usually comes for.
    pub usual_business: String,
    /// Code of the home branch.
    pub branch: String,
    /// Id of the account manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_manager_id: Option<String>,
    /// `not_asked`, `given` or `opted_out`.
    pub consent: &'static str,
    /// Id of the photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo_id: Option<String>,
    /// Whether this is no longer a customer.
    pub closed: bool,
    /// Whether the name is shortened, and what else tells who it is left out.
    pub masked: bool,
}

impl CustomerView {
    /// What a caller is shown of a customer.
    pub fn of(sight: &Sight<Customer>) -> Self {
        let whole = Self::whole(&sight.stored);
        if !sight.is_masked {
            return whole;
        }
        let (employer, usual_business) = (String::new(), String::new());
        Self { name: mask::name(&whole.name), employer, usual_business, masked: true, ..whole }
    }

    /// What is shown of a customer to whoever may see everything.
    pub fn whole(stored: &Stored<Customer>) -> Self {
        let customer = &stored.record;
        Self {
            id: customer.id.to_string(),
            version: stored.version,
            customer_number: customer.number.to_string(),
            name: customer.name.reveal().clone(),
            id_number_masked: customer.id_number.as_ref().map(|number| mask::id_number(number.reveal())),
            employer: customer.employer.reveal().clone(),
            vip_class: customer.vip_class.to_string(),
            usual_business: customer.usual_business.reveal().clone(),
            branch: customer.branch.to_string(),
            account_manager_id: customer.account_manager.map(|id| id.to_string()),
            consent: ConsentDraft::of(&customer.consent).name(),
            photo_id: customer.photo.map(|id| id.to_string()),
            closed: customer.closed,
            masked: false,
        }
    }
}

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CardView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// Id of the customer.
    pub customer_id: String,
    /// The last four digits of the EPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epc_ends: Option<String>,
    /// The last four digits of the UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid_ends: Option<String>,
    /// Where it is in its life.
    pub state: CardState,
    /// First day on which it may be used.
    pub valid_from: LocalDate,
    /// Last day on which it may be used.
    pub valid_until: LocalDate,
    /// Codes of the branches where it may be used; everywhere if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Vec<String>>,
    /// Who gave up its plastic, which has to be destroyed, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoilt: Option<SignatureView>,
    /// Who confirmed that it was destroyed, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destroyed: Option<SignatureView>,
}

impl CardView {
    /// What is shown of a card. Its numbers can be followed through a town, so they are not.
    pub fn of(stored: &Stored<Card>) -> Self {
        let card = &stored.record;
        let plastic = card.plastic.as_ref();
        let ends = |hex: String| hex.get(hex.len().saturating_sub(4)..).unwrap_or_default().to_owned();
        Self {
            id: card.id.to_string(),
            version: stored.version,
            customer_id: card.customer.to_string(),
            epc_ends: card.epc.map(|tag| ends(tag.hex())),
            uid_ends: card.uid.map(|tag| ends(tag.hex())),
            state: card.state,
            valid_from: card.valid_from,
            valid_until: card.valid_until,
            branches: match &card.branches {
                AllowedBranches::All => None,
                AllowedBranches::Only(branches) => Some(branches.iter().map(ToString::to_string).collect()),
            },
            spoilt: plastic.and_then(|plastic| plastic.spoilt.as_ref()).map(SignatureView::of),
            destroyed: plastic.and_then(|plastic| plastic.destroyed.as_ref()).map(SignatureView::of),
        }
    }
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActView {
    /// Id of who did.
    pub staff_id: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: UtcTime,
}

/// A visit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VisitView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// Id of the customer; left out where the card was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Code of the branch.
    pub branch: String,
    /// VIP class on that day; left out where the card was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_class: Option<String>,
    /// `recognised` or `refused`.
    pub outcome: &'static str,
    /// Why the card was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Id of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_id: Option<String>,
    /// The reader that heard the arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// Its antenna port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub antenna_port: Option<u16>,
    /// The zone of the arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// When the customer came.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub arrived_at: UtcTime,
    /// The last sighting so far.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub last_seen: UtcTime,
    /// How often the customer came back within the time that continues a visit.
    pub revisits: u32,
    /// When the card was read at the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub desk_read_at: Option<UtcTime>,
    /// Who greeted the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greeted: Option<ActView>,
    /// Who served the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<ActView>,
    /// What was done.
    pub business: Vec<String>,
    /// When the customer left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub departed_at: Option<UtcTime>,
}

impl VisitView {
    /// What a caller is shown of a visit: shortened, not whose it is.
    pub fn seen(sight: &Sight<Visit>) -> Self {
        let whole = Self::of(&sight.stored);
        if sight.is_masked { Self { customer_id: None, card_id: None, ..whole } } else { whole }
    }

    /// What is shown of a visit.
    pub fn of(stored: &Stored<Visit>) -> Self {
        let visit = &stored.record;
        let refusal = match visit.outcome {
            Outcome::Recognised => None,
            Outcome::Refused(refusal) => Some(refusal),
        };
        let act = |act: crate::record::Act| ActView { staff_id: act.by.to_string(), at: act.at };
        let (reader, antenna_port, zone) = match &visit.way {
            Way::Heard { reader, antenna_port, zone } => {
                (Some(reader.to_string()), *antenna_port, Some(zone.to_string()))
            }
            Way::ByHand { .. } => (None, None, None),
        };
        Self {
            id: visit.id.to_string(),
            version: stored.version,
            customer_id: refusal.is_none().then(|| visit.customer.to_string()),
            branch: visit.branch.to_string(),
            vip_class: refusal.is_none().then(|| visit.vip_class.to_string()),
            outcome: if refusal.is_none() { "recognised" } else { "refused" },
            reason: refusal.map(Refusal::name),
            card_id: visit.card.map(|card| card.to_string()),
            reader,
            antenna_port,
            zone,
            arrived_at: visit.arrived_at,
            last_seen: visit.last_seen,
            revisits: visit.revisits,
            desk_read_at: visit.desk_read.as_ref().map(|read| read.at),
            greeted: visit.greeted.map(act),
            served: visit.served.map(act),
            business: visit.business.iter().map(ToString::to_string).collect(),
            departed_at: visit.departed_at,
        }
    }
}

/// A branch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BranchView {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Whether it is no longer served.
    pub closed: bool,
}

impl BranchView {
    /// What is shown of a branch.
    pub fn of(stored: &Stored<Branch>) -> Self {
        let Branch { code, name, closed, .. } = &stored.record;
        Self { code: code.to_string(), name: name.clone(), closed: *closed }
    }
}

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StaffView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// The bank's staff number.
    pub staff_number: String,
    /// Name.
    pub name: String,
    /// What the person does.
    pub role: StaffRole,
    /// Code of the branch.
    pub branch: String,
    /// Whether the person has left.
    pub left: bool,
}

impl StaffView {
    /// What is shown of a member of staff.
    pub fn of(stored: &Stored<Staff>) -> Self {
        let staff = &stored.record;
        Self {
            id: staff.id.to_string(),
            version: stored.version,
            staff_number: staff.number.to_string(),
            name: staff.name.reveal().clone(),
            role: staff.role,
            branch: staff.branch.to_string(),
            left: staff.left,
        }
    }
}

/// A period on duty.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DutyView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// Id of who.
    pub staff_id: String,
    /// Code of the branch.
    pub branch: String,
    /// Since when.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub from: UtcTime,
    /// Until when, once it is over.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UtcTime>,
}

impl DutyView {
    /// What is shown of a period on duty.
    pub fn of(stored: &Stored<Duty>) -> Self {
        let Duty { id, staff, branch, from, until } = &stored.record;
        Self {
            id: id.to_string(),
            version: stored.version,
            staff_id: staff.to_string(),
            branch: branch.to_string(),
            from: *from,
            until: *until,
        }
    }
}

/// A suspicion that a card was copied.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AlarmView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// Id of the card.
    pub card_id: String,
    /// Code of the branch.
    pub branch: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: UtcTime,
    /// `impossible_travel` or `not_authentic`.
    pub kind: &'static str,
    /// The other branch, of an impossible travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_branch: Option<String>,
    /// How long before the card was there, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart_ms: Option<u64>,
    /// Who has seen to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<ActView>,
}

impl AlarmView {
    /// What is shown of an alarm.
    pub fn of(stored: &Stored<Alarm>) -> Self {
        let alarm = &stored.record;
        let (kind, other_branch, apart_ms) = match &alarm.kind {
            AlarmKind::ImpossibleTravel { other_branch, apart_ms, .. } => {
                ("impossible_travel", Some(other_branch.to_string()), Some(*apart_ms))
            }
            AlarmKind::NotAuthentic => ("not_authentic", None, None),
        };
        Self {
            id: alarm.id.to_string(),
            version: stored.version,
            card_id: alarm.card.to_string(),
            branch: alarm.branch.to_string(),
            at: alarm.at,
            kind,
            other_branch,
            apart_ms,
            acknowledged: alarm.acknowledged.map(|act| ActView { staff_id: act.by.to_string(), at: act.at }),
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestView {
    /// The service's id.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// What is asked for.
    pub kind: &'static str,
    /// How far it is.
    pub state: RequestState,
    /// Code of the branch.
    pub branch: String,
    /// What names the content; who approves sends it.
    pub hash: String,
    /// What is asked for, with ID numbers shortened.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub content: serde_json::Value,
    /// When it was begun.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub drafted_at: UtcTime,
    /// Who submitted it, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted: Option<SignatureView>,
    /// Who decided, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<SignatureView>,
    /// Why it was refused or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether the approver stood in for a reviewer who was not on duty.
    pub stood_in: bool,
    /// The approver's half of the code of an invitation, told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_half: Option<String>,
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignatureView {
    /// Id of a member of staff, or the name of a token.
    pub by: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub at: UtcTime,
}

impl SignatureView {
    fn of(signature: &Signature) -> Self {
        Self { by: signature.by.name(), at: signature.at }
    }
}

impl RequestView {
    /// What is shown of a request.
    pub fn of(stored: &Stored<Request>) -> Self {
        let request = &stored.record;
        let mut content = serde_json::to_value(&request.proposal).unwrap_or_default();
        if let Some(number) = content.pointer_mut("/draft/id_number")
            && let Some(text) = number.as_str()
        {
            *number = mask::id_number(text).into();
        }
        if let serde_json::Value::Object(content) = &mut content {
            content.remove("kind");
        }
        Self {
            id: request.id.to_string(),
            version: stored.version,
            kind: request.proposal.kind().name(),
            state: request.state,
            branch: request.branch.to_string(),
            hash: request.proposal.hash(),
            content,
            drafted_at: request.drafted_at,
            submitted: request.submitted.as_ref().map(SignatureView::of),
            decided: request.decided.as_ref().map(SignatureView::of),
            note: request.note.as_ref().map(|note| note.reveal().clone()),
            stood_in: request.stood_in,
            code_half: None,
        }
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountView {
    /// The bank's staff number.
    pub staff_number: String,
    /// Name.
    pub name: String,
    /// Code of the branch.
    pub branch: String,
    /// How often the record was written.
    pub version: u32,
    /// As what.
    pub roles: Vec<Role>,
    /// Whether it can be used.
    pub state: AccountState,
    /// Whether there is a second factor.
    pub has_second_factor: bool,
    /// When somebody last logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub last_login: Option<UtcTime>,
    /// When somebody last confirmed that the person needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub confirmed_at: Option<UtcTime>,
    /// Since when somebody has to confirm that, before it cannot be used any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub warned_at: Option<UtcTime>,
}

impl AccountView {
    /// What is shown of an account.
    pub fn of(staff: &Stored<Staff>, stored: &Stored<Account>) -> Self {
        let account = &stored.record;
        Self {
            staff_number: staff.record.number.to_string(),
            name: staff.record.name.reveal().clone(),
            branch: staff.record.branch.to_string(),
            version: stored.version,
            roles: account.roles.iter().copied().collect(),
            state: account.state,
            has_second_factor: account.second_factor.is_some(),
            last_login: account.last_login,
            confirmed_at: account.confirmed,
            warned_at: account.warned,
        }
    }
}

/// A record of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordedView {
    /// Its number.
    pub number: u64,
    /// What it says: when, who, from where, what, to what, and what came of it.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub entry: serde_json::Value,
}

impl RecordedView {
    /// What is shown of a record of the trail.
    pub fn of(recorded: Recorded) -> Self {
        let Recorded { number, entry } = recorded;
        Self { number, entry: serde_json::to_value(entry).unwrap_or_default() }
    }
}

/// What came of going through the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrailView {
    /// Whether it is what was written.
    pub is_whole: bool,
    /// Number of the first record that is kept.
    pub first: u64,
    /// Number of the last record.
    pub last: u64,
    /// The SHA-256 of the last record, with which the trail can be compared later.
    pub head: String,
    /// The first record that is not what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<u64>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

impl TrailView {
    /// What is told of a trail that was gone through.
    pub fn of(verified: &Verified) -> Self {
        let fault = verified.fault.as_ref();
        Self {
            is_whole: fault.is_none(),
            first: verified.first,
            last: verified.head.number,
            head: verified.head.hash.to_string(),
            first_bad: fault.map(|fault| fault.number),
            what: fault.map(|fault| fault.what.clone()),
        }
    }
}
