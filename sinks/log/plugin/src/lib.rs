//! `rfid-sink-log` as a plugin: `librfid_plugin_log.so`. Its ledger is in the folder of the sink.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use rfid_core::SystemClock;
use rfid_ledger::LedgerSettings;
use rfid_sink_log::{EventLedger, LogKind};

fn log(data_dir: &Path) -> LogKind {
    let settings = LedgerSettings::default().with_random_id();
    LogKind::new(EventLedger::new(data_dir.join("ledger"), settings, Arc::new(SystemClock::new())))
}

rfid_plugin::export! { id: "org.rfid-host.log", vendor: "rfid-host", drivers: [], sinks: [log] }
