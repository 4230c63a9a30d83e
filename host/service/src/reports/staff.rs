//! The work of people: greeting, serving, duty.

use std::collections::BTreeMap;
use std::time::Duration;

use rfid_core::UtcTime;

use super::{Making, Table, mean_seconds, seconds};
use crate::record::{Duty, Kind, StaffId, StaffRole};
use crate::service::Fault;
use crate::spreadsheet::Cell;
use crate::store::{Among, By, Figures, Listing, Stored, Tally};

/// Nobody is on duty for longer: before the first day so far back a duty may have begun that goes on.
const LONGEST_DUTY: Duration = Duration::from_secs(7 * 24 * 3600);

impl Making<'_> {
    pub(super) async fn staff(&self) -> Result<Table, Fault> {
        let span = self.days.span();
        let mut work: BTreeMap<StaffId, (Tally, Tally, u64)> = BTreeMap::new();
        for (key, tally) in self.tally(span, Vec::new(), [By::Greeter, By::Server], Figures::All).await? {
            if let Some(id) = key.greeter {
                work.entry(id).or_default().0.add(&tally);
            }
            if let Some(id) = key.server {
                work.entry(id).or_default().1.add(&tally);
            }
        }
        for (duty, from, until) in self.duties().await? {
            work.entry(duty.staff).or_default().2 += (until.as_nanos() - from.as_nanos()) / 1_000_000;
        }
        let people = self.staff_of(work.keys().copied()).await?;
        let mut rows = Vec::new();
        for person in people {
            let Some((greeting, serving, duty_ms)) = work.get(&person.id) else { continue };
            let acts = greeting.greeted + serving.served;
            // To a hundredth of an act in an hour.
            let per_hour = (acts * 360_000_000).checked_div(*duty_ms);
            let per_hour = per_hour.map_or(Cell::Empty, |hundredths| Cell::of_parts(hundredths, 100.0));
            rows.push(vec![
                Cell::Text(person.number.to_string()),
                Cell::Text(person.role.name().to_owned()),
                Cell::Text(person.branch.to_string()),
                Cell::count(greeting.greeted),
                mean_seconds(greeting.greeting_ms, greeting.greeted),
                if greeting.greeted == 0 { Cell::Empty } else { seconds(greeting.longest_greeting_ms / 100) },
                Cell::count(serving.served),
                mean_seconds(serving.serving_ms, serving.served),
                hours(*duty_ms),
                per_hour,
            ]);
        }
        rows.sort_by(|one, other| {
            text(one, 2).cmp(text(other, 2)).then_with(|| text(one, 0).cmp(text(other, 0)))
        });
        let columns = vec![
            "staff_number",
            "role",
            "branch",
            "greeted",
            "mean_greeting_s",
            "longest_greeting_s",
            "served",
            "mean_serving_s",
            "duty_h",
            "acts_per_duty_h",
        ];
        Ok((columns, rows))
    }

    pub(super) async fn duty(&self) -> Result<Table, Fault> {
        let duties = self.duties().await?;
        let people = self.staff_of(duties.iter().map(|(duty, ..)| duty.staff)).await?;
        let role = |id: StaffId| people.iter().find(|person| person.id == id).map(|person| person.role);
        let mut rows = Vec::new();
        let edges = self.days.edges();
        for branch in &self.branches {
            for (day, span) in self.days.days.iter().zip(edges.windows(2)) {
                let (begin, end) = (span[0], span[1]);
                let here: Vec<(StaffId, UtcTime, UtcTime)> = duties
                    .iter()
                    .filter(|(duty, ..)| duty.branch == *branch)
                    .map(|(duty, from, until)| (duty.staff, (*from).max(begin), (*until).min(end)))
                    .filter(|(_, from, until)| from < until)
                    .collect();
                if here.is_empty() {
                    continue;
                }
                let covered = |of: Option<StaffRole>| {
                    covered(
                        here.iter()
                            .filter(|(id, ..)| of.is_none() || role(*id) == of)
                            .map(|(_, from, until)| (*from, *until)),
                    )
                };
                let all: u64 = here.iter().map(|(_, from, until)| until.as_nanos() - from.as_nanos()).sum();
                let mut who: Vec<StaffId> = here.iter().map(|(id, ..)| *id).collect();
                who.sort_unstable();
                who.dedup();
                rows.push(vec![
                    Cell::Text(branch.to_string()),
                    Cell::Text(day.to_string()),
                    Cell::count(who.len() as u64),
                    hours(all / 1_000_000),
                    hours(covered(None) / 1_000_000),
                    hours(covered(Some(StaffRole::LobbyManager)) / 1_000_000),
                    hours(covered(Some(StaffRole::AccountManager)) / 1_000_000),
                ]);
            }
        }
        let columns = vec![
            "branch",
            "day",
            "people",
            "duty_h",
            "covered_h",
            "covered_by_lobby_managers_h",
            "covered_by_account_managers_h",
        ];
        Ok((columns, rows))
    }

    /// Duties in the branches of the report, as far as they lie in its days; one that goes on, up to now.
    async fn duties(&self) -> Result<Vec<(Duty, UtcTime, UtcTime)>, Fault> {
        let span = self.days.span();
        let (Some(begin), Some(end)) = (span.first().copied(), span.last().copied()) else {
            return Ok(Vec::new());
        };
        let from = begin.minus(LONGEST_DUTY);
        let listing = Listing { kind: Kind::Duty, among: Among::All, from, until: end };
        let now = self.service.now();
        let within = |Stored { record: duty, .. }: Stored<Duty>| {
            let (from, until) = (duty.from.max(begin), duty.until.unwrap_or(now).min(end));
            (from < until && self.branches.contains(&duty.branch)).then_some((duty, from, until))
        };
        Ok(self.service.all_of(&listing).await?.into_iter().filter_map(within).collect())
    }
}

/// Nanoseconds that lie in any of these spans.
fn covered(spans: impl Iterator<Item = (UtcTime, UtcTime)>) -> u64 {
    let mut spans: Vec<(u64, u64)> = spans.map(|(from, until)| (from.as_nanos(), until.as_nanos())).collect();
    spans.sort_unstable();
    let (mut sum, mut behind) = (0, 0);
    for (from, until) in spans {
        let from = from.max(behind);
        sum += until.saturating_sub(from);
        behind = behind.max(until);
    }
    sum
}

/// Milliseconds in hours, to a hundredth.
fn hours(ms: u64) -> Cell {
    Cell::of_parts(ms / 36_000, 100.0)
}

fn text(row: &[Cell], at: usize) -> &str {
    match row.get(at) {
        Some(Cell::Text(text)) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_cover_together_counts_once() {
        let span = |from: u64, until: u64| (UtcTime::from_nanos(from), UtcTime::from_nanos(until));
        assert_eq!(covered([span(5, 9), span(0, 6), span(20, 21), span(1, 2)].into_iter()), 10);
        assert_eq!(covered(std::iter::empty()), 0);
    }
}
