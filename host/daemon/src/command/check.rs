//! `rfid-host check`.

use std::path::Path;

pub(crate) fn run(path: &Path, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let (config, _) = super::load(path, data_dir)?;
    let count = |count: usize, what: &str| super::counted(count as u64, what);
    println!(
        "{}: ok ({}, {}, {})",
        path.display(),
        count(config.readers.len(), "reader"),
        count(config.sinks.len(), "sink"),
        count(config.pipelines.len(), "pipeline")
    );
    Ok(())
}
