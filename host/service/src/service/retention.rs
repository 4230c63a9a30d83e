//! What is kept for so long and no longer, without anybody asking.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Span;
use rfid_core::{Error, ErrorKind, UtcTime};

use super::fault::Fault;
use super::{Caller, Service};
use crate::recognition::{local_day, start_of_day};
use crate::record::{Consent, Customer, Key, Kind, LocalDate, Month, Visit, VisitId};
use crate::store::{Among, Listing, Origin, Place, Stored};

/// Records that are looked at together.
const PAGE: usize = 256;

/// How long what is kept. Each figure is a setting.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// Whose a visit was is known for so many months.
    pub visits_months: u16,
    /// A photo and notes go so long after the consent or the relation has ended.
    pub photos_after: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { visits_months: 13, photos_after: Duration::from_secs(30 * 24 * 3600) }
    }
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Visits that are nobody's from now on.
    pub visits: u64,
    /// Those that somebody wrote just then, which the next run has to look for.
    pub left: u64,
    /// Customers whose photo and notes went.
    pub customers: u64,
}

impl Service {
    /// The same, which keeps for other times.
    #[must_use]
    pub fn with_retention(self, settings: RetentionSettings) -> Self {
        Self { retention: settings, ..self }
    }

    /// Before when it is not known any more whose a visit was: the beginning of a day of the bank.
    ///
    /// # Errors
    /// `Store` where there was no day so long ago.
    pub fn visits_kept_from(&self) -> Result<UtcTime, Fault> {
        let zone = self.zone();
        let months = Span::new().months(i32::from(self.retention.visits_months));
        let from = local_day(self.now(), &zone).0.checked_sub(months).map_err(|error| {
            Error::new(ErrorKind::Config, "retention").with_detail("there is no such day").with_source(error)
        })?;
        Ok(start_of_day(LocalDate(from), &zone))
    }

    /// Takes the persons out of visits that are too old, and photos and notes from customers who have not
    /// agreed for too long. The trail says how many. Visits from before `looked_from` were looked at by an
    /// earlier run.
    ///
    /// # Errors
    /// `Store`, `Unaudited`.
    pub async fn keep_no_longer(&self, looked_from: Option<UtcTime>) -> Result<Retained, Fault> {
        let until = self.visits_kept_from()?;
        let (visits, left) =
            self.part_old_visits(looked_from.unwrap_or(UtcTime::from_nanos(0)), until).await?;
        let customers = self.strip_customers().await?;
        self.did(&Caller::host(), "retention.run", |entry| {
            entry.facts = [
                ("visits", visits.to_string()),
                ("visits_before", until.to_string()),
                ("customers", customers.to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        })
        .await?;
        Ok(Retained { visits, left, customers })
    }

    /// Each visit gets a stand-in of its own: from then on nobody can tell which were of one person. Of a month
    /// that is over by that, what says it in earlier versions is destroyed.
    async fn part_old_visits(&self, from: UtcTime, until: UtcTime) -> Result<(u64, u64), Fault> {
        let listing = Listing { kind: Kind::Visit, among: Among::All, from, until };
        let host = Caller::host();
        let (mut parted, mut left) = (0, 0);
        // Of days without any visit there may be none.
        let mut months = BTreeSet::from([Month::of(from)]);
        let mut unfinished = BTreeSet::from([Month::of(until)]);
        let mut after: Option<Place> = None;
        loop {
            let page = self.store.list(&listing, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.record.place();
            let mut visits = Vec::new();
            for visit in page.into_iter().filter_map(Stored::typed::<Visit>) {
                months.insert(visit.record.month());
                if !visit.record.customer.is_stand_in() {
                    visits.push(self.parted(visit, self.stand_in()?));
                }
            }
            let origin = Origin { by: host.actor.clone(), at: self.now(), from: host.from.clone() };
            let asked: Vec<(VisitId, Month)> =
                visits.iter().map(|visit| (visit.record.id, visit.record.month())).collect();
            let written = self.write_visits(&origin, visits).await?;
            let is_written = |id: VisitId| written.iter().any(|visit| visit.record.id == id);
            // One that somebody writes just now, so long after, goes with the run of tomorrow.
            unfinished.extend(asked.iter().filter(|(id, _)| !is_written(*id)).map(|(_, month)| *month));
            parted += written.len() as u64;
            left += asked.len().saturating_sub(written.len()) as u64;
        }
        for month in months.difference(&unfinished).filter(|month| **month < Month::of(until)) {
            self.store.destroy_links(*month).await?;
        }
        Ok((parted, left))
    }

    async fn strip_customers(&self) -> Result<u64, Fault> {
        let (mut stripped, mut after) = (0, None);
        loop {
            let page = self.store.scan(Kind::Customer, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(stripped) };
            after = Some(last.record.key());
            for customer in page.into_iter().filter_map(Stored::typed::<Customer>) {
                let has_any = customer.record.photo.is_some() || !customer.record.notes.is_empty();
                if has_any && self.has_ended(&customer.record).await? {
                    stripped += u64::from(self.strip(customer).await?);
                }
            }
        }
    }

    /// Whether a customer has not agreed, or has not been one, for so long that nothing is kept any more that
    /// is only for recognising them.
    async fn has_ended(&self, customer: &Customer) -> Result<bool, Fault> {
        let is_long_ago = |at: UtcTime| self.now().since(at) > self.retention.photos_after;
        if let Consent::OptedOut { at } = customer.consent
            && is_long_ago(at)
        {
            return Ok(true);
        }
        if !customer.closed {
            return Ok(false);
        }
        // Whoever is no longer a customer was not written since, or not for long.
        let past = self.store.history(&Key::Customer(customer.id), None, 1).await?;
        Ok(past.first().is_some_and(|past| is_long_ago(past.origin.at)))
    }

    /// Takes photo and notes from a customer; `false` where somebody else was faster, for the next run.
    async fn strip(&self, Stored { version, record }: Stored<Customer>) -> Result<bool, Fault> {
        let photo = record.photo;
        let stripped = Customer { photo: None, notes: "".into(), ..record };
        match self.put(&Caller::host(), "customer.strip", stripped, version).await {
            Ok(_) => {}
            Err(Fault::Conflict { .. }) => return Ok(false),
            Err(fault) => return Err(fault),
        }
        if let Some(id) = photo {
            self.store.remove_photo(id).await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
