//! `[exports]`: how much is exported, and for how long.

use std::time::Duration;

use rfid_core::DurationText;
use rfid_service::service::ExportSettings;
use schemars::JsonSchema;
use serde::Deserialize;

use super::checker::Checker;

/// `[exports]` in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExportsSection {
    /// Visits in an export that one person makes alone, without who came. More take a request that
    /// somebody else approves.
    #[schemars(range(min = 1, max = 1_000_000))]
    alone_rows: u64,
    /// The same of all that one person makes alone within a day.
    #[schemars(range(min = 1, max = 1_000_000))]
    alone_rows_a_day: u64,
    /// Visits in any export. They are in memory while the file is made and fetched.
    #[schemars(range(min = 1, max = 1_000_000))]
    most_rows: u64,
    /// A file that nobody fetches is gone after so long; so long an approval can be used.
    #[schemars(extend("format" = "duration"))]
    kept_for: String,
}

impl Default for ExportsSection {
    fn default() -> Self {
        let usual = ExportSettings::default();
        Self {
            alone_rows: usual.alone_rows,
            alone_rows_a_day: usual.alone_rows_a_day,
            most_rows: usual.most_rows,
            kept_for: "24h".to_owned(),
        }
    }
}

impl Checker<'_> {
    pub(super) fn exports(&mut self) -> Option<ExportSettings> {
        let section: ExportsSection = self.single("exports")?;
        let kept_for = DurationText::parse(&section.kept_for).ok().map(|DurationText(span)| span)?;
        let ExportsSection { alone_rows, alone_rows_a_day, most_rows, .. } = section;
        let faults = self.faults.len();
        if !(Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600)).contains(&kept_for) {
            self.at_value(
                "/exports/kept_for",
                "is a minute to seven days: an export is carried out, not kept",
            );
        }
        if alone_rows > most_rows {
            self.at_value("/exports/alone_rows", "is more than exports.most_rows");
        }
        if alone_rows_a_day < alone_rows {
            self.at_value("/exports/alone_rows_a_day", "is fewer than exports.alone_rows");
        }
        let settings = ExportSettings { alone_rows, alone_rows_a_day, most_rows, kept_for };
        (self.faults.len() == faults).then_some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;
    use crate::config::tests::{GOOD, checked};

    #[test]
    fn figures_of_exports_fit_together() {
        let config = checked(&format!("{GOOD}\n[exports]\nalone_rows = 100\nkept_for = \"8h\"\n"));
        let exports = config.unwrap_or_else(|faults| panic!("{faults:#?}")).service.exports;
        assert_eq!((exports.alone_rows, exports.kept_for), (100, Duration::from_secs(8 * 3600)));
        for (written, said) in [
            ("kept_for = \"400d\"", "exports.kept_for"),
            ("kept_for = \"1s\"", "exports.kept_for"),
            ("most_rows = 10", "exports.alone_rows: is more"),
            ("alone_rows_a_day = 10", "exports.alone_rows_a_day: is fewer"),
            ("alone_rows = 0", "exports.alone_rows"),
        ] {
            let faults = checked(&format!("{GOOD}\n[exports]\n{written}\n")).err().unwrap_or_default();
            let faults = faults.join("\n");
            assert!(faults.contains(said), "{written}: {faults}");
        }
    }
}
