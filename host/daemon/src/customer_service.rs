//! The customer service inside the daemon: its store, what the lookup sink asks, and its routes.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, Error, ErrorKind, Result, UtcTime};
use rfid_service::account::kept::{LinuxUptime, SessionFile};
use rfid_service::audit::{self, Trail, Watch};
use rfid_service::randomness::{self, Randomness, SystemRandomness};
use rfid_service::recognition::start_of_day;
use rfid_service::record::LocalDate;
use rfid_service::seal::Keys;
use rfid_service::service::{AnchorFiles, Caller, EXPORTS_FOLDER, ErasedList, Retained, Reviewed, Service};
use rfid_service::store::embedded::EmbeddedStore;
use rfid_service::store::postgres::PostgresStore;
use rfid_service::store::{Actor, Rows, Store};
use rfid_web::Api;
use rfid_web::clients::{Client, Clients};
use rfid_web::installation::Installation;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::anchoring::{Anchors, watch_of};
use crate::archiving::Archiver;
use crate::backups::Backups;
use crate::config::{Config, MasterKey, ServiceConfig, StoreConfig, parse_key};
use crate::desks::Desks;
use crate::service_slot::ServiceSlot;
use crate::signing;

/// How often visits that their readers forgot are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// So often it is looked in a day.
const LOOKS_A_DAY: u32 = 24 * 3600 / 300;

/// So long before its end it is said of a token.
const WARNED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often it is looked how much room the trail has, and which extra rights are over.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a host that ends waits for the last records to be in the central trail.
const COPIED_WITHIN: Duration = Duration::from_secs(3);
/// File of the code by which the first two accounts are made.
const SETUP_FILE: &str = "setup-code";

/// File of the master secret in a data folder, where the configuration names none.
pub(crate) const KEY_FILE: &str = "service.key";

/// The customer service of a host that runs.
pub(crate) struct CustomerService {
    service: Arc<Service>,
    keys: Arc<Keys>,
    sweeper: JoinHandle<()>,
    exporter: JoinHandle<()>,
    follower: JoinHandle<()>,
    keeper: JoinHandle<()>,
    desks: JoinHandle<()>,
    anchorer: JoinHandle<()>,
    copier: Option<JoinHandle<()>>,
    archiver: JoinHandle<()>,
    safeguards: JoinHandle<()>,
    watch: Arc<Watch>,
    anchors: Anchors,
    backups: Arc<Backups>,
    /// Where the code of the first accounts stands.
    setup: PathBuf,
}

impl CustomerService {
    /// Opens the store and puts the service where sinks find it.
    pub(crate) async fn start(config: &Config, slot: &ServiceSlot, clock: Arc<dyn Clock>) -> Result<Self> {
        let (data_dir, settings) = (&config.host.data_dir, &config.service);
        let keys = keys_of(data_dir, &config.store)?;
        let store = open_store(data_dir, &config.store, &keys, Arc::clone(&clock)).await?;
        // Where there are archives, nothing goes before it is in one.
        let keep_for = settings.audit.archiving.is_none().then_some(audit::KEPT_FOR);
        let folder = data_dir.join(audit::FOLDER);
        let trail = Trail::open_kept_for(&folder, Arc::clone(&keys), Arc::clone(&clock), keep_for).await?;
        let trail = Arc::new(trail);
        let of = trail_name(config);
        let watch = Arc::new(watch_of(&settings.audit, &of, &store, &trail, &keys, &clock).await?);
        let (recognition, randomness) = (settings.recognition.clone(), Arc::new(SystemRandomness));
        let sessions = SessionFile::in_folder(
            data_dir,
            Arc::clone(&keys),
            Arc::new(SystemRandomness),
            Arc::new(LinuxUptime),
        );
        let service = Service::new(store, recognition, Arc::clone(&clock), randomness)
            .with_session_file(sessions)
            .with_trail(Arc::clone(&trail))
            .with_watch(Arc::clone(&watch))
            .with_anchors(AnchorFiles { trail: trail_name(config), files: settings.audit.anchors.clone() })
            .with_accounts(settings.accounts.clone())
            .with_issuing(settings.issuing.clone())
            .with_exports(
                data_dir.join(EXPORTS_FOLDER),
                config.host.name.as_str().into(),
                settings.exports.clone(),
            )
            .with_retention(settings.retention.clone())
            .with_erased_list(ErasedList::in_folder(data_dir))
            .with_desk(Arc::new(Desks::new(&config.desks)));
        let service = Arc::new(service);
        settle(&service).await;
        note_by_host(&service, "host.start", "host").await;
        // Before anybody is served: a store that was restored may know somebody who was erased since.
        erase_again(&service).await?;
        take_over_sessions(&service).await;
        slot.fill(Arc::clone(&service));
        let sweeper = tokio::spawn(look_after(Arc::clone(&service)));
        let exporting = Arc::clone(&service);
        let exporter = tokio::spawn(async move { exporting.keep_exports().await });
        let following = Arc::clone(&service);
        let follower = tokio::spawn(async move { following.follow_others().await });
        let archiving = Archiver {
            trail: Arc::clone(&trail),
            keys: Arc::clone(&keys),
            clock: Arc::clone(&clock),
            of: of.clone(),
            console: data_dir.join(audit::CONSOLE_FOLDER),
            console_of: format!("{} {}", config.host.name, audit::CONSOLE_FOLDER),
            central: service.store().central_trail(),
            config: settings.audit.archiving.clone(),
            watch: Arc::clone(&watch),
        };
        let archiver = tokio::spawn(archiving.keep());
        let key = settings.audit.public_key.as_deref().map(signing::public_key).transpose()?;
        let anchors =
            Anchors { trail, clock, of, config: settings.audit.clone(), key, watch: Arc::clone(&watch) };
        let anchorer = tokio::spawn(anchors.clone().keep());
        let copying = Arc::clone(&watch);
        let copier = watch.copying.is_some().then(|| {
            tokio::spawn(async move {
                if let Some(copying) = &copying.copying {
                    copying.run().await;
                }
            })
        });
        let looking = Arc::clone(&service);
        let safeguards = tokio::spawn(async move { look_at_safeguards(&looking).await });
        let backups = Backups::open(config, Arc::clone(&service), Arc::clone(&anchors.clock)).await;
        let setup = data_dir.join(SETUP_FILE);
        let keeping = Arc::clone(&service);
        let keeper = tokio::spawn(async move { keeping.keep_sessions().await });
        let desks = tokio::spawn(Arc::clone(&service).keep_desks());
        let running = Self {
            service,
            keys,
            sweeper,
            exporter,
            follower,
            keeper,
            desks,
            anchorer,
            copier,
            archiver,
            safeguards,
            watch,
            anchors,
            backups,
            setup,
        };
        running.take_branches(&config.service).await?;
        running.offer_setup(config).await?;
        Ok(running)
    }

    /// What makes backups of its store.
    pub(crate) fn backups(&self) -> &Arc<Backups> {
        &self.backups
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

    /// Takes over another master secret. What was sealed under the one before is read under that, so it has
    /// to be among the older ones.
    pub(crate) async fn change_keys(&self, before: &Config, after: &StoreConfig) -> Result<()> {
        let data_dir = &before.host.data_dir;
        let (old, new) = (key_of(data_dir, &before.store)?, key_of(data_dir, after)?);
        let knows_old = *old == *new || after.older_keys.iter().any(|older| **older == *old);
        if !knows_old {
            let detail = "the master secret of before has to stand among store.older_keys: without it nobody reads \
                          what was sealed under it";
            return Err(Error::new(ErrorKind::Config, "reload").with_detail(detail));
        }
        self.keys.replace(&new, &after.older_keys)?;
        self.service.store().keys_changed().await?;
        note_by_host(&self.service, "keys.change", "configuration").await;
        tracing::info!("what is sealed from now on is sealed under another master secret");
        Ok(())
    }

    /// Notes that another configuration runs.
    pub(crate) async fn note_configuration(&self) {
        note_by_host(&self.service, "configuration.change", "configuration").await;
    }

    /// The routes for other systems; none where nobody may call.
    pub(crate) fn routes(
        &self,
        config: &ServiceConfig,
        installation: Arc<dyn Installation>,
        clock: Arc<dyn Clock>,
    ) -> Result<axum::Router> {
        let (mut clients, zone) = (Clients::default(), &config.recognition.zone);
        warn_of_ends(config, clock.now().utc);
        for client in &config.clients {
            for token in &client.tokens {
                clients.add(
                    token.reveal(),
                    Client {
                        name: client.name.to_string(),
                        grant: client.grant.clone(),
                        requests_per_minute: client.requests_per_minute,
                        expires: client.expires.map(|day| end_of_day(day, zone)),
                    },
                );
            }
        }
        let cursor_key = randomness::bytes(&SystemRandomness)?;
        let api = Api::new(Arc::clone(&self.service), clients, cursor_key, clock);
        Ok(api.with_installation(installation).router())
    }

    /// Ends it when everything is written.
    pub(crate) async fn stop(self) {
        // First: what becomes of a backup that is under way belongs into the trail.
        self.backups.stop().await;
        let tasks = [
            self.sweeper,
            self.exporter,
            self.follower,
            self.keeper,
            self.desks,
            self.anchorer,
            self.archiver,
            self.safeguards,
        ];
        for task in tasks.into_iter().chain(self.copier) {
            task.abort();
            // Ended by that, and it holds nothing that has to be finished.
            let _ = task.await;
        }
        if let Err(fault) = self.service.save_sessions().await {
            tracing::warn!(%fault, "which sessions go on is not written");
        }
        self.service.store().close().await;
        note_by_host(&self.service, "host.stop", "host").await;
        if let Ok(head) = self.anchors.trail.head().await {
            self.anchors.add(self.anchors.anchor(head)).await;
        }
        if let Some(copying) = &self.watch.copying {
            // What does not get there now does so at the next start.
            match tokio::time::timeout(COPIED_WITHIN, copying.catch_up()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the central audit trail lacks the last records"
                    );
                }
                Err(_) => tracing::warn!("the central audit trail lacks the last records"),
            }
        }
        self.anchors.trail.close().await;
        forget_setup(&self.setup);
    }

    /// Tells by which code the first two accounts are made, while there are none: in a file for the user of
    /// the host alone, and on a terminal. The log goes to others, so the code is not in it.
    async fn offer_setup(&self, config: &Config) -> Result<()> {
        let offered = self.service.open_setup().await;
        let code =
            offered.map_err(|fault| Error::new(ErrorKind::Io, "accounts").with_detail(fault.to_string()))?;
        let path = config.host.data_dir.join(SETUP_FILE);
        forget_setup(&path);
        let Some(code) = code else { return Ok(()) };
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "accounts").with_detail(path.display().to_string()).with_source(error)
        };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        writeln!(file, "{}", code.as_str()).map_err(failed)?;
        let minutes = config.service.accounts.setup_for.as_secs() / 60;
        tracing::warn!(
            code_in = %path.display(),
            minutes,
            "nobody administers this host: its page /setup makes the first two accounts"
        );
        if std::io::stdout().is_terminal() {
            println!(
                "Within {minutes} minutes the page /setup makes the first two accounts with this code: {}",
                code.as_str()
            );
        }
        Ok(())
    }
}

/// What the trail of a host is called in its anchors.
fn trail_name(config: &Config) -> String {
    format!("{} audit", config.host.name)
}

/// The code of a setup that is over is worth nothing.
fn forget_setup(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the file of a setup code cannot be removed")
        }
    }
}

/// Says which tokens end soon, or have ended.
fn warn_of_ends(config: &ServiceConfig, now: UtcTime) {
    let zone = &config.recognition.zone;
    for client in &config.clients {
        let Some(end) = client.expires.map(|day| end_of_day(day, zone)) else { continue };
        if end <= now {
            tracing::warn!(client = %client.name, "the tokens of this system have expired");
        } else if end.since(now) < WARNED_BEFORE {
            tracing::warn!(client = %client.name, ends = %end, "the tokens of this system end soon");
        }
    }
}

/// When a day is over where the bank is.
fn end_of_day(day: LocalDate, zone: &jiff::tz::TimeZone) -> UtcTime {
    day.0.tomorrow().map_or(UtcTime::from_nanos(u64::MAX), |next| start_of_day(LocalDate(next), zone))
}

/// Notes what the host does by itself. On a full disk it goes on recognising customers, and says so in the
/// log; what people do is refused as long.
async fn note_by_host(service: &Service, action: &str, from: &str) {
    if let Err(fault) = service.note_by_host(action, from).await {
        tracing::error!(%fault, action, "this is not in the audit trail");
    }
}

/// Whoever was logged in still is, where that can be read; otherwise everybody logs in anew.
async fn take_over_sessions(service: &Service) {
    match service.take_over_sessions().await {
        Ok(sessions) => tracing::info!(sessions, "who was logged in still is"),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "who was logged in cannot be read: everybody logs in anew"
            )
        }
    }
}

/// Writes of the last acts of the trail which did not happen, because the host ended before.
async fn settle(service: &Service) {
    match service.settle_trail().await {
        Ok(0) => {}
        Ok(undone) => {
            tracing::warn!(
                undone,
                "what was under way when the host ended did not happen, and the trail says so"
            );
        }
        Err(fault) => {
            tracing::error!(%fault, "whether what was under way when the host ended happened is not in the audit trail");
        }
    }
}

/// Looks again and again how much room the trail has, and which extra rights are over.
async fn look_at_safeguards(service: &Service) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(fault) = service.look_at_space().await {
            tracing::warn!(%fault, "how much room the audit trail has is not known, or not in it");
        }
        match service.end_break_glass().await {
            Ok(0) => {}
            Ok(rights) => tracing::info!(rights, "extra rights that were lent have ended"),
            Err(fault) => tracing::warn!(%fault, "which extra rights are lent is not known"),
        }
    }
}

/// The keys under which a host seals what it keeps.
pub(crate) fn keys_of(data_dir: &Path, config: &StoreConfig) -> Result<Arc<Keys>> {
    Ok(Arc::new(Keys::new(&key_of(data_dir, config)?, &config.older_keys)?))
}

/// The master secret: the one that is named, or the one in the data folder.
fn key_of(data_dir: &Path, config: &StoreConfig) -> Result<MasterKey> {
    match &config.key {
        Some(key) => Ok(key.clone()),
        None => own_key(data_dir),
    }
}

/// Opens the store that a configuration names.
pub(crate) async fn open_store(
    data_dir: &Path,
    config: &StoreConfig,
    keys: &Arc<Keys>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>> {
    let rows = Rows::new(Arc::clone(keys), Arc::new(SystemRandomness));
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

/// Goes on with erasing whoever is to be and is not.
///
/// # Errors
/// What the store or the trail says.
pub(crate) async fn erase_again(service: &Service) -> Result<()> {
    match service.finish_erasures().await {
        Ok(0) => Ok(()),
        Ok(persons) => {
            tracing::warn!(persons, "persons who had been erased, or were to be, are erased");
            Ok(())
        }
        Err(fault) => Err(Error::new(ErrorKind::Io, "erase")
            .with_detail(format!("somebody who was erased cannot be erased again: {fault}"))),
    }
}

/// Takes the persons out of what is too old. Returns until when it has looked.
async fn keep_no_longer(service: &Service, looked: Option<UtcTime>) -> Option<UtcTime> {
    let until = service.visits_kept_from().ok();
    match service.keep_no_longer(looked).await {
        Ok(Retained { visits, left, customers }) => {
            if visits + left + customers > 0 {
                tracing::info!(visits, left, customers, "what is kept for a time alone is not kept any more");
            }
            if left > 0 { looked } else { until }
        }
        Err(fault) => {
            tracing::warn!(%fault, "what is kept for a time alone is kept until the next look");
            looked
        }
    }
}

/// Fills the search, and then ends what was forgotten, again and again.
async fn look_after(service: Arc<Service>) {
    match service.fill_search().await {
        Ok(customers) => tracing::info!(customers, "customers can be searched by name"),
        Err(fault) => tracing::error!(%fault, "customers cannot be searched by name until the next start"),
    }
    let (mut strays, mut looked, mut kept_from) = (HashSet::new(), 0, None);
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match service.recognition().end_forgotten().await {
            Ok(0) => {}
            Ok(visits) => tracing::info!(visits, "visits without any sighting for long are over"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "forgotten visits cannot be ended"),
        }
        match service.lapse_requests().await {
            Ok(0) => {}
            Ok(requests) => {
                tracing::info!(requests, "requests with which nobody went on in time have lapsed")
            }
            Err(fault) => tracing::warn!(%fault, "requests that are over cannot be ended"),
        }
        match service.review_accounts().await {
            Ok(Reviewed { warned: 0, lapsed: 0 }) => {}
            Ok(Reviewed { warned, lapsed }) => tracing::warn!(
                warned,
                lapsed,
                "accounts have to be confirmed by their supervisors, or were not in time"
            ),
            Err(fault) => tracing::warn!(%fault, "accounts that nobody confirms cannot be ended"),
        }
        if let Err(error) = erase_again(&service).await {
            tracing::error!(error = format!("{error:#}"), "this is tried again");
        }
        if looked % LOOKS_A_DAY == 1 {
            kept_from = keep_no_longer(&service, kept_from).await;
        }
        // What is suspected at the one look goes with the next, once a day; not at the first, when a start
        // has enough to read.
        if (1..=2).contains(&(looked % LOOKS_A_DAY)) {
            match service.forget_stray_photos(&strays).await {
                Ok(suspects) => strays = suspects,
                Err(fault) => tracing::warn!(%fault, "photos that nobody has cannot be looked for"),
            }
            // Whoever asks for a report then has it at once.
            if let Err(fault) = service.sum_up_days().await {
                tracing::warn!(%fault, "days cannot be summed up before they are asked for");
            }
        }
        looked += 1;
    }
}
