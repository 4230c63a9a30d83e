//! `rfid-host webhook`.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use rfid_core::SystemClock;
use rfid_sink_notify::{Trial, try_webhooks};

use crate::cli::WebhookAct;
use crate::config::{Config, SinkConfig};

pub(crate) async fn run(act: WebhookAct) -> anyhow::Result<()> {
    match act {
        WebhookAct::Test { config, sink } => test(&config, sink.as_deref()).await,
    }
}

async fn test(path: &Path, sink: Option<&str>) -> anyhow::Result<()> {
    let (config, _) = super::load(path, None)?;
    let (mut tried, mut failed) = (0, 0);
    for sink in notify_sinks(&config, sink)? {
        for Trial { name, url, outcome, took } in
            try_webhooks(&sink.settings, Arc::new(SystemClock::new())).await?
        {
            tried += 1;
            let said = match outcome {
                Ok(status) => format!("{status} in {} ms", took.as_millis()),
                Err(why) => {
                    failed += 1;
                    format!("not taken: {why}")
                }
            };
            println!("{}/{name}  {url}  {said}", sink.name);
        }
    }
    match (tried, failed) {
        (0, _) => bail!("there are no webhooks in {}", path.display()),
        (_, 0) => Ok(()),
        (_, failed) => bail!("{} did not take the event", super::counted(failed, "receiver")),
    }
}

/// The sinks that may have webhooks, or the one that is named.
fn notify_sinks<'a>(config: &'a Config, named: Option<&str>) -> anyhow::Result<Vec<&'a SinkConfig>> {
    let sinks = config.sinks.iter().filter(|sink| sink.kind == "notify");
    let sinks: Vec<_> = sinks.filter(|sink| named.is_none_or(|name| sink.name.as_str() == name)).collect();
    match (named, sinks.is_empty()) {
        (Some(name), true) => bail!("there is no sink \"{name}\" of the type notify in this configuration"),
        _ => Ok(sinks),
    }
}
