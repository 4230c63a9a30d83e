//! One line: bytes in, acknowledgements and answers out.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use super::chip::{Chip, Outcome};
use super::{Board, Faults};
use crate::pn532::frame::{self, ACK, ERROR, FROM_CHIP, Frame, Frames, TO_CHIP};

/// How often a chip that searches without giving up looks for a card.
const SEARCHES_EVERY: Duration = Duration::from_millis(10);

/// Noise, in which frames seem to begin.
const NOISE: [u8; 7] = [0x00, 0xFF, 0x12, 0xD5, 0x00, 0x00, 0xFF];

/// What the chip will do if nobody aborts it.
#[derive(Debug)]
struct Pending {
    due: Instant,
    what: Work,
}

#[derive(Debug)]
enum Work {
    Answer(Vec<u8>),
    Search(Vec<u8>),
}

struct Talk<'a, S> {
    stream: S,
    chip: &'a mut Chip,
    board: &'a Board,
    frames: Frames,
    pending: Option<Pending>,
    last_answer: Vec<u8>,
    commands: u32,
    answers: u32,
}

/// Serves the host until the line ends.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    chip: &mut Chip,
    board: &Board,
) -> io::Result<()> {
    let (frames, pending) = (Frames::default(), None);
    let mut talk =
        Talk { stream, chip, board, frames, pending, last_answer: Vec::new(), commands: 0, answers: 0 };
    let mut chunk = [0; 512];
    loop {
        let due = talk.pending.as_ref().map(|pending| pending.due);
        tokio::select! {
            biased;
            count = talk.stream.read(&mut chunk) => match count? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => talk.receive(chunk.get(..count).unwrap_or_default()).await?,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => talk.work().await?,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        let heard = self.chip.hears(bytes);
        self.frames.push(heard);
        while let Some(frame) = self.frames.next_frame() {
            match frame {
                Frame::Payload([TO_CHIP, command @ ..]) => {
                    let command = command.to_vec();
                    self.take(command).await?;
                }
                Frame::Ack => self.pending = None,
                Frame::Nack => {
                    let again = std::mem::take(&mut self.last_answer);
                    self.say(&again).await?;
                    self.last_answer = again;
                }
                // To a broken frame the chip is silent (§2.2).
                Frame::Damaged | Frame::Error | Frame::Payload(_) => {}
            }
        }
        Ok(())
    }

    /// Acknowledges a command and begins with it; one that runs is not gone on with.
    async fn take(&mut self, command: Vec<u8>) -> io::Result<()> {
        let faults = self.faults();
        self.pending = None;
        self.commands += 1;
        if is_turn(self.commands, faults.reset_every) {
            *self.chip = Chip::default();
            self.board.pad().power_off();
            return Ok(());
        }
        if !is_turn(self.commands, faults.lose_ack_every) {
            self.say(&ACK).await?;
        }
        if is_turn(self.commands, faults.misunderstand_every) {
            return self.say(&ERROR).await;
        }
        let delay = faults.answer_delay.map_or(Duration::ZERO, |delay| delay.0);
        self.carry_out(command, Instant::now() + delay);
        Ok(())
    }

    fn carry_out(&mut self, command: Vec<u8>, due: Instant) {
        let outcome = self.chip.carry_out(&command, &mut self.board.pad(), self.board.elapsed());
        let what = match outcome {
            Outcome::NotUnderstood => Work::Answer(ERROR.to_vec()),
            Outcome::SearchesOn => {
                let due = Instant::now() + SEARCHES_EVERY;
                self.pending = Some(Pending { due, what: Work::Search(command) });
                return;
            }
            Outcome::Answer(data) => {
                let code = command.first().map_or(0, |code| code.wrapping_add(1));
                let payload = [&[FROM_CHIP, code], data.as_slice()].concat();
                let is_extended = self.faults().extended;
                Work::Answer(if is_extended {
                    frame::encode_extended(&payload)
                } else {
                    frame::encode(&payload)
                })
            }
        };
        self.pending = Some(Pending { due, what });
    }

    async fn work(&mut self) -> io::Result<()> {
        let Some(Pending { what, .. }) = self.pending.take() else { return Ok(()) };
        match what {
            Work::Search(command) => {
                self.carry_out(command, Instant::now());
                Ok(())
            }
            Work::Answer(answer) => {
                let faults = self.faults();
                self.answers += 1;
                self.last_answer.clone_from(&answer);
                if is_turn(self.answers, faults.lose_answer_every) {
                    return Ok(());
                }
                let mut said = answer;
                if is_turn(self.answers, faults.damage_answer_every)
                    && let Some(byte) = said.iter_mut().rev().nth(2)
                {
                    *byte ^= 0x10;
                }
                self.say(&said).await
            }
        }
    }

    async fn say(&mut self, frame: &[u8]) -> io::Result<()> {
        let faults = self.faults();
        if faults.mute {
            return Ok(());
        }
        let noise = NOISE.iter().cycle().take(faults.noise);
        let bytes: Vec<u8> = noise.chain(frame).copied().collect();
        for piece in bytes.chunks(faults.split_every.unwrap_or(usize::MAX).max(1)) {
            self.stream.write_all(piece).await?;
            if faults.split_every.is_some() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn faults(&self) -> Faults {
        self.board.faults().clone()
    }
}

/// Whether it is the turn of something that happens every so-manieth time.
fn is_turn(count: u32, every: Option<u32>) -> bool {
    every.is_some_and(|every| every != 0 && count.is_multiple_of(every))
}
