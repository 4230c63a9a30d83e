//! The drivers and sinks that are there.

use std::sync::Arc;

use rfid_core::{ConfigFault, ConfigFaults, Description, Driver, Result, Sink, SinkKind, SystemClock};
use rfid_driver_llrp::Llrp;
use rfid_driver_mercury4::Mercury4;
use rfid_driver_mifare::Mifare;
use rfid_driver_replay::{RecordedDriver, Replay};
use rfid_driver_thingmagic::ThingMagic;
use rfid_durable::Stores;
use rfid_ledger::LedgerSettings;
use rfid_loader::{Plugin, Plugins, Runner};
use rfid_sink_log::{EventIndex, EventLedger, LogCounters, LogKind};
use rfid_sink_lookup::{LookupCounters, LookupKind, SledDirectory};
use rfid_sink_notify::{Hub, NotifyKind, Webhooks};

use crate::config::{PluginSource, ReaderConfig, SinkConfig};
use crate::service_slot::ServiceSlot;

/// The word that makes this program the process of a plugin.
pub(crate) const RUN_PLUGIN: &str = "run-plugin";

/// The word that makes this program the process of one case for a plugin.
pub(crate) const PLUGIN_CASE: &str = "plugin-case";

/// Drivers and sinks by name, and what the sinks share.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) drivers: Vec<Arc<dyn Driver>>,
    pub(crate) replay: Arc<Replay>,
    pub(crate) sinks: Vec<Arc<dyn SinkKind>>,
    pub(crate) stores: Stores,
    pub(crate) ledger: EventLedger,
    pub(crate) index: EventIndex,
    pub(crate) hub: Hub,
    pub(crate) lookups: Arc<LookupCounters>,
    pub(crate) logs: Arc<LogCounters>,
    pub(crate) webhooks: Webhooks,
    pub(crate) plugins: Plugins,
    pub(crate) service: ServiceSlot,
}

impl Registry {
    /// Everything that is built in, over this data folder, with the usual ledger.
    pub(crate) fn built_in(stores: Stores) -> Self {
        Self::with_ledger(stores, LedgerSettings::default())
    }

    /// Everything that is built in, over this data folder, with a ledger as these settings say.
    pub(crate) fn with_ledger(stores: Stores, settings: LedgerSettings) -> Self {
        let hub = Hub::new();
        let service = ServiceSlot::default();
        let directory = Arc::new(SledDirectory::new(stores.clone()));
        let lookup = LookupKind::new(directory).with_service(Arc::new(service.clone()));
        let clock = Arc::new(SystemClock::new());
        let ledger = EventLedger::new(stores.data_dir().join("ledger"), settings.with_random_id(), clock);
        let index = EventIndex::new(stores.clone(), ledger.clone());
        let log = LogKind::new(ledger.clone());
        let (lookups, logs) = (Arc::clone(lookup.counters()), Arc::clone(log.counters()));
        let notify = NotifyKind::new(hub.clone(), stores.data_dir(), Arc::new(SystemClock::new()));
        let webhooks = notify.webhooks().clone();
        let sinks: Vec<Arc<dyn SinkKind>> = vec![Arc::new(lookup), Arc::new(log), Arc::new(notify)];
        let replay = Arc::new(Replay::new(recorded_drivers()));
        let drivers = drivers(&replay);
        let plugins = Plugins::new(runner(), stores.data_dir());
        Self { drivers, replay, sinks, stores, ledger, index, hub, lookups, logs, webhooks, plugins, service }
    }

    pub(crate) fn driver(&self, name: &str) -> Option<&Arc<dyn Driver>> {
        self.drivers.iter().find(|driver| driver.describe().name == name)
    }

    pub(crate) fn sink(&self, name: &str) -> Option<&Arc<dyn SinkKind>> {
        self.sinks.iter().find(|sink| sink.describe().name == name)
    }

    /// A sink over this registry's stores, from settings that were checked against any registry.
    pub(crate) fn make_sink(&self, config: &SinkConfig) -> Result<Box<dyn Sink>> {
        let kind = match &config.plugin {
            None => self.sink(&config.kind).cloned(),
            Some(source) => {
                let plugin = self.load(source)?;
                plugin.sinks().iter().find(|sink| sink.describe().name == config.kind).cloned()
            }
        };
        let kind = kind.ok_or_else(|| gone("/type", &config.kind))?;
        Ok(kind.sink(&config.settings, &config.name)?)
    }

    /// The driver of this registry that a reader was checked with in any registry.
    pub(crate) fn driver_of(&self, reader: &ReaderConfig) -> Result<Arc<dyn Driver>> {
        let name = reader.driver.describe().name;
        let driver = match &reader.plugin {
            None => self.driver(name).cloned(),
            Some(source) => {
                let plugin = self.load(source)?;
                plugin.drivers().iter().find(|driver| driver.describe().name == name).cloned()
            }
        };
        Ok(driver.ok_or_else(|| gone("/driver", name))?)
    }

    /// The plugin of a reader or sink; nothing is read where it was loaded already.
    pub(crate) fn load(&self, source: &PluginSource) -> Result<Plugin> {
        Ok(self
            .plugins
            .load(&source.place)
            .map_err(|why| ConfigFaults::from(ConfigFault::new("/plugin", why)))?)
    }

    pub(crate) fn driver_descriptions(&self) -> Vec<Description> {
        self.drivers.iter().map(|driver| driver.describe()).collect()
    }

    pub(crate) fn sink_descriptions(&self) -> Vec<Description> {
        self.sinks.iter().map(|sink| sink.describe()).collect()
    }
}

fn gone(key: &str, name: &str) -> ConfigFaults {
    ConfigFault::new(key, format!("\"{name}\" is not there any more")).into()
}

/// How this program is started as the process of a plugin: the file that runs, also where another
/// has taken its place on the disk.
pub(crate) fn runner() -> Runner {
    Runner { program: "/proc/self/exe".into(), arguments: vec![RUN_PLUGIN.into()] }
}

/// The drivers that are built in.
fn drivers(replay: &Arc<Replay>) -> Vec<Arc<dyn Driver>> {
    let replay = Arc::clone(replay);
    vec![Arc::new(Mercury4), Arc::new(Mifare), Arc::new(ThingMagic), Arc::new(Llrp), replay]
}

/// Those whose recordings can be played back.
pub(crate) fn recorded_drivers() -> [RecordedDriver; 3] {
    [
        RecordedDriver {
            name: "mercury4",
            session: |settings, reader, played| rfid_driver_mercury4::session_over(settings, reader, played),
        },
        RecordedDriver {
            name: "thingmagic",
            session: |settings, reader, played| {
                rfid_driver_thingmagic::session_over(settings, reader, played)
            },
        },
        RecordedDriver {
            name: "llrp",
            session: |settings, reader, played| rfid_driver_llrp::session_over(settings, reader, played),
        },
    ]
}
