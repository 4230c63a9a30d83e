//! What stands on the screens, in the language of who looks.
//!
//! All of it is in `text/zh-CN/` and `text/en/`, a file for each group of screens and `words.ftl` for what several
//! say; pages and code name it by its key.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use rfid_core::UtcTime;
use unic_langid::LanguageIdentifier;

/// The cookie in which a browser keeps the language of who looks.
pub(super) const COOKIE: &str = "rfid-language";

/// A language of the screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// The first language of the staff.
    Chinese,
    /// The second.
    English,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub(super) const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// Its tag, as in HTML.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// What it calls itself.
    pub(super) const fn own_name(self) -> &'static str {
        match self {
            Self::Chinese => "中文",
            Self::English => "English",
        }
    }

    /// The language of this tag.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(tag))
    }

    /// That which was chosen in this browser; otherwise Chinese, unless the browser asks for English and for no
    /// Chinese.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let chosen = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE)
            .and_then(|(_, tag)| Self::of_tag(tag));
        let asked = || {
            let value = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
            let value = value.unwrap_or_default().to_ascii_lowercase();
            let asks = |tag: &str| value.split(',').any(|one| one.trim().starts_with(tag));
            if asks("en") && !asks("zh") { Self::English } else { Self::Chinese }
        };
        chosen.unwrap_or_else(asked)
    }
}

/// The texts of a language, from its folder.
macro_rules! texts {
    ($folder:literal) => {
        [
            include_str!(concat!("text/", $folder, "/words.ftl")),
            include_str!(concat!("text/", $folder, "/branch.ftl")),
            include_str!(concat!("text/", $folder, "/display.ftl")),
            include_str!(concat!("text/", $folder, "/issuing.ftl")),
            include_str!(concat!("text/", $folder, "/centre.ftl")),
            include_str!(concat!("text/", $folder, "/administration.ftl")),
        ]
    };
}

const SOURCES: [[&str; 6]; 2] = [texts!("zh-CN"), texts!("en")];

static CHINESE: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::Chinese, &SOURCES[0]));
static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle(Language::English, &SOURCES[1]));

fn bundle(language: Language, sources: &[&str]) -> FluentBundle<FluentResource> {
    let identifier: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // Marks around what is put in would stand in attributes as well; `dir="auto"` does that work.
    bundle.set_use_isolating(false);
    for source in sources {
        let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

/// Texts in a language.
#[derive(Clone)]
pub(super) struct Text {
    /// Which.
    pub(super) language: Language,
    /// Where the bank's days begin and end.
    zone: TimeZone,
}

impl Text {
    pub(super) fn new(language: Language, zone: TimeZone) -> Self {
        Self { language, zone }
    }

    /// The text of this key; the key where there is none, which a test rules out.
    pub(super) fn say(&self, key: &str) -> String {
        self.form(key, None)
    }

    /// The same with something put in.
    pub(super) fn with(&self, key: &str, name: &str, value: impl Into<FluentValue<'static>>) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), value);
        self.form(key, Some(&args))
    }

    /// What a word of a configuration or of a record is called, as in `zone-door`; the word itself where it is one
    /// of the bank's own.
    pub(super) fn known(&self, what: &str, word: &str) -> String {
        let key = format!("{what}-{}", word.replace('_', "-"));
        let said = self.say(&key);
        if said == key { word.to_owned() } else { said }
    }

    fn form(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = match self.language {
            Language::Chinese => &*CHINESE,
            Language::English => &*ENGLISH,
        };
        match bundle.get_message(key).and_then(|message| message.value()) {
            Some(pattern) => bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned(),
            None => key.to_owned(),
        }
    }

    /// Hours and minutes of a time, where the bank is.
    pub(super) fn clock(&self, at: UtcTime) -> String {
        self.local(at).map(|at| at.strftime("%H:%M").to_string()).unwrap_or_default()
    }

    /// A day and a time to the second, so that they can be compared.
    pub(super) fn second(&self, at: UtcTime) -> String {
        self.local(at).map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
    }

    /// A day with its time of day, as the bank writes it.
    pub(super) fn moment(&self, at: UtcTime) -> String {
        format!("{} {}", self.day(at), self.clock(at))
    }

    /// A day, as the bank writes it.
    pub(super) fn day(&self, at: UtcTime) -> String {
        self.local(at).map(|at| self.date_said(at.date())).unwrap_or_default()
    }

    const fn day_format(&self) -> &'static str {
        match self.language {
            Language::Chinese => "%Y年%-m月%-d日",
            Language::English => "%-d %b %Y",
        }
    }

    /// A day of the bank, as it writes it.
    pub(super) fn date_said(&self, date: Date) -> String {
        date.strftime(self.day_format()).to_string()
    }

    /// The day of a time, where the bank is.
    pub(super) fn date(&self, at: UtcTime) -> Option<Date> {
        self.local(at).map(|at| at.date())
    }

    /// The time at which the clocks of the bank say this.
    pub(super) fn at(&self, date: Date, time: Time) -> Option<UtcTime> {
        let at = self.zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?;
        u64::try_from(at.as_nanosecond()).ok().map(UtcTime::from_nanos)
    }

    fn local(&self, at: UtcTime) -> Option<DateTime> {
        let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())).ok()?;
        Some(self.zone.to_datetime(at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(sources: &[&'static str]) -> BTreeSet<&'static str> {
        sources.iter().flat_map(|source| lines(source)).map(|(key, _)| key).collect()
    }

    fn lines(source: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_key = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        source.lines().filter(is_key).filter_map(|line| line.split_once(" ="))
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let [chinese, english] = SOURCES.each_ref().map(|sources| keys(sources));
        assert_eq!(chinese, english);
        assert!(chinese.len() > 50, "{}", chinese.len());
        for (chinese, english) in SOURCES[0].iter().zip(&SOURCES[1]) {
            assert_eq!(keys(&[chinese]), keys(&[english]), "a key stands in another file");
        }
        for sources in &SOURCES {
            assert!(sources.iter().all(|source| FluentResource::try_new((*source).to_owned()).is_ok()));
            let count: usize = sources.iter().map(|source| lines(source).count()).sum();
            assert_eq!(count, chinese.len(), "a key stands twice");
        }
    }

    /// Everything below a folder, whatever groups it is in.
    fn files(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
    }

    /// Every key in quotes behind `say(` and `with(`, in pages and code.
    fn used() -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        for path in files(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/screens")) {
            let is_source = path.extension().is_some_and(|kind| kind == "html" || kind == "rs");
            if !is_source || path.ends_with("text.rs") || path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for call in [".say(\"", ".with(\""] {
                let found = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                used.extend(found.map(str::to_owned));
            }
        }
        used
    }

    #[test]
    fn no_key_is_missing_and_none_is_there_for_nothing() {
        let (known, used) = (keys(&SOURCES[0]), used());
        // Keys that are put together: the beginning says of what.
        const MADE: &[&str] = &[
            "issuing-",
            "issue-said-",
            "refusal-",
            "no-consent-",
            "state-",
            "class-",
            "zone-",
            "filter-state-",
            "problem-",
            "screen-",
            "people-done-",
            "people-kind-",
            "people-state-",
            "readers-state-",
            "backup-outcome-",
            "size-",
            "host-change-",
            "host-isolation-",
            "count-",
            "trail-outcome-",
            // The centre.
            "report-",
            "report-hint-",
            "column-",
            "by-part-",
            "role-",
            "reader-",
            "export-state-",
            "purpose-",
        ];
        for key in &used {
            assert!(known.contains(key.as_str()), "{key} is used and not there");
        }
        for key in known {
            let is_made = MADE.iter().any(|beginning| key.starts_with(beginning));
            assert!(is_made || used.contains(key), "{key} is there and not used");
        }
    }

    #[test]
    fn pages_have_no_text_of_their_own() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/screens/pages");
        for path in files(pages) {
            let text = std::fs::read_to_string(&path).unwrap();
            // Attributes of the body stand alone in a page that is built on another.
            let lines = text.lines().filter(|line| !line.starts_with("{% block body %}"));
            let mut text = lines.collect::<Vec<_>>().join("\n");
            for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}"), ("<", ">")] {
                while let Some(from) = text.find(open) {
                    let until = text[from..].find(close).map(|at| from + at + close.len());
                    text.replace_range(from..until.unwrap_or(text.len()), " ");
                }
            }
            let left: String = text.chars().filter(|c| c.is_alphabetic()).collect();
            assert_eq!(left, "", "{}", path.display());
        }
    }

    #[test]
    fn the_language_is_the_one_that_was_chosen_and_otherwise_chinese() {
        let of = |pairs: &[(&'static str, &str)]| {
            Language::of(
                &pairs
                    .iter()
                    .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
                    .collect(),
            )
        };
        assert_eq!(of(&[]), Language::Chinese);
        assert_eq!(of(&[("accept-language", "en-GB,en;q=0.8")]), Language::English);
        assert_eq!(of(&[("accept-language", "en,zh-CN;q=0.5")]), Language::Chinese);
        assert_eq!(of(&[("cookie", "a=b; rfid-language=en")]), Language::English);
        assert_eq!(of(&[("cookie", "rfid-language=zh-CN"), ("accept-language", "en")]), Language::Chinese);
        assert_eq!(of(&[("cookie", "rfid-language=xx"), ("accept-language", "en")]), Language::English);
    }

    #[test]
    fn times_are_those_of_the_bank() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let at: UtcTime = "2026-11-29T16:05:00Z".parse().unwrap();
        let chinese = Text::new(Language::Chinese, zone.clone());
        assert_eq!((chinese.clock(at), chinese.day(at)), ("00:05".to_owned(), "2026年11月30日".to_owned()));
        assert_eq!(Text::new(Language::English, zone).day(at), "30 Nov 2026");
    }
}
