//! `[service]` and `[clients.NAME]`: the customer service, and which other systems may call it.

use std::time::Duration;

use jiff::tz::TimeZone;
use rfid_core::settings::schema_of;
use rfid_core::{DurationText, Name, Secret};
use rfid_service::account::AccountSettings;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::record::{LocalDate, Position};
use rfid_service::service::{BranchDraft, ExportSettings, Grant, IssuingSettings, RetentionSettings, Scope};
use rfid_web::clients::SHORTEST_TOKEN;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::audit::AuditConfig;
use super::checker::{At, Checker, not_there};
use super::fault::Severity;
use super::sections::BranchSection;
use super::tree::join;
use super::{PipelineConfig, ReaderConfig, SinkConfig};

/// `[service]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServiceSection {
    /// Where the days of cards begin and end, as in the IANA database.
    time_zone: String,
    /// A sighting this long after a departure continues the visit.
    #[schemars(extend("format" = "duration"))]
    revisit_within: String,
    /// A visit without any sighting for so long is over, whatever the readers say.
    #[schemars(extend("format" = "duration"))]
    ends_without_sighting: String,
    /// So far the clock of a host may be from the time, where several write to one store: what a card
    /// takes from branch to branch is judged that much more strictly.
    #[schemars(extend("format" = "duration"))]
    clocks_within: String,
    /// How long what is kept of customers.
    retention: RetentionSection,
}

/// `service.retention` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RetentionSection {
    /// Whose a visit was is known for so many months; from then on it only counts.
    #[schemars(range(min = 1, max = 1200))]
    visits_months: u16,
    /// Photo and notes of a customer go so many days after the consent or the relation has ended.
    #[schemars(range(min = 0, max = 36500))]
    photos_days: u32,
}

impl Default for RetentionSection {
    fn default() -> Self {
        let RetentionSettings { visits_months, photos_after } = RetentionSettings::default();
        let photos_days = u32::try_from(photos_after.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX);
        Self { visits_months, photos_days }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for ServiceSection {
    fn default() -> Self {
        Self {
            time_zone: "Asia/Shanghai".to_owned(),
            revisit_within: "10m".to_owned(),
            ends_without_sighting: "12h".to_owned(),
            clocks_within: "5s".to_owned(),
            retention: RetentionSection::default(),
        }
    }
}

/// `[clients.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientSection {
    /// What the system sends as `Authorization: Bearer`: at least 32 characters that nobody can
    /// guess.
    token: Secret,
    /// The token of before or after, while it is changed.
    #[serde(default)]
    other_token: Option<Secret>,
    /// What the system may do.
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    /// Codes of the branches that it may know of; all if left out.
    #[serde(default)]
    branches: Option<Vec<String>>,
    /// The last day on which the tokens can be used, as in 2027-06-30; for ever if left out.
    #[serde(default)]
    expires: Option<LocalDate>,
    /// How often it may call.
    #[serde(default = "usual_rate")]
    #[schemars(range(min = 1, max = 1_000_000))]
    requests_per_minute: u32,
}

/// Tables of the file of which the service is made.
const WRITTEN: [&str; 6] = ["service", "accounts", "issuing", "exports", "audit", "desks"];

fn usual_rate() -> u32 {
    600
}

/// The customer service.
#[derive(Clone)]
pub(crate) struct ServiceConfig {
    /// Whether anything in the configuration asks for it.
    pub(crate) is_wanted: bool,
    pub(crate) recognition: RecognitionSettings,
    pub(crate) retention: RetentionSettings,
    pub(crate) clients: Vec<ClientConfig>,
    pub(crate) branches: Vec<BranchDraft>,
    pub(crate) accounts: AccountSettings,
    pub(crate) issuing: IssuingSettings,
    pub(crate) exports: ExportSettings,
    pub(crate) audit: AuditConfig,
    /// Differs if a secret has.
    secrets: u64,
    /// What the tables that it is made of say, to see whether it differs.
    written: Vec<Value>,
}

/// A system that may call.
#[derive(Clone)]
pub(crate) struct ClientConfig {
    pub(crate) name: Name,
    pub(crate) tokens: Vec<Secret>,
    pub(crate) grant: Grant,
    pub(crate) requests_per_minute: u32,
    /// The last day on which its tokens can be used.
    pub(crate) expires: Option<LocalDate>,
}

impl ServiceConfig {
    /// The same with the branches of another.
    pub(crate) fn with_branches_of(&self, other: &Self) -> Self {
        Self { branches: other.branches.clone(), ..self.clone() }
    }

    /// What of desks differs with their secrets.
    pub(super) fn note_desks(&mut self, secrets: u64) {
        self.secrets = self.secrets.rotate_left(11) ^ secrets;
    }

    /// Whether the one runs as the other does, branches aside, which can change while it runs.
    pub(crate) fn runs_as(&self, other: &Self) -> bool {
        let rights = |config: &Self| -> Vec<(Name, Grant, u32, Option<LocalDate>)> {
            let right = |client: &ClientConfig| {
                (client.name.clone(), client.grant.clone(), client.requests_per_minute, client.expires)
            };
            config.clients.iter().map(right).collect()
        };
        (self.is_wanted, self.secrets, &self.written) == (other.is_wanted, other.secrets, &other.written)
            && rights(self) == rights(other)
    }
}

impl Checker<'_> {
    /// The customer service, as far as its tables are in order.
    pub(super) fn service(&mut self) -> Option<ServiceConfig> {
        let (recognition, retention) = self.recognition().unzip();
        let branches = self.branch_drafts();
        let (accounts, issuing, audit) = (self.accounts(), self.issuing(), self.audit());
        let exports = self.exports();
        let mut secrets = 0;
        let clients: Vec<Option<ClientConfig>> = self
            .tables("clients")
            .into_iter()
            .map(|(name, pointer, table)| self.client(&name, &pointer, table, &mut secrets))
            .collect();
        self.no_token_twice(&clients);
        let is_source = |table: &Map<String, Value>| {
            let says = |key: &str, value: &str| table.get(key).and_then(Value::as_str) == Some(value);
            says("type", "lookup") && says("source", "service")
        };
        let asks = ["service", "store", "clients", "accounts", "issuing", "exports", "audit", "desks"]
            .iter()
            .any(|table| self.tree.root.contains_key(*table));
        let is_wanted = asks || self.tables("sinks").iter().any(|(.., table)| is_source(table));
        Some(ServiceConfig {
            is_wanted,
            recognition: recognition?,
            retention: retention?,
            clients: clients.into_iter().collect::<Option<_>>()?,
            branches: branches?,
            secrets,
            accounts: accounts?,
            issuing: issuing?,
            exports: exports?,
            audit: audit?,
            written: WRITTEN
                .iter()
                .map(|table| self.tree.root.get(*table).cloned().unwrap_or_default())
                .collect(),
        })
    }

    fn recognition(&mut self) -> Option<(RecognitionSettings, RetentionSettings)> {
        let table = self.tree.root.get("service").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        if !table.is_object() {
            return None;
        }
        let section: ServiceSection = self.typed(&table, &schema_of::<ServiceSection>(), "/service")?;
        let zone = TimeZone::get(&section.time_zone).ok();
        if zone.is_none() {
            let message = "is no time zone of the IANA database, as \"Asia/Shanghai\" is";
            self.at_value("/service/time_zone", message);
        }
        // The schema has seen that they are durations.
        let duration = |text: &str| DurationText::parse(text).ok().map(|DurationText(span)| span);
        let (revisit_within, ends_without_sighting) =
            (duration(&section.revisit_within)?, duration(&section.ends_without_sighting)?);
        if ends_without_sighting < revisit_within.max(Duration::from_secs(60)) {
            let message =
                "is shorter than service.revisit_within, or than a minute: visits would end under way";
            self.at_value("/service/ends_without_sighting", message);
            return None;
        }
        let clocks_within = duration(&section.clocks_within)?;
        let RetentionSection { visits_months, photos_days } = section.retention;
        let retention = RetentionSettings { visits_months, photos_after: DAY * photos_days };
        let recognition =
            RecognitionSettings { zone: zone?, revisit_within, ends_without_sighting, clocks_within };
        Some((recognition, retention))
    }

    fn branch_drafts(&mut self) -> Option<Vec<BranchDraft>> {
        let mut drafts = Some(Vec::new());
        for (code, pointer, table) in self.tables("branches") {
            let section: Option<BranchSection> =
                self.typed(&Value::Object(table), &schema_of::<BranchSection>(), &pointer);
            let draft = section.map(|BranchSection { name, position }| {
                let position = position.map(|at| Position { latitude: at.latitude, longitude: at.longitude });
                BranchDraft { code: code.as_str().into(), name, position }
            });
            match (draft, &mut drafts) {
                (Some(draft), Some(drafts)) => drafts.push(draft),
                _ => drafts = None,
            }
        }
        drafts
    }

    fn client(
        &mut self,
        name: &str,
        pointer: &str,
        table: Map<String, Value>,
        all_secrets: &mut u64,
    ) -> Option<ClientConfig> {
        let schema = schema_of::<ClientSection>();
        let mut whole = Value::Object(table);
        self.hide_secrets(&mut whole, &schema, pointer);
        if !self.fits(&whole, &schema, pointer) {
            return None;
        }
        let secrets = self.secrets(&mut whole, &schema, pointer)?;
        *all_secrets = all_secrets.rotate_left(7) ^ secrets;
        let section: ClientSection = self.typed(&whole, &schema, pointer)?;
        let faults = self.faults.len();
        let mut tokens = Vec::new();
        for (key, token) in [("token", Some(section.token)), ("other_token", section.other_token)] {
            let Some(token) = token else { continue };
            if token.reveal().chars().count() < SHORTEST_TOKEN {
                let message = format!(
                    "can be guessed; {SHORTEST_TOKEN} characters at least, as `openssl rand -hex 32` prints them"
                );
                self.at_value(&join(pointer, key), message);
            }
            tokens.push(token);
        }
        let there = self.names("branches");
        for (index, branch) in section.branches.iter().flatten().enumerate() {
            if !there.contains(branch) {
                let here = format!("{}/{index}", join(pointer, "branches"));
                self.at_value(&here, not_there(branch, &there, "branches"));
            }
        }
        let branches =
            section.branches.map(|branches| branches.iter().map(|code| code.as_str().into()).collect());
        (self.faults.len() == faults).then(|| ClientConfig {
            name: name.into(),
            tokens,
            grant: Grant::of_token(section.scopes, branches),
            requests_per_minute: section.requests_per_minute,
            expires: section.expires,
        })
    }

    /// Where a card is belongs to what is decided about it.
    pub(super) fn readers_have_branches(
        &mut self,
        readers: &[&ReaderConfig],
        sinks: &[&SinkConfig],
        pipelines: &[&PipelineConfig],
    ) {
        let is_service = |sink: &&&SinkConfig| {
            sink.kind == "lookup"
                && sink.settings.as_json().get("source").and_then(Value::as_str) == Some("service")
        };
        let services: Vec<&Name> = sinks.iter().filter(is_service).map(|sink| &sink.name).collect();
        for reader in readers.iter().filter(|reader| reader.place.branch.is_none()) {
            let name = &reader.setup.reader;
            let is_asked = |pipeline: &&&PipelineConfig| {
                pipeline.readers.contains(name) && pipeline.sinks.iter().any(|sink| services.contains(&sink))
            };
            if pipelines.iter().any(|pipeline| is_asked(&pipeline)) {
                let message = "has no branch, so the customer service recognises nobody there";
                self.add(&join("/readers", name), At::Key, Severity::Warning, message, None);
            }
        }
    }

    /// Two systems with one token could not be told apart.
    fn no_token_twice(&mut self, clients: &[Option<ClientConfig>]) {
        let tokens = |client: &ClientConfig| {
            let name = client.name.clone();
            client.tokens.iter().map(move |token| (name.clone(), token.clone())).collect::<Vec<_>>()
        };
        let all: Vec<(Name, Secret)> = clients.iter().flatten().flat_map(tokens).collect();
        for (at, (name, token)) in all.iter().enumerate() {
            if all.iter().take(at).any(|(_, other)| other.reveal() == token.reveal()) {
                let pointer = join(&join("/clients", name), "token");
                self.at_value(&pointer, "stands here twice: each token belongs to one system");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{GOOD, checked, warnings_of};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn with(tables: &str) -> String {
        format!("{GOOD}\n{tables}")
    }

    fn wrong(tables: &str) -> String {
        checked(&with(tables)).err().unwrap().join("\n")
    }

    #[test]
    fn the_service_runs_where_something_asks_for_it() {
        let is_wanted =
            |text: &str| checked(text).unwrap_or_else(|faults| panic!("{faults:#?}")).service.is_wanted;
        assert!(!is_wanted(GOOD));
        assert!(is_wanted(&with("[store]")));
        assert!(is_wanted(&GOOD.replacen("source = \"directory\"", "source = \"service\"", 1)));
    }

    #[test]
    fn a_client_has_a_token_rights_and_branches() {
        let tables = format!(
            "[clients.core]\ntoken = \"{TOKEN}\"\nscopes = [\"customers:read\"]\nbranches = [\"hubin\"]\n"
        );
        let config = checked(&with(&tables)).unwrap_or_else(|faults| panic!("{faults:#?}"));
        let client = &config.service.clients[0];
        assert_eq!((client.name.as_str(), client.requests_per_minute), ("core", 600));
        assert!(client.grant.reaches("hubin") && !client.grant.reaches("other"));
        let said = wrong(&tables.replace("hubin", "hubn").replace(TOKEN, "short").replace("read", "eat"));
        assert!(said.contains("clients.core.scopes"), "{said}");
        let said = wrong(&tables.replace("hubin", "hubn").replace(TOKEN, "short"));
        assert!(said.contains("clients.core.token: can be guessed") && said.contains("\"hubn\""), "{said}");
        let said = wrong(&format!("{tables}{}", tables.replace("clients.core", "clients.other")));
        assert!(said.contains("clients.other.token: stands here twice") && !said.contains(TOKEN), "{said}");
    }

    #[test]
    fn a_reader_without_a_branch_is_told_that_nobody_is_recognised_there() {
        let text = GOOD.replacen("source = \"directory\"", "source = \"service\"", 1);
        let said = warnings_of(&text.replacen("branch = \"hubin\"\n", "", 1));
        assert!(said.iter().any(|line| line.contains("has no branch, so the customer service")), "{said:?}");
        assert!(!warnings_of(&text).iter().any(|line| line.contains("has no branch")));
    }

    #[test]
    fn days_begin_somewhere_and_visits_end_after_they_began() {
        assert!(
            wrong("[service]\ntime_zone = \"Asia/Xizhou\"").contains("service.time_zone: is no time zone")
        );
        assert!(wrong("[service]\nends_without_sighting = \"5m\"").contains("service.ends_without_sighting"));
        assert!(wrong("[service]\nrevisit_within = \"10\"").contains("is not a duration"));
    }
}
