//! Arguments of the search for readers.

use std::net::Ipv4Addr;
use std::str::FromStr;

use clap::Args;
use rfid_core::DurationText;

/// `rfid-host discover`.
#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// The network, as in 192.168.10.0/24
    #[arg(value_name = "CIDR")]
    pub(crate) network: Network,
    /// How long each address is waited for
    #[arg(long, value_name = "DURATION", value_parser = DurationText::parse, default_value = "1s")]
    pub(crate) time_out: DurationText,
    /// How many connections are tried at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) at_once: u16,
    /// Port of LLRP readers
    #[arg(long, value_name = "PORT", default_value_t = 5084, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) llrp_port: u16,
    /// Port of Mercury 4 readers
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) mercury4_port: u16,
    /// Search more than 1,024 addresses, up to 65,536
    #[arg(long)]
    pub(crate) force: bool,
    /// One JSON object a line for each reader
    #[arg(long)]
    pub(crate) json: bool,
}

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: u32,
    prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("\"{text}\" is no IPv4 network; write it as in 192.168.10.0/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
        // Whoever names an address that is not the network's first one has mistaken something.
        let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let first = u32::from(address);
        if first & host_bits != 0 {
            let network = Ipv4Addr::from(first & !host_bits);
            return Err(format!("{address} lies within a network; did you mean {network}/{prefix}?"));
        }
        Ok(Self { first, prefix })
    }
}

impl Network {
    /// How many addresses there are to search.
    pub(crate) fn count(self) -> u64 {
        let all = 1_u64 << (32 - u32::from(self.prefix));
        if self.has_ends() { all - 2 } else { all }
    }

    /// Whether its first and last address are nobody's.
    fn has_ends(self) -> bool {
        self.prefix <= 30
    }

    /// The addresses to search.
    pub(crate) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        let from = u64::from(self.first) + u64::from(self.has_ends());
        (from..from + self.count()).filter_map(|address| u32::try_from(address).ok()).map(Ipv4Addr::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_the_addresses_that_machines_can_have() {
        let hosts = |text: &str| {
            let network: Network = text.parse().unwrap();
            let hosts: Vec<Ipv4Addr> = network.hosts().collect();
            assert_eq!(hosts.len() as u64, network.count());
            (hosts.len(), hosts[0].to_string(), hosts[hosts.len() - 1].to_string())
        };
        assert_eq!(hosts("127.0.0.0/28"), (14, "127.0.0.1".to_owned(), "127.0.0.14".to_owned()));
        assert_eq!(hosts("10.0.0.0/31"), (2, "10.0.0.0".to_owned(), "10.0.0.1".to_owned()));
        assert_eq!(hosts("10.0.0.7/32"), (1, "10.0.0.7".to_owned(), "10.0.0.7".to_owned()));
        assert_eq!(hosts("255.255.255.254/31").2, "255.255.255.255");
        assert_eq!("0.0.0.0/0".parse::<Network>().unwrap().count(), (1 << 32) - 2);
    }

    #[test]
    fn what_is_no_network_is_said_to_be_none() {
        for text in ["", "127.0.0.1", "127.0.0.0/33", "127.0.0.0/-1", "::1/128", "127.0.0/8", "localhost/8"] {
            assert!(text.parse::<Network>().unwrap_err().contains("192.168.10.0/24"), "{text}");
        }
        let within = "192.168.10.7/24".parse::<Network>().unwrap_err();
        assert!(within.ends_with("did you mean 192.168.10.0/24?"), "{within}");
    }
}
