//! The running host: everything that a configuration asks for, started, watched and stopped.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use rfid_core::supervisor::MakeSession;
use rfid_core::{Clock, Error, ErrorKind, Pipeline, Result, SinkHandle, Supervisor, SystemClock};
use tokio::net::TcpListener;

use crate::checkpoints::SledCheckpoints;
use crate::config::{Config, ReaderConfig};
use crate::http::{Server, View};
use crate::registry::Registry;

/// How long stopping may take before the rest is given up.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// A host that runs.
pub(crate) struct Host {
    registry: Registry,
    readers: Vec<Supervisor>,
    pipelines: Vec<Pipeline>,
    sinks: Vec<SinkHandle>,
    server: Server,
}

impl Host {
    /// Starts everything. A reader that is not there is no error; an address that is taken and a
    /// data folder that is in use are.
    pub(crate) async fn start(config: &Config, registry: Registry) -> Result<Self> {
        let listener = TcpListener::bind(config.host.listen).await.map_err(|error| {
            Error::new(ErrorKind::Connect, "listen")
                .with_detail(format!("{}", config.host.listen))
                .with_source(error)
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut sinks = Vec::new();
        for sink in &config.sinks {
            let made = registry.make_sink(&sink.kind, &sink.settings, &sink.name)?;
            sinks.push(SinkHandle::spawn(sink.name.clone(), made));
        }
        let mut pipelines = Vec::new();
        for pipeline in &config.pipelines {
            let mut builder = Pipeline::builder(pipeline.name.clone())
                .presence(pipeline.presence.clone())
                .clock(Arc::clone(&clock))
                .checkpoints(Box::new(SledCheckpoints::new(registry.stores.clone(), &pipeline.name)));
            for name in &pipeline.readers {
                let place = config.readers.iter().find(|reader| reader.setup.reader == *name);
                builder =
                    place.into_iter().fold(builder, |builder, reader| builder.reader(reader.place.clone()));
            }
            for name in &pipeline.sinks {
                let sink = sinks.iter().find(|sink| sink.name() == name).cloned();
                builder = sink.into_iter().fold(builder, |builder, sink| builder.sink(sink));
            }
            pipelines.push(builder.start().await?);
        }
        let seeds = RandomState::new();
        let readers: Vec<Supervisor> = config
            .readers
            .iter()
            .map(|reader| {
                let name = reader.setup.reader.clone();
                let outlets = pipelines.iter().filter_map(|pipeline| pipeline.outlet(&name)).collect();
                let seed = seeds.hash_one(name.as_str());
                Supervisor::spawn(name, None, session_maker(reader), outlets, Arc::clone(&clock), seed)
            })
            .collect();
        let view = View::new(&config.host.name, &registry, &readers, &pipelines, &sinks);
        let server = Server::start(listener, view)?;
        Ok(Self { registry, readers, pipelines, sinks, server })
    }

    /// Where HTTP is served.
    pub(crate) fn http_address(&self) -> std::net::SocketAddr {
        self.server.local_addr()
    }

    /// Stops the readers, takes what is inside through to the sinks, and closes everything. Gives
    /// up after half a minute and says what was left.
    pub(crate) async fn stop(self) -> Result<()> {
        tokio::time::timeout(DRAIN_LIMIT, self.drain()).await.map_err(|_| {
            Error::new(ErrorKind::Timeout, "stop").with_detail(format!(
                "not everything was delivered within {} s; events that were not are kept and delivered at the next start",
                DRAIN_LIMIT.as_secs()
            ))
        })
    }

    async fn drain(self) {
        self.server.not_ready();
        futures_util::future::join_all(self.readers.into_iter().map(Supervisor::stop)).await;
        futures_util::future::join_all(self.pipelines.into_iter().map(Pipeline::stop)).await;
        futures_util::future::join_all(self.sinks.into_iter().map(SinkHandle::close)).await;
        self.registry.hub.close();
        self.server.stop().await;
        self.registry.stores.close().await;
    }
}

fn session_maker(reader: &ReaderConfig) -> MakeSession {
    let ReaderConfig { driver, settings, setup, .. } = reader.clone();
    Box::new(move || Ok(driver.session(&settings, &setup)?))
}
