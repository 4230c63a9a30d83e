//! The reader's language: lines of text.

use rfid_core::{Error, ErrorKind, Result, TagId, TagIdKind};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest line that a reader sends.
const LONGEST: usize = 512;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Reader { model: String, firmware: String, serial: String },
    Tag { antenna: u16, id: TagId, rssi_cdbm: i16 },
    Tick,
    Ok,
    No(String),
}

impl Said {
    /// What this line says, if it says anything that a reader may say.
    fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "TICK" => Some(Self::Tick),
            "OK" => Some(Self::Ok),
            "NO" => Some(Self::No(rest.to_owned())),
            "TAG" => {
                let mut parts = rest.split(' ');
                let said = Self::Tag {
                    antenna: parts.next()?.parse().ok()?,
                    id: TagId::from_hex(TagIdKind::Epc, parts.next()?).ok()?,
                    rssi_cdbm: parts.next()?.parse().ok()?,
                };
                parts.next().is_none().then_some(said)
            }
            "READER" => {
                let mut parts = rest.splitn(3, ';').map(str::to_owned);
                Some(Self::Reader { model: parts.next()?, firmware: parts.next()?, serial: parts.next()? })
            }
            _ => None,
        }
    }
}

/// A connection that speaks in lines.
pub(crate) struct Lines<S> {
    stream: BufReader<S>,
    /// The line as far as it has come.
    line: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream), line: Vec::new() }
    }

    pub(crate) async fn send(&mut self, op: &'static str, request: &str) -> Result<()> {
        let sent = self.stream.get_mut().write_all(format!("{request}\n").as_bytes()).await;
        sent.map_err(|error| Error::new(ErrorKind::Io, op).with_source(error))
    }

    /// Whether a whole line has come, so that the next one needs no waiting.
    pub(crate) fn is_one_ready(&self) -> bool {
        self.stream.buffer().contains(&b'\n')
    }

    /// The next line. *Cancel safety*: nothing is lost.
    pub(crate) async fn next(&mut self, op: &'static str) -> Result<Said> {
        loop {
            let come = self.stream.fill_buf().await;
            let come = come.map_err(|error| Error::new(ErrorKind::Io, op).with_source(error))?;
            if come.is_empty() {
                return Err(Error::new(ErrorKind::Io, op).with_detail("the reader closed the connection"));
            }
            let end = come.iter().position(|byte| *byte == b'\n');
            let (part, used) = match end {
                Some(end) => (come.get(..end), end + 1),
                None => (Some(come), come.len()),
            };
            self.line.extend_from_slice(part.unwrap_or_default());
            self.stream.consume(used);
            if self.line.len() > LONGEST {
                return Err(Error::new(ErrorKind::Protocol, op).with_detail("a line without an end"));
            }
            if end.is_some() {
                let said = str::from_utf8(&self.line).ok().and_then(Said::parse);
                let said = said.ok_or_else(|| {
                    let detail = format!("the reader said \"{}\"", self.line.escape_ascii());
                    Error::new(ErrorKind::Protocol, op).with_detail(detail)
                });
                self.line.clear();
                return said;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_a_reader_may_say_and_nothing_else() {
        let tag = TagId::from_hex(TagIdKind::Epc, "3001").unwrap();
        let said = Said::parse("TAG 2 3001 -5512");
        assert_eq!(said, Some(Said::Tag { antenna: 2, id: tag, rssi_cdbm: -5512 }));
        assert_eq!(Said::parse("NO antenna 9"), Some(Said::No("antenna 9".to_owned())));
        for wrong in ["", "TAG", "TAG 2 3001", "TAG 2 300 -5512", "TAG 2 3001 -5512 7", "READER a;b", "tick"]
        {
            assert_eq!(Said::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_not_waited_for() {
        let (here, mut there) = tokio::io::duplex(4096);
        there.write_all(&[b'x'; LONGEST + 1]).await.unwrap();
        let error = Lines::new(here).next("read").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }

    #[tokio::test]
    async fn half_a_line_survives_a_read_that_is_dropped() {
        let (here, mut there) = tokio::io::duplex(4096);
        let mut lines = Lines::new(here);
        there.write_all(b"TI").await.unwrap();
        assert!(
            std::future::poll_fn(|cx| {
                let next = std::pin::pin!(lines.next("read"));
                std::task::Poll::Ready(std::future::Future::poll(next, cx).is_pending())
            })
            .await
        );
        there.write_all(b"CK\n").await.unwrap();
        assert_eq!(lines.next("read").await.unwrap(), Said::Tick);
    }
}
