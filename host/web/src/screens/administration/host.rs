//! The host as a whole: how it is, what its parts do, and the configuration that it runs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rfid_service::rights::Action;
use rfid_service::service::Fault;

use super::super::text::Text;
use super::super::viewer::{Frame, Nothing, Refusal, Sent, Viewer, shown};
use super::backups::LastBackup;
use super::readers::ReaderRow;
use super::{counts_said, uptime_said};
use crate::api::Api;
use crate::installation::{ConfigurationAnswer, Installation, PluginCondition, StoreCondition};

struct PipelineRow {
    name: String,
    readers: Vec<String>,
    sinks: Vec<String>,
    is_running: bool,
    counts: Vec<(String, u64)>,
}

struct SinkRow {
    name: String,
    kind: String,
    error: String,
    failing_since: String,
    backlog: u64,
    counts: Vec<(String, u64)>,
}

struct PluginRow {
    plugin: PluginCondition,
    used_by: String,
    isolation: String,
}

/// What belongs to no branch.
struct Whole {
    pipelines: Vec<PipelineRow>,
    sinks: Vec<SinkRow>,
    plugins: Vec<PluginRow>,
    configuration: Option<String>,
}

#[derive(Template)]
#[template(path = "administration/host.html")]
struct HostPage {
    text: Text,
    frame: Frame,
    proof: String,
    name: String,
    version: &'static str,
    uptime: String,
    /// Why it is not ready, as far as the viewer sees it; nothing if it is.
    complaints: Option<Vec<String>>,
    /// Readers of one's branch that do not read, where one sees no more than that.
    readers: Vec<ReaderRow>,
    stores: Vec<StoreCondition>,
    whole: Option<Whole>,
    may_reload: bool,
    backup: Option<LastBackup>,
}

#[derive(Template)]
#[template(path = "administration/changes.html")]
struct ChangesPart {
    text: Text,
    proof: String,
    /// Whether it has happened, or would.
    is_done: bool,
    changes: Vec<(String, String)>,
    refused: Vec<String>,
    may_apply: bool,
}

#[derive(Template)]
#[template(path = "administration/changes_page.html")]
struct ChangesPage {
    text: Text,
    frame: Frame,
    proof: String,
    is_done: bool,
    changes: Vec<(String, String)>,
    refused: Vec<String>,
    may_apply: bool,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let text = &viewer.text;
    let page = async {
        let (service, caller) = (api.service(), viewer.caller());
        let seen = service.oversee(caller, Action::SeeHealth, "host").await?;
        let sees_parts = match viewer.may(Action::SeeInstallation) {
            true => service.oversee(caller, Action::SeeInstallation, "host").await?.is_all(),
            false => false,
        };
        let host = api.installation().ok_or(Fault::NotFound("host"))?;
        let condition = host.host();
        let readers = host.readers();
        let not_well = readers.iter().filter(|reader| seen.has(reader.branch.as_ref()) && !reader.is_well());
        let backup = LastBackup::shown_to(&viewer, &api).await?;
        Ok(HostPage {
            frame: Frame::of(&api, &viewer, "administration/host").await?,
            proof: viewer.proof().to_owned(),
            name: condition.name,
            version: condition.version,
            uptime: uptime_said(text, condition.uptime_s),
            // They name parts of all branches.
            complaints: seen.is_all().then_some(condition.complaints),
            readers: not_well.map(|reader| ReaderRow::of(text, reader)).collect(),
            stores: if seen.is_all() { host.stores() } else { Vec::new() },
            whole: sees_parts.then(|| whole(text, host.as_ref())),
            may_reload: viewer.may(Action::ReloadConfiguration),
            backup,
            text: text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

fn whole(text: &Text, host: &dyn Installation) -> Whole {
    let names = |names: &[rfid_core::Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let pipelines = host.pipelines().into_iter().map(|pipeline| PipelineRow {
        readers: names(&pipeline.readers),
        sinks: names(&pipeline.sinks),
        counts: counts_said(text, &pipeline.counts),
        is_running: pipeline.is_running,
        name: pipeline.name.to_string(),
    });
    let sinks = host.sinks().into_iter().map(|sink| SinkRow {
        counts: counts_said(text, &sink.counts),
        failing_since: sink.failing_since.map(|at| text.moment(at)).unwrap_or_default(),
        error: sink.error.unwrap_or_default(),
        name: sink.name.to_string(),
        kind: sink.kind,
        backlog: sink.backlog,
    });
    let plugins = host.plugins().into_iter().map(|plugin| PluginRow {
        used_by: names(&plugin.used_by).join(", "),
        isolation: text.known("host-isolation", plugin.isolation),
        plugin,
    });
    Whole {
        pipelines: pipelines.collect(),
        sinks: sinks.collect(),
        plugins: plugins.collect(),
        configuration: host.configuration(),
    }
}

/// What a reload would change.
pub(super) async fn changes(
    State(api): State<Api>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let work = async {
        match api.installation() {
            Some(host) => host.look_at_configuration().await,
            None => None,
        }
    };
    let answer = api.service().look_at_configuration(viewer.caller(), work).await;
    told(&api, &viewer, answer.map_err(|fault| viewer.refusal(fault))?, false).await
}

/// Takes the host to the configuration as it stands in its files.
pub(super) async fn reload(
    State(api): State<Api>,
    Sent(viewer, Nothing {}): Sent<Nothing>,
) -> Result<Response, Refusal> {
    let work = async {
        let answer = match api.installation() {
            Some(host) => host.reload().await,
            None => None,
        };
        match answer {
            None => Err("nobody reads it anew".to_owned()),
            Some(Err(reasons)) => Err(reasons.join("\n")),
            Some(Ok(changes)) => Ok(changes),
        }
    };
    let outcome = api.service().reload_configuration(viewer.caller(), work).await;
    let answer = match outcome.map_err(|fault| viewer.refusal(fault))? {
        Ok(changes) => Some(Ok(changes)),
        Err(reasons) => Some(Err(reasons.lines().map(str::to_owned).collect())),
    };
    told(&api, &viewer, answer, true).await
}

async fn told(
    api: &Api,
    viewer: &Viewer,
    answer: Option<ConfigurationAnswer>,
    is_done: bool,
) -> Result<Response, Refusal> {
    let text = viewer.text.clone();
    let (changes, refused) = match answer {
        Some(Ok(changes)) => (changes, Vec::new()),
        Some(Err(reasons)) => (Vec::new(), reasons),
        None => (Vec::new(), vec![text.say("host-not-reloadable")]),
    };
    let changes: Vec<(String, String)> = changes
        .into_iter()
        .map(|change| (change.part, text.known("host-change", change.kind.name())))
        .collect();
    let may_apply = !is_done && refused.is_empty() && !changes.is_empty();
    let proof = viewer.proof().to_owned();
    if viewer.is_part {
        return Ok(shown(&ChangesPart { text, proof, is_done, changes, refused, may_apply }));
    }
    let frame = Frame::of(api, viewer, "administration/host").await.map_err(|fault| viewer.refusal(fault))?;
    Ok(shown(&ChangesPage { text, frame, proof, is_done, changes, refused, may_apply }))
}
