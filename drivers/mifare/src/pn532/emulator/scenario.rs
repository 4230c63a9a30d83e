//! Which cards lie on the pad, when, and what goes wrong.

use std::fmt;
use std::time::Duration;

use rfid_core::{DurationText, TagId, TagIdKind};
use serde::Deserialize;

use super::Faults;
use crate::model::{BLOCK, CardKind, Uid};
use crate::sim::{CardFaults, TornWrite};

/// Cards that come and go.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub(super) stays: Vec<(Uid, CardKind, Stay)>,
    outages: Vec<Outage>,
    /// What goes wrong between chip and host.
    pub faults: Faults,
    /// Length of the whole, after which it begins again.
    pub(super) repeat: Option<Duration>,
}

/// A card on the pad for a while.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    pub(super) from: Duration,
    pub(super) until: Duration,
    /// How it misbehaves this time.
    pub(super) faults: CardFaults,
}

/// When the cable is pulled, once: a scenario that repeats repeats its cards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: Duration,
    pub(super) until: Duration,
}

/// Something is wrong with a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for ScenarioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ScenarioFault {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    scenario: Whole,
    #[serde(default)]
    card: Vec<CardEntry>,
    #[serde(default)]
    outage: Vec<OutageEntry>,
    #[serde(default)]
    faults: Faults,
}

/// `[scenario]`: about the whole.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    repeat: Option<toml::Spanned<DurationText>>,
}

/// `[[card]]`: one card on the pad for a while.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardEntry {
    uid: toml::Spanned<String>,
    #[serde(default = "classic_1k")]
    kind: toml::Spanned<String>,
    #[serde(default = "at_once")]
    at: DurationText,
    r#for: Option<DurationText>,
    #[serde(default)]
    mute: bool,
    gone_after: Option<u32>,
    torn_write: Option<toml::Spanned<TornEntry>>,
    #[serde(default)]
    garbage: bool,
}

/// The write after so many others leaves so many bytes new.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TornEntry {
    after: u32,
    bytes: usize,
}

/// `[[outage]]`: the cable is pulled for a while.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutageEntry {
    #[serde(default = "at_once")]
    at: DurationText,
    r#for: DurationText,
}

fn classic_1k() -> toml::Spanned<String> {
    toml::Spanned::new(0..0, "1k".to_owned())
}

fn at_once() -> DurationText {
    DurationText(Duration::ZERO)
}

const KINDS: [(&str, CardKind); 5] = [
    ("1k", CardKind::Classic1K),
    ("4k", CardKind::Classic4K),
    ("mini", CardKind::Mini),
    ("ultralight", CardKind::Ultralight),
    ("part4", CardKind::Part4),
];

/// A scenario that repeats is at least this long.
const SHORTEST_REPEAT: Duration = Duration::from_secs(1);

impl Scenario {
    /// A scenario from the text of its file.
    ///
    /// ```toml
    /// [scenario]
    /// repeat = "20s"           # the cards come again after so long; once only if left out
    ///
    /// [[card]]
    /// uid = "DEADBEEF"         # 4, 7 or 10 bytes; the same card may stand in several entries
    /// kind = "1k"              # 1k (default), 4k, mini, ultralight, part4
    /// at = "2s"                # is laid on; 0s if left out
    /// for = "5s"               # lies there; for ever if left out
    /// mute = true              # lies there and does not answer
    /// garbage = true           # each block that is read has a wrong bit
    /// gone_after = 3           # is taken away after three commands
    /// torn_write = { after = 1, bytes = 7 }    # the second write changes 7 bytes, then it is gone
    ///
    /// [[outage]]               # the cable is pulled for a while
    /// at = "30s"
    /// for = "5s"
    ///
    /// [faults]                 # what goes wrong between chip and host; nothing if left out
    /// split_every = 1          # everything goes out in pieces of so many bytes
    /// noise = 5                # so many bytes of noise stand before everything that is said
    /// lose_ack_every = 10      # every tenth acknowledgement is lost
    /// lose_answer_every = 10
    /// damage_answer_every = 10
    /// misunderstand_every = 10 # every tenth command is answered by an error frame
    /// reset_every = 100        # the chip loses its power before every hundredth command
    /// answer_delay = "50ms"
    /// extended = true          # answers have the form for long payloads
    /// mute = false             # the chip says nothing at all
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioFault> {
        let file: File = toml::from_str(text).map_err(|error| {
            fault_at(text, error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        if let Some(repeat) = &file.scenario.repeat
            && repeat.get_ref().0 < SHORTEST_REPEAT
        {
            return Err(fault_at(text, repeat.span().start, "repeat: at least 1s is allowed".to_owned()));
        }
        let stays = file.card.into_iter().map(|card| card.check(text)).collect::<Result<_, _>>()?;
        let outage =
            |entry: OutageEntry| Outage { from: entry.at.0, until: end(entry.at, Some(entry.r#for)) };
        Ok(Self {
            stays,
            outages: file.outage.into_iter().map(outage).collect(),
            faults: file.faults,
            repeat: file.scenario.repeat.map(|repeat| repeat.into_inner().0),
        })
    }

    /// These cards one after the other, each for this long, over and over.
    pub fn in_turn(uids: &[Uid], each: Duration) -> Self {
        let stays = (0u32..).zip(uids).map(|(number, uid)| {
            let stay =
                Stay { from: each * number, until: each * (number + 1), faults: CardFaults::default() };
            (*uid, CardKind::Classic1K, stay)
        });
        let repeat = each * u32::try_from(uids.len()).unwrap_or(u32::MAX);
        Self { stays: stays.collect(), repeat: Some(repeat), ..Self::default() }
    }

    /// The same with these things going wrong.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults, ..self }
    }

    pub(super) fn outages(&self) -> Vec<Outage> {
        self.outages.clone()
    }
}

impl CardEntry {
    fn check(self, text: &str) -> Result<(Uid, CardKind, Stay), ScenarioFault> {
        let wrong = |at: usize, message: &str| Err(fault_at(text, at, message.to_owned()));
        let digits = self.uid.get_ref();
        let uid = TagId::from_hex(TagIdKind::Iso14443Uid, digits)
            .ok()
            .and_then(|id| Uid::try_from(id.bytes()).ok());
        let Some(uid) = uid else {
            return wrong(self.uid.span().start, "uid: 4, 7 or 10 bytes in hexadecimal digits");
        };
        let Some((_, kind)) = KINDS.into_iter().find(|(name, _)| name == self.kind.get_ref()) else {
            let names = KINDS.map(|(name, _)| name).join(", ");
            return wrong(self.kind.span().start, &format!("kind: {names} are allowed"));
        };
        let torn_write = match self.torn_write {
            Some(torn) if torn.get_ref().bytes > BLOCK => {
                return wrong(torn.span().start, "torn_write: a block has 16 bytes");
            }
            torn => torn.map(toml::Spanned::into_inner),
        };
        let faults = CardFaults {
            mute: self.mute,
            gone_after: self.gone_after,
            torn_write: torn_write.map(|torn| TornWrite { after: torn.after, bytes: torn.bytes }),
            garbage: self.garbage,
            ..CardFaults::default()
        };
        Ok((uid, kind, Stay { from: self.at.0, until: end(self.at, self.r#for), faults }))
    }
}

fn end(at: DurationText, lasts: Option<DurationText>) -> Duration {
    lasts.map_or(Duration::MAX, |lasts| at.0.saturating_add(lasts.0))
}

fn fault_at(text: &str, offset: usize, message: String) -> ScenarioFault {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    ScenarioFault { line: before.matches('\n').count() + 1, column, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_say_where_and_what_is_allowed() {
        let fault = |text: &str| Scenario::from_toml(text).unwrap_err().to_string();
        assert_eq!(fault("[[card]]\nuid = \"DEAD\"\n"), "2:7: uid: 4, 7 or 10 bytes in hexadecimal digits");
        assert_eq!(
            fault("[[card]]\nuid = \"DEADBEEF\"\nkind = \"2k\"\n"),
            "3:8: kind: 1k, 4k, mini, ultralight, part4 are allowed"
        );
        assert_eq!(
            fault("[[card]]\nuid = \"DEADBEEF\"\ntorn_write = { after = 0, bytes = 17 }\n"),
            "3:14: torn_write: a block has 16 bytes"
        );
        assert_eq!(fault("[scenario]\nrepeat = \"1ms\"\n"), "2:10: repeat: at least 1s is allowed");
        assert!(fault("[faults]\nnoisy = 1\n").starts_with("2:1: unknown field `noisy`"));
    }

    #[test]
    fn the_documented_scenario_is_one() {
        let source = include_str!("scenario.rs");
        let text: String = source
            .lines()
            .skip_while(|line| !line.ends_with("/// ```toml"))
            .skip(1)
            .take_while(|line| !line.ends_with("/// ```"))
            .map(|line| line.trim_start().trim_start_matches("///").to_owned() + "\n")
            .collect();
        let scenario = Scenario::from_toml(&text).unwrap();
        assert_eq!((scenario.stays.len(), scenario.outages.len()), (1, 1));
        assert_eq!(scenario.faults.reset_every, Some(100));
    }
}
