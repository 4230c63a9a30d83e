//! `rfid-sink-notify` as a plugin: `librfid_plugin_notify.so`. It posts to webhooks; who subscribes to
//! the daemon's own events is told by the sink that is built in alone.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use rfid_core::SystemClock;
use rfid_sink_notify::{Hub, NotifyKind};

fn notify(data_dir: &Path) -> NotifyKind {
    NotifyKind::new(Hub::new(), data_dir, Arc::new(SystemClock::new()))
}

rfid_plugin::export! { id: "org.rfid-host.notify", vendor: "rfid-host", drivers: [], sinks: [notify] }
