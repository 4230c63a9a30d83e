//! A connection to a chip: one command at a time, its acknowledgement, its answer.
//!
//! Every command here may be sent twice: a search, an authentication, a write, and filling the
//! card's buffer do the same again. So a command is repeated when nobody acknowledges or answers it,
//! and an answer is asked for again when it is damaged.

use std::time::Duration;

use rfid_core::{Error, ErrorKind, Result};
use rfid_driver_link::{Link, Stream};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::command::{self, Command, WAKE_UP};
use super::frame::{ACK, FROM_CHIP, Frame, Frames, NACK};

/// Room made for each receive: the longest frame and its acknowledgement.
const RECEIVE_ROOM: usize = 512;

/// How long an acknowledgement may take (§2.7).
const ACK_PATIENCE: Duration = Duration::from_millis(100);

/// The same for the first commands, before anything has come: an adapter that was just opened takes
/// up to 1.5 s (§2.7), tries included.
const FIRST_ACK_PATIENCE: Duration = Duration::from_millis(500);

/// How long a chip may take for what it does by itself (§2.7).
pub(super) const PLAIN: Duration = Duration::from_millis(250);

/// How often a command is sent, and an answer asked for again.
const MOST_TRIES: u8 = 3;

/// What a chip needs after an abort (§2.2).
const AFTER_ABORT: Duration = Duration::from_millis(10);

/// What a chip says to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// The data of its answer.
    Data(&'a [u8]),
    /// It does not know the command, or not with these parameters.
    NotUnderstood,
}

impl<'a> Answer<'a> {
    /// The data, where a chip that understands anything understands the command.
    pub(super) fn data(self, op: &'static str) -> Result<&'a [u8]> {
        match self {
            Self::Data(data) => Ok(data),
            Self::NotUnderstood => Err(Error::new(ErrorKind::Protocol, op)
                .with_detail("the chip does not understand a command that every PN532 knows")),
        }
    }
}

/// A command that was sent and not yet answered. It may carry a key and so is never printed.
struct Exchange {
    op: &'static str,
    code: u8,
    frame: Zeroizing<Vec<u8>>,
    /// How long the answer may take from the acknowledgement on.
    patience: Duration,
    is_acknowledged: bool,
    deadline: Instant,
    /// How often it was sent, and its answer asked for again.
    sent: u8,
    asked_again: u8,
}

/// Whether what comes next answers what is asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// It does.
    Settled,
    /// Something may still come that answers an earlier command.
    Unsettled,
    /// That was aborted; the chip is left alone until then.
    Aborted(Instant),
    /// A command of another kind was sent: with its answer everything earlier has come.
    Checking,
}

/// A connection with its unfinished business.
pub(super) struct Wire<S> {
    link: Link<S>,
    frames: Frames,
    exchange: Option<Exchange>,
    answer: Vec<u8>,
    has_heard: bool,
    order: Order,
    /// See [`Wire::may_be_reset`].
    may_be_reset: bool,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            link: Link::new(stream, "PN532"),
            frames: Frames::default(),
            exchange: None,
            answer: Vec::new(),
            has_heard: false,
            order: Order::Unsettled,
            may_be_reset: true,
        }
    }

    /// Whether the chip did not take a command at first, did not answer one, or was never heard: it
    /// may have forgotten what it was told.
    pub(super) fn may_be_reset(&self) -> bool {
        self.may_be_reset
    }

    /// The chip was told everything anew.
    pub(super) fn is_configured(&mut self) {
        self.may_be_reset = false;
    }

    /// Sends a command and waits for its answer. *Cancel safety*: what was asked is not asked again;
    /// the next call aborts it.
    pub(super) async fn ask(
        &mut self,
        op: &'static str,
        command: &Command,
        patience: Duration,
    ) -> Result<Answer<'_>> {
        self.begin(op, command, patience).await?;
        self.finish().await
    }

    /// Queues a command for [`Wire::finish`].
    pub(super) async fn begin(
        &mut self,
        op: &'static str,
        command: &Command,
        patience: Duration,
    ) -> Result<()> {
        self.settle(op).await?;
        self.put(op, command, patience);
        self.order = Order::Unsettled;
        Ok(())
    }

    /// Wakes the chip with the first command of all, whatever it was doing.
    pub(super) async fn wake(&mut self, op: &'static str, command: &Command) -> Result<()> {
        self.link.queue(&ACK);
        self.link.queue(&WAKE_UP);
        self.put(op, command, PLAIN);
        self.order = Order::Unsettled;
        self.finish().await.map(drop)
    }

    fn put(&mut self, op: &'static str, command: &Command, patience: Duration) {
        let frame = command.frame();
        self.link.queue(&frame);
        let deadline = Instant::now() + self.ack_patience();
        let (code, is_acknowledged, sent, asked_again) = (command.code(), false, 1, 0);
        self.exchange =
            Some(Exchange { op, code, frame, patience, is_acknowledged, deadline, sent, asked_again });
    }

    fn ack_patience(&self) -> Duration {
        if self.has_heard { ACK_PATIENCE } else { FIRST_ACK_PATIENCE }
    }

    /// Makes sure that what comes next answers what is asked next: aborts what was not waited for,
    /// and passes over whatever comes before the answer to a command of another kind. *Cancel
    /// safety*: the next call goes on.
    async fn settle(&mut self, op: &'static str) -> Result<()> {
        loop {
            match self.order {
                Order::Settled => return Ok(()),
                Order::Unsettled => {
                    self.exchange = None;
                    self.link.queue(&ACK);
                    self.order = Order::Aborted(Instant::now() + AFTER_ABORT);
                }
                Order::Aborted(until) => {
                    self.rest(op, until).await?;
                    self.put(op, &command::get_firmware_version(), PLAIN);
                    self.order = Order::Checking;
                }
                // On a line that loses something each time it does not become better than that.
                Order::Checking => return self.finish().await.map(drop),
            }
        }
    }

    /// Waits for the answer to what was begun. *Cancel safety*: nothing is lost; call it again.
    ///
    /// # Errors
    /// `Io` when the connection is lost, `Timeout` when the chip does not acknowledge or answer.
    pub(super) async fn finish(&mut self) -> Result<Answer<'_>> {
        let is_understood = self.wait_for_answer().await?;
        Ok(if is_understood { Answer::Data(&self.answer) } else { Answer::NotUnderstood })
    }

    /// Whether the chip understood.
    async fn wait_for_answer(&mut self) -> Result<bool> {
        loop {
            let Some(exchange) = &mut self.exchange else {
                return Err(Error::new(ErrorKind::Internal, "wait").with_detail("nothing was asked"));
            };
            self.link.send(exchange.op).await?;
            let answer_to = exchange.code.wrapping_add(1);
            match self.frames.next_frame() {
                Some(Frame::Payload([FROM_CHIP, code, data @ ..])) if *code == answer_to => {
                    self.answer.clear();
                    self.answer.extend_from_slice(data);
                    self.is_answered();
                    return Ok(true);
                }
                Some(Frame::Error) if exchange.is_acknowledged => {
                    self.is_answered();
                    return Ok(false);
                }
                Some(Frame::Ack) if !exchange.is_acknowledged => {
                    exchange.is_acknowledged = true;
                    exchange.deadline = Instant::now() + exchange.patience;
                    self.has_heard = true;
                }
                Some(Frame::Damaged) if exchange.is_acknowledged && exchange.asked_again < MOST_TRIES => {
                    self.ask_again();
                }
                // Nobody waits for it.
                Some(_) => {}
                None => {
                    let (op, deadline) = (exchange.op, exchange.deadline);
                    // Somebody who talks without a break is not waited for any longer either.
                    if Instant::now() >= deadline || !self.receive(op, deadline).await? {
                        self.is_overdue()?;
                    }
                }
            }
        }
    }

    /// Nothing comes twice if everything went well at the first try.
    fn is_answered(&mut self) {
        self.has_heard = true;
        let exchange = self.exchange.take();
        let is_clean = exchange.is_some_and(|exchange| exchange.sent == 1 && exchange.asked_again == 0);
        self.order = if is_clean { Order::Settled } else { Order::Unsettled };
    }

    fn ask_again(&mut self) {
        self.link.queue(&NACK);
        if let Some(exchange) = &mut self.exchange {
            exchange.asked_again += 1;
            exchange.deadline = Instant::now() + ACK_PATIENCE;
        }
    }

    /// Nothing has come by the deadline.
    fn is_overdue(&mut self) -> Result<()> {
        if self.frames.give_up_unfinished() {
            return Ok(());
        }
        let ack_patience = self.ack_patience();
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        // Not asked for again: a chip that is only slow would say its answer to the command before.
        if exchange.sent < MOST_TRIES {
            self.link.queue(&ACK);
            self.link.queue(&WAKE_UP);
            self.link.queue(&exchange.frame);
            self.may_be_reset = true;
            exchange.sent += 1;
            exchange.is_acknowledged = false;
            exchange.deadline = Instant::now() + ack_patience;
            return Ok(());
        }
        let (op, is_acknowledged) = (exchange.op, exchange.is_acknowledged);
        self.exchange = None;
        self.order = Order::Unsettled;
        self.may_be_reset = true;
        Err(Error::new(ErrorKind::Timeout, op).with_detail(if is_acknowledged {
            "the PN532 takes a command and does not answer it"
        } else {
            "the PN532 does not answer; is it switched to HSU, and is it this port?"
        }))
    }

    /// Waits for more bytes; `false` at the deadline. *Cancel safety*: nothing is lost.
    async fn receive(&mut self, op: &'static str, deadline: Instant) -> Result<bool> {
        match self.link.receive(op, deadline, self.frames.space(RECEIVE_ROOM)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Timeout => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends what is queued and waits until this time; what comes meanwhile is passed over. *Cancel
    /// safety*: nothing is lost.
    ///
    /// # Errors
    /// `Io` when the connection is lost, which is noticed at once.
    pub(super) async fn rest(&mut self, op: &'static str, until: Instant) -> Result<()> {
        self.link.send(op).await?;
        while Instant::now() < until && self.receive(op, until).await? {
            while self.frames.next_frame().is_some() {}
        }
        Ok(())
    }

    pub(super) async fn end(self) {
        self.link.end().await;
    }
}
