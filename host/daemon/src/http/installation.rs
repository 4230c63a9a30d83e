//! The parts of the host as the screens of the customer service show them.

use std::sync::Arc;

use rfid_core::{Name, ReadBuf};
use rfid_web::installation::{
    AntennaCondition, HostCondition, Installation, PipelineCondition, ReaderCondition, SinkCondition,
};
use tokio::sync::broadcast;

use super::board::Board;
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
