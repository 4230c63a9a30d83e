//! What the service says, in the language of who looks: states, rules, faults of fields.

use std::time::Duration;

use rfid_core::UtcTime;
use rfid_service::record::{CardState, Hand, IdNumber, IdNumberFault, ProposalKind, RequestState};
use rfid_service::service::{Case, DeskTrouble, Rule};

use super::super::text::Text;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Text {
    /// A word of the service in what it is about here, as in `issuing-state-draft`.
    pub(super) fn of_issuing(&self, what: &str, word: &str) -> String {
        self.known(&format!("issuing-{what}"), word)
    }

    pub(super) fn request_kind(&self, kind: ProposalKind) -> String {
        self.of_issuing("kind", kind.name())
    }

    pub(super) fn request_state(&self, state: RequestState) -> String {
        self.of_issuing("state", state.name())
    }

    pub(super) fn card_state(&self, state: CardState) -> String {
        self.of_issuing("card", state.name())
    }

    /// Why something is not done, and what to do.
    pub(super) fn rule(&self, rule: Rule) -> String {
        self.of_issuing("rule", rule.name())
    }

    /// What is in the way at a desk, and what to do.
    pub(super) fn trouble(&self, trouble: DeskTrouble) -> String {
        self.of_issuing("trouble", trouble.name())
    }

    /// What is wrong with a field, and what is allowed.
    pub(super) fn field_fault(&self, field: &str) -> String {
        self.of_issuing("fault", field)
    }

    /// What is wrong with an ID number; nothing if it is in order.
    pub(super) fn id_number_fault(&self, number: &str) -> Option<String> {
        let fault = match number.parse::<IdNumber>() {
            Ok(_) => return None,
            Err(IdNumberFault::Length) => "length",
            Err(IdNumberFault::Character) => "character",
            Err(IdNumberFault::DayOfBirth) => "day",
            Err(IdNumberFault::CheckDigit) => "check",
        };
        Some(self.of_issuing("id-number", fault))
    }

    /// How long ago something was.
    pub(super) fn age(&self, since: UtcTime, now: UtcTime) -> String {
        let seconds = now.since(since).as_secs();
        match seconds {
            0..MINUTE => self.say("ago-now"),
            MINUTE..HOUR => self.with("ago-minutes", "n", seconds / MINUTE),
            HOUR..DAY => self.with("issue-ago-hours", "n", seconds / HOUR),
            _ => self.with("issue-ago-days", "n", seconds / DAY),
        }
    }

    /// How long there is left.
    pub(super) fn left(&self, until: UtcTime, now: UtcTime) -> String {
        let left: Duration = until.since(now);
        match left.as_secs() {
            0 => self.say("issue-left-none"),
            seconds @ 1..DAY => self.with("issue-left-hours", "n", seconds.div_ceil(HOUR)),
            seconds => self.with("issue-left-days", "n", seconds / DAY),
        }
    }

    /// Who that is, of those who stand in a case.
    pub(super) fn who(&self, case: &Case, hand: &Hand) -> String {
        match hand {
            Hand::Staff(id) => match case.people.get(id) {
                Some(name) => name.reveal().clone(),
                None => self.say("another-branch"),
            },
            Hand::Machine(name) => name.clone(),
            Hand::Console => self.say("issue-host"),
        }
    }
}
