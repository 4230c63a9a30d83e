//! The rules of the host as they hold: they stand in its configuration, and are changed there.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rfid_service::service::Policies;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use super::backups::LastBackup;
use super::span_said;
use crate::api::Api;

/// Runs of retention that are shown.
const RUNS: usize = 10;

/// Rules of one kind: what each is called, how it is, and where it stands in the configuration.
struct Rules {
    title: String,
    rules: Vec<(String, String, &'static str)>,
}

struct Run {
    at: String,
    visits: String,
    customers: String,
}

#[derive(Template)]
#[template(path = "administration/policies.html")]
struct PoliciesPage {
    text: Text,
    frame: Frame,
    kinds: Vec<Rules>,
    runs: Vec<Run>,
    backup: Option<LastBackup>,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let text = &viewer.text;
    let page = async {
        let (service, caller) = (api.service(), viewer.caller());
        let policies = service.policies(caller).await?;
        let runs = service.retention_runs(caller, RUNS).await?.into_iter().map(|run| {
            let fact = |name: &str| run.facts.get(name).cloned().unwrap_or_default();
            Run { at: text.moment(run.at), visits: fact("visits"), customers: fact("customers") }
        });
        Ok(PoliciesPage {
            frame: Frame::of(&api, &viewer, "administration/policies").await?,
            kinds: kinds(text, &policies),
            runs: runs.collect(),
            backup: LastBackup::shown_to(&viewer, &api).await?,
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

fn kinds(text: &Text, policies: &Policies) -> Vec<Rules> {
    let Policies { accounts, retention, exports, issuing } = policies;
    let span = |span| span_said(text, span);
    let characters = |count: usize| text.with("policies-characters", "n", count);
    let mut kinds = vec![
        Rules {
            title: text.say("policies-passwords"),
            rules: vec![
                (
                    text.say("policies-shortest"),
                    characters(accounts.shortest_password),
                    "accounts.shortest_password",
                ),
                (
                    text.say("policies-shortest-second"),
                    characters(accounts.shortest_with_second_factor),
                    "accounts.shortest_with_second_factor",
                ),
                (text.say("policies-failures"), accounts.failures.to_string(), "accounts.failures"),
                (text.say("policies-locked"), span(accounts.locked_for), "accounts.locked_for"),
                (text.say("policies-locked-most"), span(accounts.locked_at_most), "accounts.locked_at_most"),
            ],
        },
        Rules {
            title: text.say("policies-sessions"),
            rules: vec![
                (text.say("policies-idle"), span(accounts.idle_after), "accounts.idle_after"),
                (
                    text.say("policies-session-most"),
                    span(accounts.session_at_most),
                    "accounts.session_at_most",
                ),
                (
                    text.say("policies-sessions-each"),
                    accounts.sessions_each.to_string(),
                    "accounts.sessions_each",
                ),
                (text.say("policies-proved"), span(accounts.proved_for), "accounts.proved_for"),
            ],
        },
        Rules {
            title: text.say("policies-accounts"),
            rules: vec![
                (text.say("policies-invited"), span(accounts.invited_for), "accounts.invited_for"),
                (text.say("policies-dormant"), span(accounts.dormant_after), "accounts.dormant_after"),
                (text.say("policies-confirmed"), span(accounts.confirmed_every), "accounts.confirmed_every"),
                (
                    text.say("policies-lapses"),
                    span(accounts.lapses_after_warning),
                    "accounts.lapses_after_warning",
                ),
            ],
        },
        Rules {
            title: text.say("policies-retention"),
            rules: vec![
                (
                    text.say("policies-visits"),
                    text.with("span-months", "n", retention.visits_months),
                    "service.retention.visits_months",
                ),
                (text.say("policies-photos"), span(retention.photos_after), "service.retention.photos_days"),
            ],
        },
        Rules {
            title: text.say("policies-issuing"),
            rules: vec![
                (
                    text.say("policies-approved-lapses"),
                    span(issuing.approved_lapses),
                    "issuing.approved_lapses",
                ),
                (text.say("policies-cards-each"), issuing.cards_each.to_string(), "issuing.cards_each"),
            ],
        },
    ];
    if let Some(exports) = exports {
        kinds.push(Rules {
            title: text.say("policies-exports"),
            rules: vec![
                (text.say("policies-alone"), exports.alone_rows.to_string(), "exports.alone_rows"),
                (
                    text.say("policies-alone-day"),
                    exports.alone_rows_a_day.to_string(),
                    "exports.alone_rows_a_day",
                ),
                (text.say("policies-most-rows"), exports.most_rows.to_string(), "exports.most_rows"),
                (text.say("policies-kept"), span(exports.kept_for), "exports.kept_for"),
            ],
        });
    }
    kinds
}
