//! What a configuration says of a webhook, checked.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use rfid_core::{ConfigFault, ConfigFaults, DurationText, EventKind, Name, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::addresses;
use super::filter::Filter;
use super::signature::SigningKey;

/// Characters of a webhook's name at most: it is the name of a folder.
const LONGEST_NAME: usize = 100;

/// A receiver of events over HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// Where each event is posted to. Redirects are not followed.
    #[schemars(length(min = 1))]
    url: String,
    /// Key of the signature: env:NAME, file:PATH or cred:NAME. A key that begins with whsec_ is base64.
    secret: Secret,
    /// Name in metrics, logs and the data folder; made of host and path if left out.
    #[serde(default)]
    name: Option<String>,
    /// Which events are sent; all if left out.
    #[serde(default)]
    events: Option<Vec<WantedEvent>>,
    /// Branches whose events are sent; all if left out.
    #[serde(default)]
    branches: Option<Vec<String>>,
    /// Zones whose events are sent; all if left out.
    #[serde(default)]
    zones: Option<Vec<String>>,
    /// Whether events carry what lookup has added; without it the receiver learns that a tag came, and
    /// not whose it is.
    #[serde(default = "record")]
    record: bool,
    /// How long one try may take.
    #[serde(default = "time_out")]
    time_out: DurationText,
    /// Requests under way at once at most.
    #[serde(default = "concurrent")]
    #[schemars(range(min = 1, max = 64))]
    concurrent: u16,
    /// Bytes of events that wait on the disk at most; beyond it the oldest become dead letters.
    #[serde(default = "most_bytes")]
    #[schemars(range(min = 4_194_304_u64, max = 1_099_511_627_776_u64))]
    most_bytes: u64,
    /// How long an event is tried before it becomes a dead letter.
    #[serde(default = "give_up_after")]
    give_up_after: DurationText,
    /// File with certificates (PEM) that are trusted besides the public ones.
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// Names of event kinds in configuration.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WantedEvent {
    Arrived,
    Seen,
    Moved,
    Departed,
}

impl From<WantedEvent> for EventKind {
    fn from(wanted: WantedEvent) -> Self {
        match wanted {
            WantedEvent::Arrived => Self::Arrived,
            WantedEvent::Seen => Self::Seen,
            WantedEvent::Moved => Self::Moved,
            WantedEvent::Departed => Self::Departed,
        }
    }
}

fn record() -> bool {
    true
}

fn time_out() -> DurationText {
    DurationText(Duration::from_secs(10))
}

fn concurrent() -> u16 {
    8
}

fn most_bytes() -> u64 {
    256 * 1024 * 1024
}

fn give_up_after() -> DurationText {
    DurationText(Duration::from_secs(24 * 60 * 60))
}

/// A webhook in which everything is in order.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) name: Name,
    pub(crate) url: Uri,
    pub(crate) key: SigningKey,
    pub(crate) filter: Filter,
    pub(crate) time_out: Duration,
    pub(crate) concurrent: usize,
    pub(crate) most_bytes: u64,
    pub(crate) give_up_after: Duration,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Webhook {
    /// Whether what is sent can be read on its way.
    pub(crate) fn is_clear_text(&self) -> bool {
        self.url.scheme_str() == Some("http") && !addresses::is_this_host(self.url.host().unwrap_or_default())
    }

    /// Scheme, host and path of the URL. What stands behind them may be a password.
    pub(crate) fn shown_url(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let host = self.url.authority().map_or("", |host| host.as_str());
        format!("{scheme}://{host}{}", self.url.path())
    }
}

/// Checks all webhooks of a sink.
///
/// # Errors
/// Everything that is wrong, at its place below `/webhooks`.
pub(crate) fn check(configs: Vec<WebhookConfig>) -> Result<Vec<Webhook>, ConfigFaults> {
    let mut faults = ConfigFaults::default();
    let mut webhooks: Vec<Webhook> = Vec::new();
    for (index, config) in configs.into_iter().enumerate() {
        let mut fault = |key: &str, message: String| {
            faults.push(ConfigFault::new(format!("/webhooks/{index}/{key}"), message));
        };
        if config.time_out.0.is_zero() {
            fault("time_out", "must be longer than zero".to_owned());
        }
        let url = match receiver(&config.url) {
            Ok(url) => url,
            Err(message) => {
                fault("url", message);
                continue;
            }
        };
        let key = match SigningKey::new(config.secret.reveal()) {
            Ok(key) => key,
            Err(message) => {
                fault("secret", message);
                continue;
            }
        };
        let (name, named_by) = match &config.name {
            Some(name) => (name.clone(), "name"),
            None => (derived_name(&url), "url"),
        };
        if !is_folder_name(&name) {
            let message = format!(
                "\"{name}\" is no name; letters, digits, '-', '_' and '.' are allowed, {LONGEST_NAME} at most, first a letter or digit"
            );
            fault(named_by, message);
        }
        if webhooks.iter().any(|other| other.name.as_str() == name) {
            fault(named_by, format!("\"{name}\" stands here twice; give each webhook a name of its own"));
        }
        let names = |list: Option<Vec<String>>| {
            list.map(|list| list.iter().map(|name| Name::from(name.as_str())).collect())
        };
        webhooks.push(Webhook {
            name: Name::from(name),
            url,
            key,
            filter: Filter {
                kinds: config.events.map(|kinds| kinds.into_iter().map(EventKind::from).collect()),
                branches: names(config.branches),
                zones: names(config.zones),
                record: config.record,
            },
            time_out: config.time_out.0,
            concurrent: usize::from(config.concurrent.max(1)),
            most_bytes: config.most_bytes,
            give_up_after: config.give_up_after.0,
            ca_file: config.ca_file,
        });
    }
    if faults.is_empty() { Ok(webhooks) } else { Err(faults) }
}

/// The URL, if it is one that may be posted to.
fn receiver(text: &str) -> Result<Uri, String> {
    // Not repeated in messages: what stands before an @ may be a password.
    let not_a_url = || "is not a URL as in \"https://host/path\"".to_owned();
    let url: Uri = text.parse().map_err(|_| not_a_url())?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(not_a_url());
    };
    if scheme != "https" && scheme != "http" {
        return Err(format!("\"{scheme}\" is not spoken here; https and http are allowed"));
    }
    if authority.as_str().contains('@') {
        return Err("a user and password do not belong into a URL; the secret signs each request".to_owned());
    }
    if authority.host().is_empty() {
        return Err(not_a_url());
    }
    addresses::literal(authority.host()).map_or(Ok(()), addresses::allowed)?;
    Ok(url)
}

/// `https://hooks.example.com/rfid/visits` is `hooks.example.com-rfid-visits`.
fn derived_name(url: &Uri) -> String {
    let host_and_path = format!("{}{}", url.host().unwrap_or_default(), url.path());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let words = host_and_path.split(|c: char| !is_plain(c)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    name.trim_start_matches(['.', '_']).chars().take(LONGEST_NAME).collect()
}

fn is_folder_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rfid_core::Settings;

    #[derive(Deserialize)]
    struct Sink {
        webhooks: Vec<WebhookConfig>,
    }

    fn checked(toml: &str) -> Result<Vec<Webhook>, Vec<String>> {
        let sink: Sink = Settings::from_toml(toml).unwrap().parse().unwrap();
        check(sink.webhooks).map_err(|faults| faults.into_iter().map(|fault| fault.to_string()).collect())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let webhooks = checked(
            r#"webhooks = [{ url = "https://hooks.example.com:8443/rfid/visits?x=1", secret = "env:PATH" }]"#,
        )
        .unwrap();
        assert_eq!(webhooks[0].name.as_str(), "hooks.example.com-rfid-visits");
        assert_eq!(webhooks[0].time_out, Duration::from_secs(10));
        assert_eq!(webhooks[0].concurrent, 8);
        assert_eq!(webhooks[0].most_bytes, 268_435_456);
        assert_eq!(webhooks[0].give_up_after, Duration::from_secs(86_400));
        assert!(!webhooks[0].is_clear_text());
    }

    #[test]
    fn every_fault_is_found_at_its_place() {
        let faults = checked(
            r#"
            [[webhooks]]
            url = "https://user:canary@example.com/"
            secret = "k"
            [[webhooks]]
            url = "ftp://example.com/"
            secret = "k"
            time_out = "0s"
            [[webhooks]]
            url = "nonsense"
            secret = "k"
            [[webhooks]]
            url = "http://169.254.169.254/latest"
            secret = "k"
            [[webhooks]]
            url = "https://example.com/a"
            secret = "k"
            [[webhooks]]
            url = "https://example.com/a"
            secret = "k"
            [[webhooks]]
            url = "https://example.com/b"
            secret = "k"
            name = "../up"
            "#,
        )
        .unwrap_err();
        let begins = [
            "webhooks.0.url: a user and password do not belong",
            "webhooks.1.time_out: must be longer",
            "webhooks.1.url: \"ftp\" is not spoken here",
            "webhooks.2.url: is not a URL",
            "webhooks.3.url: 169.254.169.254 is an address",
            "webhooks.5.url: \"example.com-a\" stands here twice",
            "webhooks.6.name: \"../up\" is no name",
        ];
        assert_eq!(faults.len(), begins.len(), "{faults:#?}");
        for (fault, begin) in faults.iter().zip(begins) {
            assert!(fault.starts_with(begin), "{fault}");
            assert!(!fault.contains("canary"), "{fault}");
        }
    }
}
