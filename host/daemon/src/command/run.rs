//! `rfid-host run`.

use std::path::Path;

use anyhow::Context;
use rfid_core::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::ConfigFiles;
use crate::config::{self, Checked};
use crate::descriptors;
use crate::host::Host;
use crate::http::{ReloadOutcome, ReloadRequest};
use crate::logging;
use crate::service_manager::ServiceManager;

/// Reloads that wait for the one that is under way.
const WAITING_RELOADS: usize = 8;

pub(crate) async fn run(files: &ConfigFiles, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let (config, registry, effective) = super::load_effective(files, data_dir)?;
    let (name, data_folder) = (config.host.name.clone(), config.host.data_dir.clone());
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    logging::ignore_reopening().context("SIGUSR1 cannot be listened for")?;
    descriptors::raise();
    let service_manager = ServiceManager::from_environment();
    let (reloads, mut requests) = mpsc::channel(WAITING_RELOADS);
    let mut host = Host::start(config, registry, reloads).await?;
    host.board().show_configuration(effective);
    // Before anybody is told that the host runs, so that whoever stops it then stops it properly.
    let mut told_to_stop = std::pin::pin!(super::told_to_stop());
    let address = host.http_address();
    tracing::info!(name, http = %address, data_dir = %data_folder.display(), "host is running");
    service_manager.ready();
    let watch = service_manager.watch(host.condition());
    loop {
        let request: Option<ReloadRequest> = tokio::select! {
            told = &mut told_to_stop => break told?,
            _ = hang_up.recv() => None,
            request = requests.recv() => request,
        };
        let request = match request {
            Some(ReloadRequest { only_looks: true, answer }) => {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(look(&host, files, data_dir));
                continue;
            }
            request => request,
        };
        service_manager.reloading();
        let outcome = reload(&mut host, files, data_dir).await;
        service_manager.ready();
        if let Some(request) = request {
            // Whoever asked may have gone away meanwhile.
            let _ = request.answer.send(outcome);
        }
    }
    service_manager.stopping();
    tracing::info!("told to stop; delivering what is under way");
    host.stop().await?;
    drop(watch);
    tracing::info!("everything is delivered and closed");
    Ok(())
}

/// What reading the configuration anew would change.
fn look(host: &Host, files: &ConfigFiles, data_dir: Option<&Path>) -> ReloadOutcome {
    match super::checked(files, data_dir) {
        Ok(Checked { config, .. }) => ReloadOutcome::Changed(Box::new(host.difference_to(&config))),
        Err(report) => ReloadOutcome::Refused(report.lines().collect()),
    }
}

/// Reads the configuration anew. Whatever is wrong with it leaves the host as it is.
async fn reload(host: &mut Host, files: &ConfigFiles, data_dir: Option<&Path>) -> ReloadOutcome {
    let outcome = match super::checked(files, data_dir) {
        Ok(checked) => {
            let effective = config::as_toml(&checked);
            let Checked { config, report, .. } = checked;
            for warning in report.lines() {
                tracing::warn!(warning, "the configuration may not be what was meant");
            }
            match host.apply(config).await {
                Ok(difference) => {
                    host.board().show_configuration(effective);
                    ReloadOutcome::Changed(Box::new(difference))
                }
                Err(error) => ReloadOutcome::Refused(vec![format!("{error:#}")]),
            }
        }
        Err(report) => ReloadOutcome::Refused(report.lines().collect()),
    };
    match &outcome {
        ReloadOutcome::Changed(difference) if difference.is_empty() => {
            tracing::info!("the configuration was read anew; nothing has changed");
        }
        ReloadOutcome::Changed(difference) => {
            let changes = serde_json::to_string(difference).unwrap_or_default();
            tracing::info!(changes, "the configuration was read anew");
        }
        ReloadOutcome::Refused(reasons) => {
            tracing::error!(?reasons, "the configuration is refused; the host runs on as before");
        }
    }
    host.board().reloaded(SystemClock::new().now().utc, &outcome);
    outcome
}
