//! The running host: everything that a configuration asks for, started, changed and stopped.

mod indexer;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rfid_core::pipeline::{Glimpses, PreparedPipeline};
use rfid_core::supervisor::MakeSession;
use rfid_core::{
    Clock, Error, ErrorKind, Name, Pipeline, ReaderSetup, Result, Sink, SinkHandle, Supervisor, SystemClock,
};
use rfid_door::door::Door;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::backlog::{self, DiskBacklog};
use crate::certificate::InUse;
use crate::checkpoints::Journal;
use crate::config::{Config, Difference, PipelineConfig, ReaderConfig, SinkConfig};
use crate::customer_service::CustomerService;
use crate::emulators::{self, Emulators};
use crate::http::{self, Board, ReloadRequest, View};
use crate::recording::clock_began;
use crate::registry::Registry;
use crate::running::Running;
use crate::service_manager::Condition;
use indexer::Indexer;
use rfid_web::installation::Installation;

/// How long stopping may take before the rest is given up.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// How long a new sink may take to say whether it could work.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// A host that runs.
pub(crate) struct Host {
    registry: Registry,
    clock: Arc<dyn Clock>,
    /// The time of what is played.
    replay_clock: Arc<dyn Clock>,
    seeds: RandomState,
    config: Config,
    started: Instant,
    running: Running,
    board: Arc<Board>,
    door: Door,
    certificate: Option<InUse>,
    indexer: Indexer,
    emulators: Emulators,
    service: Option<CustomerService>,
}

impl Host {
    /// Starts everything. A reader that is not there is no error; an address that is taken and a
    /// data folder that is in use are. What asks for a reload over HTTP is sent to `reloads`.
    pub(crate) async fn start(
        config: Config,
        registry: Registry,
        reloads: mpsc::Sender<ReloadRequest>,
    ) -> Result<Self> {
        let listener = TcpListener::bind(config.host.listen).await.map_err(|error| {
            Error::new(ErrorKind::Connect, "listen")
                .with_detail(format!("{}", config.host.listen))
                .with_source(error)
        })?;
        let emulators = emulators::start(&config.emulators).await?;
        let nothing = nothing(&config);
        let running = Running::default();
        let started = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let view = View::new(&nothing, &registry, &running, started);
        let board = Arc::new(Board::new(view, reloads, clock_began(clock.as_ref())));
        let service = match config.service.is_wanted {
            true => Some(CustomerService::start(&config, &registry.service, Arc::clone(&clock)).await?),
            false => None,
        };
        let routes = match &service {
            Some(service) => {
                board.show_backups(service.backups());
                let installation: Arc<dyn Installation> = Arc::<Board>::clone(&board);
                service.routes(&config.service, installation, Arc::clone(&clock))?
            }
            None => axum::Router::new(),
        };
        let certificate = InUse::begin(&config, Arc::clone(&clock)).await?;
        let tls = certificate.as_ref().map(|certificate| Arc::clone(&certificate.tls));
        let door = http::open(listener, Arc::clone(&board), routes, &config.http, tls).await?;
        let seeds = RandomState::new();
        // Before anything is appended. Who has the folder, or why the disk fails, is said by the
        // parts that cannot do without.
        if let Err(error) = registry.index.account_for_the_end(clock.now().utc).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "whether the end of the ledger is there is not known"
            );
        }
        let indexer = Indexer::spawn(&registry);
        let mut host = Self {
            replay_clock: registry.replay.play_together([]),
            registry,
            clock,
            seeds,
            config: nothing,
            started,
            running,
            board,
            door,
            certificate,
            indexer,
            emulators,
            service,
        };
        match host.apply(config).await {
            Ok(_) => Ok(host),
            Err(error) => {
                // The first error is the one to tell; stopping says its own in the log.
                let _ = host.stop().await;
                Err(error)
            }
        }
    }

    /// Where HTTP is served.
    pub(crate) fn http_address(&self) -> std::net::SocketAddr {
        self.door.local_addr()
    }

    /// Where states and counters are shown.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// What another configuration would change.
    pub(crate) fn difference_to(&self, next: &Config) -> Difference {
        Difference::between(&self.config, next)
    }

    /// Takes the host to another configuration. New parts are made and tried first; if that
    /// fails, nothing has changed. Then only what differs is ended and begun: a reader that is the
    /// same goes on reading, and each of its reads goes to the pipelines of before or of after.
    ///
    /// # Errors
    /// Those of a sink that could not work, with everything as it was; those of a pipeline whose
    /// earlier state cannot be loaded, with everything else as the configuration asks.
    pub(crate) async fn apply(&mut self, mut next: Config) -> Result<Difference> {
        let difference = Difference::between(&self.config, &next);
        // What needs a restart stays as it is until then.
        next.host = self.config.host.clone();
        next.http = self.config.http.clone();
        next.ledger = self.config.ledger;
        if !self.config.store.is_same_place(&next.store) {
            next.store = self.config.store.clone();
        }
        next.service = self.config.service.with_branches_of(&next.service);
        if let Some(service) = &self.service {
            service.take_branches(&next.service).await?;
        }
        next.emulators = self.config.emulators.clone();
        let made = self.make_sinks(&next, &difference).await?;
        if let Some(service) = self.service.as_ref().filter(|_| difference.secrets) {
            service.change_keys(&self.config, &next.store).await?;
        }
        if let Some(service) = self.service.as_ref().filter(|_| !difference.is_empty()) {
            service.note_configuration().await;
            service.backups().go_to(next.store.backup_dir.clone());
        }
        if next.replays().any(|reader| difference.readers.begins(reader)) {
            self.replay_clock = self.registry.replay.play_together(next.replays().cloned());
        }
        let prepared = self.prepare(&next, &difference);
        self.attach_readers(&next, &difference, &prepared);
        self.end_readers(&difference).await;
        // Whatever waits for a sink that ends goes into its backlog instead.
        let sinks = self.running.sinks.iter().filter(|(name, _)| difference.sinks.ends(name));
        sinks.for_each(|(_, sink)| sink.hurry());
        let glimpses = self.end_pipelines(&difference).await;
        self.end_sinks(&difference).await;
        for (config, sink) in made {
            self.running.sinks.insert(config.name.clone(), self.start_sink(config, sink));
        }
        let started = self.start_pipelines(&next, prepared, glimpses).await;
        self.start_readers(&next, &difference);
        say_whose_backlogs_wait(&next).await;
        self.board.show(View::new(&next, &self.registry, &self.running, self.started));
        self.config = next;
        started.map(|()| difference)
    }

    /// Makes the sinks that are new or changed, and asks each whether it could work.
    async fn make_sinks<'a>(
        &self,
        next: &'a Config,
        difference: &Difference,
    ) -> Result<Vec<(&'a SinkConfig, Box<dyn Sink>)>> {
        let mut made = Vec::new();
        for config in &next.sinks {
            let SinkConfig { name, kind, settings, plugin, .. } = config;
            if !difference.sinks.begins(name) {
                continue;
            }
            let mut sink = self.registry.make_sink(config)?;
            let says = |error: Error| {
                Error::new(error.kind(), "reload")
                    .with_detail(format!("sink {name} could not work: {error:#}"))
            };
            // At the first start a sink that cannot work yet is tried again and again instead, and
            // one that fails must not keep anybody from changing what happens then.
            let is_same_work = |sink: &SinkConfig| {
                (&sink.name, &sink.kind, &sink.settings, &sink.plugin) == (name, kind, settings, plugin)
            };
            if !self.config.sinks.is_empty() && !self.config.sinks.iter().any(is_same_work) {
                timeout(PROBE_LIMIT, sink.probe())
                    .await
                    .unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "probe")))
                    .map_err(says)?;
            }
            made.push((config, sink));
        }
        Ok(made)
    }

    /// Starts a sink on what earlier runs still owe it, whatever its policy is now.
    fn start_sink(&self, config: &SinkConfig, sink: Box<dyn Sink>) -> SinkHandle {
        let (registry, again) = (self.registry.clone(), config.clone());
        let remake = move || registry.make_sink(&again);
        let data_dir = &self.config.host.data_dir;
        let backlog = DiskBacklog::new(data_dir, &config.name, Arc::clone(&self.clock));
        SinkHandle::builder(config.name.clone(), sink)
            .backlog(Box::new(backlog))
            .policy(config.failure.clone())
            .remade_by(Box::new(remake))
            .clock(Arc::clone(&self.clock))
            .spawn()
    }

    /// Makes the pipelines that are new or changed ready to take reads.
    fn prepare(&self, next: &Config, difference: &Difference) -> BTreeMap<Name, PreparedPipeline> {
        let begin = |pipeline: &&PipelineConfig| difference.pipelines.begins(&pipeline.name);
        let prepare = |pipeline: &PipelineConfig| {
            let name = &pipeline.name;
            let mut builder = Pipeline::builder(name.clone()).presence(pipeline.presence.clone());
            // A recording begins with nobody inside, whoever was inside when it was played before.
            builder = if next.is_played(pipeline) {
                builder.clock(Arc::clone(&self.replay_clock))
            } else {
                let ledger = self.registry.ledger.clone();
                let logs = next.logs_of(pipeline);
                let checkpoints = Journal::new(&self.config.host.data_dir, name, ledger, logs);
                builder.clock(Arc::clone(&self.clock)).checkpoints(Box::new(checkpoints))
            };
            for reader in pipeline.readers.iter().filter_map(|name| next.reader(name)) {
                builder = builder.reader(reader.place.clone());
            }
            (name.clone(), builder.prepare())
        };
        next.pipelines.iter().filter(begin).map(prepare).collect()
    }

    /// Attaches the readers that go on to the pipelines of the next configuration.
    fn attach_readers(
        &self,
        next: &Config,
        difference: &Difference,
        prepared: &BTreeMap<Name, PreparedPipeline>,
    ) {
        let outlet = |pipeline: &PipelineConfig, reader: &str| match prepared.get(&pipeline.name) {
            Some(prepared) => prepared.outlet(reader),
            None => self.running.outlet(pipeline, reader),
        };
        for (name, reader) in &self.running.readers {
            if !difference.readers.ends(name) {
                let outlets = next.pipelines.iter().filter_map(|pipeline| outlet(pipeline, name)).collect();
                let is_replay = next.reader(name).is_some_and(ReaderConfig::is_replay);
                reader.attach(outlets, self.clock_of(is_replay).now());
            }
        }
    }

    /// The time that a reader lives by.
    fn clock_of(&self, is_replay: bool) -> &Arc<dyn Clock> {
        if is_replay { &self.replay_clock } else { &self.clock }
    }

    async fn end_readers(&mut self, difference: &Difference) {
        let ended = self.running.readers.extract_if(.., |name, _| difference.readers.ends(name));
        join_all(ended.map(|(_, reader)| reader.stop())).await;
    }

    /// Ends pipelines and keeps what they had glimpsed for those that take their places.
    async fn end_pipelines(&mut self, difference: &Difference) -> BTreeMap<Name, Glimpses> {
        let ended = self.running.pipelines.extract_if(.., |name, _| difference.pipelines.ends(name));
        let end = async |(name, pipeline): (Name, Pipeline)| {
            let glimpses = timeout(DRAIN_LIMIT, pipeline.stop()).await.unwrap_or_else(|_| {
                tracing::warn!(pipeline = %name, "the sinks take too long; what is under way is delivered again");
                Glimpses::default()
            });
            (name, glimpses)
        };
        join_all(ended.map(end)).await.into_iter().collect()
    }

    async fn end_sinks(&mut self, difference: &Difference) {
        let ended = self.running.sinks.extract_if(.., |name, _| difference.sinks.ends(name));
        join_all(ended.map(|(_, sink)| sink.close())).await;
    }

    /// Starts the prepared pipelines on the sinks that run now.
    async fn start_pipelines(
        &mut self,
        next: &Config,
        prepared: BTreeMap<Name, PreparedPipeline>,
        mut glimpses: BTreeMap<Name, Glimpses>,
    ) -> Result<()> {
        let mut outcome = Ok(());
        self.running.taps.retain(|name, _| next.pipelines.iter().any(|pipeline| pipeline.name == *name));
        for (name, mut prepared) in prepared {
            let Some(config) = next.pipelines.iter().find(|pipeline| pipeline.name == name) else { continue };
            let sinks = config.sinks.iter().filter_map(|sink| self.running.sinks.get(sink));
            for sink in sinks {
                prepared = prepared.sink(sink.clone());
            }
            let tap = self.running.taps.entry(name.clone()).or_default();
            prepared = prepared.sink(tap.sink());
            let glimpses = glimpses.remove(&name).filter(|_| !next.is_played(config)).unwrap_or_default();
            match prepared.start(glimpses).await {
                Ok(pipeline) => {
                    self.running.pipelines.insert(name, pipeline);
                }
                Err(error) => {
                    tracing::error!(pipeline = %name, error = format!("{error:#}"), "the pipeline cannot start");
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }

    fn start_readers(&mut self, next: &Config, difference: &Difference) {
        for reader in &next.readers {
            let name = &reader.setup.reader;
            if !difference.readers.begins(name) {
                continue;
            }
            let outlets = next.pipelines.iter().filter_map(|pipeline| self.running.outlet(pipeline, name));
            let supervisor = Supervisor::spawn(
                name.clone(),
                reader.serial.clone(),
                self.session_maker(reader),
                outlets.collect(),
                Arc::clone(self.clock_of(reader.is_replay())),
                self.seeds.hash_one(name.as_str()),
            );
            self.running.readers.insert(name.clone(), supervisor);
        }
    }

    /// Sessions of this registry's driver, from settings that were checked against any registry.
    fn session_maker(&self, reader: &ReaderConfig) -> MakeSession {
        let (registry, reader) = (self.registry.clone(), reader.clone());
        Box::new(move |recorder| {
            let setup = ReaderSetup { recorder: recorder.clone(), ..reader.setup.clone() };
            Ok(registry.driver_of(&reader)?.session(&reader.settings, &setup)?)
        })
    }

    /// How the host is, whenever that is asked.
    pub(crate) fn condition(&self) -> impl Fn() -> Condition + Send + 'static {
        let board = Arc::clone(&self.board);
        move || board.condition()
    }

    /// Stops the readers, takes what is inside through to the sinks, and closes everything. Gives
    /// up after half a minute and says what was left.
    pub(crate) async fn stop(self) -> Result<()> {
        timeout(DRAIN_LIMIT, self.drain()).await.map_err(|_| {
            Error::new(ErrorKind::Timeout, "stop").with_detail(format!(
                "not everything was delivered within {} s; events that were not are kept and delivered at the next start",
                DRAIN_LIMIT.as_secs()
            ))
        })
    }

    async fn drain(self) {
        let Running { readers, pipelines, sinks, taps } = self.running;
        self.board.begin_stopping();
        join_all(readers.into_values().map(Supervisor::stop)).await;
        sinks.values().for_each(SinkHandle::hurry);
        join_all(pipelines.into_values().map(Pipeline::stop)).await;
        join_all(sinks.into_values().map(SinkHandle::close)).await;
        self.registry.hub.close();
        // Who looked on at a part that is gone has seen the end.
        drop(taps);
        let nothing = nothing(&self.config);
        self.board.show(View::new(&nothing, &self.registry, &Running::default(), self.started));
        self.door.close().await;
        drop(self.certificate);
        if let Some(service) = self.service {
            service.stop().await;
        }
        drop(self.indexer);
        self.registry.ledger.close().await;
        self.registry.stores.close().await;
        self.emulators.stop().await;
        rfid_loader::all_gone().await;
    }
}

/// A configuration without any part, for the same host.
fn nothing(config: &Config) -> Config {
    Config {
        desks: Vec::new(),
        host: config.host.clone(),
        http: config.http.clone(),
        ledger: config.ledger,
        store: config.store.clone(),
        service: config.service.clone(),
        emulators: config.emulators.clone(),
        readers: Vec::new(),
        sinks: Vec::new(),
        pipelines: Vec::new(),
    }
}

/// Says where events wait for a sink that the configuration does not have.
async fn say_whose_backlogs_wait(config: &Config) {
    let data_dir = config.host.data_dir.clone();
    let sinks: Vec<Name> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    let look = move || backlog::of_nobody(&data_dir, sinks.iter());
    for folder in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
        tracing::warn!(folder = %folder.display(), "events wait here for a sink of this name, and there is none");
    }
}
