//! How many came, when, where, and how well they were recognised.

use std::collections::{BTreeMap, BTreeSet};

use super::{Making, Part, Table, mean_seconds};
use crate::record::{LocalDate, Refusal, Staff, StaffId};
use crate::service::Fault;
use crate::spreadsheet::Cell;
use crate::store::{By, Figures, Tally, TallyKey};

/// What rows of visits have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Apart {
    day: Option<LocalDate>,
    hour: Option<i8>,
    rest: TallyKey,
}

impl Making<'_> {
    pub(super) async fn visits(&self, parts: &[Part]) -> Result<Table, Fault> {
        let parts: BTreeSet<Part> =
            if parts.is_empty() { [Part::Day].into() } else { parts.iter().copied().collect() };
        let (by_day, by_hour) = (parts.contains(&Part::Day), parts.contains(&Part::Hour));
        let edges = match (by_day, by_hour) {
            (_, true) => self.days.hour_edges(),
            (true, false) => self.days.edges(),
            (false, false) => self.days.span(),
        };
        let by = parts.iter().map(|part| match part {
            Part::Day | Part::Hour => By::Span,
            Part::Branch => By::Branch,
            Part::VipClass => By::VipClass,
            Part::AccountManager => By::AccountManager,
        });
        // Spans of one hour of the day, or of one day, are counted together.
        let begins = edges.iter().take(edges.len().saturating_sub(1));
        let named: Vec<(Option<LocalDate>, Option<i8>)> = begins
            .map(|begin| self.days.day_and_hour(*begin))
            .map(|(day, hour)| (by_day.then_some(day), by_hour.then_some(hour)))
            .collect();
        let mut names: Vec<(Option<LocalDate>, Option<i8>)> = named.clone();
        names.sort_unstable();
        names.dedup();
        let label =
            |name| names.binary_search(name).ok().and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX);
        let labels = named.iter().map(label).collect();
        let counted = self.tally(edges, labels, by.chain([By::Outcome]), Figures::All).await?;
        let mut rows: BTreeMap<Apart, (Tally, u64)> = BTreeMap::new();
        for (key, tally) in counted {
            let name = key.span.and_then(|label| names.get(usize::try_from(label).ok()?)).copied();
            let (day, hour) = name.unwrap_or((None, None));
            let (is_refused, rest) = (key.refusal.is_some(), TallyKey { span: None, refusal: None, ..key });
            let apart = Apart { day, hour, rest };
            let (sum, refused) = rows.entry(apart).or_default();
            if is_refused {
                *refused += tally.visits;
            } else {
                sum.add(&tally);
            }
        }
        let managers = self.staff_of(rows.keys().filter_map(|apart| apart.rest.account_manager)).await?;
        let number = |id: StaffId| {
            managers.iter().find(|staff| staff.id == id).map(|staff: &Staff| staff.number.clone())
        };
        let mut columns: Vec<&'static str> = parts.iter().map(|part| part.name()).collect();
        columns.extend([
            "visits",
            "greeted",
            "mean_greeting_s",
            "served",
            "mean_serving_s",
            "mean_stay_s",
            "refused",
        ]);
        let rows = rows.into_iter().map(|(apart, (sum, refused))| {
            let mut cells: Vec<Cell> = parts
                .iter()
                .map(|part| match part {
                    Part::Day => Cell::maybe(apart.day),
                    Part::Hour => apart.hour.map_or(Cell::Empty, |hour| Cell::Number(f64::from(hour))),
                    Part::Branch => Cell::maybe(apart.rest.branch.clone()),
                    Part::VipClass => Cell::maybe(apart.rest.vip_class.clone()),
                    Part::AccountManager => Cell::maybe(apart.rest.account_manager.and_then(number)),
                })
                .collect();
            cells.extend([
                Cell::count(sum.visits),
                Cell::count(sum.greeted),
                mean_seconds(sum.greeting_ms, sum.greeted),
                Cell::count(sum.served),
                mean_seconds(sum.serving_ms, sum.served),
                mean_seconds(sum.stay_ms, sum.departed),
                Cell::count(refused),
            ]);
            cells
        });
        Ok((columns, rows.collect()))
    }

    pub(super) async fn recognition(&self) -> Result<Table, Fault> {
        let by = [By::Branch, By::Outcome];
        let counted = self.tally(self.days.span(), Vec::new(), by, Figures::Visits).await?;
        let since_start = self.service.recognition().counters().by_branch();
        let unconfirmed = self.service.recognition().counters().unconfirmed();
        let mut columns = vec!["branch", "recognised"];
        columns.extend(Refusal::ALL.iter().map(|refusal| refusal.name()));
        columns.extend([
            "share_recognised",
            "unknown_since_start",
            "unconfirmed_since_start",
            "clone_alarms_since_start",
        ]);
        let rows = self.branches.iter().map(|branch| {
            let of = |refusal: Option<&'static str>| -> u64 {
                let here = counted.iter().filter(|(key, _)| key.branch.as_ref() == Some(branch));
                here.filter(|(key, _)| key.refusal == refusal).map(|(_, tally)| tally.visits).sum()
            };
            let recognised = of(None);
            let refused: Vec<u64> = Refusal::ALL.iter().map(|refusal| of(Some(refusal.name()))).collect();
            let all = recognised + refused.iter().sum::<u64>();
            let share = match (Cell::count(recognised), Cell::count(all)) {
                (Cell::Number(recognised), Cell::Number(all)) if all > 0.0 => {
                    Cell::Number((1000.0 * recognised / all).round() / 1000.0)
                }
                _ => Cell::Empty,
            };
            let live = since_start.get(branch);
            let mut cells = vec![Cell::Text(branch.to_string()), Cell::count(recognised)];
            cells.extend(refused.into_iter().map(Cell::count));
            cells.push(share);
            cells.push(live.map_or(Cell::Empty, |live| Cell::count(live.unknown)));
            cells.push(unconfirmed.get(branch).map_or(Cell::Empty, |count| Cell::count(*count)));
            cells.push(live.map_or(Cell::Empty, |live| Cell::count(live.alarms)));
            cells
        });
        Ok((columns, rows.collect()))
    }
}
