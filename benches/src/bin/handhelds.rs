//! Handhelds by the dozen, which look on in a branch: each follows the arrivals, and at each of them asks for the
//! board and the photo on it, as a browser does, and throws them away.
//!
//! ```sh
//! handhelds 127.0.0.1:8080 < cookies
//! ```
//!
//! Each line on standard input is the cookie of a session, which begins to look on. At its end the figures are on
//! standard output: `answers` with the number of boards and photos that came, and `told` with the milliseconds from
//! each arrival until one of them heard of it.
#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Bytes of an answer at most: a photo has a tenth of it.
const LONGEST: usize = 4 * 1024 * 1024;
/// Where a photo for a whole screen stands in a board.
const PHOTO: (&str, &str) = ("src=\"/photos/", "/large\"");

/// What was measured.
#[derive(Default)]
struct Figures {
    answers: AtomicU64,
    told_ms: Mutex<Vec<i64>>,
}

/// What a stream tells of a visit.
#[derive(Deserialize)]
struct Told {
    id: String,
    arrived_at: Option<String>,
    greeted: Option<serde::de::IgnoredAny>,
    departed_at: Option<serde::de::IgnoredAny>,
}

/// A connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    /// What stands in each question behind its first line.
    head: String,
}

impl Connection {
    fn open(host: &str, cookie: &str) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        let head = format!("Host: bank\r\nCookie: {cookie}\r\nHX-Request: true\r\n\r\n");
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), head })
    }

    fn ask(&mut self, path: &str) -> Result<()> {
        let question = format!("GET {path} HTTP/1.1\r\n{}", self.head);
        Ok(self.stream.get_mut().write_all(question.as_bytes())?)
    }

    fn answer(&mut self) -> Result<Vec<u8>> {
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the host has closed the connection".into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse()?;
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        if length > LONGEST {
            return Err("the host answers without end".into());
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}

/// The connection on which a handheld asks. The host ends one on which nothing was asked for long.
struct Asking<'a> {
    host: &'a str,
    cookie: &'a str,
    connection: Option<Connection>,
}

impl Asking<'_> {
    fn ask(&mut self, path: &str) -> Result<Vec<u8>> {
        if let Some(mut kept) = self.connection.take()
            && let Ok(answer) = kept.ask(path).and_then(|()| kept.answer())
        {
            self.connection = Some(kept);
            return Ok(answer);
        }
        let connection = self.connection.insert(Connection::open(self.host, self.cookie)?);
        connection.ask(path)?;
        connection.answer()
    }
}

/// Looks on until the host ends.
fn look_on(host: &str, cookie: &str, figures: &Figures) -> Result<()> {
    let mut arrivals = Connection::open(host, cookie)?;
    let mut asking = Asking { host, cookie, connection: None };
    arrivals.ask("/api/v1/arrivals")?;
    let mut line = String::new();
    loop {
        line.clear();
        if arrivals.stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some(told) = line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Told>(data).ok())
        else {
            continue;
        };
        let (Some(arrived), None, None) = (told.arrived_at, told.greeted, told.departed_at) else { continue };
        let after = Timestamp::now().as_millisecond() - arrived.parse::<Timestamp>()?.as_millisecond();
        figures.told_ms.lock().unwrap_or_else(PoisonError::into_inner).push(after);
        let board = String::from_utf8(asking.ask(&format!("/lobby/board?main={}", told.id))?)?;
        figures.answers.fetch_add(1, Ordering::Relaxed);
        let photo = board.split_once(PHOTO.0).and_then(|(_, behind)| behind.split_once(PHOTO.1));
        if let Some((visit, _)) = photo {
            asking.ask(&format!("/photos/{visit}/large"))?;
            figures.answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() -> Result<()> {
    let host = std::env::args().nth(1).ok_or("usage: handhelds HOST:PORT < cookies")?;
    let figures = Arc::new(Figures::default());
    for cookie in std::io::stdin().lock().lines() {
        let (host, cookie, figures) = (host.clone(), cookie?, Arc::clone(&figures));
        std::thread::spawn(move || {
            if let Err(error) = look_on(&host, &cookie, &figures) {
                eprintln!("a handheld looks away: {error}");
            }
        });
    }
    println!("answers {}", figures.answers.load(Ordering::Relaxed));
    let told = figures.told_ms.lock().unwrap_or_else(PoisonError::into_inner);
    println!("told {}", told.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    Ok(())
}
