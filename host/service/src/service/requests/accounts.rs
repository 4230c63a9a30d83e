//! Requests for accounts as those see them who ask and approve: with the people they are about.

use rfid_core::UtcTime;

use super::super::fault::Fault;
use super::super::{Caller, Service};
use super::{Asked, is_kept_for};
use crate::record::{
    Account, Hand, Key, Kind, Personal, Proposal, ProposalKind, Request, RequestState, Staff, StaffId,
};
use crate::rights::Action;
use crate::store::{Among, Listing, Stored};

/// Requests of which it is looked whether somebody has still to fetch their half of a code.
const LATEST: usize = 500;

/// A request for an account.
#[derive(Clone, Debug)]
pub struct AccountRequest {
    /// The request.
    pub request: Stored<Request>,
    /// Who gets an account, or whose it is.
    pub whom: Somebody,
    /// Who asked, where it is a person.
    pub asked_by: Option<Somebody>,
    /// When it was submitted.
    pub submitted_at: Option<UtcTime>,
    /// Whether the caller had a hand in it, and so does not decide.
    pub is_own: bool,
    /// Whether the caller's half of a code waits to be fetched.
    pub has_code: bool,
}

/// A person in a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Somebody {
    /// The bank's staff number.
    pub number: String,
    /// Name.
    pub name: Personal<String>,
}

impl Service {
    /// Requests for accounts that go on and are any business of the caller's, and those of which the caller
    /// has still to fetch a half of a code; the latest first.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn account_requests(&self, caller: &Caller) -> Result<Vec<AccountRequest>, Fault> {
        if ![Action::RequestAccounts, Action::ResetAccounts].iter().any(|action| caller.grant.knows(*action))
        {
            return Err(Fault::Forbidden(Action::RequestAccounts));
        }
        let me = Hand::of(&caller.actor);
        let mut found = self.open_requests().await?;
        found.retain(|request| {
            is_of_accounts(&request.record) && self.sees(caller, &request.record) && {
                request.record.state != RequestState::Draft || request.record.hands.contains(&me)
            }
        });
        let latest = self.store.list(&Listing::ever(Kind::Request, Among::All), None, LATEST).await?;
        let has_code = |request: &Request| request.code_half.is_some() && is_kept_for(caller, request);
        let done = latest.into_iter().filter_map(Stored::typed::<Request>);
        found.extend(done.filter(|request| !request.record.state.is_open() && has_code(&request.record)));
        found.sort_by_key(|request| std::cmp::Reverse(request.record.drafted_at));
        let mut shown = Vec::new();
        for request in found {
            // What somebody did alone nobody asked for besides.
            let asked = request.record.submitted.as_ref().or(request.record.decided.as_ref());
            let asked_by = match asked.map(|signature| &signature.by) {
                Some(Hand::Staff(id)) => self.somebody(*id).await?,
                _ => None,
            };
            let whom = match &request.record.proposal {
                Proposal::OpenAccount { staff_number, name, .. } => {
                    Some(Somebody { number: staff_number.clone(), name: name.clone() })
                }
                Proposal::ChangeAccount { staff, .. } | Proposal::ResetAccount { staff, .. } => {
                    self.somebody(*staff).await?
                }
                _ => None,
            };
            let Some(whom) = whom else { continue };
            shown.push(AccountRequest {
                whom,
                asked_by,
                submitted_at: request.record.submitted.as_ref().map(|submitted| submitted.at),
                is_own: request.record.hands.contains(&me),
                has_code: has_code(&request.record),
                request,
            });
        }
        self.saw(caller, "request.list", None, None, shown.len()).await?;
        Ok(shown)
    }

    async fn somebody(&self, id: StaffId) -> Result<Option<Somebody>, Fault> {
        let staff: Option<Stored<Staff>> = self.find(Key::Staff(id)).await?;
        Ok(staff.map(|staff| Somebody { number: staff.record.number.to_string(), name: staff.record.name }))
    }

    /// Asks for something about an account and submits it at once. Of one person one such request goes on at
    /// a time, so that who asks twice asks once.
    ///
    /// # Errors
    /// As [`Service::draft_request`]; `NotAllowed` where one goes on already.
    pub async fn ask_for_account(&self, caller: &Caller, asked: Asked) -> Result<Stored<Request>, Fault> {
        let _turn = self.accounts.asking.lock().await;
        let (proposal, branch) = self.proposal_of(caller, asked, None).await?;
        let goes_on = |other: &Stored<Request>| {
            is_of_accounts(&other.record)
                && other.record.state == RequestState::Submitted
                && is_about_the_same(&other.record.proposal, &proposal)
        };
        if self.open_requests().await?.iter().any(goes_on) {
            return Err(Fault::NotAllowed("a request about this person waits already".to_owned()));
        }
        let drafted = self.begin_request(caller, proposal, branch).await?;
        self.submit_request(caller, drafted.record.id, drafted.version).await
    }

    /// The account of somebody whom the caller looks after, or of the caller.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Store`.
    pub async fn account(
        &self,
        caller: &Caller,
        number: &str,
    ) -> Result<(Stored<Staff>, Stored<Account>), Fault> {
        let (staff, account) = self.account_within(caller, number).await?;
        let (key, branch) = (Key::Account(staff.record.id), staff.record.branch.clone());
        self.saw(caller, "account.see", Some(&key), Some(&branch), 1).await?;
        Ok((staff, account))
    }
}

fn is_of_accounts(request: &Request) -> bool {
    matches!(
        request.proposal.kind(),
        ProposalKind::OpenAccount | ProposalKind::ChangeAccount | ProposalKind::ResetAccount
    )
}

/// Whether two requests are about one person: of somebody new the number says it, since the id is made anew.
fn is_about_the_same(one: &Proposal, other: &Proposal) -> bool {
    match (one, other) {
        (
            Proposal::OpenAccount { staff_number: one, .. },
            Proposal::OpenAccount { staff_number: other, .. },
        ) => one == other,
        _ => one.kind() == other.kind() && one.subject() == other.subject(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Role;
    use crate::service::bank::{Bank, PASSWORD};

    #[tokio::test]
    async fn whoever_asks_twice_asks_once_and_sees_the_half_of_a_code_until_it_is_fetched() {
        let bank = Bank::new().await;
        let service = &bank.service;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
        let asked = Asked::OpenAccount {
            staff_number: "LM7".to_owned(),
            name: "刘静".into(),
            branch: "b".to_owned(),
            roles: [Role::LobbyManager].into(),
        };
        let request = service.ask_for_account(&security, asked.clone()).await.unwrap();
        assert!(matches!(service.ask_for_account(&security, asked).await, Err(Fault::NotAllowed(_))));
        let seen = service.account_requests(&system).await.unwrap();
        assert!(seen.len() == 1 && !seen[0].is_own && seen[0].whom.number == "LM7");
        assert_eq!(seen[0].asked_by.as_ref().unwrap().number, "SE1");
        assert!(service.account_requests(&supervisor).await.unwrap().is_empty(), "another branch");
        let hash = request.record.proposal.hash();
        let decided = service.approve_request(&system, request.record.id, &hash).await.unwrap();
        assert!(decided.code_half.is_some());
        let seen = service.account_requests(&security).await.unwrap();
        assert!(seen.len() == 1 && seen[0].has_code && seen[0].is_own);
        service.fetch_code(&security, request.record.id).await.unwrap();
        assert!(service.account_requests(&security).await.unwrap().is_empty());
        let auditor = bank.person("AU1", &[Role::Auditor]).await;
        assert!(matches!(service.account_requests(&auditor).await, Err(Fault::Forbidden(_))));
        assert!(matches!(service.account(&supervisor, "LM7").await, Err(Fault::NotFound(_))));
        assert!(service.account(&security, "LM7").await.is_ok());
    }

    #[tokio::test]
    async fn security_resets_at_once_and_has_but_half_of_the_code() {
        let bank = Bank::new().await;
        let service = &bank.service;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        let lobby = bank.person("LM1", &[Role::LobbyManager]).await;
        // Nobody else could hold the other half, and the person would never come back.
        assert!(matches!(service.reset_account(&security, "LM1").await, Err(Fault::NotAllowed(_))));
        let supervisor = bank.person("BS1", &[Role::BranchSupervisor]).await;
        bank.employ("BS2", "b", &[Role::BranchSupervisor]).await;
        let elsewhere = bank.log_in("BS2", "10.0.0.9").await;
        assert!(matches!(service.reset_account(&security, "SE1").await, Err(Fault::NotAllowed(_))));
        for other in [&supervisor, &lobby] {
            assert!(matches!(service.reset_account(other, "LM1").await, Err(Fault::Forbidden(_))));
        }
        let decided = service.reset_account(&security, "LM1").await.unwrap();
        let (id, told) = (decided.request.record.id, decided.code_half.unwrap());
        // From now on the old password lets nobody in.
        let old = service.log_in("10.0.0.7", "LM1", PASSWORD.into(), None).await;
        assert!(matches!(old, Err(Fault::NotAccepted)));
        for other in [&security, &elsewhere] {
            assert!(matches!(service.fetch_code(other, id).await, Err(Fault::NotFound(_))));
            assert!(service.account_requests(other).await.unwrap().iter().all(|request| !request.has_code));
        }
        let seen = service.account_requests(&supervisor).await.unwrap();
        assert!(seen.len() == 1 && seen[0].has_code && seen[0].whom.number == "LM1");
        assert_eq!(seen[0].asked_by.as_ref().unwrap().number, "SE1");
        let kept = service.fetch_code(&supervisor, id).await.unwrap();
        assert!(matches!(service.fetch_code(&supervisor, id).await, Err(Fault::NotFound(_))), "once");
        let accept = async |code: &str| {
            service.accept_invitation("10.0.0.7", "LM1", code, "ombre walnut trellis".into(), None).await
        };
        for half in [&told, &kept] {
            assert!(accept(half).await.is_err());
        }
        accept(&format!("{}{}", *kept, *told)).await.unwrap();
        service.log_in("10.0.0.7", "LM1", "ombre walnut trellis".into(), None).await.unwrap();
        let told: Vec<String> = bank.told().await.into_iter().map(|recorded| recorded.entry.action).collect();
        assert!(told.iter().any(|action| action == "account.reset"), "{told:?}");
    }
}
