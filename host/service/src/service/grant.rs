//! What a caller may do.
//!
//! Decided here, before the store is asked and on what it answers, and nowhere else: HTTP and
//! commands only say who is calling. What a role or a token may do stands in [`Matrix`].

use std::collections::{BTreeMap, BTreeSet};

use rfid_core::Name;
use serde::{Deserialize, Serialize};

use crate::record::{Customer, Lent, Staff, StaffId, Visit};
use crate::rights::{Action, Cell, Matrix, Reach, Role};

/// A right of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Scope {
    /// See customers.
    #[serde(rename = "customers:read")]
    ReadCustomers,
    /// Open and change customers.
    #[serde(rename = "customers:write")]
    WriteCustomers,
    /// See cards.
    #[serde(rename = "cards:read")]
    ReadCards,
    /// Ask for cards, and block them.
    #[serde(rename = "cards:write")]
    WriteCards,
    /// See visits, also as they happen.
    #[serde(rename = "visits:read")]
    ReadVisits,
    /// Check in, greet, serve.
    #[serde(rename = "visits:write")]
    WriteVisits,
    /// See who works for the bank.
    #[serde(rename = "staff:read")]
    ReadStaff,
    /// Enter staff, and their duty.
    #[serde(rename = "staff:write")]
    WriteStaff,
    /// See reports.
    #[serde(rename = "reports:read")]
    ReadReports,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ReadCustomers,
        Self::WriteCustomers,
        Self::ReadCards,
        Self::WriteCards,
        Self::ReadVisits,
        Self::WriteVisits,
        Self::ReadStaff,
        Self::WriteStaff,
        Self::ReadReports,
    ];

    /// The name, as in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadCustomers => "customers:read",
            Self::WriteCustomers => "customers:write",
            Self::ReadCards => "cards:read",
            Self::WriteCards => "cards:write",
            Self::ReadVisits => "visits:read",
            Self::WriteVisits => "visits:write",
            Self::ReadStaff => "staff:read",
            Self::WriteStaff => "staff:write",
            Self::ReadReports => "reports:read",
        }
    }
}

/// What a caller may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// For each action what each role of the caller may do of it.
    cells: BTreeMap<Action, Vec<Cell>>,
    /// What is meant by one's own branch; absent for all branches.
    branches: Option<BTreeSet<Name>>,
    /// Who it is, where it is a person, and as what.
    who: Option<StaffId>,
    roles: BTreeSet<Role>,
    /// What is lent for a while: it is among the cells.
    lent: Option<Lent>,
}

/// How something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By oneself.
    Do,
    /// By asking for it.
    Propose,
    /// By approving it.
    Approve,
}

impl Grant {
    /// Everything everywhere: the console of the host.
    pub fn everything() -> Self {
        let cells = Action::ALL.into_iter().map(|action| (action, vec![Cell::EVERYTHING])).collect();
        Self { cells, branches: None, who: None, roles: BTreeSet::new(), lent: None }
    }

    /// What a token with these scopes may do in these branches; in all of them if none are named.
    pub fn of_token(scopes: impl IntoIterator<Item = Scope>, branches: Option<BTreeSet<Name>>) -> Self {
        let (matrix, scopes): (_, BTreeSet<&str>) =
            (Matrix::get(), scopes.into_iter().map(Scope::name).collect());
        let granted = |action: &Action| matrix.scope(*action).is_some_and(|scope| scopes.contains(scope));
        let cell = |action| Some((action, vec![matrix.cell(Role::MachineClient, action)?]));
        let cells = Action::ALL.into_iter().filter(granted).filter_map(cell).collect();
        Self { cells, branches, who: None, roles: BTreeSet::new(), lent: None }
    }

    /// What somebody with these roles may do, who works in this branch.
    pub fn of_roles(roles: impl IntoIterator<Item = Role>, branch: Name, who: StaffId) -> Self {
        let (matrix, roles): (_, BTreeSet<Role>) = (Matrix::get(), roles.into_iter().collect());
        let cells = |action| {
            let cells: Vec<Cell> = roles.iter().filter_map(|role| matrix.cell(*role, action)).collect();
            (!cells.is_empty()).then_some((action, cells))
        };
        Self {
            cells: Action::ALL.into_iter().filter_map(cells).collect(),
            branches: Some([branch].into()),
            who: Some(who),
            roles,
            lent: None,
        }
    }

    /// The same with a right that is lent: everywhere for whoever is of the centre, in the own branch for
    /// others, in full, and with a reason each time.
    #[must_use]
    pub fn with_lent(mut self, lent: Lent) -> Self {
        let is_central = self.roles.iter().any(|role| Matrix::get().is_central(*role));
        let reach = if is_central { Reach::All } else { Reach::Branch };
        let cell = Cell { reach, reason: true, ..Cell::EVERYTHING };
        self.cells.entry(lent.right).or_default().push(cell);
        Self { lent: Some(lent), ..self }
    }

    /// What is lent, where something is.
    pub fn lent(&self) -> Option<&Lent> {
        self.lent.as_ref()
    }

    /// What is left of it for who looks at one branch: what reaches everything reaches that one; what is of
    /// one's own branch or customers counts in one's own branch alone.
    #[must_use]
    pub(super) fn within(&self, branch: &Name) -> Self {
        let is_home = self.branches.as_ref().is_none_or(|branches| branches.contains(branch));
        let left = |cells: &Vec<Cell>| -> Vec<Cell> {
            let reaches = |cell: &&Cell| is_home || cell.reach == Reach::All;
            let here = |cell: &Cell| match cell.reach {
                Reach::All => Cell { reach: Reach::Branch, ..*cell },
                _ => *cell,
            };
            cells.iter().filter(reaches).map(here).collect()
        };
        let cells = self.cells.iter().map(|(action, cells)| (*action, left(cells)));
        Self {
            cells: cells.filter(|(_, cells)| !cells.is_empty()).collect(),
            branches: Some([branch.clone()].into()),
            ..self.clone()
        }
    }

    /// Whether an action that is done by oneself takes a reason, whatever role it is done in.
    pub fn needs_reason(&self, action: Action) -> bool {
        self.may(action, Mode::Do, true).is_ok() && self.may(action, Mode::Do, false).is_err()
    }

    /// Whether an action is among those that can be done in some way.
    pub fn knows(&self, action: Action) -> bool {
        self.cells.contains_key(&action)
    }

    /// Whether an action is done by oneself somewhere.
    pub fn does(&self, action: Action) -> bool {
        self.cells.get(&action).is_some_and(|cells| cells.iter().any(|cell| cell.does))
    }

    /// Whether an action that others ask for is approved somewhere.
    pub fn approves(&self, action: Action) -> bool {
        self.cells.get(&action).is_some_and(|cells| cells.iter().any(|cell| cell.approves))
    }

    /// Whether an action is asked for, and somebody else approves it.
    pub fn proposes(&self, action: Action) -> bool {
        self.cells.get(&action).is_some_and(|cells| cells.iter().any(|cell| cell.proposes))
    }

    /// Whether anything at all may be known of a branch.
    pub fn reaches(&self, branch: &str) -> bool {
        let is_here =
            self.branches.as_ref().is_none_or(|branches| branches.iter().any(|own| own.as_str() == branch));
        self.cells.values().flatten().any(|cell| cell.reach == Reach::All || is_here)
    }

    /// Whether the caller holds this role.
    pub fn holds(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whose it is, where it is a person's.
    pub fn who(&self) -> Option<StaffId> {
        self.who
    }

    /// What may be done of an action in this way, with a reason or without.
    pub(super) fn may(&self, action: Action, mode: Mode, has_reason: bool) -> Result<May<'_>, NotMay> {
        let in_mode = |cell: &&Cell| match mode {
            Mode::Do => cell.does,
            Mode::Propose => cell.proposes,
            Mode::Approve => cell.approves,
        };
        let cells: Vec<Cell> =
            self.cells.get(&action).into_iter().flatten().filter(in_mode).copied().collect();
        if cells.is_empty() {
            return Err(NotMay::NotAtAll);
        }
        let cells: Vec<Cell> = cells.into_iter().filter(|cell| has_reason || !cell.reason).collect();
        if cells.is_empty() { Err(NotMay::WithoutReason) } else { Ok(May { grant: self, cells }) }
    }
}

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotMay {
    /// It is not among what the caller may do.
    NotAtAll,
    /// It needs a reason, and none was given.
    WithoutReason,
}

/// What may be done of an action.
#[derive(Clone, Debug)]
pub(crate) struct May<'a> {
    grant: &'a Grant,
    cells: Vec<Cell>,
}

impl May<'_> {
    /// What may be done of what belongs to a branch; nothing if that is not to be known of.
    pub(crate) fn in_branch(&self, branch: &str) -> Option<Cell> {
        self.reaching(branch, false)
    }

    /// Of a customer.
    pub(super) fn of_customer(&self, customer: &Customer) -> Option<Cell> {
        self.reaching(&customer.branch, self.is_mine(customer.account_manager))
    }

    /// Of a visit: that of one's own customers, or in one's own branch.
    pub(super) fn of_visit(&self, visit: &Visit) -> Option<Cell> {
        self.reaching(&visit.branch, self.is_mine(visit.account_manager))
    }

    /// Of a member of staff: of oneself, or in one's own branch.
    pub(super) fn of_staff(&self, staff: &Staff) -> Option<Cell> {
        self.reaching(&staff.branch, self.is_mine(Some(staff.id)))
    }

    /// Whether a branch is the caller's own, or as good as that.
    pub(super) fn is_home(&self, branch: &str) -> bool {
        self.grant.branches.as_ref().is_none_or(|branches| branches.iter().any(|own| own.as_str() == branch))
    }

    /// Whether it reaches every branch.
    pub(super) fn is_everywhere(&self) -> bool {
        self.cells.iter().any(|cell| cell.reach == Reach::All)
    }

    /// Whether anything of this branch can be reached without being one's own.
    pub(super) fn is_bound_to_own(&self) -> bool {
        self.cells.iter().all(|cell| cell.reach == Reach::Own)
    }

    fn is_mine(&self, whose: Option<StaffId>) -> bool {
        whose.is_some() && whose == self.grant.who
    }

    /// What the roles may together that reach it. Each counts as far as it reaches: who sees his own
    /// customers in full and those of the branch shortened does not see all of them in full.
    fn reaching(&self, branch: &str, is_own: bool) -> Option<Cell> {
        let is_here = self
            .grant
            .branches
            .as_ref()
            .is_none_or(|branches| branches.iter().any(|own| own.as_str() == branch));
        let reaches = |cell: &&Cell| match cell.reach {
            Reach::Own => is_own,
            Reach::Branch => is_here,
            Reach::All => true,
        };
        self.cells.iter().filter(reaches).copied().reduce(Cell::or)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_name_and_covers_something() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
            let covered = Action::ALL.into_iter().filter(|at| Matrix::get().scope(*at) == Some(scope.name()));
            assert!(covered.count() > 0, "{}", scope.name());
        }
    }

    #[test]
    fn no_token_has_a_scope_that_nobody_knows() {
        for action in Action::ALL {
            let Some(scope) = Matrix::get().scope(action) else { continue };
            assert!(Scope::ALL.into_iter().any(|known| known.name() == scope), "{scope}");
        }
    }

    #[test]
    fn nothing_is_allowed_that_was_not_granted() {
        let grant = Grant::of_token([Scope::ReadVisits], Some(["a".into()].into()));
        for action in Action::ALL {
            let is_covered = Matrix::get().scope(action) == Some("visits:read");
            assert_eq!(grant.may(action, Mode::Do, false).is_ok(), is_covered, "{action:?}");
        }
        let may = grant.may(Action::ListVisits, Mode::Do, false).unwrap();
        assert!(may.in_branch("a").is_some() && may.in_branch("b").is_none() && may.in_branch("").is_none());
    }

    #[test]
    fn a_reason_is_asked_for_where_the_matrix_asks() {
        let grant = Grant::of_roles([Role::CentreSupervisor], "a".into(), StaffId::from_bytes([1; 16]));
        assert_eq!(grant.may(Action::SeeArrivals, Mode::Do, false).unwrap_err(), NotMay::WithoutReason);
        assert!(grant.may(Action::SeeArrivals, Mode::Do, true).unwrap().in_branch("b").is_some());
        assert_eq!(grant.may(Action::EncodeCards, Mode::Do, true).unwrap_err(), NotMay::NotAtAll);
        assert_eq!(grant.may(Action::RequestCards, Mode::Propose, true).unwrap_err(), NotMay::NotAtAll);
        assert!(grant.may(Action::RequestCards, Mode::Approve, true).is_ok());
    }

    #[test]
    fn whoever_looks_at_one_branch_reaches_no_other_and_brings_nothing_of_their_own_there() {
        let me = StaffId::from_bytes([1; 16]);
        let roles = [Role::CentreSupervisor, Role::BranchSupervisor, Role::AccountManager];
        let whole = Grant::of_roles(roles, "a".into(), me);
        let there = whole.within(&"b".into());
        let reaches = |grant: &Grant, action, branch: &str| {
            grant.may(action, Mode::Do, true).ok().and_then(|may| may.reaching(branch, true))
        };
        let seen = |grant: &Grant, branch| reaches(grant, Action::SeeArrivals, branch).is_some();
        assert!(seen(&there, "b") && !seen(&there, "a") && seen(&whole, "a"));
        // Acting in visits is of the branch supervisor, whose branch it is not.
        assert!(reaches(&whole, Action::ActInVisits, "a").is_some());
        assert_eq!(there.may(Action::ActInVisits, Mode::Do, true).unwrap_err(), NotMay::NotAtAll);
        // In one's own branch everything stays.
        assert!(reaches(&whole.within(&"a".into()), Action::ActInVisits, "a").is_some());
        assert!(there.reaches("b") && !there.reaches("a"));
        assert!(there.needs_reason(Action::SeeArrivals) && !whole.needs_reason(Action::SeeArrivals));
    }

    #[test]
    fn two_roles_do_not_reach_further_than_each() {
        let me = StaffId::from_bytes([1; 16]);
        let grant = Grant::of_roles([Role::LobbyManager, Role::AccountManager], "a".into(), me);
        let may = grant.may(Action::SeeCustomers, Mode::Do, false).unwrap();
        // As a lobby manager all of the branch, shortened; as an account manager the own in full.
        assert!(may.in_branch("a").unwrap().masked);
        assert!(!may.reaching("a", true).unwrap().masked && !may.reaching("b", true).unwrap().masked);
        assert_eq!(may.in_branch("b"), None);
    }
}
