//! `rfid-host ledger`.

use std::path::{Path, PathBuf};

use crate::cli::{LedgerAct, LedgerPlace};

/// Name of the ledger in a data folder.
const FOLDER: &str = "ledger";

/// The ledger that a command line names.
///
/// # Errors
/// There is none.
pub(super) fn folder(place: &LedgerPlace, data_dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let data_dir = match (place.daemon.files(), data_dir) {
        (Some(files), data_dir) => {
            let checked = super::checked(&files, data_dir).map_err(|report| super::print_report(&report))?;
            checked.config.host.data_dir
        }
        (None, data_dir) => data_dir.unwrap_or(Path::new("./data")).to_owned(),
    };
    let folder = data_dir.join(FOLDER);
    anyhow::ensure!(
        folder.is_dir(),
        "there is no ledger at {}; name its data folder by --data-dir, or the daemon's configuration by --config",
        folder.display()
    );
    Ok(folder)
}

pub(crate) fn run(act: &LedgerAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let LedgerAct::Verify { place, json } = act;
    let report = rfid_ledger::verify(&folder(place, data_dir)?)?;
    if *json {
        let faults: Vec<_> = report
            .faults
            .iter()
            .map(|fault| serde_json::json!({ "file": fault.path, "what": fault.what }))
            .collect();
        let report = serde_json::json!({
            "first": report.first,
            "last": report.last,
            "events": report.contents,
            "gaps": report.gaps,
            "lost": report.lost,
            "interrupted": report.interrupted,
            "segments": report.segments,
            "sealed": report.sealed,
            "bytes": report.bytes,
            "faults": faults,
        });
        println!("{report}");
    } else {
        let count = super::counted;
        println!(
            "numbers {} to {}: {}, {} for {} that are known to be lost",
            report.first,
            report.last,
            count(report.contents, "event"),
            count(report.gaps, "gap"),
            count(report.lost, "number"),
        );
        println!(
            "{} ({} sealed), {} bytes, {}",
            count(report.segments, "segment"),
            report.sealed,
            report.bytes,
            count(report.interrupted, "interrupted write"),
        );
        for fault in &report.faults {
            println!("{}: {}", fault.path.display(), fault.what);
        }
    }
    match report.faults.len() {
        0 => Ok(()),
        faults => anyhow::bail!("{} in the ledger", super::counted(faults as u64, "fault")),
    }
}
