//! Who may do what: roles, actions, and the matrix of the two.
//!
//! The matrix is the file `rights.toml` beside the sources; nothing else says what a role may do.
//! [`Matrix::get`] is what the service asks, [`table`](Matrix::table) what the manual prints.

mod action;
mod cell;
mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use serde::Deserialize;

pub use action::Action;
pub use cell::{Cell, Reach};
pub use role::Role;

const FILE: &str = include_str!("../../rights.toml");

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    exclusive: Vec<(Role, Role)>,
    break_glass: BTreeSet<Action>,
    roles: BTreeMap<Role, RoleFacts>,
    actions: BTreeMap<Action, ActionFacts>,
}

/// What is said of a role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleFacts {
    name: String,
    en: String,
    zh: String,
    #[serde(default)]
    meets_customers: bool,
    #[serde(default)]
    administers: bool,
    #[serde(default)]
    second_factor: bool,
    #[serde(default)]
    is_central: bool,
    #[serde(default)]
    is_device: bool,
}

/// What is said of an action.
#[derive(Debug, Deserialize)]
struct ActionFacts {
    en: String,
    zh: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(flatten)]
    cells: BTreeMap<Role, Cell>,
}

/// In which language something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese, simplified.
    Chinese,
    /// English.
    English,
}

/// Who may do what.
#[derive(Debug)]
pub struct Matrix {
    exclusive: Vec<(Role, Role)>,
    break_glass: BTreeSet<Action>,
    roles: BTreeMap<Role, RoleFacts>,
    actions: BTreeMap<Action, ActionFacts>,
}

impl Matrix {
    /// The matrix of this version.
    ///
    /// # Panics
    /// Never: what is compiled in is read by a test.
    pub fn get() -> &'static Self {
        static MATRIX: OnceLock<Matrix> = OnceLock::new();
        MATRIX.get_or_init(|| match Self::read(FILE) {
            Ok(matrix) => matrix,
            Err(why) => unreachable!("rights.toml: {why}"),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let Written { exclusive, break_glass, roles, actions } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        if let Some(role) = Role::ALL.into_iter().find(|role| !roles.contains_key(role)) {
            return Err(format!("the role {} is not described", role.short()));
        }
        if let Some(action) = Action::ALL.into_iter().find(|action| !actions.contains_key(action)) {
            return Err(format!("the action {} is not described", action.name()));
        }
        for (action, facts) in &actions {
            let has_both = facts.scope.is_some() == facts.cells.contains_key(&Role::MachineClient);
            if !has_both {
                return Err(format!("{}: a scope and a cell of MC belong together", action.name()));
            }
        }
        Ok(Self { exclusive, break_glass, roles, actions })
    }

    /// What a role may do of an action.
    pub fn cell(&self, role: Role, action: Action) -> Option<Cell> {
        self.actions.get(&action)?.cells.get(&role).copied()
    }

    /// The scope that a token needs for an action, where one can do it at all.
    pub fn scope(&self, action: Action) -> Option<&str> {
        self.actions.get(&action)?.scope.as_deref()
    }

    /// Why nobody may hold these roles together, if so.
    pub fn clash(&self, roles: impl IntoIterator<Item = Role>) -> Option<(Role, Role)> {
        let roles: Vec<Role> = roles.into_iter().collect();
        let clashes = |one: Role, other: Role| {
            self.exclusive.contains(&(one, other))
                || self.exclusive.contains(&(other, one))
                || self.of(one).is_some_and(|one| one.administers)
                    && self.of(other).is_some_and(|other| other.meets_customers)
                || one != other && self.of(one).is_some_and(|one| one.is_device)
        };
        let pairs = roles.iter().flat_map(|one| roles.iter().map(move |other| (*one, *other)));
        pairs.into_iter().find(|(one, other)| clashes(*one, *other))
    }

    /// Whether a right can be lent for a few hours.
    pub fn may_be_lent(&self, action: Action) -> bool {
        self.break_glass.contains(&action)
    }

    /// Rights that can be lent.
    pub fn lendable(&self) -> impl Iterator<Item = Action> {
        self.break_glass.iter().copied()
    }

    /// Whether whoever holds this role has a second factor.
    pub fn needs_second_factor(&self, role: Role) -> bool {
        self.of(role).is_some_and(|facts| facts.second_factor)
    }

    /// Whether a role is of the centre rather than of a branch.
    pub fn is_central(&self, role: Role) -> bool {
        self.of(role).is_some_and(|facts| facts.is_central)
    }

    fn of(&self, role: Role) -> Option<&RoleFacts> {
        self.roles.get(&role)
    }

    /// What a role is called.
    pub fn role_called(&self, role: Role, language: Language) -> &str {
        self.of(role).map_or(role.name(), |facts| match language {
            Language::Chinese => &facts.zh,
            Language::English => &facts.en,
        })
    }

    /// What an action is called.
    pub fn action_called(&self, action: Action, language: Language) -> &str {
        self.actions.get(&action).map_or(action.name(), |facts| match language {
            Language::Chinese => &facts.zh,
            Language::English => &facts.en,
        })
    }

    /// What a role may do of an action, in words; nothing if it may not.
    pub fn cell_said(&self, role: Role, action: Action, language: Language) -> Option<String> {
        Some(self.cell(role, action)?.shown(language))
    }

    /// The whole matrix for people, as a table in Markdown.
    pub fn table(&self, language: Language) -> String {
        let in_language = |en: &str, zh: &str| match language {
            Language::Chinese => zh.to_owned(),
            Language::English => en.to_owned(),
        };
        let mut text = format!("| {} |", in_language("action", "操作"));
        let mut rule = "|---|".to_owned();
        for role in Role::ALL {
            // Writing to a string does not fail.
            let _ = write!(text, " {} |", role.short());
            rule.push_str("---|");
        }
        text.push('\n');
        text.push_str(&rule);
        text.push('\n');
        for action in Action::ALL {
            let Some(facts) = self.actions.get(&action) else { continue };
            let _ = write!(text, "| {} (`{}`) |", in_language(&facts.en, &facts.zh), action.name());
            for role in Role::ALL {
                match facts.cells.get(&role) {
                    Some(cell) => {
                        let _ = write!(text, " {} |", cell.shown(language));
                    }
                    None => text.push_str(" – |"),
                }
            }
            text.push('\n');
        }
        text.push('\n');
        for role in Role::ALL {
            if let Some(facts) = self.of(role) {
                let _ = writeln!(
                    text,
                    "* {}: {} (`{}`)",
                    role.short(),
                    in_language(&facts.en, &facts.zh),
                    facts.name
                );
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_of_this_version_is_in_order() {
        let matrix = Matrix::read(FILE).unwrap();
        for role in Role::ALL {
            assert_eq!(matrix.of(role).unwrap().name, role.name());
        }
        assert_eq!(matrix.actions.len(), Action::ALL.len());
    }

    #[test]
    fn a_matrix_that_forgets_an_action_or_invents_one_is_refused() {
        let lacking = FILE.replacen("[actions.\"visits.act\"]", "[actions.\"visits.fly\"]", 1);
        assert!(Matrix::read(&lacking).is_err());
        let without = FILE.replacen("LM = \"branch\"", "LM = \"sometimes\"", 1);
        assert!(Matrix::read(&without).unwrap_err().contains("sometimes"));
    }

    #[test]
    fn powers_that_exclude_each_other_are_told() {
        let matrix = Matrix::get();
        use Role::{
            AccountManager, ApprovingReviewer, Auditor, BranchSupervisor, CentreSupervisor, Display,
            IssuingClerk, LobbyManager, SecurityAdministrator, SystemAdministrator,
        };
        for (one, other) in [
            (IssuingClerk, ApprovingReviewer),
            (SecurityAdministrator, Auditor),
            (SystemAdministrator, SecurityAdministrator),
            (SystemAdministrator, LobbyManager),
            (SecurityAdministrator, CentreSupervisor),
            (Auditor, BranchSupervisor),
            (Display, LobbyManager),
            (Display, Auditor),
        ] {
            assert!(matrix.clash([one, other]).is_some(), "{one:?} {other:?}");
            assert!(matrix.clash([other, one]).is_some(), "{other:?} {one:?}");
        }
        assert_eq!(matrix.clash([LobbyManager, AccountManager]), None);
        assert_eq!(matrix.clash([IssuingClerk, AccountManager]), None);
        assert_eq!(matrix.clash([Display]), None);
    }

    #[test]
    fn a_display_sees_who_arrives_shortened_and_does_nothing() {
        let matrix = Matrix::get();
        let cells =
            Action::ALL.into_iter().filter_map(|action| Some((action, matrix.cell(Role::Display, action)?)));
        let [(Action::SeeArrivals, cell)] = cells.collect::<Vec<_>>()[..] else { panic!("more than one") };
        assert!(cell.masked && cell.does && cell.reach == Reach::Branch);
    }

    #[test]
    fn nothing_is_lent_that_needs_two_people_or_that_nobody_does() {
        let matrix = Matrix::get();
        assert!(matrix.lendable().count() > 0);
        for action in matrix.lendable() {
            let cells = Role::ALL.into_iter().filter_map(|role| matrix.cell(role, action));
            assert!(cells.clone().count() > 0, "{action:?}");
            assert!(cells.clone().all(|cell| cell.does && !cell.proposes && !cell.approves), "{action:?}");
        }
    }

    #[test]
    fn nobody_who_asks_for_a_thing_may_approve_it_by_the_same_role_but_for_the_centre() {
        let matrix = Matrix::get();
        for action in Action::ALL {
            for role in Role::ALL {
                let Some(cell) = matrix.cell(role, action) else { continue };
                // The centre asks for accounts and exports and approves those of others.
                let is_both = cell.proposes && cell.approves;
                assert!(!is_both || matrix.is_central(role), "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_action_in_both_languages() {
        for language in [Language::English, Language::Chinese] {
            let table = Matrix::get().table(language);
            for action in Action::ALL {
                assert!(table.contains(&format!("`{}`", action.name())), "{}", action.name());
            }
        }
    }
}
