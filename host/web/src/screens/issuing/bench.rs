//! A card on the desk, step by step: what to do now, what went wrong, and how to go on.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rfid_service::service::{Bench, DeskStep, DeskTrouble, DeskWork, Ended, Fault};

use super::super::text::Text;
use super::super::viewer::{Refusal, Viewer, shown};
use super::case::{answer, case_at};
use crate::api::Api;

/// A step as it stands on the page.
pub(super) struct StepView {
    pub(super) name: &'static str,
    pub(super) said: String,
    /// `done`, `now`, `next`, or `wrong`.
    pub(super) mark: &'static str,
    pub(super) mark_said: String,
}

pub(super) struct BenchView {
    pub(super) desk: String,
    pub(super) steps: Vec<StepView>,
    /// What whoever stands there does now, or what came of it.
    pub(super) said: String,
    pub(super) is_running: bool,
    pub(super) is_done: bool,
}

#[derive(Template)]
#[template(path = "issuing/bench.html")]
struct BenchPart {
    text: Text,
    bench: BenchView,
}

impl BenchView {
    pub(super) fn of(text: &Text, bench: &Bench) -> Self {
        let all: &[DeskStep] = match bench.at.work {
            DeskWork::Encode => &DeskStep::ALL,
            DeskWork::Verify => &[DeskStep::Pad, DeskStep::Antenna],
        };
        let trouble = match bench.ended {
            Some(Ended::Trouble(trouble)) => Some(trouble),
            Some(_) => None,
            None => bench.trouble,
        };
        let is_done = bench.ended == Some(Ended::Done);
        let at = trouble.map(place_of).or(bench.step).unwrap_or(DeskStep::Pad);
        let steps = all.iter().map(|step| {
            let mark = match (*step, trouble) {
                _ if is_done => "done",
                (step, _) if step < at => "done",
                (step, Some(_)) if step == at => "wrong",
                (step, None) if step == at && bench.ended.is_none() => "now",
                _ => "next",
            };
            StepView {
                name: step.name(),
                said: text.of_issuing("step", step.name()),
                mark,
                mark_said: text.of_issuing("mark", mark),
            }
        });
        Self {
            desk: bench.at.desk.clone(),
            steps: steps.collect(),
            said: said_of(text, bench, at),
            is_running: bench.ended.is_none(),
            is_done,
        }
    }
}

/// Where the card has to be for what is in the way to be over.
const fn place_of(trouble: DeskTrouble) -> DeskStep {
    match trouble {
        DeskTrouble::NoTag | DeskTrouble::SeveralTags | DeskTrouble::AntennaLost => DeskStep::Antenna,
        DeskTrouble::NotAsWritten => DeskStep::ReadBack,
        _ => DeskStep::Pad,
    }
}

fn said_of(text: &Text, bench: &Bench, at: DeskStep) -> String {
    match (bench.ended, bench.trouble) {
        (Some(Ended::Done), _) => match bench.at.work {
            DeskWork::Encode => text.of_issuing("ended", "encoded"),
            DeskWork::Verify => text.of_issuing("ended", "verified"),
        },
        (Some(Ended::Stopped), _) => text.of_issuing("ended", "stopped"),
        (Some(Ended::Trouble(trouble)), _) => {
            format!("{} {}", text.trouble(trouble), text.of_issuing("ended", "again"))
        }
        (Some(Ended::Rule(rule)), _) => text.rule(rule),
        (Some(Ended::Overtaken), _) => text.of_issuing("ended", "overtaken"),
        (Some(Ended::NoSession), _) => text.of_issuing("ended", "no_session"),
        (Some(Ended::Broken), _) => text.of_issuing("ended", "broken"),
        (None, Some(trouble)) => text.trouble(trouble),
        (None, None) => text.of_issuing("now", at.name()),
    }
}

/// How far it is; when it is over, the whole request as it is by that.
pub(super) async fn part(
    State(api): State<Api>,
    viewer: Viewer,
    Path(request): Path<String>,
) -> Result<Response, Refusal> {
    let case = case_at(&api, &viewer, &request).await.map_err(|fault| viewer.refusal(fault))?;
    let bench = api.service().bench_of(&case).ok_or(Fault::NotFound("bench"));
    let bench = bench.map_err(|fault| viewer.refusal(fault))?;
    let view = BenchView::of(&viewer.text, &bench);
    if view.is_running {
        return Ok(shown(&BenchPart { text: viewer.text.clone(), bench: view }));
    }
    let whole = answer(&api, &viewer, &case, StatusCode::OK, String::new(), Vec::new()).await?;
    Ok(([("hx-retarget", "#case"), ("hx-reswap", "innerHTML")], whole).into_response())
}
