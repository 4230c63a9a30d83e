//! Backups of the store of this host: who may have one made, and what the trail says of it. The copying itself is
//! [`crate::backup`]'s, and whoever wires a host has it done.

use std::path::Path;

use memchr::memmem::Finder;
use rfid_core::{Error, ErrorKind, UtcTime};
use rfid_ledger::{Entry as LedgerEntry, Reader};

use super::fault::Fault;
use super::overseeing::is_done;
use super::{Caller, Service};
use crate::audit::{self, Entry};
use crate::rights::Action;

/// The name of a backup in the trail, whether it was asked for at the console or here.
const BACKUP: &str = "store.backup";
/// Where to, among the facts of its record.
const TO: &str = "to";

/// A backup that was made at the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupMade {
    /// When.
    pub at: UtcTime,
    /// Where to.
    pub to: String,
}

/// A backup that the trail says is made, for taking that back where it is not.
#[derive(Debug)]
pub struct BackupAct {
    number: Option<u64>,
    entry: Entry,
}

impl BackupAct {
    /// Number of its record in the trail; nothing without one.
    pub fn number(&self) -> Option<u64> {
        self.number
    }
}

impl Service {
    /// Whether the caller may have a backup made now.
    ///
    /// # Errors
    /// `Forbidden`; `ProofNeeded`; `Unaudited`.
    pub async fn may_back_up(&self, caller: &Caller) -> Result<(), Fault> {
        self.may(caller, Action::MakeBackups).await?;
        caller.is_proved()
    }

    /// Writes that a backup is made into this folder for the caller; it is not begun before this is durable.
    ///
    /// # Errors
    /// As [`Service::may_back_up`].
    pub async fn begin_backup(&self, caller: &Caller, to: &Path) -> Result<BackupAct, Fault> {
        self.may_back_up(caller).await?;
        let mut entry = caller.entry(self.now(), BACKUP);
        entry.facts.insert(TO.to_owned(), to.display().to_string());
        let number = match &self.trail {
            Some(trail) => Some(trail.act(entry.clone()).await.map_err(Fault::Unaudited)?),
            None => None,
        };
        Ok(BackupAct { number, entry })
    }

    /// Writes that it was not made, and why.
    ///
    /// # Errors
    /// `Unaudited`.
    pub async fn backup_failed(&self, act: BackupAct, why: &str) -> Result<(), Fault> {
        let (Some(trail), Some(number)) = (&self.trail, act.number) else { return Ok(()) };
        trail.undone(number, act.entry, why).await.map(drop).map_err(Fault::Unaudited)
    }

    /// The same of one that a host of before began and did not end, by the number of its record.
    ///
    /// # Errors
    /// `Unaudited`; `Store` where the trail cannot be read.
    pub async fn backup_cut_off(&self, number: u64, why: &str) -> Result<(), Fault> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let found = trail.latest(number.checked_add(1), 1).await?.pop();
        match found.filter(|found| found.number == number && found.entry.action == BACKUP) {
            Some(found) => trail.undone(number, found.entry, why).await.map(drop).map_err(Fault::Unaudited),
            // Another trail than the one in which it began.
            None => Ok(()),
        }
    }

    /// Lets the caller see which backups were asked for in this host; that they looked is in the trail.
    ///
    /// # Errors
    /// `Forbidden`; `Unaudited`.
    pub async fn may_see_backups(&self, caller: &Caller) -> Result<(), Fault> {
        self.oversee(caller, Action::SeeBackups, "backups").await.map(drop)
    }

    /// The last backup that was made at the console of this host, as the trail of the console tells of it.
    ///
    /// # Errors
    /// `Forbidden`, `Store`.
    pub async fn last_backup(&self, caller: &Caller) -> Result<Option<BackupMade>, Fault> {
        self.may(caller, Action::SeeBackups).await?;
        let folder = self.trail.as_ref().and_then(|trail| trail.folder().parent());
        let Some(folder) = folder.map(|parent| parent.join(audit::CONSOLE_FOLDER)) else { return Ok(None) };
        let joined = tokio::task::spawn_blocking(move || last_backup_in(&folder)).await;
        let found = joined.map_err(|error| Error::new(ErrorKind::Internal, "audit").with_source(error))??;
        Ok(found)
    }
}

/// Blocks.
fn last_backup_in(folder: &Path) -> Result<Option<BackupMade>, Error> {
    if !folder.is_dir() {
        return Ok(None);
    }
    // Most records are about something else, and need not be read for that to be seen.
    let finder = Finder::new(BACKUP);
    let mut made: Vec<(u64, Entry)> = Vec::new();
    let mut reader = Reader::new(folder, 0);
    while let Some(entry) = reader.next_entry()? {
        let LedgerEntry::Content(content) = entry else { continue };
        if finder.find(&content.bytes).is_none() {
            continue;
        }
        let entry = audit::read_entry(content.number, &content.bytes)?;
        match entry.follows {
            Some(number) => made.retain(|(other, _)| *other != number),
            None if is_done(BACKUP)(&entry) => made.push((content.number, entry)),
            None => {}
        }
    }
    Ok(made
        .pop()
        .map(|(_, entry)| BackupMade { at: entry.at, to: entry.facts.get(TO).cloned().unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::audit::{Outcome, Trail};
    use crate::rights::Role;
    use crate::seal::Keys;
    use crate::service::SessionMark;
    use crate::service::bank::Bank;
    use crate::store::Actor;

    #[tokio::test]
    async fn the_last_backup_that_did_not_fail_is_told() {
        let bank = Bank::new().await;
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        assert_eq!(bank.service.last_backup(&system).await.unwrap(), None);
        let keys = Arc::new(Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap());
        let folder = bank.folder.path().join(audit::CONSOLE_FOLDER);
        let trail = Trail::open(&folder, keys, bank.clock.clone()).await.unwrap();
        let entry = |to: &str| {
            let entry = Entry::new(bank.service.now(), Actor::Console, "console", BACKUP);
            Entry { facts: [("to".to_owned(), to.to_owned())].into(), ..entry }
        };
        trail.act(entry("/mnt/one")).await.unwrap();
        let failed = trail.act(entry("/mnt/two")).await.unwrap();
        trail.undone(failed, entry("/mnt/two"), "it failed").await.unwrap();
        trail.close().await;
        let made = bank.service.last_backup(&system).await.unwrap().unwrap();
        assert_eq!(made.to, "/mnt/one");
        let auditor = bank.person("AU1", &[Role::Auditor]).await;
        assert!(matches!(bank.service.last_backup(&auditor).await, Err(Fault::Forbidden(_))));
    }

    #[tokio::test]
    async fn a_backup_is_in_the_trail_before_it_is_made_and_taken_back_where_it_is_not() {
        let bank = Bank::new().await;
        let system = bank.person("SA1", &[Role::SystemAdministrator]).await;
        let security = bank.person("SE1", &[Role::SecurityAdministrator]).await;
        let to = Path::new("/mnt/backup/one");
        // Who sees what came of backups makes none by that.
        bank.service.may_see_backups(&security).await.unwrap();
        let refused = bank.service.begin_backup(&security, to).await;
        assert!(matches!(refused, Err(Fault::Forbidden(Action::MakeBackups))));
        let made = bank.service.begin_backup(&system, to).await.unwrap();
        let failed = bank.service.begin_backup(&system, Path::new("/mnt/backup/two")).await.unwrap();
        bank.service.backup_failed(failed, "no space left").await.unwrap();
        // One that ended with the host; and a number that is of something else.
        let cut_off = bank.service.begin_backup(&system, Path::new("/mnt/backup/three")).await.unwrap();
        bank.service.backup_cut_off(cut_off.number().unwrap(), "the host ended").await.unwrap();
        bank.service.backup_cut_off(1, "the host ended").await.unwrap();
        bank.service.backup_cut_off(u64::MAX, "the host ended").await.unwrap();
        let told = bank.told().await;
        let backups: Vec<(Outcome, &str, Option<&str>)> = told
            .iter()
            .map(|recorded| &recorded.entry)
            .filter(|entry| entry.action == BACKUP)
            .map(|entry| (entry.outcome, entry.facts[TO].as_str(), entry.rule.as_deref()))
            .collect();
        assert_eq!(
            backups,
            [
                (Outcome::Done, "/mnt/backup/one", None),
                (Outcome::Done, "/mnt/backup/two", None),
                (Outcome::NotDone, "/mnt/backup/two", Some("no space left")),
                (Outcome::Done, "/mnt/backup/three", None),
                (Outcome::NotDone, "/mnt/backup/three", Some("the host ended")),
            ]
        );
        assert!(made.number() < cut_off.number());
        // Later than a while ago a password is asked for.
        bank.wait(Duration::from_secs(600));
        let session = Some(SessionMark { alias: "x".into(), is_proved: false, acting: None });
        let late = Caller { session, ..system };
        assert!(matches!(bank.service.begin_backup(&late, to).await, Err(Fault::ProofNeeded)));
    }
}
