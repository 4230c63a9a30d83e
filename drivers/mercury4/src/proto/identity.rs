//! What a reader is, from what it says about itself (§3.3, §3.5, §6.5).

use rfid_core::AirProtocol;

use super::air::RqlProtocol;

/// Family of readers that share a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Mercury 4, or an old Mercury 5 that cannot be told from one.
    Mercury4,
    /// Mercury 5.
    Mercury5,
    /// Mercury 6.
    Mercury6,
    /// Astra.
    Astra,
}

impl Model {
    /// Tells models apart by firmware line and the `pib_model` parameter.
    ///
    /// Firmware 2.x is Mercury 4 or 5; the vendor's own client says that it cannot tell. A
    /// Mercury 5 of later firmware names itself.
    pub fn detect(version: &str, pib_model: Option<&str>, protocols: &[AirProtocol]) -> Self {
        let first_generation =
            protocols.iter().any(|protocol| matches!(protocol, AirProtocol::Epc0 | AirProtocol::Epc1));
        match pib_model {
            Some("Mercury6") => Self::Mercury6,
            Some("Mercury5") => Self::Mercury5,
            Some("Astra") => Self::Astra,
            _ if version.starts_with("4.") => Self::Astra,
            Some("") if !first_generation => Self::Mercury5,
            _ => Self::Mercury4,
        }
    }

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mercury4 => "ThingMagic Mercury 4",
            Self::Mercury5 => "ThingMagic Mercury 5",
            Self::Mercury6 => "ThingMagic Mercury 6",
            Self::Astra => "ThingMagic Astra",
        }
    }

    /// The column of `saved_settings` that holds the transmit power in hundredths of a dBm (§3.4).
    pub const fn power_column(self) -> &'static str {
        match self {
            Self::Mercury4 => "uhf_power_centidbm",
            _ => "tx_power",
        }
    }

    /// The transmit power that the reader takes, in hundredths of a dBm (§3.4).
    pub const fn power_range_cdbm(self) -> std::ops::RangeInclusive<i16> {
        match self {
            Self::Mercury4 => 0..=3250,
            Self::Mercury5 => 500..=3250,
            Self::Mercury6 => 500..=3150,
            Self::Astra => 500..=3000,
        }
    }
}

/// The firmware version at the front of a `version` value, if the line is one: `2.3.14` of
/// `2.3.14 (2005-11-23T14:22:53-05:00 Tesla )`.
///
/// Nothing else that a reader says looks so: a row with several columns has a `|`, an id begins
/// with `0x`, and a bare `timestamp` has ten digits before the dot.
pub fn version_number(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let number = text.split(' ').next()?;
    let parts: Vec<&str> = number.split('.').collect();
    let is_part =
        |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() >= 2 && parts.iter().all(is_part) && !text.contains('|')).then_some(number)
}

/// Air protocols of a `supported_protocols` value; names that are not known are left out.
pub fn supported_protocols(value: &str) -> Vec<AirProtocol> {
    value.split_whitespace().filter_map(RqlProtocol::by_name).map(|protocol| protocol.air).collect()
}

/// Ports of a `reader_connected_antennas` value: numbers between blanks, with an `X` before a
/// port to which nothing is connected (§3.5).
pub fn connected_antennas(value: &str) -> Vec<u16> {
    value.split_whitespace().filter_map(|port| port.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_mercury_4_is_told() {
        let version = "2.3.14 (2005-11-23T14:22:53-05:00 Tesla )";
        assert_eq!(version_number(version.as_bytes()), Some("2.3.14"));
        let protocols = supported_protocols("EPC1 GEN2");
        assert_eq!(protocols, [AirProtocol::Epc1, AirProtocol::Gen2]);
        assert_eq!(Model::detect(version, None, &protocols), Model::Mercury4);
        assert_eq!(Model::detect(version, Some(""), &protocols), Model::Mercury4);
    }

    #[test]
    fn later_models_are_told_by_what_they_call_themselves() {
        assert_eq!(Model::detect("2.4.22", Some("Mercury5"), &[AirProtocol::Gen2]), Model::Mercury5);
        assert_eq!(Model::detect("4.1.17", Some("Mercury6"), &[AirProtocol::Gen2]), Model::Mercury6);
        assert_eq!(Model::detect("4.1.17", Some(""), &[AirProtocol::Gen2]), Model::Astra);
        assert_eq!(Model::detect("4.1.17", None, &[]), Model::Astra);
    }

    #[test]
    fn only_a_version_looks_like_a_version() {
        for line in
            ["", "12|1", "0xCE851234567890ABCDEF", "1101973245.003590", "3250", "EPC1 GEN2", "Error 0100: x"]
        {
            assert_eq!(version_number(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn ports_without_an_antenna_are_left_out() {
        assert_eq!(connected_antennas("1 X2 3 X4"), [1, 3]);
        assert_eq!(connected_antennas(""), [] as [u16; 0]);
    }
}
