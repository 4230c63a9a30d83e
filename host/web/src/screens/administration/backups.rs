//! Backups of the store: what came of the latest, and one that is made now.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rfid_core::UtcTime;
use rfid_service::backup::{BackupOutcome, BackupRun, Progress};
use rfid_service::rights::Action;
use rfid_service::service::Fault;

use super::super::text::Text;
use super::super::viewer::{Frame, Nothing, Refusal, Sent, Viewer, shown};
use super::span_said;
use crate::api::Api;
use crate::installation::{BackupPlace, BackupRefusal, BackupsCondition};

/// What other pages say of backups.
pub(super) struct LastBackup {
    /// When and where to the last one was made; nothing if none is known.
    pub(super) last: Option<(String, String)>,
}

impl LastBackup {
    /// Nothing for whoever may not know of backups.
    pub(super) async fn shown_to(viewer: &Viewer, api: &Api) -> Result<Option<Self>, Fault> {
        if !viewer.may(Action::SeeBackups) {
            return Ok(None);
        }
        let at_console = api.service().last_backup(viewer.caller()).await?;
        let at_console = at_console.map(|made| (made.at, made.to));
        let runs = condition_of(api).map(|condition| condition.runs).unwrap_or_default();
        let here = runs.into_iter().find_map(|run| match run.outcome {
            BackupOutcome::Made { at, .. } => Some((at, run.to.display().to_string())),
            BackupOutcome::UnderWay | BackupOutcome::Failed { .. } => None,
        });
        let last = at_console.into_iter().chain(here).max_by_key(|(at, _)| *at);
        Ok(Some(Self { last: last.map(|(at, to)| (viewer.text.moment(at), to)) }))
    }
}

/// One that is made now.
struct UnderWay {
    began: String,
    entries: u64,
    of_entries: u64,
    photo_files: u64,
}

/// One that was asked for.
#[derive(Default)]
struct RunRow {
    began: String,
    to: String,
    /// Under the name of a key.
    outcome: &'static str,
    outcome_said: String,
    /// How long it took, of one that is over.
    took: String,
    entries: String,
    photos: String,
    size: String,
    /// Why there is none.
    why: String,
}

/// What changes while one is made.
struct Backups {
    under_way: Option<UnderWay>,
    rows: Vec<RunRow>,
    /// Where they go; nothing where they go nowhere.
    folder: Option<String>,
    is_database: bool,
    may_make: bool,
    proof: String,
}

#[derive(Template)]
#[template(path = "administration/backups.html")]
struct BackupsPage {
    text: Text,
    frame: Frame,
    backups: Backups,
    /// When and where to the last one was made at the console.
    at_console: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "administration/backups_now.html")]
struct BackupsPart {
    text: Text,
    backups: Backups,
}

fn condition_of(api: &Api) -> Option<BackupsCondition> {
    api.installation()?.backups()
}

impl Backups {
    fn of(api: &Api, viewer: &Viewer) -> Result<Self, Fault> {
        let text = &viewer.text;
        let condition = condition_of(api).ok_or(Fault::NotFound("backups"))?;
        let began = condition.runs.first().map(|run| text.second(run.began)).unwrap_or_default();
        let under_way = condition.under_way.map(|Progress { entries, of_entries, photo_files }| UnderWay {
            began,
            entries,
            of_entries,
            photo_files,
        });
        Ok(Self {
            under_way,
            rows: condition.runs.into_iter().map(|run| row(text, run)).collect(),
            is_database: condition.place == BackupPlace::Database,
            folder: match condition.place {
                BackupPlace::Folder(folder) => Some(folder.display().to_string()),
                BackupPlace::NotConfigured | BackupPlace::Database => None,
            },
            may_make: viewer.may(Action::MakeBackups),
            proof: viewer.proof().to_owned(),
        })
    }
}

fn row(text: &Text, run: BackupRun) -> RunRow {
    let took = |at: UtcTime| span_said(text, std::time::Duration::from_secs(at.since(run.began).as_secs()));
    let mut row =
        RunRow { began: text.second(run.began), to: run.to.display().to_string(), ..RunRow::default() };
    match run.outcome {
        BackupOutcome::UnderWay => row.outcome = "under-way",
        BackupOutcome::Made { at, entries, photo_files, bytes } => {
            row.outcome = "made";
            row.took = took(at);
            row.entries = entries.to_string();
            row.photos = photo_files.to_string();
            row.size = size_said(text, bytes);
        }
        BackupOutcome::Failed { at, why } => {
            row.outcome = "failed";
            row.took = took(at);
            row.why = why;
        }
    }
    row.outcome_said = text.known("backup-outcome", row.outcome);
    row
}

/// A size as people say it.
fn size_said(text: &Text, bytes: u64) -> String {
    const STEPS: [(&str, u64); 3] = [("size-gib", 1 << 30), ("size-mib", 1 << 20), ("size-kib", 1 << 10)];
    let (key, unit) = STEPS.into_iter().find(|(_, unit)| bytes >= *unit).unwrap_or(("size-kib", 1 << 10));
    // In tenths: more nobody asks for.
    let tenths = u128::from(bytes) * 10 / u128::from(unit);
    text.with(key, "n", format!("{}.{}", tenths / 10, tenths % 10))
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let page = async {
        api.service().may_see_backups(viewer.caller()).await?;
        let at_console = api.service().last_backup(viewer.caller()).await?;
        Ok(BackupsPage {
            frame: Frame::of(&api, &viewer, "administration/backups").await?,
            backups: Backups::of(&api, &viewer)?,
            at_console: at_console.map(|made| (viewer.text.second(made.at), made.to)),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// How far it is.
pub(super) async fn now(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    if !viewer.may(Action::SeeBackups) {
        return Err(viewer.refusal(Fault::Forbidden(Action::SeeBackups)));
    }
    part(&api, &viewer)
}

/// Begins one.
pub(super) async fn make(
    State(api): State<Api>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let begun = match api.installation() {
        Some(host) => host.back_up(viewer.caller()).await,
        None => Err(Fault::NotFound("host").into()),
    };
    match begun {
        Ok(()) if viewer.is_part => part(&api, &viewer),
        Ok(()) => Ok(Redirect::to("/administration/backups").into_response()),
        Err(BackupRefusal::NotConfigured) => {
            Err(viewer.saying(StatusCode::CONFLICT, "problem-backup-not-configured"))
        }
        Err(BackupRefusal::Database) => Err(viewer.saying(StatusCode::CONFLICT, "problem-backup-database")),
        Err(BackupRefusal::UnderWay) => Err(viewer.saying(StatusCode::CONFLICT, "problem-backup-under-way")),
        Err(BackupRefusal::Fault(fault)) => Err(viewer.refusal(fault)),
    }
}

fn part(api: &Api, viewer: &Viewer) -> Result<Response, Refusal> {
    let backups = Backups::of(api, viewer).map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&BackupsPart { text: viewer.text.clone(), backups }))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::super::text::Language;
    use super::*;

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        let text = Text::new(Language::English, TimeZone::UTC);
        for (bytes, said) in
            [(0, "0.0 KiB"), (1_536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (u64::MAX, "17179869183.9 GiB")]
        {
            assert_eq!(size_said(&text, bytes), said);
        }
    }
}
