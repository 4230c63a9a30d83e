//! A card behind `vpcd`, the virtual reader of the PC/SC service (§7.1): a TCP client whose
//! connection is the card lying on the reader.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::SimulatedCard;
use super::reader::{EmulatedReader, Family};

/// Longest message that the service sends.
const LONGEST: usize = 512;

/// A reader of the PC/SC service on which one simulated card may lie.
#[derive(Debug)]
pub struct VirtualReader {
    service: SocketAddr,
    reader: Arc<Mutex<EmulatedReader>>,
    lying: Option<Lying>,
}

#[derive(Debug)]
struct Lying {
    card: Arc<Mutex<SimulatedCard>>,
    stream: TcpStream,
    thread: JoinHandle<()>,
}

impl VirtualReader {
    /// A reader of this family; `service` is where vpcd listens.
    pub fn new(service: SocketAddr, family: Family) -> Self {
        Self { service, reader: Arc::new(Mutex::new(EmulatedReader::new(family))), lying: None }
    }

    /// Lets each command take this long.
    pub fn set_delay(&self, delay: Duration) {
        lock(&self.reader).delay = delay;
    }

    /// Lets commands of the card be answered by bytes that mean nothing.
    pub fn set_babbling(&self, babbles: bool) {
        lock(&self.reader).babbles = babbles;
    }

    /// Lays a card on, in place of the one that lies there. The service, which looks every 400 ms,
    /// sees the reader empty once and then the card.
    ///
    /// # Errors
    /// vpcd does not listen.
    pub fn lay(&mut self, card: SimulatedCard) -> io::Result<()> {
        self.lift();
        let stream = TcpStream::connect(self.service)?;
        stream.set_nodelay(true)?;
        let card = Arc::new(Mutex::new(card));
        let (reader, on_thread, ours) = (Arc::clone(&self.reader), Arc::clone(&card), stream.try_clone()?);
        // The conversation ends when either side closes the connection.
        let thread = std::thread::spawn(move || {
            let _ = converse(&ours, &reader, &on_thread);
            let _ = ours.shutdown(Shutdown::Both);
        });
        self.lying = Some(Lying { card, stream, thread });
        Ok(())
    }

    /// Puts another card in place of the one that lies there, between two looks of the service, which
    /// never hears of it. Returns the card that lay there; on an empty reader nothing happens.
    pub fn swap_unseen(&mut self, card: SimulatedCard) -> Option<SimulatedCard> {
        let mut lying = self.card()?;
        let mut before = std::mem::replace(&mut *lying, card);
        before.lay_on();
        Some(before)
    }

    /// Lifts the card and returns it.
    pub fn lift(&mut self) -> Option<SimulatedCard> {
        let Lying { card, stream, thread } = self.lying.take()?;
        let _ = stream.shutdown(Shutdown::Both);
        let _ = thread.join();
        let mut card = lock(&card).clone();
        card.lay_on();
        Some(card)
    }

    /// The card that lies there.
    pub fn card(&self) -> Option<MutexGuard<'_, SimulatedCard>> {
        self.lying.as_ref().map(|lying| lock(&lying.card))
    }
}

impl Drop for VirtualReader {
    fn drop(&mut self) {
        self.lift();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages with their length in two bytes before them. Those of one byte are about the power;
/// only the question for the ATR is answered among them.
fn converse(
    mut stream: &TcpStream,
    reader: &Mutex<EmulatedReader>,
    card: &Mutex<SimulatedCard>,
) -> io::Result<()> {
    let mut space = [0; LONGEST];
    loop {
        let mut length = [0; 2];
        receive(stream, &mut length)?;
        let message =
            space.get_mut(..usize::from(u16::from_be_bytes(length))).ok_or(io::ErrorKind::InvalidData)?;
        receive(stream, message)?;
        let mut card = lock(card);
        let answer = match *message {
            [0x00] => {
                card.power_off();
                continue;
            }
            [0x01 | 0x02] => {
                card.power_off();
                card.select();
                continue;
            }
            [0x04] if card.faults.mute => Vec::new(),
            [0x04] => EmulatedReader::atr(&card),
            _ => match lock(reader).transmit(&mut card, message) {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
}

/// Reads all of it. vpcd sends length and message apart, so each part is acknowledged at once: the
/// second one would wait for that for 40 ms.
fn receive(mut stream: &TcpStream, space: &mut [u8]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_quickack(stream, true)?;
    stream.read_exact(space)
}
