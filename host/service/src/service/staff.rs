//! People who work for the bank, and their duty.

use serde::Deserialize;

use super::fault::{Fault, FieldFault, check_name};
use super::{Caller, Service};
use crate::record::{Duty, DutyId, Key, Kind, Number, Personal, Record, Staff, StaffId, StaffRole, Unique};
use crate::rights::Action;
use crate::store::{Among, Listing, Stored};

/// A member of staff as somebody writes one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StaffDraft {
    /// The bank's staff number.
    pub staff_number: String,
    /// Name.
    pub name: Personal<String>,
    /// What the person does.
    pub role: StaffRole,
    /// Code of the branch where the person works.
    pub branch: String,
}

impl Service {
    /// Enters a member of staff.
    ///
    /// # Errors
    /// `Invalid`, `Taken`, `Store`.
    pub async fn add_staff(&self, caller: &Caller, draft: StaffDraft) -> Result<Stored<Staff>, Fault> {
        let may = self.may(caller, Action::ChangeStaff).await?;
        let is_within = may.in_branch(&draft.branch).is_some();
        let staff = self.staff_of_draft(draft).await?;
        if !is_within {
            let what = "there is no such branch";
            return Err(Fault::Invalid(vec![FieldFault::new("branch", what)]));
        }
        self.put(caller, "staff.enter", staff, 0).await
    }

    /// A member of staff from what somebody wrote.
    pub(super) async fn staff_of_draft(&self, draft: StaffDraft) -> Result<Staff, Fault> {
        let mut faults = Vec::new();
        let number = draft.staff_number.parse::<Number>();
        let number =
            number.map_err(|fault| faults.push(FieldFault::new("staff_number", fault.to_string()))).ok();
        check_name("name", draft.name.reveal(), 200, &mut faults);
        if !self.has_open_branch(&draft.branch).await? {
            faults.push(FieldFault::new("branch", "there is no such branch"));
        }
        let Some(number) = number.filter(|_| faults.is_empty()) else { return Err(Fault::Invalid(faults)) };
        let StaffDraft { name, role, branch, .. } = draft;
        let id = StaffId::from_bytes(self.new_id()?);
        Ok(Staff { id, number, name, role, branch: branch.as_str().into(), left: false })
    }

    /// The member of staff of this id.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn staff(&self, caller: &Caller, id: StaffId) -> Result<Stored<Staff>, Fault> {
        let found = self.find(Key::Staff(id)).await?;
        self.reach_staff(caller, Action::SeeStaff, found).await
    }

    /// The member of staff of this number who has not left.
    ///
    /// # Errors
    /// `NotFound`, also where the text is no number; `Store`.
    pub async fn staff_of_number(&self, caller: &Caller, number: &str) -> Result<Stored<Staff>, Fault> {
        let found = self.known_staff(number).await?;
        self.reach_staff(caller, Action::SeeStaff, found).await
    }

    /// A member of staff that may be reached by what the caller may do.
    async fn reach_staff(
        &self,
        caller: &Caller,
        action: Action,
        found: Option<Stored<Staff>>,
    ) -> Result<Stored<Staff>, Fault> {
        let may = self.may(caller, action).await?;
        match found.filter(|staff| may.of_staff(&staff.record).is_some()) {
            Some(staff) => Ok(staff),
            None => Err(self.nothing(caller, action, "member of staff").await),
        }
    }

    /// Who an act is said to be of: known by the number, whatever the branch.
    pub(super) async fn any_staff_of_number(&self, number: &str) -> Result<Stored<Staff>, Fault> {
        self.known_staff(number).await?.ok_or(Fault::NotFound("member of staff"))
    }

    /// The same, or nobody.
    async fn known_staff(&self, number: &str) -> Result<Option<Stored<Staff>>, Fault> {
        let Ok(number) = number.parse::<Number>() else { return Ok(None) };
        let found = self.store.find(&Unique::StaffNumber(number)).await?.and_then(Stored::typed::<Staff>);
        Ok(found.filter(|staff| !staff.record.left))
    }

    /// Begins somebody's duty in their branch; nothing happens to one that goes on.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    pub async fn begin_duty(&self, caller: &Caller, number: &str) -> Result<Stored<Duty>, Fault> {
        let found = self.known_staff(number).await?;
        let Staff { id: staff, branch, .. } = self.reach_staff(caller, Action::SetDuty, found).await?.record;
        if let Some(duty) = self.duty_now(staff).await? {
            return Ok(duty);
        }
        let id = DutyId::from_bytes(self.new_id()?);
        self.put(caller, "duty.begin", Duty { id, staff, branch, from: self.now(), until: None }, 0).await
    }

    /// Ends somebody's duty.
    ///
    /// # Errors
    /// `NotFound`, `NotAllowed` where the person is not on duty, `Conflict`, `Store`.
    pub async fn end_duty(&self, caller: &Caller, number: &str) -> Result<Stored<Duty>, Fault> {
        let found = self.known_staff(number).await?;
        let who = self.reach_staff(caller, Action::SetDuty, found).await?.record;
        let Some(duty) = self.duty_now(who.id).await? else {
            return Err(Fault::NotAllowed("the person is not on duty".to_owned()));
        };
        self.put(caller, "duty.end", Duty { until: Some(self.now()), ..duty.record }, duty.version).await
    }

    pub(super) async fn duty_now(&self, staff: StaffId) -> Result<Option<Stored<Duty>>, Fault> {
        let listing = Listing::ever(Kind::Duty, Among::Of(Key::Staff(staff)));
        let latest = self.store.list(&listing, None, 1).await?.pop();
        Ok(match latest {
            Some(Stored { version, record: Record::Duty(record) }) if record.until.is_none() => {
                Some(Stored { version, record })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Role;
    use crate::service::bank::Bank;

    #[tokio::test]
    async fn a_store_that_fails_is_not_taken_for_somebody_who_is_not_there() {
        let bank = Bank::new().await;
        let (service, console) = (&bank.service, Caller::console());
        bank.employ("LM1", "a", &[Role::LobbyManager]).await;
        bank.store.break_after(0);
        assert!(matches!(service.staff_of_number(&console, "LM1").await, Err(Fault::Store(_))));
        assert!(matches!(service.begin_duty(&console, "LM1").await, Err(Fault::Store(_))));
        assert!(matches!(service.end_duty(&console, "LM1").await, Err(Fault::Store(_))));
        bank.store.mend();
        assert!(service.begin_duty(&console, "LM1").await.is_ok());
        for nobody in ["LM2", "no number"] {
            assert!(matches!(service.staff_of_number(&console, nobody).await, Err(Fault::NotFound(_))));
        }
    }
}
