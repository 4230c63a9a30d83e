//! Records as somebody writes them: in a form, in JSON, in a line of CSV.

use rfid_core::UtcTime;
use serde::{Deserialize, Serialize};

use super::{Consent, LocalDate, Personal};

/// A customer as somebody writes one: in a form, in JSON, in a line of CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomerDraft {
    /// The bank's customer number.
    pub customer_number: Personal<String>,
    /// Name.
    pub name: Personal<String>,
    /// ID number; none if left out.
    #[serde(default)]
    pub id_number: Option<Personal<String>>,
    /// Employer.
    #[serde(default)]
    pub employer: Personal<String>,
    /// VIP class.
    pub vip_class: String,
    /// What the customer usually comes for.
    #[serde(default)]
    pub usual_business: Personal<String>,
    /// Code of the branch that the customer belongs to.
    pub branch: String,
    /// Staff number of the account manager.
    #[serde(default)]
    pub account_manager: Option<String>,
    /// Notes.
    #[serde(default)]
    pub notes: Personal<String>,
    /// What the customer says about being recognised.
    #[serde(default)]
    pub consent: ConsentDraft,
}

/// What a customer says about being recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConsentDraft {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// Agrees.
    Given,
    /// Does not agree.
    OptedOut,
}

impl ConsentDraft {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NotAsked, Self::Given, Self::OptedOut];

    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Given => "given",
            Self::OptedOut => "opted_out",
        }
    }

    /// That of a record, whenever it was said.
    pub const fn of(consent: &Consent) -> Self {
        match consent {
            Consent::NotAsked => Self::NotAsked,
            Consent::Given { .. } => Self::Given,
            Consent::OptedOut { .. } => Self::OptedOut,
        }
    }

    /// The consent that comes of it at this time, in place of the one before.
    pub(crate) fn at(self, before: Option<Consent>, at: UtcTime) -> Consent {
        match (self, before) {
            // The time of a word that stands is the time at which it was said.
            (Self::Given, Some(given @ Consent::Given { .. })) => given,
            (Self::OptedOut, Some(out @ Consent::OptedOut { .. })) => out,
            (Self::NotAsked, _) => Consent::NotAsked,
            (Self::Given, _) => Consent::Given { at },
            (Self::OptedOut, _) => Consent::OptedOut { at },
        }
    }
}

/// A card as somebody writes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CardDraft {
    /// EPC of its UHF tag, in hexadecimal digits.
    #[serde(default)]
    pub epc_hex: Option<String>,
    /// UID of its 13.56 MHz chip, in hexadecimal digits.
    #[serde(default)]
    pub uid_hex: Option<String>,
    /// First day on which it may be used.
    pub valid_from: LocalDate,
    /// Last day on which it may be used.
    pub valid_until: LocalDate,
    /// Codes of the branches where it may be used; everywhere if left out.
    #[serde(default)]
    pub branches: Option<Vec<String>>,
}
