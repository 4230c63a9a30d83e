//! The ceiling: the least that a program does for the daemon's job on one CPU.
//!
//! One thread, one epoll, one buffer. It says what a client says to a Mercury 4, takes its rows,
//! finds the tag in a table, writes one line with the customer when a tag was heard often enough,
//! and forgets a tag that was silent. No checks that it can do without, no reconnecting, no
//! departures, nothing kept over a restart.
//!
//! ```sh
//! ceiling --customers customers.csv --log visits.log [--sync] 127.0.0.1:8080 127.0.0.1:8081
//! ```
//!
//! Lines on standard output are the lines of the log, for whoever subscribes. A line on standard
//! input is answered with `counts READS EVENTS`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ahash::RandomState;
use hashbrown::HashMap;
use memchr::memchr;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};

/// What a client says before rows come, in one write: end what runs, ask who it is, begin.
const OPENING: &[u8] = b"SET AUTO=OFF; RESET; SELECT version FROM settings;\n\
    DECLARE ceiling CURSOR FOR SELECT protocol_id,antenna_id,id,read_count,frequency,timestamp \
    FROM tag_id WHERE protocol_id='GEN2' SET time_out=250; SET AUTO ceiling = ON, repeat = 0;\n";

/// The daemon's presence, where nothing else is said.
const READS_TO_CONFIRM: u32 = 3;
const LOST_AFTER: Duration = Duration::from_secs(20);

/// Room for what comes in one go, and for the row that was half there.
const BUFFER: usize = 256 * 1024;
const LONGEST_ROW: usize = 256;

const STDIN: u64 = u64::MAX;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Tag {
    reads: u32,
    last_ms: u32,
}

struct Reader {
    stream: TcpStream,
    half_row: Vec<u8>,
}

struct Line {
    customers: HashMap<[u8; 12], String, RandomState>,
    tags: HashMap<[u8; 12], Tag, RandomState>,
    lines: Vec<u8>,
    reads: u64,
    events: u64,
}

impl Line {
    /// Takes whole rows; returns how many bytes they have.
    fn rows(&mut self, bytes: &[u8], now_ms: u32) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Some(length) = memchr(b'\n', rest)
        {
            if let Some(row) = rest.get(..length)
                && let Some((antenna, epc)) = parse(row)
            {
                self.read(antenna, epc, now_ms);
            }
            at += length + 1;
        }
        at
    }

    fn read(&mut self, antenna: u16, epc: [u8; 12], now_ms: u32) {
        self.reads += 1;
        let tag = self.tags.entry(epc).or_insert(Tag { reads: 0, last_ms: now_ms });
        if now_ms.wrapping_sub(tag.last_ms) > LOST_AFTER.as_millis() as u32 {
            tag.reads = 0;
        }
        tag.last_ms = now_ms;
        tag.reads = tag.reads.saturating_add(1);
        if tag.reads == READS_TO_CONFIRM {
            self.events += 1;
            let customer = self.customers.get(&epc).map_or("", String::as_str);
            for byte in epc {
                self.lines.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
            // Writing to a vector does not fail.
            let _ = writeln!(self.lines, ",{antenna},{now_ms},{customer}");
        }
    }
}

/// Antenna and EPC of `12|1|0x<24 digits><4 digits of check code>|…`; `None` for any other line.
fn parse(row: &[u8]) -> Option<(u16, [u8; 12])> {
    let rest = row.strip_prefix(b"12|")?;
    let (mut antenna, mut at) = (0, 0);
    loop {
        match *rest.get(at)? {
            b'|' => break,
            digit @ b'0'..=b'9' => antenna = antenna * 10 + u16::from(digit - b'0'),
            _ => return None,
        }
        at += 1;
    }
    let digits = rest.get(at + 1..)?.strip_prefix(b"0x")?;
    let (high, rest) = digits.split_first_chunk::<8>()?;
    let (middle, rest) = rest.split_first_chunk::<8>()?;
    let (low, _check_code) = rest.split_first_chunk::<8>()?;
    let (high, middle, low) = (hex(high)?, hex(middle)?, hex(low)?);
    let mut epc = [0; 12];
    epc[..4].copy_from_slice(&high.to_be_bytes());
    epc[4..8].copy_from_slice(&middle.to_be_bytes());
    epc[8..].copy_from_slice(&low.to_be_bytes());
    Some((antenna, epc))
}

/// Eight hexadecimal digits in upper case at once.
fn hex(digits: &[u8; 8]) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_be_bytes(*digits);
    // All bytes are below 0x80, so that adding to one never reaches the next.
    if text & (0x80 * ONES) != 0 {
        return None;
    }
    let at_least = |byte: u8| (text + ONES * u64::from(0x80 - byte)) & (0x80 * ONES);
    let is_digit = at_least(b'0') & !at_least(b'9' + 1);
    let is_letter = at_least(b'A') & !at_least(b'F' + 1);
    if is_digit | is_letter != 0x80 * ONES {
        return None;
    }
    let nibbles = (text & (0x0F * ONES)) + (is_letter >> 7) * 9;
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    Some((pairs | pairs >> 16) as u32)
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// Twelve bytes in hexadecimal digits, then a comma and the record.
fn customers(path: &str) -> Result<HashMap<[u8; 12], String, RandomState>> {
    let mut customers = HashMap::default();
    for line in std::fs::read_to_string(path)?.lines().skip(1) {
        let (digits, record) = line.split_once(',').ok_or("a line without a record")?;
        let number = u128::from_str_radix(digits, 16)?;
        let mut epc = [0; 12];
        epc.copy_from_slice(&number.to_be_bytes()[4..]);
        customers.insert(epc, record.to_owned());
    }
    Ok(customers)
}

fn main() -> Result<()> {
    let (mut table, mut log, mut sync, mut addresses) = (String::new(), String::new(), false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--customers" => table = arguments.next().ok_or("--customers FILE")?,
            "--log" => log = arguments.next().ok_or("--log FILE")?,
            "--sync" => sync = true,
            _ => addresses.push(argument),
        }
    }
    let mut line = Line {
        customers: customers(&table)?,
        tags: HashMap::default(),
        lines: Vec::new(),
        reads: 0,
        events: 0,
    };
    let mut log = File::options().create(true).append(true).open(log)?;
    let (mut stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &stdin, epoll::EventData::new_u64(STDIN), EventFlags::IN)?;
    let mut readers = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(OPENING)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(number as u64), EventFlags::IN)?;
        readers.push(Reader { stream, half_row: Vec::new() });
    }

    let begun = Instant::now();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; LONGEST_ROW + BUFFER];
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        let now_ms = begun.elapsed().as_millis() as u32;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == STDIN {
                if stdin.read(&mut buffer)? == 0 {
                    return Ok(());
                }
                writeln!(stdout, "counts {} {}", line.reads, line.events)?;
                continue;
            }
            let reader = &mut readers[number as usize];
            let half = reader.half_row.len();
            buffer[..half].copy_from_slice(&reader.half_row);
            let received = reader.stream.read(&mut buffer[half..])?;
            if received == 0 {
                return Err("a reader has hung up".into());
            }
            let taken = line.rows(&buffer[..half + received], now_ms);
            let rest = &buffer[taken..half + received];
            if rest.len() > LONGEST_ROW {
                return Err("a row without an end".into());
            }
            reader.half_row.clear();
            reader.half_row.extend_from_slice(rest);
        }
        if !line.lines.is_empty() {
            log.write_all(&line.lines)?;
            if sync {
                log.sync_data()?;
            }
            stdout.write_all(&line.lines)?;
            stdout.flush()?;
            line.lines.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_parsed() {
        let epc = rfid_load::rows::epc(0x00AB_CDEF);
        assert_eq!(parse(rfid_load::rows::reply([0x00AB_CDEF]).trim().as_bytes()), Some((1, epc)));
        for line in
            ["", "2.3.14 (2005)", "Error 0100:\tno", "12|1|0x2D", "12|1|0x2D0000000000000000ABCDEG0000|1"]
        {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn digits_are_digits_and_nothing_else() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut digits = *b"0123ABCF";
                digits[place] = byte;
                let is_upper = !byte.is_ascii_lowercase();
                let expected = std::str::from_utf8(&digits).ok().filter(|_| is_upper && byte != b'+');
                assert_eq!(
                    hex(&digits),
                    expected.and_then(|text| u32::from_str_radix(text, 16).ok()),
                    "{digits:?}"
                );
            }
        }
    }
}
