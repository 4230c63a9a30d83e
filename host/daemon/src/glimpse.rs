//! What is before a reader just now.

use std::collections::BTreeMap;
use std::time::Duration;

use rfid_core::abilities::TagTarget;
use rfid_core::{AirProtocol, DynSession, ReadBuf, ReadHandler, Result};

/// How long is listened.
const LISTEN: Duration = Duration::from_millis(700);

/// Tags that an open session hears, by id and antenna.
///
/// # Errors
/// Those of the session.
pub(crate) async fn of(session: &mut dyn DynSession) -> Result<BTreeMap<(String, u16), TagTarget>> {
    session.start().await?;
    let mut heard = Heard::default();
    if let Ok(ended) = tokio::time::timeout(LISTEN, session.pump(&mut heard)).await {
        ended?;
    }
    session.stop().await?;
    Ok(heard.tags)
}

/// Tags by id and antenna.
struct Heard {
    buffer: ReadBuf,
    tags: BTreeMap<(String, u16), TagTarget>,
}

impl Default for Heard {
    fn default() -> Self {
        Self { buffer: ReadBuf::with_capacity(ReadBuf::DEFAULT_CAPACITY), tags: BTreeMap::new() }
    }
}

impl ReadHandler for Heard {
    fn buffer(&mut self) -> &mut ReadBuf {
        &mut self.buffer
    }

    fn filled(&mut self) {
        for sighting in self.buffer.iter() {
            let id = sighting.id.to_owned();
            let antenna_port = sighting.read.antenna_port().unwrap_or(1);
            let protocol = sighting.read.protocol().unwrap_or(AirProtocol::Gen2);
            let tag = TagTarget { antenna_port, protocol, id, password: None };
            self.tags.insert((id.hex(), antenna_port), tag);
        }
        self.buffer.clear();
    }
}
