//! Readers, their antennas, and the zones that these listen to.

use super::coverage::CoverageClock;
use super::moment::Nanos;
use super::settings::{Limits, PresenceSettings};
use super::tracked::ZoneIndex;
use crate::listening::Listening;
use crate::name::Name;

/// One reader of a pipeline and the zones that its antennas belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderPlace {
    /// Name of the reader.
    pub reader: Name,
    /// Branch that the reader stands in.
    pub branch: Option<Name>,
    /// Where its antennas listen.
    pub zones: ZoneMap,
}

/// Which zone an antenna listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneMap {
    /// All antennas of the reader listen to this zone.
    Whole(Name),
    /// Antenna port and zone. Reads of other ports are counted and not used.
    ByPort(Vec<(u16, Name)>),
}

impl ZoneMap {
    /// Antenna ports that belong to a zone, in ascending order; empty for all that there are.
    pub fn antenna_ports(&self) -> Vec<u16> {
        match self {
            Self::Whole(_) => Vec::new(),
            Self::ByPort(ports) => {
                let mut ports: Vec<u16> = ports.iter().map(|(port, _)| *port).collect();
                ports.sort_unstable();
                ports
            }
        }
    }
}

/// Number of a reader within its pipeline, in the order given to
/// [`Presence::new`](super::Presence::new).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderIndex(pub u16);

/// All readers and zones of a pipeline, by number.
#[derive(Debug)]
pub(super) struct Places {
    readers: Vec<Reader>,
    zones: Vec<Zone>,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub(super) name: Name,
    pub(super) branch: Option<Name>,
    antennas: Antennas,
}

#[derive(Debug)]
enum Antennas {
    Whole(Antenna),
    ByPort(Vec<Antenna>),
}

#[derive(Debug)]
struct Antenna {
    /// 0 for all of a reader.
    port: u16,
    zone: ZoneIndex,
    is_listening: bool,
}

#[derive(Debug)]
pub(super) struct Zone {
    pub(super) name: Name,
    pub(super) coverage: CoverageClock,
    pub(super) limits: Limits,
}

impl Places {
    pub(super) fn new(settings: &PresenceSettings, places: &[ReaderPlace]) -> Self {
        let mut zones: Vec<Zone> = Vec::new();
        let mut antenna = |port: u16, name: &Name| {
            let zone = zones.iter().position(|zone| zone.name == *name).unwrap_or_else(|| {
                let limits = settings.rules(name).into();
                zones.push(Zone { name: name.clone(), coverage: CoverageClock::default(), limits });
                zones.len() - 1
            });
            Antenna { port, zone: zone as ZoneIndex, is_listening: false }
        };
        let readers = places
            .iter()
            .take(usize::from(u16::MAX))
            .map(|place| Reader {
                name: place.reader.clone(),
                branch: place.branch.clone(),
                antennas: match &place.zones {
                    ZoneMap::Whole(zone) => Antennas::Whole(antenna(0, zone)),
                    ZoneMap::ByPort(ports) => {
                        Antennas::ByPort(ports.iter().map(|(port, zone)| antenna(*port, zone)).collect())
                    }
                },
            })
            .collect();
        Self { readers, zones }
    }

    pub(super) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    pub(super) fn zones(&self) -> &[Zone] {
        &self.zones
    }

    #[inline]
    pub(super) fn reader(&self, reader: u16) -> Option<&Reader> {
        self.readers.get(usize::from(reader))
    }

    #[inline]
    pub(super) fn zone(&self, zone: ZoneIndex) -> Option<&Zone> {
        self.zones.get(usize::from(zone))
    }

    /// How long this zone has been listened to up to `now`.
    pub(super) fn covered(&self, zone: ZoneIndex, now: Nanos) -> Nanos {
        self.zone(zone).map(|zone| zone.coverage.covered(now)).unwrap_or_default()
    }

    /// The zone that this antenna of a reader listens to.
    #[inline]
    pub(super) fn zone_of(&self, reader: ReaderIndex, port: Option<u16>) -> Option<ZoneIndex> {
        match &self.reader(reader.0)?.antennas {
            Antennas::Whole(antenna) => Some(antenna.zone),
            Antennas::ByPort(antennas) => {
                antennas.iter().find(|antenna| Some(antenna.port) == port).map(|antenna| antenna.zone)
            }
        }
    }

    /// Takes in which antennas of a reader are known to be listening, from `at` on.
    pub(super) fn set_listening(&mut self, reader: ReaderIndex, listening: &Listening, at: Nanos) {
        let Some(reader) = self.readers.get_mut(usize::from(reader.0)) else { return };
        let antennas = match &mut reader.antennas {
            Antennas::Whole(antenna) => std::slice::from_mut(antenna),
            Antennas::ByPort(antennas) => antennas.as_mut_slice(),
        };
        for antenna in antennas {
            let is_listening = match listening {
                Listening::None => false,
                Listening::All => true,
                Listening::Ports(ports) if antenna.port == 0 => !ports.is_empty(),
                Listening::Ports(ports) => ports.contains(&antenna.port),
            };
            let Some(zone) = self.zones.get_mut(usize::from(antenna.zone)) else { continue };
            match (std::mem::replace(&mut antenna.is_listening, is_listening), is_listening) {
                (false, true) => zone.coverage.antenna_up(at),
                (true, false) => zone.coverage.antenna_down(at),
                _ => {}
            }
        }
    }
}
