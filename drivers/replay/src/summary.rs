//! What a recording holds, in a few figures.

use std::path::Path;
use std::time::Duration;

use rfid_core::Stamp;
use rfid_core::recording::{Happened, Moment};
use tokio::io::AsyncReadExt;

use crate::format::{Decoder, Fault, Header};

/// Bytes that are read at once.
const ROOM: usize = 256 * 1024;

/// What was recorded so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When it begins; nothing while it is empty.
    pub first: Option<Stamp>,
    /// When it ends.
    pub last: Option<Stamp>,
    /// Sessions that came to read.
    pub sessions: u64,
    /// Calls of the driver that returned.
    pub batches: u64,
    /// Reads that they had.
    pub reads: u64,
    /// Bytes from the reader.
    pub received: u64,
    /// Bytes to the reader.
    pub sent: u64,
    /// Why nothing more was recorded, if that is said.
    pub ended: Option<String>,
}

impl Summary {
    /// Counts a moment.
    pub fn add(&mut self, moment: &Moment) {
        self.first.get_or_insert(moment.at);
        self.last = Some(moment.at);
        match &moment.what {
            Happened::Received(bytes) => self.received += bytes.len() as u64,
            Happened::Sent(bytes) => self.sent += bytes.len() as u64,
            Happened::Up { .. } | Happened::Reading(_) => self.sessions += 1,
            Happened::Read { reads } => {
                self.batches += 1;
                self.reads += u64::from(*reads);
            }
            Happened::Delivered(batch) => {
                self.batches += 1;
                self.reads += batch.len() as u64;
            }
            Happened::Ended(why) => self.ended = Some(why.clone()),
            Happened::Connected | Happened::Asked(_) | Happened::Down { .. } => {}
        }
    }

    /// How long it takes in real time.
    pub fn lasts(&self) -> Duration {
        self.last.zip(self.first).map_or(Duration::ZERO, |(last, first)| last.since(first))
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What it says about itself.
    pub header: Header,
    /// What is in it.
    pub summary: Summary,
    /// Bytes at its end that are no whole moment.
    pub torn: usize,
    /// Where it is damaged; what is behind was not looked at.
    pub damage: Option<Fault>,
}

impl Recorded {
    /// Reads a file through.
    ///
    /// # Errors
    /// When it cannot be read or is no recording.
    pub async fn read(path: &Path) -> std::io::Result<Self> {
        let invalid = |fault| std::io::Error::new(std::io::ErrorKind::InvalidData, fault);
        let mut file = tokio::fs::File::open(path).await?;
        let mut decoder = Decoder::default();
        let (mut header, mut summary, mut damage) = (None, Summary::default(), None);
        while damage.is_none() && file.read_buf(decoder.space(ROOM)).await? > 0 {
            if header.is_none() {
                header = decoder.header().map_err(invalid)?;
            }
            while header.is_some() && damage.is_none() {
                match decoder.moment() {
                    Ok(Some(moment)) => summary.add(&moment),
                    Ok(None) => break,
                    Err(fault) => damage = Some(fault),
                }
            }
        }
        let header = header.ok_or_else(|| invalid(Fault::NotARecording))?;
        let torn = if damage.is_some() { 0 } else { decoder.unfinished() };
        Ok(Self { header, summary, torn, damage })
    }
}
