//! The customer service inside the daemon: its store, what the lookup sink asks, and its routes.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use rfid_core::{Clock, Error, ErrorKind, Event, Record, Result};
use rfid_service::randomness::{self, Randomness, SystemRandomness};
use rfid_service::recognition::Recognition;
use rfid_service::seal::Keys;
use rfid_service::service::{Caller, Service};
use rfid_service::store::embedded::EmbeddedStore;
use rfid_service::store::postgres::PostgresStore;
use rfid_service::store::{Actor, Rows, Store};
use rfid_sink_lookup::Directory;
use rfid_web::Api;
use rfid_web::clients::{Client, Clients};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::config::{Config, MasterKey, ServiceConfig, StoreConfig, parse_key};

/// How often visits that their readers forgot are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// So often it is looked in a day.
const LOOKS_A_DAY: u32 = 24 * 3600 / 300;

/// File of the master secret in a data folder, where the configuration names none.
pub(crate) const KEY_FILE: &str = "service.key";

/// The place where sinks find the service, once it runs.
#[derive(Clone, Default)]
pub(crate) struct ServiceSlot(Arc<OnceLock<Arc<Service>>>);

impl ServiceSlot {
    fn recognition(&self) -> Result<&Arc<Recognition>> {
        let service = self.0.get().ok_or_else(|| {
            Error::new(ErrorKind::Config, "find")
                .with_detail("the customer service does not run in this host")
        })?;
        Ok(service.recognition())
    }

    /// The service, if it runs.
    pub(crate) fn get(&self) -> Option<&Arc<Service>> {
        self.0.get()
    }
}

#[async_trait]
impl Directory for ServiceSlot {
    async fn open(&self) -> Result<()> {
        self.recognition()?.open().await
    }

    async fn find(&self, events: &[Event]) -> Result<Vec<Option<Record>>> {
        self.recognition()?.find(events).await
    }

    fn registers(&self) -> bool {
        true
    }
}

/// The customer service of a host that runs.
pub(crate) struct CustomerService {
    service: Arc<Service>,
    sweeper: JoinHandle<()>,
    follower: JoinHandle<()>,
}

impl CustomerService {
    /// Opens the store and puts the service where sinks find it.
    pub(crate) async fn start(config: &Config, slot: &ServiceSlot, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = open_store(&config.host.data_dir, &config.store, Arc::clone(&clock)).await?;
        let randomness = Arc::new(SystemRandomness);
        let recognition = config.service.recognition.clone();
        let service = Arc::new(Service::new(store, recognition, clock, randomness));
        // A host has one service for as long as it runs.
        let _ = slot.0.set(Arc::clone(&service));
        let sweeper = tokio::spawn(look_after(Arc::clone(&service)));
        let following = Arc::clone(&service);
        let follower = tokio::spawn(async move { following.follow_others().await });
        let running = Self { service, sweeper, follower };
        running.take_branches(&config.service).await?;
        Ok(running)
    }

    /// Makes the branches those of the configuration.
    pub(crate) async fn take_branches(&self, config: &ServiceConfig) -> Result<()> {
        let host = Caller { actor: Actor::Host, from: "configuration".to_owned(), ..Caller::console() };
        let taken = self.service.take_branches(&host, &config.branches).await;
        taken.map(drop).map_err(|fault| {
            Error::new(ErrorKind::Io, "branches")
                .with_detail(format!("branches cannot be registered: {fault}"))
        })
    }

    /// The routes for other systems; none where nobody may call.
    pub(crate) fn routes(&self, config: &ServiceConfig, clock: Arc<dyn Clock>) -> Result<axum::Router> {
        let mut clients = Clients::default();
        for client in &config.clients {
            for token in &client.tokens {
                clients.add(
                    token.reveal(),
                    Client {
                        name: client.name.to_string(),
                        grant: client.grant.clone(),
                        requests_per_minute: client.requests_per_minute,
                    },
                );
            }
        }
        let cursor_key = randomness::bytes(&SystemRandomness)?;
        Ok(Api::new(Arc::clone(&self.service), clients, cursor_key, clock).router())
    }

    /// Ends it when everything is written.
    pub(crate) async fn stop(self) {
        for task in [self.sweeper, self.follower] {
            task.abort();
            // Ended by that, and it holds nothing that has to be finished.
            let _ = task.await;
        }
        self.service.store().close().await;
    }
}

/// Opens the store that a configuration names.
pub(crate) async fn open_store(
    data_dir: &Path,
    config: &StoreConfig,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>> {
    let key = match &config.key {
        Some(key) => key.clone(),
        None => own_key(data_dir)?,
    };
    let rows = Rows::new(Arc::new(Keys::new(&key, &config.older_keys)?), Arc::new(SystemRandomness));
    Ok(match &config.url {
        Some(url) => Arc::new(PostgresStore::open(url.reveal(), rows, clock).await?),
        None => Arc::new(EmbeddedStore::open(data_dir, rows, clock).await?),
    })
}

/// The master secret in the data folder; made there if there is none. Whoever has the folder has it,
/// so a bank names one that lies elsewhere.
fn own_key(data_dir: &Path) -> Result<MasterKey> {
    let path = data_dir.join(KEY_FILE);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, "key").with_detail(path.display().to_string()).with_source(error)
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let mode = std::fs::metadata(&path).map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                let detail = format!("{} may be read by others; make it 0600", path.display());
                return Err(Error::new(ErrorKind::Denied, "key").with_detail(detail));
            }
            parse_key(&text).ok_or_else(|| {
                let detail = format!("{} is not 64 hexadecimal digits", path.display());
                Error::new(ErrorKind::Damaged, "key").with_detail(detail)
            })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = make_key(data_dir)?;
            tracing::warn!(
                path = %path.display(),
                "a master secret was made; without it nobody reads the customers again: keep a copy elsewhere, or \
                 name one by store.key"
            );
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes a master secret in the data folder, in which there is none.
pub(crate) fn make_key(data_dir: &Path) -> Result<MasterKey> {
    let path = data_dir.join(KEY_FILE);
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Io, "key").with_detail(path.display().to_string()).with_source(error)
    };
    let mut key = Zeroizing::new([0; 32]);
    SystemRandomness.fill(key.as_mut())?;
    let digits: Zeroizing<String> = key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(digits.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::File::open(data_dir).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(key)
}

/// Fills the search, and then ends what was forgotten, again and again.
async fn look_after(service: Arc<Service>) {
    match service.fill_search().await {
        Ok(customers) => tracing::info!(customers, "customers can be searched by name"),
        Err(fault) => tracing::error!(%fault, "customers cannot be searched by name until the next start"),
    }
    let (mut strays, mut looked) = (HashSet::new(), 0);
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match service.recognition().end_forgotten().await {
            Ok(0) => {}
            Ok(visits) => tracing::info!(visits, "visits without any sighting for long are over"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "forgotten visits cannot be ended"),
        }
        // What is suspected at the one look goes with the next, once a day; not at the first, when a start
        // has enough to read.
        if (1..=2).contains(&(looked % LOOKS_A_DAY)) {
            match service.forget_stray_photos(&strays).await {
                Ok(suspects) => strays = suspects,
                Err(fault) => tracing::warn!(%fault, "photos that nobody has cannot be looked for"),
            }
        }
        looked += 1;
    }
}
