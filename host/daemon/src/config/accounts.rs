//! `[accounts]`, `[issuing]` and `[desks.NAME]`: who logs in, and how cards are issued and where.

use std::collections::BTreeSet;
use std::time::Duration;

use rfid_core::epc::{Epc, Scheme};
use rfid_core::settings::schema_of;
use rfid_core::{DurationText, Name, Secret};
use rfid_service::account::AccountSettings;
use rfid_service::account::password::Cost;
use rfid_service::service::IssuingSettings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::ReaderConfig;
use super::checker::{Checker, not_there};
use super::tree::join;

/// Shortest secret from which passwords of tags are made, in characters.
const SHORTEST_KEY: usize = 32;

/// `[accounts]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccountsSection {
    /// Shortest password of an account without a second factor, in characters.
    #[schemars(range(min = 8, max = 128))]
    shortest_password: usize,
    /// The same with one.
    #[schemars(range(min = 8, max = 128))]
    shortest_with_second_factor: usize,
    /// Memory that it takes to try a password, in KiB.
    #[schemars(range(min = 19456, max = 1_048_576))]
    password_memory_kib: u32,
    /// Passes over it.
    #[schemars(range(min = 2, max = 100))]
    password_passes: u32,
    /// Passwords that are tried at the same time.
    #[schemars(range(min = 1, max = 64))]
    tried_at_once: usize,
    /// Failures that lock an account; each further one locks it for twice as long.
    #[schemars(range(min = 1, max = 100))]
    failures: u32,
    /// For how long the first time.
    #[schemars(extend("format" = "duration"))]
    locked_for: String,
    /// For how long at most.
    #[schemars(extend("format" = "duration"))]
    locked_at_most: String,
    /// How long an invitation can be used.
    #[schemars(extend("format" = "duration"))]
    invited_for: String,
    /// An account that nobody used for so long cannot be used any more.
    #[schemars(extend("format" = "duration"))]
    dormant_after: String,
    /// An account is confirmed anew after so long, by a supervisor: that the person still needs it.
    #[schemars(extend("format" = "duration"))]
    confirmed_every: String,
    /// One that nobody confirms cannot be used any more, so long after a warning.
    #[schemars(extend("format" = "duration"))]
    lapses_after_warning: String,
    /// A session in which nothing is done for so long is over.
    #[schemars(extend("format" = "duration"))]
    idle_after: String,
    /// A session is over after so long, whatever is done in it.
    #[schemars(extend("format" = "duration"))]
    session_at_most: String,
    /// Sessions of one person at the same time; the oldest ends.
    #[schemars(range(min = 1, max = 100))]
    sessions_each: usize,
    /// A display shows itself anew by its key after so long.
    #[schemars(extend("format" = "duration"))]
    display_at_most: String,
    /// How long a proof of who it is counts for what needs one.
    #[schemars(extend("format" = "duration"))]
    proved_for: String,
    /// How long after a start the first two accounts can be made.
    #[schemars(extend("format" = "duration"))]
    setup_for: String,
    /// An extra right is lent for so long at most: four hours, or less.
    #[schemars(extend("format" = "duration"))]
    break_glass_at_most: String,
}

impl Default for AccountsSection {
    fn default() -> Self {
        let usual = AccountSettings::default();
        Self {
            shortest_password: usual.shortest_password,
            shortest_with_second_factor: usual.shortest_with_second_factor,
            password_memory_kib: usual.cost.memory_kib,
            password_passes: usual.cost.passes,
            tried_at_once: usual.tried_at_once,
            failures: usual.failures,
            locked_for: "30m".to_owned(),
            locked_at_most: "24h".to_owned(),
            invited_for: "24h".to_owned(),
            dormant_after: "90d".to_owned(),
            confirmed_every: "90d".to_owned(),
            lapses_after_warning: "14d".to_owned(),
            idle_after: "15m".to_owned(),
            session_at_most: "8h".to_owned(),
            sessions_each: usual.sessions_each,
            display_at_most: "24h".to_owned(),
            proved_for: "5m".to_owned(),
            setup_for: "30m".to_owned(),
            break_glass_at_most: "4h".to_owned(),
        }
    }
}

/// `[issuing]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IssuingSection {
    /// An approved card that is not encoded lapses after so long.
    #[schemars(extend("format" = "duration"))]
    approved_lapses: String,
    /// An encoded card that is not read at a desk lapses after so long.
    #[schemars(extend("format" = "duration"))]
    encoded_lapses: String,
    /// Who changed a customer so long ago does not approve what is asked for the customer.
    #[schemars(extend("format" = "duration"))]
    hands_off_for: String,
    /// Active cards of one customer.
    #[schemars(range(min = 1, max = 100))]
    cards_each: usize,
    /// Codes of branches where asking and approving may come from one address.
    one_desk: Vec<String>,
    /// The bank's GS1 company prefix, 6 to 12 digits, from which EPCs are made. The one that stands here
    /// if it is left out is GS1's own for examples.
    company_prefix: String,
    /// Name of the bank, as it stands on the receipt of a card.
    #[schemars(length(max = 100))]
    bank_name: String,
}

impl Default for IssuingSection {
    fn default() -> Self {
        let usual = IssuingSettings::default();
        Self {
            approved_lapses: "72h".to_owned(),
            encoded_lapses: "14d".to_owned(),
            hands_off_for: "24h".to_owned(),
            cards_each: usual.cards_each,
            one_desk: Vec::new(),
            company_prefix: usual.company_prefix,
            bank_name: usual.bank_name,
        }
    }
}

/// `[desks.NAME]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeskSection {
    /// Name of the reader before whose antenna a card's UHF tag is encoded; no pipeline reads it.
    uhf: String,
    /// Name of the pad on which its chip is encoded; no pipeline reads it.
    pad: String,
    /// The secret from which the password of each tag is made, under which it is locked: at least 32
    /// characters that nobody can guess. Without it tags are not locked.
    #[serde(default)]
    lock_key: Option<Secret>,
}

/// A desk where cards are encoded.
#[derive(Clone)]
pub(crate) struct DeskConfig {
    pub(crate) name: Name,
    /// Names of its readers, in this order: UHF, pad.
    pub(crate) readers: [Name; 2],
    pub(crate) lock_key: Option<Secret>,
}

/// A desk with its readers.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) name: Name,
    pub(crate) uhf: ReaderConfig,
    pub(crate) pad: ReaderConfig,
    pub(crate) lock_key: Option<Secret>,
}

impl Checker<'_> {
    pub(super) fn accounts(&mut self) -> Option<AccountSettings> {
        let section: AccountsSection = self.single("accounts")?;
        // The schema has seen that they are durations.
        let duration = |text: &str| DurationText::parse(text).ok().map(|DurationText(span)| span);
        let settings = AccountSettings {
            shortest_password: section.shortest_password,
            shortest_with_second_factor: section.shortest_with_second_factor,
            cost: Cost { memory_kib: section.password_memory_kib, passes: section.password_passes },
            tried_at_once: section.tried_at_once,
            failures: section.failures,
            locked_for: duration(&section.locked_for)?,
            locked_at_most: duration(&section.locked_at_most)?,
            invited_for: duration(&section.invited_for)?,
            dormant_after: duration(&section.dormant_after)?,
            confirmed_every: duration(&section.confirmed_every)?,
            lapses_after_warning: duration(&section.lapses_after_warning)?,
            idle_after: duration(&section.idle_after)?,
            session_at_most: duration(&section.session_at_most)?,
            sessions_each: section.sessions_each,
            display_at_most: duration(&section.display_at_most)?,
            proved_for: duration(&section.proved_for)?,
            setup_for: duration(&section.setup_for)?,
            break_glass_at_most: duration(&section.break_glass_at_most)?,
        };
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        if !(5 * minute..=4 * hour).contains(&settings.break_glass_at_most) {
            let message = "is not between five minutes and four hours: it is for what cannot wait";
            self.at_value("/accounts/break_glass_at_most", message);
            return None;
        }
        if settings.locked_at_most < settings.locked_for {
            self.at_value("/accounts/locked_at_most", "is shorter than accounts.locked_for");
            return None;
        }
        if settings.lapses_after_warning < Duration::from_secs(24 * 3600) {
            self.at_value("/accounts/lapses_after_warning", "is too short to notice: a day at least");
            return None;
        }
        Some(settings)
    }

    pub(super) fn issuing(&mut self) -> Option<IssuingSettings> {
        let section: IssuingSection = self.single("issuing")?;
        let faults = self.faults.len();
        let there = self.names("branches");
        for (index, branch) in section.one_desk.iter().enumerate() {
            if !there.contains(branch) {
                self.at_value(&format!("/issuing/one_desk/{index}"), not_there(branch, &there, "branches"));
            }
        }
        let digits = 17usize.saturating_sub(section.company_prefix.len());
        let parts = vec![section.company_prefix.clone(), "0".repeat(digits)];
        if let Err(fault) = Epc::new(Scheme::Gsrn96, 0, parts) {
            self.at_value("/issuing/company_prefix", format!("makes no EPC: {fault}"));
        }
        let duration = |text: &str| DurationText::parse(text).ok().map(|DurationText(span)| span);
        let settings = IssuingSettings {
            approved_lapses: duration(&section.approved_lapses)?,
            encoded_lapses: duration(&section.encoded_lapses)?,
            hands_off_for: duration(&section.hands_off_for)?,
            cards_each: section.cards_each,
            one_desk: section.one_desk.iter().map(|code| code.as_str().into()).collect(),
            company_prefix: section.company_prefix,
            bank_name: section.bank_name,
        };
        (self.faults.len() == faults).then_some(settings)
    }

    /// A table that is there once, or not at all.
    pub(super) fn single<T: serde::de::DeserializeOwned + JsonSchema>(&mut self, name: &str) -> Option<T> {
        let table = self.tree.root.get(name).cloned().unwrap_or_else(|| Value::Object(Map::new()));
        if !table.is_object() {
            return None;
        }
        self.typed(&table, &schema_of::<T>(), &join("", name))
    }

    pub(super) fn desks(&mut self, all_secrets: &mut u64) -> Option<Vec<DeskConfig>> {
        let desks: Vec<Option<DeskConfig>> = self
            .tables("desks")
            .into_iter()
            .map(|(name, pointer, table)| self.desk(&name, &pointer, table, all_secrets))
            .collect();
        desks.into_iter().collect()
    }

    fn desk(
        &mut self,
        name: &str,
        pointer: &str,
        table: Map<String, Value>,
        all_secrets: &mut u64,
    ) -> Option<DeskConfig> {
        let schema = schema_of::<DeskSection>();
        let mut whole = Value::Object(table);
        self.hide_secrets(&mut whole, &schema, pointer);
        if !self.fits(&whole, &schema, pointer) {
            return None;
        }
        let secrets = self.secrets(&mut whole, &schema, pointer)?;
        *all_secrets = all_secrets.rotate_left(7) ^ secrets;
        let section: DeskSection = self.typed(&whole, &schema, pointer)?;
        let faults = self.faults.len();
        let (there, read) = (self.names("readers"), self.read_by_pipelines());
        for (key, reader) in [("uhf", &section.uhf), ("pad", &section.pad)] {
            let here = join(pointer, key);
            if !there.contains(reader) {
                self.at_value(&here, not_there(reader, &there, "readers"));
            } else if read.contains(reader) {
                let message =
                    "a pipeline reads it: a desk has readers of its own, which it uses while it encodes";
                self.at_value(&here, message);
            }
        }
        if section.uhf == section.pad {
            self.at_value(&join(pointer, "pad"), "is the same as uhf: a card has two numbers");
        }
        if section.lock_key.as_ref().is_some_and(|key| key.reveal().chars().count() < SHORTEST_KEY) {
            let message = format!(
                "can be guessed; {SHORTEST_KEY} characters at least, as `openssl rand -hex 32` prints them"
            );
            self.at_value(&join(pointer, "lock_key"), message);
        }
        let readers = [section.uhf.as_str().into(), section.pad.as_str().into()];
        (self.faults.len() == faults).then(|| DeskConfig {
            name: name.into(),
            readers,
            lock_key: section.lock_key,
        })
    }

    /// Names of readers that some pipeline reads.
    fn read_by_pipelines(&mut self) -> BTreeSet<String> {
        let pipelines = self.tables("pipelines");
        let names = pipelines.iter().filter_map(|(.., table)| table.get("readers")?.as_array()).flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Names of readers that some desk uses.
    pub(super) fn used_by_desks(&mut self) -> BTreeSet<String> {
        let desks = self.tables("desks");
        let names = desks.iter().flat_map(|(.., table)| [table.get("uhf"), table.get("pad")]).flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

/// Takes the readers of desks from all others.
pub(super) fn seated(desks: Vec<DeskConfig>, readers: &mut Vec<ReaderConfig>) -> Vec<Desk> {
    let find = |name: &Name, readers: &[ReaderConfig]| {
        readers.iter().find(|reader| reader.setup.reader == *name).cloned()
    };
    let seat = |DeskConfig { name, readers: [uhf, pad], lock_key }: DeskConfig| {
        Some(Desk { name, uhf: find(&uhf, readers)?, pad: find(&pad, readers)?, lock_key })
    };
    let seated: Vec<Desk> = desks.into_iter().filter_map(seat).collect();
    let used: BTreeSet<Name> = seated
        .iter()
        .flat_map(|desk| [desk.uhf.setup.reader.clone(), desk.pad.setup.reader.clone()])
        .collect();
    readers.retain(|reader| !used.contains(&reader.setup.reader));
    seated
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{GOOD, checked};

    const DESK: &str = r#"
[readers.issue_uhf]
driver = "mercury4"
branch = "hubin"
address = "127.0.0.1:9"
zone = "desk"

[readers.issue_pad]
driver = "mifare"
branch = "hubin"
transport = "pn532"
port = "/dev/ttyS9"
zone = "desk"

[desks.hubin]
uhf = "issue_uhf"
pad = "issue_pad"
"#;

    fn wrong(tables: &str) -> String {
        checked(&format!("{GOOD}\n{tables}")).err().unwrap().join("\n")
    }

    #[test]
    fn readers_of_a_desk_are_its_own() {
        let config = checked(&format!("{GOOD}\n{DESK}")).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(config.desks.len(), 1);
        assert!(config.reader("issue_uhf").is_none() && config.reader("hubin_door").is_some());
        let said = wrong(&DESK.replace("uhf = \"issue_uhf\"", "uhf = \"hubin_door\""));
        assert!(said.contains("desks.hubin.uhf: a pipeline reads it"), "{said}");
        let said = wrong(&DESK.replace("pad = \"issue_pad\"", "pad = \"issue_uhf\"\nlock_key = \"short\""));
        assert!(said.contains("desks.hubin.pad: is the same as uhf"), "{said}");
        assert!(said.contains("desks.hubin.lock_key: can be guessed") && !said.contains("short"), "{said}");
    }

    #[test]
    fn figures_are_held_against_what_is_safe() {
        let config =
            checked(&format!("{GOOD}\n[accounts]\nidle_after = \"5m\"\n[issuing]\ncards_each = 2\n"));
        let config = config.unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(
            (config.service.accounts.idle_after.as_secs(), config.service.issuing.cards_each),
            (300, 2)
        );
        assert!(wrong("[accounts]\npassword_memory_kib = 64").contains("accounts.password_memory_kib"));
        assert!(wrong("[accounts]\nlocked_at_most = \"1m\"").contains("accounts.locked_at_most"));
        assert!(wrong("[accounts]\nlapses_after_warning = \"1h\"").contains("accounts.lapses_after_warning"));
        assert!(wrong("[issuing]\none_desk = [\"nowhere\"]").contains("issuing.one_desk"));
        assert!(wrong("[issuing]\ncompany_prefix = \"12\"").contains("issuing.company_prefix: makes no EPC"));
        let said = wrong("[accounts]\nbreak_glass_at_most = \"5h\"");
        assert!(said.contains("accounts.break_glass_at_most"), "{said}");
    }
}
