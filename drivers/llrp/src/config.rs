//! The options of an LLRP reader in the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rfid_core::{ConfigFault, ConfigFaults, DurationText, TagId};
use rfid_driver_link::host_and_port;
use rfid_llrp::Bits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Port on which a reader takes LLRP (§1).
const LLRP_PORT: u16 = 5084;

/// The same over TLS (§1).
const LLRP_TLS_PORT: u16 = 5085;

/// Digits of the longest EPC.
const MOST_DIGITS: usize = TagId::MAX_LEN * 2;

/// How often a reader says that it is alive where nothing else is said.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Options of one reader.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlrpConfig {
    /// Where the reader is: host name or IP address, with a port if it is not 5084, or 5085 over
    /// TLS. An IPv6 address with a port stands in brackets.
    #[schemars(length(min = 1))]
    pub address: String,
    /// Where to wait for a reader that is configured to make the connection itself: IP address and
    /// port of this host, as in "0.0.0.0:5084". A connection is taken from `address` alone, which
    /// then has no port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// File of certificates (PEM), from one of which the reader's own must come. With it the
    /// connection is one over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<PathBuf>,
    /// Version of the protocol. With "1.1" the reader is asked for it, and 1.0.1 is spoken with one
    /// that does not have it.
    #[serde(default)]
    pub version: ProtocolVersion,
    /// Gen2 session: 0 or 1 to know who is there now, 2 or 3 for large populations, whose tags
    /// stay silent for a while once they were read. 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3))]
    pub session: Option<u8>,
    /// About how many tags there are before an antenna at once. 32 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub population: Option<u16>,
    /// Which tags are read: those whose EPC begins with one of these hexadecimal digits, as in
    /// `["3034", "300833B2D"]`. The reader leaves the others out, so that they take no time. How many
    /// beginnings it takes at once it says when it is open; an Impinj Speedway takes two. All tags
    /// if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1)))]
    pub epc_prefixes: Vec<String>,
    /// Mode of the radio, by its number in the reader's own table. The reader's choice if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u16>,
    /// Transmit power in dBm; of those that the reader has, the nearest below. The reader's own
    /// setting if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_dbm: Option<f32>,
    /// After how many sightings the reader reports. With more than 1 the driver asks four times
    /// a second for what has gathered.
    #[serde(default = "default_report_every")]
    #[schemars(range(min = 1))]
    pub report_every: u16,
    /// How an Impinj reader searches. The reader's choice if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_mode: Option<SearchMode>,
    /// Whether an Impinj reader reports the phase of each answer.
    #[serde(default)]
    pub phase: bool,
    /// Whether the reader's inputs are reported.
    #[serde(default)]
    pub watch_inputs: bool,
    /// Whether memory of tags is written in blocks. Faster, and not every tag can.
    #[serde(default)]
    pub block_write: bool,
    /// Whether what other clients set up on the reader is left alone. Without it the reader is
    /// cleared when it is opened, of what a crashed program left running, too.
    #[serde(default)]
    pub share: bool,
    /// How often the reader is to say that it is alive. After two and a half times as long a
    /// silence the link is taken for dead. 1s to 1m.
    #[serde(default = "default_keepalive")]
    pub keepalive: DurationText,
    /// How long a connection may take to be made.
    #[serde(default = "default_connect_time_out")]
    pub connect_time_out: DurationText,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProtocolVersion {
    /// LLRP 1.0.1, which every reader has.
    #[default]
    #[serde(rename = "1.0.1")]
    V1_0_1,
    /// LLRP 1.1.
    #[serde(rename = "1.1")]
    V1_1,
}

/// How often an Impinj reader reads a tag (§8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// Once, until its flag falls back.
    SingleTarget,
    /// Again and again.
    DualTarget,
    /// Once, and kept silent while it is in the field. Needs session 1.
    TagFocus,
}

impl SearchMode {
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::SingleTarget => 1,
            Self::DualTarget => 2,
            Self::TagFocus => 3,
        }
    }
}

fn default_report_every() -> u16 {
    1
}

fn default_keepalive() -> DurationText {
    DurationText(KEEPALIVE)
}

fn default_connect_time_out() -> DurationText {
    DurationText(Duration::from_secs(5))
}

/// What the driver makes of the options.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) tls_ca_file: Option<PathBuf>,
    pub(crate) version: ProtocolVersion,
    pub(crate) session: Option<u8>,
    pub(crate) population: Option<u16>,
    pub(crate) epc_prefixes: Vec<Bits>,
    pub(crate) mode: Option<u16>,
    pub(crate) power_cdbm: Option<i16>,
    pub(crate) report_every: u16,
    pub(crate) search_mode: Option<SearchMode>,
    pub(crate) phase: bool,
    pub(crate) watch_inputs: bool,
    pub(crate) block_write: bool,
    pub(crate) share: bool,
    pub(crate) keepalive: Duration,
    pub(crate) connect_time_out: Duration,
}

impl LlrpConfig {
    /// Everything that is wrong with the options and that their schema cannot say.
    pub(crate) fn check(&self) -> Result<Checked, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let usual_port = if self.tls_ca_file.is_some() { LLRP_TLS_PORT } else { LLRP_PORT };
        let (host, port) = host_and_port(&self.address, usual_port).unwrap_or_else(|| {
            faults.push(ConfigFault::new(
                "/address",
                format!("\"{}\" is not an address; write HOST, HOST:PORT or [IPV6]:PORT", self.address),
            ));
            (String::new(), 0)
        });
        let listen = self.listen.as_deref().map(str::parse);
        if let Some(Err(_)) = listen {
            faults.push(ConfigFault::new("/listen", "write IP:PORT, as in \"0.0.0.0:5084\""));
        }
        if listen.is_some() && !host.is_empty() && port != usual_port {
            faults.push(ConfigFault::new("/address", "has no port where the reader makes the connection"));
        }
        if listen.is_some() && self.tls_ca_file.is_some() {
            faults.push(ConfigFault::new(
                "/tls_ca_file",
                "TLS is for connections that are made to the reader; leave listen out",
            ));
        }
        if self.session.is_some_and(|session| session > 3) {
            faults.push(ConfigFault::new("/session", "0 to 3 are allowed"));
        }
        if self.population == Some(0) {
            faults.push(ConfigFault::new("/population", "1 to 65535 are allowed"));
        }
        let mut epc_prefixes = Vec::new();
        for (place, prefix) in self.epc_prefixes.iter().enumerate() {
            match bits_of(prefix) {
                Some(bits) => epc_prefixes.push(bits),
                None => faults.push(ConfigFault::new(
                    format!("/epc_prefixes/{place}"),
                    format!(
                        "\"{prefix}\" is no beginning of an EPC; write 1 to {MOST_DIGITS} hexadecimal digits"
                    ),
                )),
            }
        }
        // The reader's own table is narrower and known when it is open.
        if self.power_dbm.is_some_and(|dbm| !(-20.0..=40.0).contains(&dbm)) {
            faults.push(ConfigFault::new("/power_dbm", "-20 to 40 are allowed"));
        }
        if self.report_every == 0 {
            faults.push(ConfigFault::new("/report_every", "1 to 65535 are allowed"));
        }
        if self.search_mode == Some(SearchMode::TagFocus) && self.session.is_some_and(|session| session != 1)
        {
            faults.push(ConfigFault::new("/search_mode", "\"tag_focus\" needs session = 1"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&self.keepalive.0) {
            faults.push(ConfigFault::new(
                "/keepalive",
                format!("\"{}\" is not allowed; write 1s to 1m", self.keepalive),
            ));
        }
        if self.connect_time_out.0.is_zero() {
            faults.push(ConfigFault::new("/connect_time_out", "must be longer than zero"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Checked {
            host,
            port,
            listen: listen.and_then(Result::ok),
            tls_ca_file: self.tls_ca_file.clone(),
            version: self.version,
            session: self.session,
            population: self.population,
            epc_prefixes,
            mode: self.mode,
            power_cdbm: self.power_dbm.map(|dbm| (dbm * 100.0).round() as i16),
            report_every: self.report_every,
            search_mode: self.search_mode,
            phase: self.phase,
            watch_inputs: self.watch_inputs,
            block_write: self.block_write,
            share: self.share,
            keepalive: self.keepalive.0,
            connect_time_out: self.connect_time_out.0,
        })
    }
}

/// Four bits for each hexadecimal digit.
fn bits_of(digits: &str) -> Option<Bits> {
    if !(1..=MOST_DIGITS).contains(&digits.len()) {
        return None;
    }
    let values: Vec<u8> = digits
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()?;
    let octets: Vec<u8> = values
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |octet, value| octet << 4 | value) << (4 * (2 - pair.len())))
        .collect();
    Some(Bits::new(&octets, (values.len() * 4) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> LlrpConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn addresses_in_all_their_forms() {
        for (address, host, port) in [
            ("192.168.10.40", "192.168.10.40", 5084),
            ("192.168.10.40:5085", "192.168.10.40", 5085),
            ("speedway-11-22-33.local", "speedway-11-22-33.local", 5084),
            ("fe80::1", "fe80::1", 5084),
            ("[fe80::1]:9000", "fe80::1", 9000),
        ] {
            assert_eq!(host_and_port(address, LLRP_PORT), Some((host.to_owned(), port)), "{address}");
        }
        for address in ["", ":5084", "host:", "host:0", "host:99999", "a b", "[fe80::1", "[::1]5084"] {
            assert_eq!(host_and_port(address, LLRP_PORT), None, "{address}");
        }
    }

    #[test]
    fn all_faults_come_at_once_with_their_places() {
        let faults = config(
            "address = \"a b\"\nlisten = \"reader\"\nsession = 4\npopulation = 0\n\
             epc_prefixes = [\"3034\", \"\", \"30 34\", \"urn\"]\npower_dbm = 99\nreport_every = 0\n\
             search_mode = \"tag_focus\"\nkeepalive = \"10ms\"\nconnect_time_out = \"0s\"",
        )
        .check()
        .unwrap_err();
        let places: Vec<String> = faults.into_iter().map(|fault| fault.path).collect();
        let all = [
            "/address",
            "/listen",
            "/session",
            "/population",
            "/epc_prefixes/1",
            "/epc_prefixes/2",
            "/epc_prefixes/3",
            "/power_dbm",
            "/report_every",
            "/search_mode",
            "/keepalive",
            "/connect_time_out",
        ];
        assert_eq!(places, all);
    }

    #[test]
    fn a_reader_that_dials_has_no_port_of_its_own() {
        let dials = |address: &str| {
            config(&format!("address = \"{address}\"\nlisten = \"[::]:5084\""))
                .check()
                .map(|checked| checked.listen)
        };
        assert_eq!(dials("192.168.10.41").unwrap(), Some("[::]:5084".parse().unwrap()));
        let faults = dials("192.168.10.41:5085").unwrap_err();
        assert_eq!(faults.into_iter().map(|fault| fault.path).collect::<Vec<_>>(), ["/address"]);
        let both = config("address = \"reader\"\nlisten = \"[::]:5084\"\ntls_ca_file = \"ca.pem\"").check();
        assert_eq!(
            both.unwrap_err().into_iter().map(|fault| fault.path).collect::<Vec<_>>(),
            ["/tls_ca_file"]
        );
    }

    #[test]
    fn tls_has_a_port_of_its_own() {
        let checked = config("address = \"reader\"\ntls_ca_file = \"ca.pem\"").check().unwrap();
        assert_eq!(checked.port, 5085);
    }

    #[test]
    fn a_prefix_has_four_bits_for_each_digit() {
        let checked = config("address = \"reader\"\nepc_prefixes = [\"3034\", \"30a\"]").check().unwrap();
        let bits: Vec<_> = checked.epc_prefixes.iter().map(|bits| (bits.octets(), bits.count())).collect();
        assert_eq!(bits, [(&[0x30, 0x34][..], 16), (&[0x30, 0xA0], 12)]);
        assert_eq!(bits_of(&"F".repeat(124)).map(|bits| bits.count()), Some(496));
        assert_eq!(bits_of(&"F".repeat(125)), None);
    }

    #[test]
    fn what_is_left_out_is_left_to_the_reader() {
        let checked = config("address = \"reader\"").check().unwrap();
        assert_eq!((checked.port, checked.version), (5084, ProtocolVersion::V1_0_1));
        assert_eq!((checked.session, checked.mode, checked.power_cdbm), (None, None, None));
        assert_eq!(checked.keepalive, Duration::from_secs(5));
    }
}
