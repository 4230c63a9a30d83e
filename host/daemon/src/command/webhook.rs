//! `rfid-host webhook`.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use rfid_core::{Clock, SystemClock};
use rfid_sink_notify::{Resent, ResentCounts, Trial, resend_dead_letters, try_webhooks};

use crate::cli::{WebhookAct, Which};
use crate::config::{Config, SinkConfig};

pub(crate) async fn run(act: WebhookAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    match act {
        WebhookAct::Test(which) => test(&which).await,
        WebhookAct::Resend(which) => resend(&which, data_dir).await,
    }
}

async fn test(which: &Which) -> anyhow::Result<()> {
    let (config, _) = super::load(&which.files, None)?;
    let (mut tried, mut failed) = (0, 0);
    for sink in notify_sinks(&config, which.sink.as_deref())? {
        for Trial { name, url, outcome, took } in
            try_webhooks(&sink.settings, which.webhook.as_deref(), clock()).await?
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
        (0, _) => Err(none(which)),
        (_, 0) => Ok(()),
        (_, failed) => bail!("{} did not take the event", super::counted(failed, "receiver")),
    }
}

async fn resend(which: &Which, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let (config, _) = super::load(&which.files, data_dir)?;
    let data_dir = &config.host.data_dir;
    let (mut webhooks, mut left, mut failed) = (0, 0, 0);
    for sink in notify_sinks(&config, which.sink.as_deref())? {
        let only = which.webhook.as_deref();
        for Resent { name, url, outcome } in
            resend_dead_letters(&sink.settings, &sink.name, only, data_dir, clock()).await?
        {
            webhooks += 1;
            let said = match outcome {
                Ok(counts) => {
                    left += counts.refused + counts.untried + counts.unreadable;
                    told(&counts)
                }
                Err(error) => {
                    failed += 1;
                    format!("failed: {error:#}")
                }
            };
            println!("{}/{name}  {url}  {said}", sink.name);
        }
    }
    match (webhooks, failed, left) {
        (0, ..) => Err(none(which)),
        (_, 0, 0) => Ok(()),
        (_, 0, left) => bail!("{} left", super::counted(left, "dead letter")),
        (_, failed, _) => bail!("the dead letters of {} were not sent", super::counted(failed, "webhook")),
    }
}

fn told(counts: &ResentCounts) -> String {
    let ResentCounts { taken, refused, untried, unreadable, why } = counts;
    if counts == &ResentCounts::default() {
        return "no dead letters".to_owned();
    }
    let mut said = format!("{taken} taken");
    for (count, what) in [(refused, "refused"), (untried, "not taken"), (unreadable, "unreadable")] {
        if *count > 0 {
            said.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(why) = why {
        said.push_str(&format!(": {why}"));
    }
    said
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn none(which: &Which) -> anyhow::Error {
    match &which.webhook {
        Some(name) => anyhow::anyhow!("there is no webhook \"{name}\" in {}", which.files.config.display()),
        None => anyhow::anyhow!("there are no webhooks in {}", which.files.config.display()),
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
