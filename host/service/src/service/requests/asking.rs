//! What is asked for, from what somebody wrote.

use std::collections::BTreeSet;

use rfid_core::Name;
use serde::Deserialize;

use super::super::exports::ExportDraft;
use super::super::fault::{Fault, FieldFault};
use super::super::grant::{May, Mode};
use super::super::rule::Rule;
use super::super::{Caller, Service};
use crate::record::{
    Account, CardDraft, CardId, CardState, Customer, CustomerDraft, CustomerId, Key, Number, Personal,
    Proposal, ProposalKind, Staff, StaffId,
};
use crate::rights::{Action, Matrix, Role};
use crate::store::Stored;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Asked {
    /// A customer is opened.
    OpenCustomer {
        /// The customer.
        draft: CustomerDraft,
    },
    /// A customer is changed.
    ChangeCustomer {
        /// The number that the customer has now.
        customer_number: Personal<String>,
        /// The version of the record that this was made on.
        version: u32,
        /// The customer, wholly.
        draft: CustomerDraft,
    },
    /// A customer gets a card.
    IssueCard {
        /// Whose.
        customer_number: Personal<String>,
        /// The card. With `epc_hex` or `uid_hex` it is one that a factory encoded.
        draft: CardDraft,
        /// Id of the card in whose place it comes.
        #[serde(default)]
        replaces: Option<String>,
    },
    /// A blocked card is made usable again.
    ReenableCard {
        /// Id of the card.
        card_id: String,
    },
    /// The file of a person is made, who asked for it.
    PersonFile {
        /// Whose.
        customer_number: Personal<String>,
    },
    /// Visits are exported: more than one person may export alone, or with who came.
    ExportVisits {
        /// Which, and how.
        draft: ExportDraft,
        /// Why, in words.
        reason: Personal<String>,
    },
    /// Everything about a person goes, who asked for it.
    ErasePerson {
        /// Who.
        customer_number: Personal<String>,
    },
    /// Somebody gets an account.
    OpenAccount {
        /// The bank's staff number; of somebody who is entered already, or a new one.
        staff_number: String,
        /// Name.
        name: Personal<String>,
        /// Code of the branch.
        branch: String,
        /// As what.
        roles: BTreeSet<Role>,
    },
    /// Somebody gets other roles.
    ChangeAccount {
        /// Who.
        staff_number: String,
        /// As what from then on.
        roles: BTreeSet<Role>,
    },
    /// Somebody sets a new password and second factor.
    ResetAccount {
        /// Who.
        staff_number: String,
    },
    /// Whoever asks gets a right for a while that the roles do not give.
    BreakGlass {
        /// Which, as in the matrix of rights.
        right: String,
        /// For how long.
        minutes: u16,
        /// Why, in words that stay in the audit trail: no names belong there.
        reason: Personal<String>,
    },
}

impl Asked {
    /// What kind of request comes of it.
    pub(super) const fn kind(&self) -> ProposalKind {
        match self {
            Self::OpenCustomer { .. } => ProposalKind::OpenCustomer,
            Self::ChangeCustomer { .. } => ProposalKind::ChangeCustomer,
            Self::IssueCard { .. } => ProposalKind::IssueCard,
            Self::ReenableCard { .. } => ProposalKind::ReenableCard,
            Self::PersonFile { .. } => ProposalKind::PersonFile,
            Self::ExportVisits { .. } => ProposalKind::ExportVisits,
            Self::ErasePerson { .. } => ProposalKind::ErasePerson,
            Self::OpenAccount { .. } => ProposalKind::OpenAccount,
            Self::ChangeAccount { .. } => ProposalKind::ChangeAccount,
            Self::ResetAccount { .. } => ProposalKind::ResetAccount,
            Self::BreakGlass { .. } => ProposalKind::BreakGlass,
        }
    }
}

impl Service {
    /// What a request says and where it belongs; `before` is what it said.
    pub(super) async fn proposal_of(
        &self,
        caller: &Caller,
        asked: Asked,
        before: Option<&Proposal>,
    ) -> Result<(Proposal, Name), Fault> {
        let action = asked.kind().action();
        let may = self.may_as(caller, action, Mode::Propose).await?;
        match asked {
            Asked::OpenCustomer { draft } => {
                let customer = match before {
                    Some(Proposal::OpenCustomer { customer, .. }) => *customer,
                    _ => CustomerId::from_bytes(self.new_id()?),
                };
                // Everything that is wrong is said now, and looked at again when it is approved.
                let opened = self.customer_of(&may, draft.clone(), customer, None).await?;
                let photo = before.and_then(Proposal::photo);
                Ok((Proposal::OpenCustomer { customer, draft, photo }, opened.branch))
            }
            Asked::ChangeCustomer { customer_number, version, draft } => {
                let found = self.reach_number(caller, &may, action, customer_number.reveal()).await?.0;
                self.is_current(&found, version).await?;
                self.customer_of(&may, draft.clone(), found.record.id, Some(&found.record)).await?;
                let (customer, photo) = (found.record.id, before.and_then(Proposal::photo));
                let proposal = Proposal::ChangeCustomer { customer, version, draft, photo };
                Ok((proposal, found.record.branch))
            }
            Asked::IssueCard { customer_number, draft, replaces } => {
                let found = self.reach_number(caller, &may, action, customer_number.reveal()).await?.0;
                if found.record.closed {
                    return Err(Rule::CustomerClosed.into());
                }
                let card = match before {
                    Some(Proposal::IssueCard { card, .. }) => *card,
                    _ => CardId::from_bytes(self.new_id()?),
                };
                let replaces = match replaces {
                    None => None,
                    Some(text) => Some(self.card_of_customer(&text, found.record.id).await?),
                };
                let mut faults = Vec::new();
                self.card_of(&draft, card, found.record.id, CardState::Requested, &mut faults).await?;
                if !faults.is_empty() {
                    return Err(Fault::Invalid(faults));
                }
                let proposal = Proposal::IssueCard { customer: found.record.id, card, draft, replaces };
                Ok((proposal, found.record.branch))
            }
            Asked::ReenableCard { card_id } => {
                let Ok(id) = card_id.parse::<CardId>() else {
                    return Err(self.nothing(caller, action, "card").await);
                };
                let card = self.reach_card(caller, &may, action, id).await?;
                if !matches!(card.record.state, CardState::Suspended | CardState::Lost) {
                    return Err(Rule::CardIs(card.record.state, CardState::Active).into());
                }
                let customer = self.reach_customer(caller, &may, action, card.record.customer).await?.0;
                let (customer, branch) = (customer.record.id, customer.record.branch);
                Ok((Proposal::ReenableCard { customer, card: id, version: card.version }, branch))
            }
            Asked::PersonFile { customer_number } => {
                let found = self.reach_number(caller, &may, action, customer_number.reveal()).await?.0.record;
                Ok((Proposal::PersonFile { customer: found.id }, found.branch))
            }
            Asked::ExportVisits { draft, reason } => self.export_asked_for(caller, &may, draft, reason).await,
            Asked::ErasePerson { customer_number } => {
                let found = self.reach_number(caller, &may, action, customer_number.reveal()).await?.0.record;
                Ok((Proposal::ErasePerson { customer: found.id }, found.branch))
            }
            Asked::OpenAccount { staff_number, name, branch, roles } => {
                self.account_asked_for(caller, &may, (staff_number, name, branch, roles), before).await
            }
            Asked::ChangeAccount { staff_number, roles } => {
                check_roles(&roles)?;
                let (staff, account) = self.account_to_change(caller, &may, action, &staff_number).await?;
                let (id, branch) = (staff.record.id, staff.record.branch);
                Ok((Proposal::ChangeAccount { staff: id, version: account.version, roles }, branch))
            }
            Asked::ResetAccount { staff_number } => {
                let (staff, account) = self.account_to_change(caller, &may, action, &staff_number).await?;
                let (id, branch) = (staff.record.id, staff.record.branch);
                Ok((Proposal::ResetAccount { staff: id, version: account.version }, branch))
            }
            Asked::BreakGlass { right, minutes, reason } => {
                self.break_glass_asked_for(caller, (right, minutes, reason)).await
            }
        }
    }

    async fn account_asked_for(
        &self,
        caller: &Caller,
        may: &May<'_>,
        (staff_number, name, branch, roles): (String, Personal<String>, String, BTreeSet<Role>),
        before: Option<&Proposal>,
    ) -> Result<(Proposal, Name), Fault> {
        check_roles(&roles)?;
        if may.in_branch(&branch).is_none() || !self.has_open_branch(&branch).await? {
            return Err(Fault::Invalid(vec![FieldFault::new("branch", "there is no such branch")]));
        }
        if let Err(fault) = staff_number.parse::<Number>() {
            return Err(Fault::Invalid(vec![FieldFault::new("staff_number", fault.to_string())]));
        }
        let staff = match (self.any_staff_of_number(&staff_number).await, before) {
            (Ok(staff), _) => {
                if staff.record.branch.as_str() != branch {
                    let what = "somebody of another branch has this number";
                    return Err(Fault::Invalid(vec![FieldFault::new("staff_number", what)]));
                }
                if self.find::<Account>(Key::Account(staff.record.id)).await?.is_some() {
                    return Err(Fault::NotAllowed("this person has an account already".to_owned()));
                }
                staff.record.id
            }
            (Err(Fault::NotFound(_)), Some(Proposal::OpenAccount { staff, .. })) => *staff,
            (Err(Fault::NotFound(_)), _) => StaffId::from_bytes(self.new_id()?),
            (Err(fault), _) => return Err(fault),
        };
        self.is_not_about(caller, staff)?;
        Ok((Proposal::OpenAccount { staff, staff_number, name, roles }, branch.as_str().into()))
    }

    pub(super) async fn account_to_change(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let found = self.account_of_number(number).await?;
        let Some((staff, account)) = found.filter(|(staff, _)| may.of_staff(&staff.record).is_some()) else {
            return Err(self.nothing(caller, action, "account").await);
        };
        self.is_not_about(caller, staff.record.id)?;
        Ok((staff, account))
    }

    /// Nobody changes their own power.
    pub(super) fn is_not_about(&self, caller: &Caller, staff: StaffId) -> Result<(), Fault> {
        if caller.grant.who() == Some(staff) {
            return Err(Fault::NotAllowed("nobody changes an account of their own".to_owned()));
        }
        Ok(())
    }

    async fn card_of_customer(&self, text: &str, customer: CustomerId) -> Result<CardId, Fault> {
        let wrong = || Fault::Invalid(vec![FieldFault::new("replaces", "the customer has no such card")]);
        let id: CardId = text.parse().map_err(|_| wrong())?;
        let card: Option<Stored<crate::record::Card>> = self.find(Key::Card(id)).await?;
        card.filter(|card| card.record.customer == customer).map(|_| id).ok_or_else(wrong)
    }

    pub(super) async fn is_current(&self, customer: &Stored<Customer>, version: u32) -> Result<(), Fault> {
        if customer.version == version {
            return Ok(());
        }
        let key = Key::Customer(customer.record.id);
        let fault = crate::store::CommitFault::Conflict { key, found: customer.version };
        Err(self.explain(fault).await)
    }
}

/// Roles that somebody may hold together.
fn check_roles(roles: &BTreeSet<Role>) -> Result<(), Fault> {
    let wrong = |what: String| Err(Fault::Invalid(vec![FieldFault::new("roles", what)]));
    if roles.is_empty() || roles.contains(&Role::MachineClient) {
        return wrong("name the roles of a person, one at least".to_owned());
    }
    match Matrix::get().clash(roles.iter().copied()) {
        Some((one, other)) => wrong(format!("{} and {} exclude each other", one.name(), other.name())),
        None => Ok(()),
    }
}
