//! The certificate of HTTP: read or made at the start, and looked after while the host runs.

use std::sync::Arc;
use std::time::Duration;

use rfid_core::{Clock, Error, ErrorKind, Result};
use rfid_door::tls::{Authority, Source, Tls, Versions};
use tokio::task::JoinHandle;

use crate::config::{Config, TlsConfig};

/// Folder of the authority in the data folder.
const AUTHORITY: &str = "authority";
/// How often files are looked at again and a certificate of our own is renewed.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// A certificate in use.
pub(crate) struct InUse {
    pub(crate) tls: Arc<Tls>,
    keeper: JoinHandle<()>,
}

impl InUse {
    /// Reads or makes the certificate; nothing where HTTP is in the clear.
    pub(crate) async fn begin(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Self>> {
        let Some(tls) = config.http.tls.clone() else { return Ok(None) };
        let versions = Versions { with_1_2: config.http.with_tls_1_2 };
        let source = match tls {
            TlsConfig::Files { certificate, key } => Source::Files { certificate, key },
            TlsConfig::LocalAuthority => {
                let folder = config.host.data_dir.join(AUTHORITY);
                Source::Local(Authority::new(folder, names(config)))
            }
        };
        let local = match &source {
            Source::Local(authority) => Some(authority.certificate_file()),
            Source::Files { .. } => None,
        };
        let now = clock.now().utc;
        let made = tokio::task::spawn_blocking(move || Tls::new(source, versions, now)).await;
        let tls = Arc::new(made.map_err(|error| Error::new(ErrorKind::Internal, "tls").with_source(error))??);
        if let Some(file) = local {
            tracing::info!(file = %file.display(), "browsers trust this host when they trust the authority in this file");
        }
        let keeper = tokio::spawn(look_after(Arc::clone(&tls), clock));
        Ok(Some(Self { tls, keeper }))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// What the host is called: by name, and by address where it listens on one.
fn names(config: &Config) -> Vec<String> {
    let mut names = config.http.hosts.clone();
    names.push("localhost".to_owned());
    if !config.host.listen.ip().is_unspecified() {
        names.push(config.host.listen.ip().to_string());
    }
    names.sort();
    names.dedup();
    names
}

async fn look_after(tls: Arc<Tls>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock.now().utc;
        let looked_at = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || looked_at.refresh(now)).await {
            Ok(Ok(true)) => tracing::info!("another certificate is in use"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the certificate cannot be read anew; the one before stays in use");
            }
            Err(error) => tracing::error!(%error, "the certificate cannot be looked after"),
        }
        if tls.certificate().ends_soon(now) {
            tracing::warn!("the certificate ends within a month");
        }
    }
}
