//! Reports: visits, customers and the work of people, counted.
//!
//! A report is a table over days of the bank's own calendar. Days begin and end where the bank is, also
//! where a clock change makes one of 23 or 25 hours.
//!
//! * `visits.rs`: how many came, when, where, and how well they were recognised.
//! * `customers.rs`: how often somebody comes, and who has not come for long.
//! * `staff.rs`: greeting, serving, duty.
//! * `spans.rs`: days and hours as spans of time.
//! * `writing.rs`: a report as JSON, CSV or a workbook.

mod customers;
mod spans;
mod staff;
mod visits;
mod writing;

use std::collections::BTreeSet;

use rfid_core::{Name, UtcTime};
use serde::Deserialize;

use crate::record::{Key, LocalDate, Staff, StaffId};
use crate::rights::Action;
use crate::service::{Caller, Fault, FieldFault, Service};
use crate::store::{By, Figures, Stored, Tally, TallyAsk, TallyKey};

pub use crate::spreadsheet::Cell;
pub use writing::ReportFormat;

/// Days of a report at most: thirteen months and some.
const MOST_DAYS: usize = 400;
/// Rows at most: what is left out is told.
const MOST_ROWS: usize = 100_000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportAsk {
    /// Which report.
    pub report: ReportKind,
    /// First day.
    pub from: LocalDate,
    /// Last day.
    pub to: LocalDate,
    /// Code of a branch; all that may be seen if left out.
    #[serde(default)]
    pub branch: Option<String>,
    /// Of `visits`: by what they are counted apart. By day if left out.
    #[serde(default)]
    pub by: Vec<Part>,
    /// Of `absent`: customers who were not here for so many days before the last day.
    #[serde(default)]
    pub days: Option<u16>,
}

/// Reports that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Visits, by branch, day, hour, VIP class or account manager.
    Visits,
    /// How many customers came how often.
    Frequency,
    /// Customers who have not come for a number of days.
    Absent,
    /// How many cards were recognised, and how many refused and why, by branch.
    Recognition,
    /// Greeting and serving, by member of staff.
    Staff,
    /// When somebody was on duty, by branch and by member of staff.
    Duty,
}

impl ReportKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Visits, Self::Frequency, Self::Absent, Self::Recognition, Self::Staff, Self::Duty];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Frequency => "frequency",
            Self::Absent => "absent",
            Self::Recognition => "recognition",
            Self::Staff => "staff",
            Self::Duty => "duty",
        }
    }

    /// The report of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// By what visits are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Day of the bank's calendar.
    Day,
    /// Hour of the day, 0 to 23.
    Hour,
    /// Branch.
    Branch,
    /// VIP class.
    VipClass,
    /// Account manager of the customer.
    AccountManager,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Day, Self::Hour, Self::Branch, Self::VipClass, Self::AccountManager];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Branch => "branch",
            Self::VipClass => "vip_class",
            Self::AccountManager => "account_manager",
        }
    }

    /// The part of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which report.
    pub kind: ReportKind,
    /// First day.
    pub from: LocalDate,
    /// Last day.
    pub to: LocalDate,
    /// Names of its columns.
    pub columns: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are left out, because there are too many.
    pub left_out: u64,
}

impl Service {
    /// Lets the store sum up all days that are over, so that a report finds them summed up.
    ///
    /// # Errors
    /// `Store`.
    pub async fn sum_up_days(&self) -> Result<(), Fault> {
        let edges = vec![UtcTime::from_nanos(0), self.recognition().day_of(self.now())];
        let (labels, by) = (Vec::new(), BTreeSet::new());
        let ask = TallyAsk { edges, labels, branches: None, by, figures: Figures::Visits };
        self.store().tally(&ask).await?;
        Ok(())
    }

    /// Makes a report.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` for a branch; `Invalid`; `Store`.
    pub async fn report(&self, caller: &Caller, ask: &ReportAsk) -> Result<Report, Fault> {
        let may = self.may(caller, Action::SeeReports).await?;
        let days = spans::days(ask.from, ask.to);
        if days.is_empty() || days.len() > MOST_DAYS {
            let what = format!("a report is over one to {MOST_DAYS} days, and ends where it began or later");
            return Err(Fault::Invalid(vec![FieldFault::new("to", what)]));
        }
        let seen: BTreeSet<Name> = self
            .branches(&Caller::console())
            .await?
            .into_iter()
            .map(|branch| branch.record.code)
            .filter(|code| may.in_branch(code).is_some())
            .collect();
        let branches = match &ask.branch {
            None => seen,
            Some(code) if seen.contains(code.as_str()) => [code.as_str().into()].into(),
            Some(_) => return Err(self.nothing(caller, Action::SeeReports, "branch").await),
        };
        let making = Making { service: self, days: spans::Days::new(days, self.zone()), branches };
        let (columns, mut rows) = match ask.report {
            ReportKind::Visits => making.visits(&ask.by).await?,
            ReportKind::Frequency => making.frequency().await?,
            ReportKind::Absent => making.absent(ask.days.unwrap_or(90)).await?,
            ReportKind::Recognition => making.recognition().await?,
            ReportKind::Staff => making.staff().await?,
            ReportKind::Duty => making.duty().await?,
        };
        let left_out = rows.len().saturating_sub(MOST_ROWS) as u64;
        rows.truncate(MOST_ROWS);
        let kind = ask.report;
        self.did(caller, "report.make", |entry| {
            entry.count = Some(rows.len() as u64);
            entry.branch = ask.branch.as_deref().map(Into::into);
            entry.facts.insert("report".to_owned(), kind.name().to_owned());
            entry.facts.insert("days".to_owned(), format!("{} to {}", ask.from, ask.to));
        })
        .await?;
        Ok(Report { kind, from: ask.from, to: ask.to, columns, rows, left_out })
    }
}

/// A report that is being made.
struct Making<'a> {
    service: &'a Service,
    days: spans::Days,
    branches: BTreeSet<Name>,
}

type Table = (Vec<&'static str>, Vec<Vec<Cell>>);

impl Making<'_> {
    async fn tally(
        &self,
        edges: Vec<UtcTime>,
        labels: Vec<u32>,
        by: impl IntoIterator<Item = By>,
        figures: Figures,
    ) -> Result<Vec<(TallyKey, Tally)>, Fault> {
        let (branches, by) = (Some(self.branches.clone()), by.into_iter().collect());
        let ask = TallyAsk { edges, labels, branches, by, figures };
        Ok(self.service.store().tally(&ask).await?)
    }

    /// Members of staff by their ids.
    async fn staff_of(&self, ids: impl IntoIterator<Item = StaffId>) -> Result<Vec<Staff>, Fault> {
        let ids: BTreeSet<StaffId> = ids.into_iter().collect();
        let keys: Vec<Key> = ids.into_iter().map(Key::Staff).collect();
        let found = self.service.store().get(&keys).await?;
        let staff = found.into_iter().flatten().filter_map(Stored::typed::<Staff>);
        Ok(staff.map(|staff| staff.record).collect())
    }
}

/// A mean in seconds, to a tenth.
fn mean_seconds(sum_ms: u64, count: u64) -> Cell {
    if count == 0 {
        return Cell::Empty;
    }
    let tenths = (sum_ms + 50 * count) / (100 * count);
    seconds(tenths)
}

/// Tenths of a second in seconds.
fn seconds(tenths: u64) -> Cell {
    Cell::of_parts(tenths, 10.0)
}

#[cfg(test)]
mod tests;
