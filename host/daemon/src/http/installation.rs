//! The parts of the host as the screens of the customer service show them.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rfid_core::{Name, ReadBuf};
use rfid_durable::Health;
use rfid_loader::Isolation;
use rfid_service::service::{Caller, Fault};
use rfid_web::installation::{
    AntennaCondition, BackupRefusal, BackupsCondition, ChangeKind, ConfigurationAnswer, ConfigurationChange,
    HostCondition, Installation, PipelineCondition, PluginCondition, ReaderCondition, SinkCondition,
    StoreCondition,
};
use tokio::sync::broadcast;

use super::board::{Board, ReloadOutcome};
use super::counters::{Metric, PIPELINE, READER, SINK, get};
use super::view::{ReaderView, short_name};

impl Installation for Board {
    fn host(&self) -> HostCondition {
        let view = self.view();
        HostCondition {
            name: view.host.clone(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: view.started.elapsed().as_secs(),
            complaints: self.complaints(),
        }
    }

    fn readers(&self) -> Vec<ReaderCondition> {
        self.view().readers.iter().map(|(name, reader)| condition(name, reader)).collect()
    }

    fn pipelines(&self) -> Vec<PipelineCondition> {
        let view = self.view();
        let condition = |(name, pipeline): (&Name, &super::view::PipelineView)| PipelineCondition {
            name: name.clone(),
            readers: pipeline.readers.clone(),
            sinks: pipeline.sinks.clone(),
            is_running: pipeline.counters.is_some(),
            counts: pipeline
                .counters
                .as_deref()
                .map(|counters| counts(&PIPELINE, counters))
                .unwrap_or_default(),
        };
        view.pipelines.iter().map(condition).collect()
    }

    fn sinks(&self) -> Vec<SinkCondition> {
        let view = self.view();
        let condition = |(name, sink): (&Name, &super::view::SinkView)| SinkCondition {
            name: name.clone(),
            kind: sink.kind.clone(),
            error: sink.status.last_error().filter(|_| !sink.status.is_well()),
            failing_since: sink.status.failing_since(),
            backlog: get(&sink.status.backlog),
            counts: counts(&SINK, sink.status.as_ref()),
        };
        view.sinks.iter().map(condition).collect()
    }

    fn heard(&self, reader: &Name) -> Option<broadcast::Receiver<Arc<ReadBuf>>> {
        Some(self.view().readers.get(reader)?.observer.tap())
    }

    fn stores(&self) -> Vec<StoreCondition> {
        let view = self.view();
        let mut stores: Vec<StoreCondition> = view
            .stores
            .opened()
            .iter()
            .map(|(name, store)| StoreCondition {
                name: name.to_string(),
                error: match store.health() {
                    Health::Well => None,
                    Health::Degraded(error) => Some(error.to_string()),
                },
            })
            .collect();
        if view.service.is_some() {
            stores.push(StoreCondition { name: "service".to_owned(), error: view.service_complaint() });
        }
        stores
    }

    fn plugins(&self) -> Vec<PluginCondition> {
        let view = self.view();
        let condition = |plugin: &super::view::PluginView| PluginCondition {
            file: plugin.place.file.clone(),
            id: plugin.plugin.id().to_owned(),
            version: plugin.plugin.version().to_owned(),
            abi: plugin.plugin.abi(),
            sha256: plugin.plugin.sha256().to_string(),
            isolation: match plugin.place.isolation {
                Isolation::Process => "process",
                Isolation::InProcess => "in-process",
            },
            used_by: plugin.used_by.clone(),
            restarts: plugin.plugin.losses(),
        };
        view.plugins.iter().map(condition).collect()
    }

    fn configuration(&self) -> Option<String> {
        Some(self.shown_configuration()).filter(|text| !text.is_empty())
    }

    fn look_at_configuration(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        async { self.look_at_reload().await.map(answer) }.boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Option<ConfigurationAnswer>> {
        async { Self::reload(self).await.map(answer) }.boxed()
    }

    fn backups(&self) -> Option<BackupsCondition> {
        self.backups_of_service().map(|backups| backups.condition())
    }

    fn back_up<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<(), BackupRefusal>> {
        async {
            match self.backups_of_service() {
                Some(backups) => backups.begin(caller).await,
                None => Err(Fault::NotFound("customer service").into()),
            }
        }
        .boxed()
    }
}

fn answer(outcome: ReloadOutcome) -> ConfigurationAnswer {
    let difference = match outcome {
        ReloadOutcome::Changed(difference) => difference,
        ReloadOutcome::Refused(reasons) => return Err(reasons),
    };
    let mut changes = Vec::new();
    for (section, parts) in
        [("readers", &difference.readers), ("sinks", &difference.sinks), ("pipelines", &difference.pipelines)]
    {
        for (kind, names) in [
            (ChangeKind::Added, &parts.added),
            (ChangeKind::Restarted, &parts.restarted),
            (ChangeKind::Removed, &parts.removed),
        ] {
            let change = |name| ConfigurationChange { kind, part: format!("{section}.{name}") };
            changes.extend(names.iter().map(change));
        }
    }
    if difference.secrets {
        changes.push(ConfigurationChange { kind: ChangeKind::Replaced, part: "store.key".to_owned() });
    }
    if difference.backups {
        changes.push(ConfigurationChange { kind: ChangeKind::Replaced, part: "store.backup_dir".to_owned() });
    }
    let waits = |key: &&str| ConfigurationChange { kind: ChangeKind::Waits, part: (*key).to_owned() };
    changes.extend(difference.needs_restart.iter().map(waits));
    Ok(changes)
}

fn condition(name: &Name, reader: &ReaderView) -> ReaderCondition {
    let antennas = reader.antennas().map(|antenna| AntennaCondition {
        port: antenna.port,
        zone: antenna.zone.clone(),
        is_listening: antenna.listening,
        reads: antenna.reads,
    });
    ReaderCondition {
        name: name.clone(),
        branch: reader.config.place.branch.clone(),
        driver: reader.driver.to_owned(),
        state: reader.observer.state(),
        antennas: antennas.collect(),
        counts: counts(&READER, reader.observer.counters()),
    }
}

fn counts<T>(metrics: &[Metric<T>], counters: &T) -> Vec<(String, u64)> {
    metrics.iter().map(|(name, _, _, value)| (short_name(name).to_owned(), get(value(counters)))).collect()
}
