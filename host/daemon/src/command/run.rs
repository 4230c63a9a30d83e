//! `rfid-host run`.

use std::path::Path;

use crate::host::Host;

pub(crate) async fn run(path: &Path, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let (config, registry) = super::load(path, data_dir)?;
    let host = Host::start(&config, registry).await?;
    let address = host.http_address();
    tracing::info!(name = config.host.name, http = %address, data_dir = %config.host.data_dir.display(), "host is running");
    super::told_to_stop().await?;
    tracing::info!("told to stop; delivering what is under way");
    host.stop().await?;
    tracing::info!("everything is delivered and closed");
    Ok(())
}
