//! What the service keeps, in the bank's own words.
//!
//! Every record is one of [`Record`]; what is asked of all of them (a key, a kind, what must be
//! unique) is asked there. What tells who a person is stands in [`Personal`] and never prints.

mod account;
mod alarm;
mod branch;
mod card;
mod customer;
mod date;
mod draft;
mod export;
mod id;
mod id_number;
mod month;
mod number;
mod person;
mod personal;
mod request;
mod staff;
mod visit;

use rfid_core::{Name, TagId};
use serde::{Deserialize, Serialize};

pub use account::{Account, AccountState, Device, Invitation, Lent};
pub use alarm::{Alarm, AlarmKind};
pub use branch::{Branch, Position};
pub use card::{AllowedBranches, Card, CardState, Plastic};
pub use customer::{Bearer, Consent, Customer, PhotoId};
pub use date::LocalDate;
pub use draft::{CardDraft, ConsentDraft, CustomerDraft};
pub use export::{Export, ExportContent, ExportFormat, ExportPurpose, ExportState, MadeFile};
pub use id::{AlarmId, CardId, CustomerId, DutyId, ExportId, NotAnId, RequestId, StaffId, VisitId};
pub use id_number::{IdNumber, IdNumberFault};
pub use month::Month;
pub use number::{Number, NumberFault};
pub use personal::Personal;
pub use request::{Hand, Proposal, ProposalKind, Request, RequestState, Signature};
pub use staff::{Duty, Staff, StaffRole};
pub use visit::{Act, DeskRead, Outcome, Presence, Refusal, Visit, Way};

/// Kinds of records. The numbers stand in stored data and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// A branch of the bank (网点).
    Branch = 1,
    /// A customer (客户).
    Customer = 2,
    /// A card (VIP卡).
    Card = 3,
    /// A visit (到访).
    Visit = 4,
    /// Somebody who works for the bank.
    Staff = 5,
    /// A period on duty.
    Duty = 6,
    /// A suspicion that a card was copied.
    Alarm = 7,
    /// How a member of staff logs in.
    Account = 8,
    /// What somebody asks for and somebody else approves.
    Request = 9,
    /// Visits that somebody carries out as a file.
    Export = 10,
}

impl Kind {
    /// All kinds, in an order in which each refers only to those before it.
    pub const ALL: [Self; 10] = [
        Self::Branch,
        Self::Staff,
        Self::Customer,
        Self::Card,
        Self::Visit,
        Self::Duty,
        Self::Alarm,
        Self::Account,
        Self::Request,
        Self::Export,
    ];

    /// The name in JSON and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Customer => "customer",
            Self::Card => "card",
            Self::Visit => "visit",
            Self::Staff => "staff",
            Self::Duty => "duty",
            Self::Alarm => "alarm",
            Self::Account => "account",
            Self::Request => "request",
            Self::Export => "export",
        }
    }

    /// The kind with this number in stored data.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Where a record stands among all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A branch by its code.
    Branch(Name),
    /// A customer.
    Customer(CustomerId),
    /// A card.
    Card(CardId),
    /// A visit.
    Visit(VisitId),
    /// Somebody who works for the bank.
    Staff(StaffId),
    /// A period on duty.
    Duty(DutyId),
    /// An alarm.
    Alarm(AlarmId),
    /// The account of a member of staff.
    Account(StaffId),
    /// A request.
    Request(RequestId),
    /// An export.
    Export(ExportId),
}

impl Key {
    /// What kind of record it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Branch(_) => Kind::Branch,
            Self::Customer(_) => Kind::Customer,
            Self::Card(_) => Kind::Card,
            Self::Visit(_) => Kind::Visit,
            Self::Staff(_) => Kind::Staff,
            Self::Duty(_) => Kind::Duty,
            Self::Alarm(_) => Kind::Alarm,
            Self::Account(_) => Kind::Account,
            Self::Request(_) => Kind::Request,
            Self::Export(_) => Kind::Export,
        }
    }

    /// The key as bytes that sort as the keys of one kind do: the code of a branch, the sixteen
    /// bytes of any other id.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Branch(code) => code.as_bytes().to_vec(),
            Self::Customer(id) => id.to_bytes().to_vec(),
            Self::Card(id) => id.to_bytes().to_vec(),
            Self::Visit(id) => id.to_bytes().to_vec(),
            Self::Staff(id) => id.to_bytes().to_vec(),
            Self::Duty(id) => id.to_bytes().to_vec(),
            Self::Alarm(id) => id.to_bytes().to_vec(),
            Self::Account(id) => id.to_bytes().to_vec(),
            Self::Request(id) => id.to_bytes().to_vec(),
            Self::Export(id) => id.to_bytes().to_vec(),
        }
    }

    /// The key of this kind with these bytes.
    pub fn from_bytes(kind: Kind, bytes: &[u8]) -> Option<Self> {
        let id = || <[u8; 16]>::try_from(bytes).ok();
        Some(match kind {
            Kind::Branch => Self::Branch(std::str::from_utf8(bytes).ok()?.into()),
            Kind::Customer => Self::Customer(CustomerId::from_bytes(id()?)),
            Kind::Card => Self::Card(CardId::from_bytes(id()?)),
            Kind::Visit => Self::Visit(VisitId::from_bytes(id()?)),
            Kind::Staff => Self::Staff(StaffId::from_bytes(id()?)),
            Kind::Duty => Self::Duty(DutyId::from_bytes(id()?)),
            Kind::Alarm => Self::Alarm(AlarmId::from_bytes(id()?)),
            Kind::Account => Self::Account(StaffId::from_bytes(id()?)),
            Kind::Request => Self::Request(RequestId::from_bytes(id()?)),
            Kind::Export => Self::Export(ExportId::from_bytes(id()?)),
        })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind().name())?;
        match self {
            Self::Branch(code) => code.fmt(f),
            Self::Customer(id) => id.fmt(f),
            Self::Card(id) => id.fmt(f),
            Self::Visit(id) => id.fmt(f),
            Self::Staff(id) => id.fmt(f),
            Self::Duty(id) => id.fmt(f),
            Self::Alarm(id) => id.fmt(f),
            Self::Account(id) => id.fmt(f),
            Self::Request(id) => id.fmt(f),
            Self::Export(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Key {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (name, id) = text.split_once(' ').ok_or(NotAnId)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(NotAnId)?;
        Ok(match kind {
            Kind::Branch => Self::Branch(id.into()),
            Kind::Customer => Self::Customer(id.parse()?),
            Kind::Card => Self::Card(id.parse()?),
            Kind::Visit => Self::Visit(id.parse()?),
            Kind::Staff => Self::Staff(id.parse()?),
            Kind::Duty => Self::Duty(id.parse()?),
            Kind::Alarm => Self::Alarm(id.parse()?),
            Kind::Account => Self::Account(id.parse()?),
            Kind::Request => Self::Request(id.parse()?),
            Kind::Export => Self::Export(id.parse()?),
        })
    }
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A branch.
    Branch(Branch),
    /// A customer.
    Customer(Customer),
    /// A card.
    Card(Card),
    /// A visit.
    Visit(Visit),
    /// Somebody who works for the bank.
    Staff(Staff),
    /// A period on duty.
    Duty(Duty),
    /// An alarm.
    Alarm(Alarm),
    /// An account.
    Account(Account),
    /// A request.
    Request(Request),
    /// An export.
    Export(Export),
}

/// What no two records may share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unique {
    /// The number of a customer.
    CustomerNumber(Number),
    /// The EPC or UID of a card. A number that was ever on a card is never on another.
    CardTag(TagId),
    /// The number of a member of staff.
    StaffNumber(Number),
}

impl Unique {
    /// The name of the field, for messages.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::CustomerNumber(_) => "customer_number",
            Self::CardTag(tag) if tag.kind().is_epc() => "epc_hex",
            Self::CardTag(_) => "uid_hex",
            Self::StaffNumber(_) => "staff_number",
        }
    }
}

impl Record {
    /// Where it stands.
    pub fn key(&self) -> Key {
        match self {
            Self::Branch(branch) => Key::Branch(branch.code.clone()),
            Self::Customer(customer) => Key::Customer(customer.id),
            Self::Card(card) => Key::Card(card.id),
            Self::Visit(visit) => Key::Visit(visit.id),
            Self::Staff(staff) => Key::Staff(staff.id),
            Self::Duty(duty) => Key::Duty(duty.id),
            Self::Alarm(alarm) => Key::Alarm(alarm.id),
            Self::Account(account) => Key::Account(account.staff),
            Self::Request(request) => Key::Request(request.id),
            Self::Export(export) => Key::Export(export.id),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.key().kind()
    }

    /// What it shares with no other.
    pub fn uniques(&self) -> Vec<Unique> {
        match self {
            Self::Customer(customer) => vec![Unique::CustomerNumber(customer.number.clone())],
            Self::Card(card) => card.tags().map(Unique::CardTag).collect(),
            Self::Staff(staff) => vec![Unique::StaffNumber(staff.number.clone())],
            Self::Branch(_)
            | Self::Visit(_)
            | Self::Duty(_)
            | Self::Alarm(_)
            | Self::Account(_)
            | Self::Request(_)
            | Self::Export(_) => Vec::new(),
        }
    }
}

macro_rules! record_of {
    ($($variant:ident),*) => {$(
        impl From<$variant> for Record {
            fn from(record: $variant) -> Self {
                Self::$variant(record)
            }
        }

        impl TryFrom<Record> for $variant {
            type Error = Record;

            /// The record, or what came instead of it.
            fn try_from(record: Record) -> Result<Self, Record> {
                match record {
                    Record::$variant(record) => Ok(record),
                    other => Err(other),
                }
            }
        }
    )*};
}

record_of!(Branch, Customer, Card, Visit, Staff, Duty, Alarm, Account, Request, Export);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_number_and_one_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind as u8), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(11), None);
    }

    #[test]
    fn a_key_is_found_again_from_its_bytes() {
        let keys = [
            Key::Branch("hubin".into()),
            Key::Customer(CustomerId::from_bytes([1; 16])),
            Key::Card(CardId::from_bytes([2; 16])),
            Key::Visit(VisitId::from_bytes([3; 16])),
            Key::Staff(StaffId::from_bytes([4; 16])),
            Key::Duty(DutyId::from_bytes([5; 16])),
            Key::Alarm(AlarmId::from_bytes([6; 16])),
            Key::Account(StaffId::from_bytes([7; 16])),
            Key::Request(RequestId::from_bytes([8; 16])),
            Key::Export(ExportId::from_bytes([9; 16])),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse(), Ok(key.clone()));
            assert_eq!(Key::from_bytes(key.kind(), &key.to_bytes()), Some(key));
        }
        assert_eq!(Key::from_bytes(Kind::Card, b"short"), None);
        assert_eq!(Key::from_bytes(Kind::Branch, &[0xff]), None);
    }
}
