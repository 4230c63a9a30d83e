//! Who could have heard a tag.

/// Which antennas of a reader are known to be listening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// None: the session is down or the inventory is not running.
    None,
    /// All that belong to a zone.
    All,
    /// These ports.
    Ports(Vec<u16>),
}
