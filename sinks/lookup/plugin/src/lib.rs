//! `rfid-sink-lookup` as a plugin: `librfid_plugin_lookup.so`. Its directory is in the folder of the
//! sink.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use rfid_durable::Stores;
use rfid_sink_lookup::{LookupKind, SledDirectory};

fn lookup(data_dir: &Path) -> LookupKind {
    LookupKind::new(Arc::new(SledDirectory::new(Stores::new(data_dir))))
}

rfid_plugin::export! { id: "org.rfid-host.lookup", vendor: "rfid-host", drivers: [], sinks: [lookup] }
