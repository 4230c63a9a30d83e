//! A connection to a reader: requests and their answers, and what a reader says unasked.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use rfid_core::{Error, ErrorKind, Result, Retry, Stamp};
use rfid_driver_link::{Link, Stream};
use rfid_llrp::enumeration::StatusCode;
use rfid_llrp::message::{ErrorMessage, Keepalive, KeepaliveAck, ROAccessReport, ReaderEventNotification};
use rfid_llrp::parameter::{LLRPStatus, ReaderEventNotificationData};
use rfid_llrp::{Decoding, Frame, Header, LONGEST_MESSAGE, Message, Version, first_frame};
use tokio::time::Instant;
use zeroize::Zeroize;

use crate::uptime::UptimeAnchor;

/// Room made for receiving: a few hundred tags. Twice as much is kept, so that the rest of a message
/// moves to the front and the buffer never grows for messages of ordinary length.
const RECEIVE_ROOM: usize = 8 * 1024;

/// How long a reader may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The same where something is added or deleted: Impinj readers allow themselves seconds (§10).
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// Messages that are passed over while waiting for an answer.
const MOST_PASSED_OVER: usize = 100_000;

/// Octets of reports and events that are kept while the inventory is being started.
const MOST_HELD: usize = 1 << 20;

/// A connection with its unfinished business.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    link: Link<S>,
    received: BytesMut,
    /// Reports and events that came between a request and its answer and are to be read later;
    /// `None` while they are of no use.
    held: Option<BytesMut>,
    /// How many reports did not fit there.
    pub(crate) lost: u64,
    scratch: Vec<u8>,
    pub(crate) version: Version,
    last_id: u32,
    /// When whatever is going on must be over.
    limit: Instant,
    /// What the times are of a reader that counts from its start.
    pub(crate) uptime: UptimeAnchor,
}

impl<S: Stream> Wire<S> {
    /// Over this connection, for what must be over by then.
    pub(crate) fn new(stream: S, limit: Instant) -> Self {
        Self {
            link: Link::new(stream, "reader"),
            received: BytesMut::with_capacity(2 * RECEIVE_ROOM),
            held: None,
            lost: 0,
            scratch: Vec::new(),
            version: Version::V1_0_1,
            last_id: 0,
            limit,
            uptime: UptimeAnchor::default(),
        }
    }

    /// See [`Stream::now`].
    pub(crate) fn now(&self) -> Instant {
        self.link.now()
    }

    /// When the last bytes came, if that is known.
    pub(crate) fn received_at(&self) -> Option<Stamp> {
        self.link.received_at()
    }

    /// By when something must have come that may take so long.
    pub(crate) fn deadline(&self, patience: Duration) -> Instant {
        (Instant::now() + patience).min(self.limit)
    }

    /// Answers are waited for no longer than this from now on, however many there are.
    pub(crate) fn set_limit(&mut self, span: Duration) {
        self.limit = Instant::now() + span;
    }

    /// Puts a message into the queue of what is to be sent, and returns its id.
    pub(crate) fn queue(&mut self, op: &'static str, message: &Message) -> Result<u32> {
        let id = self.next_id();
        self.queue_as(op, message, self.version, id)?;
        Ok(id)
    }

    /// Never 0, with which old readers fill in what they do not know (§2).
    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    fn queue_as(&mut self, op: &'static str, message: &Message, version: Version, id: u32) -> Result<()> {
        message
            .encode_into(version, id, &mut self.scratch)
            .map_err(|fault| Error::new(ErrorKind::Unsupported, op).with_source(fault))?;
        self.link.queue(&self.scratch);
        // It may hold a password.
        self.scratch.zeroize();
        Ok(())
    }

    /// Sends what is queued. *Cancel safety*: what was not sent stays queued.
    pub(crate) async fn send(&mut self, op: &'static str) -> Result<()> {
        self.link.send(op).await
    }

    /// Waits for more bytes. *Cancel safety*: nothing is lost.
    pub(crate) async fn receive(&mut self, op: &'static str, deadline: Instant) -> Result<()> {
        if self.received.capacity() - self.received.len() < RECEIVE_ROOM / 2 {
            self.received.reserve(RECEIVE_ROOM);
        }
        self.link.receive(op, deadline, &mut self.received).await
    }

    /// The message at the front, if all of it has come. It stays there until [`Wire::pass`].
    pub(crate) fn front(&self, op: &'static str) -> Result<Option<Frame<'_>>> {
        first_frame(&self.received, LONGEST_MESSAGE).map_err(|fault| {
            Error::new(ErrorKind::Protocol, op)
                .with_detail("what comes are no messages of LLRP; is this the right port?")
                .with_source(fault)
        })
    }

    /// Goes on behind the message at the front.
    pub(crate) fn pass(&mut self, header: Header) {
        self.received.advance(self.received.len().min(header.length as usize));
    }

    /// Acknowledges a sign of life. The standard does not say with which id; the reader's own is
    /// echoed (§7.10).
    pub(crate) fn acknowledge(&mut self, op: &'static str, keepalive: Header) -> Result<()> {
        self.queue_as(op, &KeepaliveAck {}.into(), self.version, keepalive.id)
    }

    /// From now on what comes between requests and answers is kept for the inventory.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// From now on what was kept is read, in front of what comes.
    pub(crate) fn release(&mut self) {
        if let Some(mut held) = self.held.take()
            && !held.is_empty()
        {
            held.extend_from_slice(&self.received);
            self.received = held;
        }
    }

    /// Sends a request and returns its answer, or the reader's ErrorMessage instead. What the
    /// reader says besides is kept or passed over; signs of life are acknowledged.
    ///
    /// An answer is told by its id and its type: the ids of what comes unasked are the reader's
    /// own and may be the same (§2).
    ///
    /// *Cancel safety*: none; close the connection after a dropped call.
    pub(crate) async fn ask(
        &mut self,
        op: &'static str,
        request: impl Into<Message>,
        patience: Duration,
    ) -> Result<Message> {
        let request = request.into();
        let id = self.queue(op, &request)?;
        self.answer(op, &request, id, patience).await
    }

    /// As [`Wire::ask`], in a version of its own.
    pub(crate) async fn ask_in(
        &mut self,
        op: &'static str,
        request: impl Into<Message>,
        version: Version,
    ) -> Result<Message> {
        let request = request.into();
        let id = self.next_id();
        self.queue_as(op, &request, version, id)?;
        self.answer(op, &request, id, PATIENCE).await
    }

    async fn answer(
        &mut self,
        op: &'static str,
        request: &Message,
        id: u32,
        patience: Duration,
    ) -> Result<Message> {
        // A vendor's message is answered by another one.
        let expected = request.answer().unwrap_or(request.number());
        let deadline = self.deadline(patience);
        self.send(op).await?;
        for _ in 0..MOST_PASSED_OVER {
            let Some(frame) = self.front(op)? else {
                self.receive(op, deadline).await.map_err(|error| match error.kind() {
                    ErrorKind::Timeout => Error::new(ErrorKind::Timeout, op)
                        .with_detail(format!("the reader does not answer to {}", request.name()))
                        .with_source(error),
                    _ => error,
                })?;
                continue;
            };
            let header = frame.header;
            let is_answer =
                header.id == id && (header.number == expected || header.number == ErrorMessage::NUMBER);
            if is_answer {
                let mut decoding = Decoding::lenient();
                let decoded = Message::of_frame(&frame, &mut decoding);
                if let Some(fault) = decoding.first_skipped() {
                    tracing::debug!(%fault, skipped = decoding.skipped(), "parts of an answer are not known");
                }
                let answer = decoded.map_err(|fault| {
                    Error::new(ErrorKind::Protocol, op)
                        .with_detail(format!("the answer to {} cannot be read", request.name()))
                        .with_source(fault)
                });
                self.pass(header);
                return answer;
            }
            self.pass_over(op, header).await?;
        }
        Err(Error::new(ErrorKind::Protocol, op)
            .with_detail(format!("no answer to {} within {MOST_PASSED_OVER} messages", request.name())))
    }

    /// What comes between a request and its answer.
    async fn pass_over(&mut self, op: &'static str, header: Header) -> Result<()> {
        match header.number {
            Keepalive::NUMBER => {
                self.pass(header);
                self.acknowledge(op, header)?;
                return self.send(op).await;
            }
            ReaderEventNotification::NUMBER => {
                if let Some(event) = self.event(op)?
                    && event.connection_close_event.is_some()
                {
                    return Err(closed_by_reader(op));
                }
                self.keep(header);
            }
            ROAccessReport::NUMBER => self.keep(header),
            number => tracing::debug!(number, id = header.id, "the reader says what nobody waits for"),
        }
        self.pass(header);
        Ok(())
    }

    fn keep(&mut self, header: Header) {
        let Some(held) = &mut self.held else { return };
        let Some(octets) = self.received.get(..header.length as usize) else { return };
        if held.len() + octets.len() <= MOST_HELD {
            held.extend_from_slice(octets);
        } else if let Ok(Some(frame)) = first_frame(octets, LONGEST_MESSAGE)
            && let Some(tags) = rfid_llrp::TagReports::of_frame(&frame)
        {
            self.lost = self.lost.saturating_add(tags.count() as u64);
        }
    }

    /// The event at the front; `None` if it cannot be read, which costs nothing but itself.
    pub(crate) fn event(&self, op: &'static str) -> Result<Option<ReaderEventNotificationData>> {
        let Some(frame) = self.front(op)? else { return Ok(None) };
        match Message::of_frame(&frame, &mut Decoding::lenient()) {
            Ok(Message::ReaderEventNotification(event)) => Ok(Some(event.data)),
            Ok(_) => Ok(None),
            Err(fault) => {
                // Zebra readers send events without any content (§12).
                tracing::debug!(%fault, "an event cannot be read");
                Ok(None)
            }
        }
    }

    /// As [`Wire::ask`]; whatever but success is an error.
    pub(crate) async fn must(
        &mut self,
        op: &'static str,
        request: impl Into<Message>,
        patience: Duration,
    ) -> Result<Message> {
        let request = request.into();
        let answer = self.ask(op, request.clone(), patience).await?;
        check(op, &request, answer)
    }

    /// Ends the connection in an orderly way, if it still stands.
    pub(crate) async fn end(self) {
        self.link.end().await;
    }
}

/// The answer, if the reader does what it was asked.
pub(crate) fn check(op: &'static str, request: &Message, answer: Message) -> Result<Message> {
    match answer.status() {
        Some(status) if !status.is_success() => Err(refused(op, request.name(), status)),
        _ if matches!(answer, Message::ErrorMessage(_)) => Err(Error::new(ErrorKind::Protocol, op)
            .with_detail(format!("the reader answers to {} with an error that is none", request.name()))),
        _ => Ok(answer),
    }
}

/// What a reader says instead of doing what it was asked.
pub(crate) fn refused(op: &'static str, what: &str, status: &LLRPStatus) -> Error {
    let kind = match status.status_code {
        StatusCode::R_DEVICE_ERROR => ErrorKind::Protocol,
        _ => ErrorKind::Unsupported,
    };
    Error::new(kind, op)
        .with_detail(format!("the reader refuses {what}: {status}"))
        .with_vendor_code(i64::from(status.status_code.0))
}

/// The reader says that it ends the connection; nothing follows (§7.1).
pub(crate) fn closed_by_reader(op: &'static str) -> Error {
    Error::new(ErrorKind::Io, op)
        .with_detail("the reader ends the connection; it may be restarting")
        .with_retry(Retry::Reconnect)
}
