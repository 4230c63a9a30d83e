//! Which tags are before which antenna, and when.

use std::fmt;
use std::time::Duration;

use rfid_core::{AirProtocol, DurationText, TagId, TagIdKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::air::Air;

/// No reader fault is known: the table `[faults]` must be empty.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFaults {}

/// Tags that come and go.
///
/// `F` is the table `[faults]` of the emulator that plays it.
#[derive(Clone, Debug, Default)]
pub struct Scenario<F = NoFaults> {
    pub(crate) tags: Vec<Tag>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outages: Vec<Outage>,
    /// What goes wrong with the reader itself.
    pub faults: F,
    pub(crate) air: Air,
    /// Length of the whole, after which it begins again.
    pub(crate) repeat: Option<Duration>,
}

/// A tag before an antenna for a while. The same tag may stand in several entries, as when it is
/// carried from one antenna to the next.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) id: TagId,
    pub(crate) protocol: AirProtocol,
    pub(crate) antenna: u16,
    pub(crate) enters: Duration,
    pub(crate) leaves: Duration,
    pub(crate) rssi_dbm: i16,
    /// Time between two reads.
    pub(crate) interval: Duration,
    pub(crate) tid: Vec<u8>,
    pub(crate) user: Vec<u8>,
    pub(crate) kill_password: u32,
    pub(crate) access_password: u32,
}

/// An input that is high for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub(crate) pin: u8,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// An antenna whose cable is off for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) antenna: u16,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
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
struct ScenarioFile<F> {
    #[serde(default)]
    scenario: Option<WholeFile>,
    #[serde(default)]
    tag: Vec<toml::Spanned<TagFile>>,
    #[serde(default)]
    faults: F,
    #[serde(default)]
    radio: Option<toml::Spanned<Air>>,
    #[serde(default)]
    input: Vec<InputFile>,
    #[serde(default)]
    outage: Vec<OutageFile>,
}

/// `[[input]]`: an input that is high for a while.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputFile {
    pin: toml::Spanned<u8>,
    #[serde(default = "at_once")]
    at: DurationText,
    r#for: Option<DurationText>,
}

/// `[[outage]]`: an antenna whose cable is off for a while.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutageFile {
    antenna: toml::Spanned<u16>,
    #[serde(default = "at_once")]
    at: DurationText,
    r#for: Option<DurationText>,
}

/// `[scenario]`: about the whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeFile {
    /// The whole begins again after this time.
    repeat: Option<toml::Spanned<DurationText>>,
}

/// `[[tag]]`: one tag before one antenna.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagFile {
    epc: toml::Spanned<String>,
    #[serde(default = "gen2")]
    protocol: AirProtocol,
    #[serde(default = "first_antenna")]
    antenna: toml::Spanned<u16>,
    #[serde(default = "at_once")]
    at: DurationText,
    r#for: Option<DurationText>,
    #[serde(default = "usual_rssi")]
    rssi_dbm: i16,
    #[serde(default = "usual_rate")]
    reads_per_second: toml::Spanned<u32>,
    tid: Option<toml::Spanned<String>>,
    user: Option<toml::Spanned<String>>,
    kill_password: Option<toml::Spanned<String>>,
    access_password: Option<toml::Spanned<String>>,
}

fn gen2() -> AirProtocol {
    AirProtocol::Gen2
}

fn first_antenna() -> toml::Spanned<u16> {
    toml::Spanned::new(0..0, 1)
}

fn at_once() -> DurationText {
    DurationText(Duration::ZERO)
}

fn usual_rssi() -> i16 {
    -55
}

fn usual_rate() -> toml::Spanned<u32> {
    toml::Spanned::new(0..0, 20)
}

/// A tag is read at most this often: more than the air lets through.
const MOST_READS_PER_SECOND: u32 = 2_000;

/// A scenario that repeats is at least this long.
const SHORTEST_REPEAT: Duration = Duration::from_secs(1);

/// Bytes of user memory where the scenario does not say.
const USER_BYTES: usize = 64;

/// A maker's number where the scenario does not say: no real maker's, and another for each tag.
fn usual_tid(id: &TagId) -> Vec<u8> {
    let end = id.bytes().len().saturating_sub(4);
    let mut tid = vec![0xE2, 0x00, 0x12, 0x34];
    tid.extend(id.bytes().get(end..).unwrap_or_default());
    tid.resize(8, 0);
    tid
}

/// Antenna ports of the reader.
pub(crate) const ANTENNAS: std::ops::RangeInclusive<u16> = 1..=4;

impl<F: Default + DeserializeOwned> Scenario<F> {
    /// A scenario from the text of its file.
    ///
    /// ```toml
    /// [scenario]
    /// repeat = "60s"           # begin again after a minute; once only if left out
    ///
    /// [[tag]]
    /// epc = "2D0000000000000000000001"
    /// protocol = "gen2"        # gen2 (default), iso18000-6b, epc0, epc1
    /// antenna = 1              # 1 (default) to 4
    /// at = "1s"                # enters the field; 0s if left out
    /// for = "30s"              # stays; for ever if left out
    /// rssi_dbm = -55           # default; reported by Astra readers only
    /// reads_per_second = 20    # default
    /// tid = "E2001234A0B0C0D0" # bank of the maker's number; E2001234 and the id's end if left out
    /// user = "0000"            # user memory; 32 words of zeros if left out
    /// kill_password = "0x22222222"    # zero if left out
    /// access_password = "0x00000000"
    ///
    /// [[input]]                # an input that is high for a while
    /// pin = 1                  # 0 or 1
    /// at = "5s"
    /// for = "1s"
    ///
    /// [[outage]]               # an antenna whose cable is off for a while
    /// antenna = 2
    /// at = "10s"
    /// for = "20s"
    ///
    /// [radio]                  # what the air does to reads; nothing if left out
    /// seed = 1
    /// read_rate = 0.9          # part of the reads that succeed
    /// shadow_every = "4s"      # somebody stands before each tag
    /// shadow_for = "500ms"
    /// ghosts_per_minute = 2    # of Class 0
    /// most_reads_per_second = 600     # for all tags together; more collide
    ///
    /// [faults]                 # what goes wrong with the reader; each emulator has its own
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioFault> {
        let file: ScenarioFile<F> = toml::from_str(text).map_err(|error| {
            fault_at(text, error.span().map_or(0, |span| span.start), error.message().to_owned())
        })?;
        let tags: Result<Vec<Tag>, ScenarioFault> =
            file.tag.into_iter().map(|tag| tag.into_inner().check(text)).collect();
        let repeat = file.scenario.and_then(|whole| whole.repeat);
        if let Some(repeat) = &repeat
            && repeat.get_ref().0 < SHORTEST_REPEAT
        {
            return Err(fault_at(text, repeat.span().start, "repeat: at least 1s is allowed".to_owned()));
        }
        let at = file.radio.as_ref().map_or(0, |radio| radio.span().start);
        let air = file.radio.map(toml::Spanned::into_inner).unwrap_or_default();
        if let Some(fault) = air.fault() {
            return Err(fault_at(text, at, format!("radio.{fault}")));
        }
        let mut inputs = Vec::new();
        for input in file.input {
            if *input.pin.get_ref() > 1 {
                return Err(fault_at(
                    text,
                    input.pin.span().start,
                    "pin: the reader has inputs 0 and 1".to_owned(),
                ));
            }
            let until = end(input.at, input.r#for);
            inputs.push(Input { pin: input.pin.into_inner(), from: input.at.0, until });
        }
        let mut outages = Vec::new();
        for outage in file.outage {
            if !ANTENNAS.contains(outage.antenna.get_ref()) {
                let at = outage.antenna.span().start;
                return Err(fault_at(text, at, "antenna: the reader has ports 1 to 4".to_owned()));
            }
            let until = end(outage.at, outage.r#for);
            outages.push(Outage { antenna: outage.antenna.into_inner(), from: outage.at.0, until });
        }
        Ok(Self {
            tags: tags?,
            inputs,
            outages,
            faults: file.faults,
            air,
            repeat: repeat.map(|repeat| repeat.into_inner().0),
        })
    }

    /// These Gen2 tags before antenna 1 for ever, each read this often.
    pub fn steady(tags: impl IntoIterator<Item = TagId>, reads_per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / reads_per_second.clamp(1, MOST_READS_PER_SECOND);
        let tag = |id: TagId| Tag {
            id,
            tid: usual_tid(&id),
            user: vec![0; USER_BYTES],
            kill_password: 0,
            access_password: 0,
            protocol: AirProtocol::Gen2,
            antenna: 1,
            enters: Duration::ZERO,
            leaves: Duration::MAX,
            rssi_dbm: usual_rssi(),
            interval,
        };
        Self { tags: tags.into_iter().map(tag).collect(), ..Self::default() }
    }
}

impl<F> Scenario<F> {
    /// The same with these things going wrong.
    #[must_use]
    pub fn with_faults(self, faults: F) -> Self {
        Self { faults, ..self }
    }

    /// Whether the scenario says anything of an input.
    pub fn moves_input(&self, pin: u8) -> bool {
        self.inputs.iter().any(|input| input.pin == pin)
    }

    /// Whether anything but tags changes: an input or an antenna's cable.
    pub fn moves_anything(&self) -> bool {
        !self.inputs.is_empty() || !self.outages.is_empty()
    }

    /// Inputs that are high at this time of the scenario.
    pub fn high_inputs(&self, at: Duration) -> impl Iterator<Item = u8> {
        let at = self.within_lap(at);
        let is_high = move |input: &&Input| (input.from..input.until).contains(&at);
        self.inputs.iter().filter(is_high).map(|input| input.pin)
    }

    /// Whether an antenna's cable is off at this time of the scenario.
    pub fn is_off(&self, antenna: u16, at: Duration) -> bool {
        let at = self.within_lap(at);
        self.outages
            .iter()
            .any(|outage| outage.antenna == antenna && (outage.from..outage.until).contains(&at))
    }

    /// The time within the present lap of a scenario that repeats.
    pub fn within_lap(&self, at: Duration) -> Duration {
        match self.repeat {
            Some(lap) => Duration::from_nanos_u128(at.as_nanos() % lap.as_nanos()),
            None => at,
        }
    }
}

impl TagFile {
    fn check(self, text: &str) -> Result<Tag, ScenarioFault> {
        fn fault_in<T>(text: &str, at: usize, message: String) -> Result<T, ScenarioFault> {
            Err(fault_at(text, at, message))
        }
        let kind = match self.protocol {
            AirProtocol::Iso18000_6b => TagIdKind::Iso18000_6bUid,
            _ => TagIdKind::Epc,
        };
        let at = self.epc.span().start;
        let id = match TagId::from_hex(kind, self.epc.get_ref()) {
            Ok(id) => id,
            Err(why) => return fault_in(text, at, format!("epc: \"{}\": {why}", self.epc.get_ref())),
        };
        let (fits, allowed) = match (self.protocol, id.bytes().len()) {
            (AirProtocol::Gen2, len) => (len % 2 == 0, "an even number of bytes up to 62"),
            (AirProtocol::Epc0 | AirProtocol::Epc1, len) => (matches!(len, 8 | 12), "8 or 12 bytes"),
            (AirProtocol::Iso18000_6b, len) => (len == 8, "8 bytes"),
            _ => return fault_in(text, at, "protocol: one of gen2, iso18000-6b, epc0, epc1".to_owned()),
        };
        if !fits {
            return fault_in(text, at, format!("epc: an id of {} has {allowed}", self.protocol));
        }
        if !ANTENNAS.contains(self.antenna.get_ref()) {
            return fault_in(
                text,
                self.antenna.span().start,
                "antenna: the reader has ports 1 to 4".to_owned(),
            );
        }
        let rate = *self.reads_per_second.get_ref();
        if !(1..=MOST_READS_PER_SECOND).contains(&rate) {
            let at = self.reads_per_second.span().start;
            return fault_in(text, at, format!("reads_per_second: 1 to {MOST_READS_PER_SECOND} are allowed"));
        }
        let memory = |given: Option<toml::Spanned<String>>, name: &str, usual: Vec<u8>| match given {
            None => Ok(usual),
            Some(given) => match TagId::from_hex(TagIdKind::Tid, given.get_ref()) {
                Ok(bytes) if bytes.bytes().len().is_multiple_of(2) => Ok(bytes.bytes().to_vec()),
                _ => fault_in(
                    text,
                    given.span().start,
                    format!("{name}: whole words in hexadecimal digits, up to 62 bytes"),
                ),
            },
        };
        let password = |given: Option<toml::Spanned<String>>, name: &str| match given {
            None => Ok(0),
            Some(given) => {
                let digits = given.get_ref().trim_start_matches("0x");
                let allowed = format!("{name}: up to eight hexadecimal digits, as in \"0x22222222\"");
                u32::from_str_radix(digits, 16).or_else(|_| fault_in(text, given.span().start, allowed))
            }
        };
        Ok(Tag {
            id,
            tid: memory(self.tid, "tid", usual_tid(&id))?,
            user: memory(self.user, "user", vec![0; USER_BYTES])?,
            kill_password: password(self.kill_password, "kill_password")?,
            access_password: password(self.access_password, "access_password")?,
            protocol: self.protocol,
            antenna: self.antenna.into_inner(),
            enters: self.at.0,
            leaves: end(self.at, self.r#for),
            rssi_dbm: self.rssi_dbm,
            interval: Duration::from_secs(1) / rate,
        })
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
    fn what_is_left_out_has_its_default() {
        let scenario =
            Scenario::<crate::NoFaults>::from_toml("[[tag]]\nepc = \"2D0000000000000000000001\"\n").unwrap();
        let tag = &scenario.tags[0];
        assert_eq!((tag.antenna, tag.enters, tag.leaves), (1, Duration::ZERO, Duration::MAX));
        assert_eq!(tag.interval, Duration::from_millis(50));
    }

    #[test]
    fn faults_say_where_and_what_is_allowed() {
        let fault = |text: &str| Scenario::<crate::NoFaults>::from_toml(text).unwrap_err().to_string();
        assert_eq!(
            fault("[[tag]]\nepc = \"2D00\"\nprotocol = \"epc1\"\n"),
            "2:7: epc: an id of epc1 has 8 or 12 bytes"
        );
        assert_eq!(
            fault("[[tag]]\nepc = \"2D00\"\nantenna = 5\n"),
            "3:11: antenna: the reader has ports 1 to 4"
        );
        assert!(fault("[[tag]]\nepc = \"2DXX\"\n").starts_with("2:7: epc: \"2DXX\": character 3"));
        assert!(fault("[[tag]]\nepc = \"2D00\"\ncolour = 1\n").starts_with("3:1: unknown field `colour`"));
        assert!(
            fault("[[tag]]\nepc = \"2D00\"\nreads_per_second = 0\n").starts_with("3:20: reads_per_second")
        );
        assert!(fault("[[tag]\n").starts_with("1:"));
        assert_eq!(fault("[scenario]\nrepeat = \"1ms\"\n"), "2:10: repeat: at least 1s is allowed");
    }
}
