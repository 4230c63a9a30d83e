//! The parts that run, and where one can look on.

mod tap;

use std::collections::BTreeMap;

use rfid_core::pipeline::Outlet;
use rfid_core::{Name, Pipeline, SinkHandle, Supervisor};

pub(crate) use tap::PipelineTap;

use crate::config::PipelineConfig;

/// The parts that run, by name.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) readers: BTreeMap<Name, Supervisor>,
    pub(crate) pipelines: BTreeMap<Name, Pipeline>,
    pub(crate) sinks: BTreeMap<Name, SinkHandle>,
    /// Where one can look on, for each pipeline. It stays when the pipeline is replaced.
    pub(crate) taps: BTreeMap<Name, PipelineTap>,
}

impl Running {
    /// Where a reader's reads go into a pipeline, if both are there.
    pub(crate) fn outlet(&self, pipeline: &PipelineConfig, reader: &str) -> Option<Outlet> {
        self.pipelines.get(&pipeline.name)?.outlet(reader)
    }
}
