//! Of which customer a record tells.

use super::{CustomerId, Proposal, Record};

impl Record {
    /// The customer of whom it is: of somebody who is being erased, none is written any more.
    pub fn person(&self) -> Option<CustomerId> {
        match self {
            Self::Visit(visit) => Some(visit.customer),
            other => other.sealed_for(),
        }
    }

    /// The customer under whose key it is sealed, so that nobody reads it when that is destroyed.
    ///
    /// A request to erase somebody says nothing of them and is kept: it says who asked and who approved. A
    /// visit names nobody, and an export only who asked for it: its file is under a key of its own, and gone
    /// after a day.
    pub fn sealed_for(&self) -> Option<CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer.id),
            Self::Card(card) => Some(card.customer),
            Self::Request(request) => match &request.proposal {
                Proposal::ErasePerson { .. } => None,
                other => other.customer(),
            },
            Self::Branch(_)
            | Self::Visit(_)
            | Self::Staff(_)
            | Self::Duty(_)
            | Self::Alarm(_)
            | Self::Account(_)
            | Self::Export(_) => None,
        }
    }
}
