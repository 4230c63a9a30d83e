//! `[audit]`: how it is proved who did what.

use std::path::PathBuf;
use std::time::Duration;

use rfid_core::DurationText;
use rfid_service::audit::space::SpaceLimits;
use schemars::JsonSchema;
use serde::Deserialize;

use super::checker::{At, Checker};
use super::fault::Severity;
use crate::signing;

/// `[audit]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditSection {
    /// Files, best on other machines, to which the end of the trail is written again and again, so that a
    /// trail that was cut off or made anew is noticed.
    anchors: Vec<PathBuf>,
    /// How often.
    #[schemars(extend("format" = "duration"))]
    every: String,
    /// A program and its arguments, which no shell sees: it is given a line that says where the trail ends,
    /// and prints a signature of that line, Ed25519. The key is where this host cannot read it.
    sign_with: Vec<String>,
    /// How often it is asked.
    #[schemars(extend("format" = "duration"))]
    sign_every: String,
    /// It is given up when it has not answered for so long.
    #[schemars(extend("format" = "duration"))]
    sign_within: String,
    /// The public half of the key, in PEM: each signature is looked at before it is kept, and again by
    /// `rfid-host audit verify`.
    public_key: Option<PathBuf>,
    /// Where the store is PostgreSQL, all trails are in a table there, too: that it lacks something for
    /// longer than this is told.
    #[schemars(extend("format" = "duration"))]
    table_within: String,
    /// Hundredths of the disk of the trail from which on it is told that it fills up.
    #[schemars(range(min = 1, max = 100))]
    space_warning_percent: u8,
    /// The same for an alarm.
    #[schemars(range(min = 1, max = 100))]
    space_alarm_percent: u8,
    /// Folder, best on another disk, into which old records of the trail go as sealed archives. It has to be
    /// there. Without it the trail stays online for three years, and then goes.
    archives: Option<PathBuf>,
    /// Records are online for so long before they go into an archive: 90 days at least, twelve months if left
    /// out.
    online_for: Option<String>,
    /// Archives are kept until their last record is so old: three years if left out, "never" is for ever.
    archives_for: Option<String>,
}

impl Default for AuditSection {
    fn default() -> Self {
        let SpaceLimits { warning_percent, alarm_percent } = SpaceLimits::default();
        Self {
            anchors: Vec::new(),
            every: "10m".to_owned(),
            sign_with: Vec::new(),
            sign_every: "24h".to_owned(),
            sign_within: "30s".to_owned(),
            public_key: None,
            table_within: "1m".to_owned(),
            space_warning_percent: warning_percent,
            space_alarm_percent: alarm_percent,
            archives: None,
            online_for: None,
            archives_for: None,
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Three months have to be at hand (PCI DSS 10.5.1).
const LEAST_ONLINE: Duration = Duration::from_secs(90 * 24 * 3600);
const USUALLY_ONLINE_DAYS: u32 = 366;
const USUALLY_ARCHIVED_DAYS: u32 = 1096;
const NEVER: &str = "never";

/// How it is proved what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditConfig {
    /// Where the end of the trail is written.
    pub(crate) anchors: Vec<PathBuf>,
    /// How often.
    pub(crate) every: Duration,
    /// By what it is signed, if by anything.
    pub(crate) signing: Option<SigningConfig>,
    /// File of the public half of the key.
    pub(crate) public_key: Option<PathBuf>,
    /// How long the table of all trails may lack something.
    pub(crate) table_within: Duration,
    /// When it is told that its disk fills up.
    pub(crate) space: SpaceLimits,
    /// Where what is old goes, if anywhere.
    pub(crate) archiving: Option<ArchivingConfig>,
}

/// Where old records of the trail go, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArchivingConfig {
    /// The folder of the archives.
    pub(crate) folder: PathBuf,
    /// So long they are online before.
    pub(crate) online_for: Duration,
    /// So old they become there; nothing for ever.
    pub(crate) archives_for: Option<Duration>,
}

/// By what the end of the trail is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningConfig {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// How often.
    pub(crate) every: Duration,
    /// How long it may take.
    pub(crate) within: Duration,
}

impl Checker<'_> {
    pub(super) fn audit(&mut self) -> Option<AuditConfig> {
        let section: AuditSection = self.single("audit")?;
        let every = DurationText::parse(&section.every).ok().map(|DurationText(span)| span)?;
        if every < Duration::from_secs(1) {
            self.at_value("/audit/every", "is too often: a second at least");
            return None;
        }
        let faults = self.faults.len();
        let space = SpaceLimits {
            warning_percent: section.space_warning_percent,
            alarm_percent: section.space_alarm_percent,
        };
        if space.alarm_percent < space.warning_percent {
            let message = "is below audit.space_warning_percent: an alarm comes after the warning";
            self.at_value("/audit/space_alarm_percent", message);
        }
        let duration = |text: &str| DurationText::parse(text).ok().map(|DurationText(span)| span);
        let (sign_every, sign_within, table_within) = (
            duration(&section.sign_every)?,
            duration(&section.sign_within)?,
            duration(&section.table_within)?,
        );
        let mut words = section.sign_with.into_iter();
        let signing = words.next().map(|program| SigningConfig {
            program: PathBuf::from(program),
            arguments: words.collect(),
            every: sign_every,
            within: sign_within,
        });
        if let Some(signing) = &signing {
            if !signing.program.is_absolute() {
                let message =
                    "is no absolute path: which program it is must not depend on where the host was started";
                self.at_value("/audit/sign_with/0", message);
            }
            if section.anchors.is_empty() {
                self.at_value("/audit/sign_with", "signs anchors, and audit.anchors names no file for any");
            }
            if signing.every < every {
                let message = "is more often than audit.every, at which anchors are made";
                self.at_value("/audit/sign_every", message);
            }
        }
        let archiving =
            self.archiving(section.archives, section.online_for.as_deref(), section.archives_for.as_deref());
        let (anchors, public_key) = (section.anchors, section.public_key);
        if let Some(Err(error)) = public_key.as_deref().map(signing::public_key) {
            self.at_value("/audit/public_key", format!("is not to be used: {error:#}"));
        }
        let is_in_order = self.faults.len() == faults;
        if is_in_order && archiving.as_ref().is_some_and(|archiving| !archiving.folder.is_dir()) {
            let message = "there is no such folder now; nothing is archived until it is there";
            self.add("/audit/archives", At::Value, Severity::Warning, message, None);
        }
        is_in_order.then_some(AuditConfig {
            anchors,
            every,
            signing,
            public_key,
            table_within,
            space,
            archiving,
        })
    }

    fn archiving(
        &mut self,
        folder: Option<PathBuf>,
        online_for: Option<&str>,
        archives_for: Option<&str>,
    ) -> Option<ArchivingConfig> {
        let mut duration = |key: &str, text: &str, or: &str| match DurationText::parse(text) {
            Ok(DurationText(span)) => Some(span),
            Err(said) => {
                self.at_value(&format!("/audit/{key}"), format!("{said}{or}"));
                None
            }
        };
        let online_for = match online_for {
            None => Some(DAY * USUALLY_ONLINE_DAYS),
            Some(text) => duration("online_for", text, ""),
        };
        let archives_for = match archives_for {
            None => Some(Some(DAY * USUALLY_ARCHIVED_DAYS)),
            Some(NEVER) => Some(None),
            Some(text) => duration("archives_for", text, ", or \"never\"").map(Some),
        };
        let (online_for, archives_for) = (online_for?, archives_for?);
        if online_for < LEAST_ONLINE {
            let message = "is too short: what happened within the last 90 days has to be at hand";
            self.at_value("/audit/online_for", message);
        }
        if archives_for.is_some_and(|kept| kept <= online_for) {
            let message = "is not longer than audit.online_for: an archive would go as soon as it is made";
            self.at_value("/audit/archives_for", message);
        }
        let Some(folder) = folder else {
            let written = self.tree.root.get("audit").cloned().unwrap_or_default();
            for key in ["online_for", "archives_for"].into_iter().filter(|key| written.get(*key).is_some()) {
                let message = "is about archives, and audit.archives names no folder for any";
                self.at_value(&format!("/audit/{key}"), message);
            }
            return None;
        };
        if !folder.is_absolute() {
            let message =
                "is no absolute path: where archives are must not depend on where the host was started";
            self.at_value("/audit/archives", message);
        }
        Some(ArchivingConfig { folder, online_for, archives_for })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{GOOD, checked};

    fn wrong(tables: &str) -> String {
        checked(&format!("{GOOD}\n{tables}")).err().unwrap().join("\n")
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        assert!(wrong("[audit]\nevery = \"1ms\"").contains("audit.every"));
        assert!(wrong("[audit]\nspace_alarm_percent = 70").contains("audit.space_alarm_percent"));
        let said = wrong("[audit]\npublic_key = \"/not/there.pub\"");
        assert!(
            said.contains("audit.public_key: is not to be used") && said.contains("/not/there.pub"),
            "{said}"
        );
        let said = wrong("[audit]\nsign_with = [\"sign\"]");
        assert!(said.contains("audit.sign_with.0: is no absolute path"), "{said}");
        assert!(said.contains("audit.sign_with: signs anchors"), "{said}");
        let said = wrong("[audit]\nanchors = [\"/a\"]\nsign_with = [\"/bin/s\"]\nsign_every = \"1m\"");
        assert!(said.contains("audit.sign_every"), "{said}");
    }

    #[test]
    fn old_records_stay_until_there_is_a_place_for_them() {
        let archiving = |keys: &str| {
            let config = checked(&format!("{GOOD}\n[audit]\n{keys}"));
            config.unwrap_or_else(|faults| panic!("{faults:#?}")).service.audit.archiving
        };
        assert_eq!(archiving(""), None);
        let days = |span: std::time::Duration| span.as_secs() / (24 * 3600);
        let usual = archiving("archives = \"/mnt/archives\"").unwrap();
        assert_eq!((days(usual.online_for), usual.archives_for.map(days)), (366, Some(1096)));
        let ever = archiving("archives = \"/mnt/archives\"\narchives_for = \"never\"").unwrap();
        assert_eq!(ever.archives_for, None);
        let said = wrong("[audit]\narchives = \"archives\"\nonline_for = \"30d\"\narchives_for = \"20d\"");
        assert!(said.contains("audit.archives: is no absolute path"), "{said}");
        assert!(said.contains("audit.online_for: is too short"), "{said}");
        assert!(said.contains("audit.archives_for: is not longer than audit.online_for"), "{said}");
        let said = wrong("[audit]\nonline_for = \"400d\"\narchives_for = \"ever\"");
        assert!(said.contains("is not a duration") && said.contains("or \"never\""), "{said}");
        let said = wrong("[audit]\nonline_for = \"400d\"");
        assert!(said.contains("audit.archives names no folder"), "{said}");
        assert!(wrong("[audit]\narchive = \"/a\"").contains("archive"), "unknown keys are refused");
    }
}
