//! A reader to try the driver on.

use std::future::pending;
use std::io;
use std::time::Duration;

use rfid_core::TagId;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, interval};

/// How long a round of listening takes.
const ROUND: Duration = Duration::from_millis(50);

/// The field before antenna 1, which all readers of this emulator have in common.
#[derive(Clone, Debug, Default)]
pub struct Field {
    state: watch::Sender<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    tags: Vec<TagId>,
    cuts: u32,
}

impl Field {
    /// Puts exactly these tags into the field.
    pub fn lay_tags(&self, tags: &[TagId]) {
        self.state.send_modify(|state| state.tags = tags.to_vec());
    }

    /// Breaks every connection, as a pulled cable does. New ones are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Is a reader, for whoever connects, until it is dropped.
    ///
    /// # Errors
    /// Nobody can connect any more.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    connections.spawn(converse(stream, self.state.subscribe()));
                }
                // Whoever hangs up is forgotten.
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Speaks with one host, until either hangs up or the cable is cut.
async fn converse(stream: TcpStream, field: watch::Receiver<State>) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut requests = BufReader::new(from).lines();
    let cuts = field.borrow().cuts;
    let mut cable = field.clone();
    let mut rounds = None;
    loop {
        tokio::select! {
            request = requests.next_line() => {
                let Some(request) = request? else { return Ok(()) };
                let answer = answer(&request, &mut rounds);
                to.write_all(answer.as_bytes()).await?;
            }
            _ = next_round(&mut rounds) => {
                let state = field.borrow().clone();
                let tag = |tag: &TagId| format!("TAG 1 {} -5500\n", tag.hex());
                let tags: String = state.tags.iter().map(tag).collect();
                to.write_all(format!("{tags}TICK\n").as_bytes()).await?;
            }
            () = cut(&mut cable, cuts) => return Ok(()),
        }
    }
}

fn answer(request: &str, rounds: &mut Option<Interval>) -> String {
    match request.split_once(' ').unwrap_or((request, "")) {
        ("HELLO", "") => "READER Acme 100;1.2;0042\n".to_owned(),
        ("START", ports) if ports == "all" || ports.split(',').any(|port| port == "1") => {
            *rounds = Some(interval(ROUND));
            "OK\n".to_owned()
        }
        ("START", ports) => format!("NO the one antenna has port 1, and not {ports}\n"),
        ("STOP", "") => {
            *rounds = None;
            "OK\n".to_owned()
        }
        _ => "NO such request\n".to_owned(),
    }
}

/// Waits until the cable has been pulled once more, or the emulator is gone.
async fn cut(cable: &mut watch::Receiver<State>, before: u32) {
    let _ = cable.wait_for(|state| state.cuts != before).await;
}

async fn next_round(rounds: &mut Option<Interval>) {
    match rounds {
        Some(rounds) => drop(rounds.tick().await),
        None => pending().await,
    }
}
