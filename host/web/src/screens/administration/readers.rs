//! Readers: how each is, and one of them while it is placed and tuned.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rfid_core::ReaderState;
use rfid_service::rights::Action;
use rfid_service::service::Fault;

use super::super::text::Text;
use super::super::viewer::{Frame, Refusal, Viewer, shown};
use super::counts_said;
use crate::api::Api;
use crate::installation::ReaderCondition;
use crate::percent::encoded;

/// A reader as a page shows it.
pub(super) struct ReaderRow {
    pub(super) name: String,
    /// The same in an address.
    pub(super) address: String,
    pub(super) branch: String,
    pub(super) driver: String,
    pub(super) state: &'static str,
    pub(super) state_said: String,
    pub(super) is_well: bool,
    /// Why it is down, as the driver says it.
    pub(super) reason: String,
    pub(super) since: String,
    pub(super) model: String,
    pub(super) firmware: String,
    pub(super) reads: u64,
    pub(super) antennas: Vec<AntennaRow>,
    pub(super) counts: Vec<(String, u64)>,
}

pub(super) struct AntennaRow {
    /// Empty where all ports are one zone.
    pub(super) port: String,
    pub(super) zone: String,
    pub(super) is_listening: bool,
    pub(super) reads: u64,
}

impl ReaderRow {
    pub(super) fn of(text: &Text, reader: &ReaderCondition) -> Self {
        let (reason, since, model, firmware) = match &reader.state {
            ReaderState::Reading { model, firmware, since } => {
                (String::new(), text.moment(*since), model.clone(), firmware.clone())
            }
            ReaderState::Down { reason, since, .. } => {
                (reason.clone(), text.moment(*since), String::new(), String::new())
            }
            ReaderState::Connecting | ReaderState::Stopped => Default::default(),
        };
        let is_well = reader.is_well();
        let state = match &reader.state {
            // It reads, and not by all of its antennas.
            ReaderState::Reading { .. } if !is_well => "partly",
            state => state.label(),
        };
        Self {
            name: reader.name.to_string(),
            address: encoded(&reader.name),
            branch: reader.branch.as_ref().map(ToString::to_string).unwrap_or_default(),
            driver: reader.driver.clone(),
            state,
            state_said: text.known("readers-state", state),
            is_well,
            reason,
            since,
            model,
            firmware,
            reads: reader.counts.iter().find(|(name, _)| name == "reads").map_or(0, |(_, count)| *count),
            antennas: reader
                .antennas
                .iter()
                .map(|antenna| AntennaRow {
                    port: antenna.port.map(|port| port.to_string()).unwrap_or_default(),
                    zone: text.known("zone", &antenna.zone),
                    is_listening: antenna.is_listening,
                    reads: antenna.reads,
                })
                .collect(),
            counts: counts_said(text, &reader.counts),
        }
    }
}

#[derive(Template)]
#[template(path = "administration/readers.html")]
struct ReadersPage {
    text: Text,
    frame: Frame,
    readers: Vec<ReaderRow>,
    not_well: usize,
}

#[derive(Template)]
#[template(path = "administration/reader.html")]
struct ReaderPage {
    text: Text,
    frame: Frame,
    reader: ReaderRow,
    may_listen: bool,
}

pub(super) async fn page(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let page = async {
        let seen = api.service().oversee(viewer.caller(), Action::SeeInstallation, "readers").await?;
        let all = api.installation().map(|host| host.readers()).unwrap_or_default();
        let readers: Vec<ReaderRow> = all
            .iter()
            .filter(|reader| seen.has(reader.branch.as_ref()))
            .map(|reader| ReaderRow::of(&viewer.text, reader))
            .collect();
        Ok(ReadersPage {
            frame: Frame::of(&api, &viewer, "administration/readers").await?,
            not_well: readers.iter().filter(|reader| !reader.is_well).count(),
            readers,
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn reader(
    State(api): State<Api>,
    viewer: Viewer,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let page = async {
        let seen =
            api.service().oversee(viewer.caller(), Action::SeeInstallation, &name_in_trail(&name)).await?;
        let all = api.installation().map(|host| host.readers()).unwrap_or_default();
        let found =
            all.iter().find(|reader| reader.name.as_str() == name && seen.has(reader.branch.as_ref()));
        let reader = found.ok_or(Fault::NotFound("reader"))?;
        Ok(ReaderPage {
            frame: Frame::of(&api, &viewer, "administration/readers").await?,
            reader: ReaderRow::of(&viewer.text, reader),
            may_listen: viewer.may(Action::ListenToReaders),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// What the trail says of a reader that somebody names, who may name anything.
pub(super) fn name_in_trail(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() <= 64 && name.chars().all(is_plain) {
        format!("readers.{name}")
    } else {
        "readers".to_owned()
    }
}
