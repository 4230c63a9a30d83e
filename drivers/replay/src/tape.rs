//! A recording that is read as it is played.

use std::path::Path;
use std::time::Duration;

use rfid_core::recording::{Happened, Moment};
use rfid_core::{Error, ErrorKind, ReadBuf, ReaderInfo, Result, Retry, Stamp};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::format::{Decoder, Fault, Header};
use crate::line::Script;

/// Bytes that are read at once.
const ROOM: usize = 64 * 1024;

/// Bytes that may pass between two marks. Nobody says more before a call of the driver returns.
const MOST_BETWEEN_MARKS: u64 = 64 * 1024 * 1024;

/// Where the host takes part in what is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The inventory runs.
    Up { capacity: u32 },
    /// A read returned.
    Read { reads: u32 },
    /// The inventory of this reader runs, and nobody need be asked.
    Reading(Box<ReaderInfo>),
    /// This was delivered.
    Delivered(Box<ReadBuf>),
    /// The session is over, or could not be opened.
    Down { since: Stamp },
    /// The recording is over, for this reason if one is known.
    End(Option<String>),
}

/// The recording and the place in it.
#[derive(Debug)]
pub(crate) struct Tape {
    file: File,
    decoder: Decoder,
    pub(crate) header: Header,
    pub(crate) script: Script,
    /// When the first moment was.
    pub(crate) first: Stamp,
    /// The one that has been read and not been taken.
    next: Option<Moment>,
    last: Stamp,
    mark_at: u64,
}

impl Tape {
    /// Opens a recording and reads its beginning.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let mut file = File::open(path).await.map_err(|error| {
            Error::new(ErrorKind::Connect, "open")
                .with_detail(format!("the recording {name} cannot be opened"))
                .with_source(error)
        })?;
        let mut decoder = Decoder::default();
        let header = loop {
            match decoder.header().map_err(|fault| unusable("open", fault))? {
                Some(header) => break header,
                None if read_more(&mut file, &mut decoder, "open").await? => {}
                None => return Err(unusable("open", Fault::NotARecording)),
            }
        };
        let (script, first) = (Script::default(), Stamp::default());
        let mut tape = Self { file, decoder, header, script, first, next: None, last: first, mark_at: 0 };
        tape.next = tape.moment("open").await?;
        if let Some(moment) = &tape.next {
            (tape.first, tape.last) = (moment.at, moment.at);
        }
        Ok(tape)
    }

    /// Goes on to the next mark; what passes over the connection before it is in the script
    /// afterwards. Cancel-safe.
    pub(crate) async fn wind(&mut self, op: &'static str) -> Result<(Stamp, Mark)> {
        loop {
            let moment = match self.next.take() {
                Some(moment) => Some(moment),
                None => self.moment(op).await?,
            };
            let Some(Moment { at, what }) = moment else { return Ok((self.last, Mark::End(self.torn()))) };
            self.last = at;
            let mark = match what {
                Happened::Up { capacity } => Mark::Up { capacity },
                Happened::Read { reads } => Mark::Read { reads },
                Happened::Reading(info) => Mark::Reading(info),
                Happened::Delivered(batch) => Mark::Delivered(batch),
                Happened::Down { since } => Mark::Down { since },
                Happened::Ended(why) => Mark::End(Some(why)),
                passes => {
                    self.script.push(Moment { at, what: passes });
                    if self.decoder.position() - self.mark_at > MOST_BETWEEN_MARKS {
                        return Err(unusable(op, Fault::Damaged(self.mark_at)));
                    }
                    continue;
                }
            };
            self.mark_at = self.decoder.position();
            return Ok((at, mark));
        }
    }

    /// How far into the recording it is.
    pub(crate) fn elapsed(&self) -> Duration {
        self.last.since(self.first)
    }

    fn torn(&self) -> Option<String> {
        let unfinished = self.decoder.unfinished();
        (unfinished > 0).then(|| format!("its last {unfinished} bytes are torn"))
    }

    async fn moment(&mut self, op: &'static str) -> Result<Option<Moment>> {
        loop {
            if let Some(moment) = self.decoder.moment().map_err(|fault| unusable(op, fault))? {
                return Ok(Some(moment));
            }
            if !read_more(&mut self.file, &mut self.decoder, op).await? {
                return Ok(None);
            }
        }
    }
}

/// Whether there was more.
async fn read_more(file: &mut File, decoder: &mut Decoder, op: &'static str) -> Result<bool> {
    let failed =
        |error| Error::new(ErrorKind::Io, op).with_detail("the recording cannot be read").with_source(error);
    if file.read_buf(decoder.space(ROOM)).await.map_err(failed)? > 0 {
        return Ok(true);
    }
    let read = decoder.position() + decoder.unfinished() as u64;
    if file.metadata().await.map_err(failed)?.len() < read {
        return Err(Error::new(ErrorKind::Io, op).with_detail("the recording was cut while it was played"));
    }
    Ok(false)
}

fn unusable(op: &'static str, fault: Fault) -> Error {
    Error::new(ErrorKind::Damaged, op).with_source(fault).with_retry(Retry::Never)
}
