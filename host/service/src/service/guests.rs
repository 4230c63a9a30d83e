//! Who is in the hall, for the people who greet: a visit together with whom it is of.

use super::fault::Fault;
use super::grant::Mode;
use super::{Caller, Service, Sight, VisitFilter};
use crate::record::{
    Act, Customer, Duty, Key, Kind, Outcome, Personal, PhotoId, Staff, StaffId, Visit, VisitId,
};
use crate::rights::Action;
use crate::store::{Among, Listing, PhotoSize, Place, Stored};

/// How much somebody sees of the customer of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The name shortened, and no photo.
    Shortened,
    /// What greeting takes: name, number, class, usual business, photo.
    Greeting,
    /// The whole record.
    Whole,
}

/// A visit and whom it is of.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The visit.
    pub visit: Stored<Visit>,
    /// Who came, and how much of that the caller sees; nobody where the card was refused.
    pub customer: Option<(Stored<Customer>, Extent)>,
    /// Who greeted.
    pub greeted: Option<Attendant>,
    /// Who served.
    pub served: Option<Attendant>,
}

/// Somebody of the staff who attended to a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Attendant {
    /// Who.
    pub staff: StaffId,
    /// The name; none of somebody who works in another branch by now.
    pub name: Option<Personal<String>>,
}

impl Service {
    /// Visits as [`Service::visits`], each with whom it is of.
    ///
    /// # Errors
    /// `Forbidden`, `ReasonNeeded`, `Store`.
    pub async fn guests(
        &self,
        caller: &Caller,
        filter: &VisitFilter,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Guest>, Option<Place>), Fault> {
        let (visits, next) = self.visits(caller, filter, after, limit).await?;
        Ok((self.with_customers(caller, visits).await?, next))
    }

    /// The visit of this id with whom it is of.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn guest(&self, caller: &Caller, id: VisitId) -> Result<Guest, Fault> {
        let visit = self.visit(caller, id).await?;
        let guest = self.with_customers(caller, vec![visit]).await?.pop().ok_or(Fault::NotFound("visit"))?;
        if let Some((customer, Extent::Greeting | Extent::Whole)) = &guest.customer {
            let Customer { id, branch, .. } = &customer.record;
            self.saw(caller, "customer.see", Some(&Key::Customer(*id)), Some(branch), 1).await?;
        }
        Ok(guest)
    }

    /// The photo of whom a visit is of, a JPEG, with its id.
    ///
    /// # Errors
    /// `NotFound`, also where the caller sees the visit and not the photo; `Store`.
    pub async fn guest_photo(
        &self,
        caller: &Caller,
        id: VisitId,
        size: PhotoSize,
    ) -> Result<(PhotoId, Vec<u8>), Fault> {
        let nothing = Fault::NotFound("photo");
        let Some((customer, Extent::Greeting | Extent::Whole)) = self.guest(caller, id).await?.customer
        else {
            return Err(nothing);
        };
        let id = customer.record.photo.ok_or(Fault::NotFound("photo"))?;
        let photo = self.store.photo(id, size).await?.ok_or(nothing)?;
        Ok((id, photo))
    }

    /// Visits that a caller sees, each with whom it is of.
    pub(super) async fn with_customers(
        &self,
        caller: &Caller,
        visits: Vec<Sight<Visit>>,
    ) -> Result<Vec<Guest>, Fault> {
        let acts = |visit: &Visit| visit.greeted.into_iter().chain(visit.served);
        let staff = visits.iter().flat_map(|visit| acts(&visit.record)).map(|act| Key::Staff(act.by));
        let keys = visits.iter().map(|visit| Key::Customer(visit.record.customer)).chain(staff);
        let mut found = self.store.get(&keys.collect::<Vec<_>>()).await?.into_iter();
        let customers: Vec<Option<Stored<Customer>>> =
            found.by_ref().take(visits.len()).map(|found| found.and_then(Stored::typed)).collect();
        let staff: Vec<Stored<Staff>> = found.flatten().filter_map(Stored::typed).collect();
        let sees = caller.grant.may(Action::SeeCustomers, Mode::Do, caller.reason.is_some()).ok();
        let guest = |(visit, customer): (Sight<Visit>, Option<Stored<Customer>>)| {
            let is_recognised = visit.record.outcome == Outcome::Recognised;
            let customer = customer.filter(|_| is_recognised).map(|customer| {
                let cell = sees.as_ref().and_then(|sees| sees.of_customer(&customer.record));
                let is_here = visit.record.departed_at.is_none() && !visit.is_masked;
                let extent = match (cell, is_here) {
                    (Some(cell), _) if !cell.masked => Extent::Whole,
                    (_, true) => Extent::Greeting,
                    _ => Extent::Shortened,
                };
                (customer, extent)
            });
            let attendant = |Act { by, .. }: Act| {
                let is_meant =
                    |one: &&Stored<Staff>| one.record.id == by && one.record.branch == visit.record.branch;
                Attendant { staff: by, name: staff.iter().find(is_meant).map(|one| one.record.name.clone()) }
            };
            let (greeted, served) = (visit.record.greeted.map(attendant), visit.record.served.map(attendant));
            Guest { visit: visit.stored, customer, greeted, served }
        };
        Ok(visits.into_iter().zip(customers).map(guest).collect())
    }

    /// Those who are on duty in a branch now, by their numbers: to whom a customer can be handed over.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn colleagues(&self, caller: &Caller, branch: &str) -> Result<Vec<Stored<Staff>>, Fault> {
        let may = self.may(caller, Action::ActInVisits).await?;
        if may.in_branch(branch).is_none() {
            return Ok(Vec::new());
        }
        let listing = Listing::ever(Kind::Duty, Among::OpenIn(branch.into()));
        let duties: Vec<Stored<Duty>> = self.all_of(&listing).await?;
        let keys: Vec<Key> = duties.iter().map(|duty| Key::Staff(duty.record.staff)).collect();
        let found = self.store.get(&keys).await?.into_iter().flatten();
        let mut found: Vec<Stored<Staff>> = found.filter_map(Stored::typed).collect();
        found.retain(|staff| !staff.record.left);
        found.sort_by(|one, other| one.record.number.as_str().cmp(other.record.number.as_str()));
        Ok(found)
    }

    /// Whether somebody is on duty now.
    ///
    /// # Errors
    /// `Store`.
    pub async fn is_on_duty(&self, staff: StaffId) -> Result<bool, Fault> {
        Ok(self.duty_now(staff).await?.is_some())
    }

    /// Visits of the customer of a visit before it, the latest first, for whoever sees the whole record and
    /// may see earlier days.
    ///
    /// # Errors
    /// `Store`.
    pub async fn earlier_visits(
        &self,
        caller: &Caller,
        guest: &Guest,
        limit: usize,
    ) -> Result<Vec<Guest>, Fault> {
        let Some((customer, Extent::Whole)) = &guest.customer else { return Ok(Vec::new()) };
        if caller.grant.may(Action::SeeHistory, Mode::Do, caller.reason.is_some()).is_err() {
            return Ok(Vec::new());
        }
        let filter = VisitFilter {
            customer: Some(customer.record.id),
            until: guest.visit.record.arrived_at,
            ..VisitFilter::ALL
        };
        Ok(self.guests(caller, &filter, None, limit).await?.0)
    }

    /// VIP classes that customers of the bank have, which says nothing of any of them.
    pub fn vip_classes(&self) -> Vec<rfid_core::Name> {
        self.search.read().unwrap_or_else(std::sync::PoisonError::into_inner).vip_classes()
    }

    /// The day on which the bank's clocks are: its beginning.
    pub fn today(&self) -> rfid_core::UtcTime {
        self.recognition.day_of(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::super::bank::Bank;
    use super::*;
    use crate::record::{ConsentDraft, CustomerDraft};
    use crate::rights::Role;

    async fn opened(bank: &Bank, number: &str, branch: &str, manager: Option<&str>) {
        let draft = CustomerDraft {
            customer_number: number.into(),
            name: "张小明".into(),
            id_number: None,
            employer: "西州电力".into(),
            vip_class: "gold".to_owned(),
            usual_business: "理财".into(),
            branch: branch.to_owned(),
            account_manager: manager.map(str::to_owned),
            notes: "".into(),
            consent: ConsentDraft::Given,
        };
        bank.service.open_customer(&Caller::console(), draft).await.unwrap();
    }

    fn extents(guests: &[Guest]) -> Vec<Option<Extent>> {
        guests.iter().map(|guest| guest.customer.as_ref().map(|(_, extent)| *extent)).collect()
    }

    #[tokio::test]
    async fn whoever_greets_sees_who_is_here_and_no_more_when_they_are_gone() {
        let bank = Bank::new().await;
        let lobby = bank.person("LM1", &[Role::LobbyManager]).await;
        let manager = bank.person("AM1", &[Role::AccountManager]).await;
        opened(&bank, "6001", "a", Some("AM1")).await;
        opened(&bank, "6002", "a", None).await;
        let mut ids = Vec::new();
        for number in ["6001", "6002"] {
            let visit = bank.service.check_in(&Caller::console(), number, "a", Some("LM1")).await.unwrap();
            ids.push(visit.record.id);
        }
        let here = VisitFilter { branch: Some("a".into()), open: true, ..VisitFilter::ALL };
        let of = async |who: &Caller, id: VisitId| {
            let guest = bank.service.guest(who, id).await.unwrap();
            guest.customer.map(|(_, extent)| extent)
        };
        assert_eq!(of(&lobby, ids[0]).await, Some(Extent::Greeting));
        assert_eq!(of(&manager, ids[0]).await, Some(Extent::Whole));
        assert_eq!(of(&manager, ids[1]).await, Some(Extent::Greeting));
        for id in &ids {
            bank.service.depart(&lobby, *id).await.unwrap();
        }
        assert!(bank.service.guests(&lobby, &here, None, 10).await.unwrap().0.is_empty());
        let day = VisitFilter { from: bank.service.today(), ..here.clone() };
        let day = VisitFilter { open: false, ..day };
        let of_day = bank.service.guests(&lobby, &day, None, 10).await.unwrap().0;
        assert_eq!(extents(&of_day), [Some(Extent::Shortened); 2]);
        let photo = bank.service.guest_photo(&lobby, ids[0], PhotoSize::Small).await;
        assert!(matches!(photo, Err(Fault::NotFound(_))));
    }

    #[tokio::test]
    async fn another_branch_is_not_there() {
        let bank = Bank::new().await;
        bank.employ("LM2", "b", &[Role::LobbyManager]).await;
        let other = bank.log_in("LM2", "10.0.0.2").await;
        bank.person("LM1", &[Role::LobbyManager]).await;
        opened(&bank, "6001", "a", None).await;
        let visit = bank.service.check_in(&Caller::console(), "6001", "a", Some("LM1")).await.unwrap();
        assert!(matches!(bank.service.guest(&other, visit.record.id).await, Err(Fault::NotFound("visit"))));
        bank.service.begin_duty(&other, "LM2").await.unwrap();
        assert!(bank.service.colleagues(&other, "a").await.unwrap().is_empty());
        assert_eq!(bank.service.colleagues(&other, "b").await.unwrap().len(), 1);
        bank.service.end_duty(&other, "LM2").await.unwrap();
        assert!(bank.service.colleagues(&other, "b").await.unwrap().is_empty());
    }
}
