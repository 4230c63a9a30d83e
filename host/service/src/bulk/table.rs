//! A CSV file, a portion of rows at a time.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use encoding_rs::{Encoding, GB18030, UTF_8};
use encoding_rs_io::DecodeReaderBytesBuilder;
use rfid_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;

/// Rows of a portion.
const PORTION: usize = 256;
/// Portions that wait to be looked at.
const WAITING: usize = 2;
/// Longest line that is taken for one, in bytes: a quote that is never closed makes the rest of the file one.
const LONGEST_ROW: usize = 64 * 1024;

/// A column: its name, and what it is also called.
pub(super) type Column = (&'static str, &'static str);

/// A row.
pub(super) struct Row {
    /// Line in the file, from 1.
    pub(super) line: u64,
    columns: Arc<Vec<Option<&'static str>>>,
    cells: csv::StringRecord,
}

impl Row {
    /// A cell; empty where there is no such column.
    pub(super) fn get(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|name| *name == Some(column));
        place.and_then(|place| self.cells.get(place)).unwrap_or_default()
    }
}

/// Rows, or what is wrong with lines.
pub(super) struct Portion {
    pub(super) rows: Vec<Row>,
    pub(super) wrong: Vec<(u64, String)>,
    /// Bytes of the file that are read, about.
    pub(super) done: u64,
    /// Bytes that it has.
    pub(super) of: u64,
}

/// A file that is being read on a thread of its own.
pub(super) struct Table {
    portions: mpsc::Receiver<Result<Portion>>,
}

impl Table {
    /// Begins to read. Of the columns, those in `needed` must be there.
    pub(super) fn open(
        file: &Path,
        columns: &'static [Column],
        needed: &'static [&'static str],
    ) -> Result<Self> {
        let (sender, portions) = mpsc::channel(WAITING);
        let path = file.to_owned();
        let read = move || {
            if let Err(error) = read(&path, columns, needed, &sender) {
                // Whoever asked may have gone away.
                let _ = sender.blocking_send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("csv".to_owned()).spawn(read);
        thread.map_err(|error| Error::new(ErrorKind::Internal, "read").with_source(error))?;
        Ok(Self { portions })
    }

    /// The next rows; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Portion>> {
        self.portions.recv().await.transpose()
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "read").with_source(error)
}

/// Gives so many bytes, and then an error: what has no end is not read into memory.
struct Bounded<R> {
    reader: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.left.get().min(buffer.len());
        if most == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = self.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(self.left.get() - count);
        Ok(count)
    }
}

/// UTF-8 if all of the file is, and GB 18030 otherwise.
fn encoding(file: &Path) -> io::Result<&'static Encoding> {
    let mut reader = File::open(file)?;
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let mut bytes = vec![0; 64 * 1024];
    let mut text = String::with_capacity(4 * bytes.len());
    loop {
        let count = reader.read(&mut bytes)?;
        text.clear();
        let part = bytes.get(..count).unwrap_or_default();
        let (.., has_errors) = decoder.decode_to_string(part, &mut text, count == 0);
        if has_errors {
            return Ok(GB18030);
        }
        if count == 0 {
            return Ok(UTF_8);
        }
    }
}

/// By the mark that it begins with.
fn is_utf_16(file: &Path) -> io::Result<bool> {
    let mut mark = Vec::new();
    File::open(file)?.take(2).read_to_end(&mut mark)?;
    Ok(matches!(mark.as_slice(), [0xFF, 0xFE] | [0xFE, 0xFF]))
}

fn read(
    file: &Path,
    columns: &'static [Column],
    needed: &'static [&'static str],
    sender: &mpsc::Sender<Result<Portion>>,
) -> Result<()> {
    let encoding = encoding(file).map_err(failed)?;
    if is_utf_16(file).map_err(failed)? {
        let detail = "this is UTF-16, as \"Unicode text\" of spreadsheets is; save it as CSV in UTF-8";
        return Err(Error::new(ErrorKind::Config, "read").with_detail(detail));
    }
    let opened = File::open(file).map_err(failed)?;
    let of = opened.metadata().map_err(failed)?.len();
    let mut builder = DecodeReaderBytesBuilder::new();
    let decoded = builder.encoding(Some(encoding)).strip_bom(true).build(opened);
    let left = Rc::new(Cell::new(LONGEST_ROW));
    let bounded = Bounded { reader: BufReader::new(decoded), left: Rc::clone(&left) };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bounded);
    let header = reader.headers().map_err(|error| wrong_csv(&error))?.clone();
    let names = Arc::new(named(&header, columns, needed)?);
    let mut portion = Portion { rows: Vec::new(), wrong: Vec::new(), done: 0, of };
    let mut cells = csv::StringRecord::new();
    loop {
        left.set(LONGEST_ROW);
        let line = reader.position().line();
        let more = reader.read_record(&mut cells);
        match more {
            Ok(false) => break,
            Ok(true) => {
                let place = cells.position().map_or(line, csv::Position::line);
                if cells.len() != names.len() {
                    let what = format!("{} cells, and {} columns", cells.len(), names.len());
                    portion.wrong.push((place, what));
                } else if cells.iter().any(|cell| !cell.trim().is_empty()) {
                    let cells = std::mem::take(&mut cells);
                    portion.rows.push(Row { line: place, columns: Arc::clone(&names), cells });
                }
            }
            Err(_) if left.get() == 0 => {
                let detail =
                    format!("line {line}: more than {LONGEST_ROW} bytes in one line; is a quote not closed?");
                return Err(Error::new(ErrorKind::Config, "read").with_detail(detail));
            }
            Err(error) if error.is_io_error() => return Err(wrong_csv(&error)),
            Err(_) => portion.wrong.push((line, "this is no line of CSV".to_owned())),
        }
        if portion.rows.len() + portion.wrong.len() >= PORTION {
            let full = Portion { rows: Vec::new(), wrong: Vec::new(), done: 0, of };
            let mut full = std::mem::replace(&mut portion, full);
            full.done = reader.position().byte().min(of);
            if sender.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    portion.done = of;
    // Whoever asked may have gone away.
    let _ = sender.blocking_send(Ok(portion));
    Ok(())
}

/// Which column each cell of the header names.
fn named(
    header: &csv::StringRecord,
    columns: &'static [Column],
    needed: &'static [&'static str],
) -> Result<Vec<Option<&'static str>>> {
    let wrong = |what: String| Error::new(ErrorKind::Config, "read").with_detail(format!("line 1: {what}"));
    let known =
        || columns.iter().map(|(name, also)| format!("{name} ({also})")).collect::<Vec<_>>().join(", ");
    let mut names = Vec::new();
    for cell in header {
        let cell = cell.trim();
        let column = columns.iter().find(|(name, also)| cell.eq_ignore_ascii_case(name) || cell == *also);
        let Some((name, _)) = column else {
            return Err(wrong(format!("there is a column that is not known; known are: {}", known())));
        };
        if names.contains(&Some(*name)) {
            return Err(wrong(format!("the column {name} is there twice")));
        }
        names.push(Some(*name));
    }
    match needed.iter().find(|name| !names.contains(&Some(**name))) {
        Some(missing) => Err(wrong(format!("the column {missing} is missing; known are: {}", known()))),
        None => Ok(names),
    }
}

fn wrong_csv(error: &csv::Error) -> Error {
    let line = error.position().map_or(String::new(), |place| format!("line {}: ", place.line()));
    Error::new(ErrorKind::Io, "read").with_detail(format!("{line}the file cannot be read as CSV"))
}
