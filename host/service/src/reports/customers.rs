//! How often somebody comes, and who has not come for long.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rfid_core::UtcTime;

use super::{Making, Table};
use crate::record::{Customer, CustomerId, Key, Kind};
use crate::service::Fault;
use crate::spreadsheet::Cell;
use crate::store::{By, Figures, Stored, TallyAsk};

/// Customers that are read at once.
const PAGE: usize = 1_024;
/// Numbers of visits that are told apart, each up to the next.
const STEPS: [u64; 8] = [1, 2, 3, 4, 6, 11, 21, 51];

impl Making<'_> {
    pub(super) async fn frequency(&self) -> Result<Table, Fault> {
        let by = [By::Customer, By::VipClass, By::Outcome];
        let counted = self.tally(self.days.span(), Vec::new(), by, Figures::Visits).await?;
        let mut by_customer: HashMap<CustomerId, (u64, rfid_core::Name)> = HashMap::new();
        for (key, tally) in counted {
            let (Some(customer), Some(class), None) = (key.customer, key.vip_class, key.refusal) else {
                continue;
            };
            let entry = by_customer.entry(customer).or_insert((0, class.clone()));
            entry.0 += tally.visits;
            entry.1 = class;
        }
        let mut rows: BTreeMap<(rfid_core::Name, usize), (u64, u64)> = BTreeMap::new();
        for (visits, class) in by_customer.into_values() {
            let step = STEPS.partition_point(|step| *step <= visits).saturating_sub(1);
            let (customers, all) = rows.entry((class, step)).or_default();
            *customers += 1;
            *all += visits;
        }
        let rows = rows.into_iter().map(|((class, step), (customers, visits))| {
            let from = STEPS.get(step).copied().unwrap_or(1);
            let to = STEPS.get(step + 1).map_or(Cell::Empty, |next| Cell::count(next - 1));
            let cells = [
                Cell::Text(class.to_string()),
                Cell::count(from),
                to,
                Cell::count(customers),
                Cell::count(visits),
            ];
            cells.to_vec()
        });
        Ok((vec!["vip_class", "visits_from", "visits_to", "customers", "visits"], rows.collect()))
    }

    pub(super) async fn absent(&self, days: u16) -> Result<Table, Fault> {
        let end = self.days.span().last().copied().unwrap_or_default();
        let span = Duration::from_secs(u64::from(days) * 24 * 3600);
        let since = end.minus(span);
        // In whichever branch: a customer who comes to another is not absent.
        let ask = TallyAsk {
            edges: vec![UtcTime::from_nanos(0), end],
            labels: Vec::new(),
            branches: None,
            by: [By::Customer].into(),
            figures: Figures::Visits,
        };
        let counted = self.service.store().tally(&ask).await?;
        let last: HashMap<CustomerId, UtcTime> =
            counted.into_iter().filter_map(|(key, tally)| Some((key.customer?, tally.last))).collect();
        let mut missed: Vec<(Option<UtcTime>, Customer)> = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = self.service.store().scan(Kind::Customer, after.as_ref(), PAGE).await?;
            let Some(latest) = page.last() else { break };
            after = Some(latest.record.key());
            for Stored { record: customer, .. } in page.into_iter().filter_map(Stored::typed::<Customer>) {
                let seen = last.get(&customer.id).copied();
                let is_here = self.branches.contains(&customer.branch) && !customer.closed;
                if is_here && seen.is_none_or(|seen| seen < since) {
                    missed.push((seen, customer));
                }
            }
        }
        missed.sort_by(|one, other| (one.0, &one.1.number).cmp(&(other.0, &other.1.number)));
        let managers =
            self.staff_of(missed.iter().filter_map(|(_, customer)| customer.account_manager)).await?;
        let rows = missed.into_iter().map(|(seen, customer)| {
            let manager =
                customer.account_manager.and_then(|id| managers.iter().find(|staff| staff.id == id));
            vec![
                Cell::Text(customer.number.to_string()),
                Cell::Text(customer.branch.to_string()),
                Cell::Text(customer.vip_class.to_string()),
                Cell::maybe(manager.map(|staff| staff.number.clone())),
                Cell::maybe(seen.map(|seen| self.days.day_and_hour(seen).0)),
            ]
        });
        Ok((vec!["customer_number", "branch", "vip_class", "account_manager", "last_visit"], rows.collect()))
    }
}
