//! What may be exported: alone, and when somebody else has approved it.

use std::time::Duration;

use rfid_core::{Name, UtcTime};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::fault::{Fault, FieldFault, check_name};
use super::super::grant::{May, Mode};
use super::super::{Caller, Service};
use super::making::Job;
use super::sealed::FileKey;
use super::{Exports, Turn};
use crate::audit::Entry;
use crate::recognition::start_of_day;
use crate::record::{
    Export, ExportContent, ExportFormat, ExportId, ExportPurpose, ExportState, Hand, Key, Kind, LocalDate,
    Personal, Proposal, Request, RequestId, RequestState, StaffId,
};
use crate::rights::{Action, Reach};
use crate::store::{Among, Listing, Place, Stored};

/// Days of one export.
const MOST_DAYS: i32 = 400;
/// Visits that are counted at once.
const COUNTED_AT_ONCE: usize = 512;
/// Time over which what one person exports alone is added up.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// Exports of one person in a day that are looked at for that; more are not begun.
const MOST_A_DAY: usize = 100;

/// What somebody wants to export.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExportDraft {
    /// Code of the branch; all that the caller may export if left out.
    #[serde(default)]
    pub branch: Option<String>,
    /// First day.
    pub from: LocalDate,
    /// Last day.
    pub to: LocalDate,
    /// How it is written.
    pub format: ExportFormat,
    /// Whether it tells who came. That takes an approved request.
    #[serde(default)]
    pub unmasked: bool,
    /// What for.
    pub purpose: ExportPurpose,
}

/// An export that is under way.
pub struct BegunExport {
    /// The export.
    pub export: Stored<Export>,
    /// What opens its file; it is told now and never again.
    pub key: Zeroizing<String>,
}

impl Service {
    /// Begins an export of a few visits, shortened, that nobody has to approve.
    ///
    /// # Errors
    /// `Forbidden`, `ReasonNeeded`; `NotFound` for a branch; `Invalid`; `NotAllowed` where somebody has to
    /// approve it, where there is nothing to export, or where too much is under way; `Store`.
    pub async fn ask_export(&self, caller: &Caller, draft: ExportDraft) -> Result<BegunExport, Fault> {
        let may = self.may(caller, Action::ExportVisits).await?;
        let (exports, me) = (self.kept_exports()?, in_session(caller)?);
        let turn = exports.under_way.begin(ExportId::from_bytes(self.new_id()?), me)?;
        let most = exports.settings.alone_rows;
        let reason = caller.reason.clone().unwrap_or_default().into();
        let (content, branch) =
            self.export_content(caller, &may, Action::ExportVisits, draft, reason, most).await?;
        if content.unmasked {
            return refused("who came is exported when somebody has approved it: ask for it by a request");
        }
        if content.rows > most {
            return Err(Fault::NotAllowed(format!(
                "more than {most} visits are exported when somebody has approved it: ask for it by a request"
            )));
        }
        self.may_export_alone(me, exports, content.rows).await?;
        self.begin_export(caller, (turn, 0), branch, content, None).await
    }

    /// Begins the export of an approved request, for who submitted it, once, within a day.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound` where somebody else asked; `NotAllowed` where it is not approved, was for too
    /// long, or is under way; `Store`.
    pub async fn make_requested_export(&self, caller: &Caller, id: RequestId) -> Result<BegunExport, Fault> {
        let may = self.may_as(caller, Action::RequestExports, Mode::Propose).await?;
        let found: Option<Stored<Request>> = self.find(Key::Request(id)).await?;
        let me = Hand::of(&caller.actor);
        let is_theirs = |request: &Stored<Request>| {
            request.record.submitted.as_ref().is_some_and(|signature| signature.by == me)
        };
        let Some(Stored { record: request, .. }) = found.filter(is_theirs) else {
            return Err(self.nothing(caller, Action::RequestExports, "request").await);
        };
        let Proposal::ExportVisits { content, .. } = request.proposal else {
            return refused("this request is not about an export");
        };
        // What somebody else drafted may reach further than who submitted it does.
        let is_covered = match (&content.branch, may.in_branch(&request.branch)) {
            (Some(branch), _) => may.in_branch(branch).is_some(),
            (None, cell) => cell.is_some_and(|cell| cell.reach == Reach::All),
        };
        if !is_covered {
            return Err(self.nothing(caller, Action::RequestExports, "request").await);
        }
        let (exports, me) = (self.kept_exports()?, in_session(caller)?);
        let decided = request.decided.filter(|decided| {
            request.state == RequestState::Done && self.now().since(decided.at) <= exports.settings.kept_for
        });
        let Some(decided) = decided else {
            return refused("it is not approved, or was too long ago");
        };
        let id = ExportId::from_bytes(id.to_bytes());
        let turn = exports.under_way.begin(id, me)?;
        let expected = match self.find::<Export>(Key::Export(id)).await? {
            None => 0,
            Some(before) if before.record.state == ExportState::Failed => before.version,
            Some(_) => return refused("what was approved has been exported already"),
        };
        self.begin_export(caller, (turn, expected), request.branch, content, Some(decided.by)).await
    }

    /// What a request for an export says, and where it belongs.
    pub(in super::super) async fn export_asked_for(
        &self,
        caller: &Caller,
        may: &May<'_>,
        draft: ExportDraft,
        reason: Personal<String>,
    ) -> Result<(Proposal, Name), Fault> {
        let (exports, asker) = (self.kept_exports()?, in_session(caller)?);
        let mut faults = Vec::new();
        check_name("reason", reason.reveal(), Entry::LONGEST_REASON, &mut faults);
        if reason.reveal().contains('\n') {
            faults.push(FieldFault::new("reason", "is one line"));
        }
        if !faults.is_empty() {
            return Err(Fault::Invalid(faults));
        }
        let most = exports.settings.most_rows;
        let (content, branch) =
            self.export_content(caller, may, Action::RequestExports, draft, reason, most).await?;
        if content.rows > most {
            let why = format!("an export holds {most} visits, and there are more: ask for fewer days");
            return Err(Fault::NotAllowed(why));
        }
        Ok((Proposal::ExportVisits { asker, content }, branch))
    }

    /// What is exported, as of now, with its visits counted up to one more than `most`; and where it belongs.
    async fn export_content(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        draft: ExportDraft,
        reason: Personal<String>,
        most: u64,
    ) -> Result<(ExportContent, Name), Fault> {
        let ExportDraft { branch, from, to, format, unmasked, purpose } = draft;
        let days = to.0.since(from.0).map_or(0, |span| span.get_days());
        if to < from || days >= MOST_DAYS {
            let what = format!("an export is over one to {MOST_DAYS} days, and ends where it began or later");
            return Err(Fault::Invalid(vec![FieldFault::new("to", what)]));
        }
        let (branch, belongs_to) = self.branch_to_export(caller, may, action, branch).await?;
        let end =
            to.0.tomorrow()
                .map_or(UtcTime::from_nanos(u64::MAX), |next| start_of_day(LocalDate(next), &self.zone()));
        let until = end.min(self.now());
        let mut content =
            ExportContent { branch, from, to, until, format, unmasked, purpose, reason, rows: 0 };
        content.rows = self.count_visits(&content, most).await?;
        if content.rows == 0 {
            return refused("there are no visits on these days: nothing is exported");
        }
        Ok((content, belongs_to))
    }

    /// Which branch is exported, if not all; and to which one the export belongs.
    async fn branch_to_export(
        &self,
        caller: &Caller,
        may: &May<'_>,
        action: Action,
        asked: Option<String>,
    ) -> Result<(Option<Name>, Name), Fault> {
        let branches = self.branches(&Caller::console()).await?;
        let mut seen = branches
            .into_iter()
            .map(|branch| branch.record.code)
            .filter_map(|code| may.in_branch(&code).map(|cell| (code, cell)));
        if let Some(asked) = asked {
            return match seen.find(|(code, _)| code.as_str() == asked) {
                Some((code, _)) => Ok((Some(code.clone()), code)),
                None => Err(self.nothing(caller, action, "branch").await),
            };
        }
        let seen: Vec<_> = seen.collect();
        // That of the caller first, to which what is of all branches belongs.
        let own = seen.iter().find(|(code, _)| may.is_home(code)).or(seen.first());
        match own {
            Some((code, cell)) if cell.reach == Reach::All => Ok((None, code.clone())),
            Some((code, _)) if seen.len() == 1 => Ok((Some(code.clone()), code.clone())),
            _ => Err(Fault::Invalid(vec![FieldFault::new("branch", "say which branch")])),
        }
    }

    /// Visits of an export, counted up to one more than `most`.
    async fn count_visits(&self, content: &ExportContent, most: u64) -> Result<u64, Fault> {
        let (listing, mut after, mut count) = (self.visits_of_export(content), None, 0);
        loop {
            let page = self.store.list(&listing, after, COUNTED_AT_ONCE).await?;
            count += page.len() as u64;
            after = page.last().and_then(|last: &Stored| last.record.place());
            if page.len() < COUNTED_AT_ONCE || count > most {
                return Ok(count.min(most.saturating_add(1)));
            }
        }
    }

    /// The visits that an export is made of.
    pub(super) fn visits_of_export(&self, content: &ExportContent) -> Listing {
        let among = content.branch.clone().map_or(Among::All, Among::Branch);
        let from = start_of_day(content.from, &self.zone());
        Listing { kind: Kind::Visit, among, from, until: content.until }
    }

    /// Nobody has two exports made at once, or gets by many small ones what takes an approval.
    async fn may_export_alone(&self, me: StaffId, exports: &Exports, rows: u64) -> Result<(), Fault> {
        let since = self.now().minus(A_DAY);
        let among = Among::Of(Key::Staff(me));
        let listing =
            Listing { kind: Kind::Export, among, from: since, until: UtcTime::from_nanos(u64::MAX) };
        let lately = self.store.list(&listing, None::<Place>, MOST_A_DAY).await?;
        let is_full = lately.len() == MOST_A_DAY;
        let lately: Vec<Export> =
            lately.into_iter().filter_map(Stored::typed::<Export>).map(|export| export.record).collect();
        if lately.iter().any(|export| export.state == ExportState::Pending) {
            return refused("an export of yours is being made: wait for that");
        }
        let alone = lately
            .iter()
            .filter(|export| export.approved_by.is_none() && export.state != ExportState::Failed)
            .fold(rows, |sum, export| sum.saturating_add(export.content.rows));
        let most = exports.settings.alone_rows_a_day;
        if alone > most || is_full {
            return Err(Fault::NotAllowed(format!(
                "more than {most} visits in a day are exported when somebody has approved it: ask for it by a \
                 request"
            )));
        }
        Ok(())
    }

    /// Writes an export down and hands it to the task that makes it.
    async fn begin_export(
        &self,
        caller: &Caller,
        (turn, expected): (Turn, u32),
        branch: Name,
        content: ExportContent,
        approved_by: Option<Hand>,
    ) -> Result<BegunExport, Fault> {
        let (exports, asker) = (self.kept_exports()?, in_session(caller)?);
        // A place is kept before it is written down, so that what is written down is made.
        let Ok(place) = exports.queue.try_reserve() else {
            return refused("many exports are being made: try again in a while");
        };
        let key = FileKey::new(self.randomness.as_ref())?;
        let reason = Some(content.reason.reveal().clone()).filter(|reason| !reason.is_empty());
        let caller = Caller { reason, ..caller.clone() };
        let export = Export {
            id: turn.id,
            asker,
            branch,
            content,
            asked_at: self.now(),
            host: exports.host.clone(),
            state: ExportState::Pending,
            key_hash: key.hash(),
            approved_by,
            made: None,
            fetched_at: None,
            failure: None,
        };
        let export = match self.put(&caller, "export.ask", export, expected).await {
            Ok(export) => export,
            Err(Fault::Conflict { .. }) => return refused("what was approved has been exported already"),
            Err(fault) => return Err(fault),
        };
        let text = key.text();
        place.send(Job { turn, key });
        Ok(BegunExport { export, key: text })
    }
}

/// Who exports: a person who has logged in, because the file is for that person.
fn in_session(caller: &Caller) -> Result<StaffId, Fault> {
    match (caller.grant.who(), &caller.session) {
        (Some(me), Some(_)) => Ok(me),
        _ => Err(Fault::NotAllowed("a person exports, in a session".to_owned())),
    }
}

pub(super) fn refused<T>(why: &str) -> Result<T, Fault> {
    Err(Fault::NotAllowed(why.to_owned()))
}
