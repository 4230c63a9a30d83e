//! Filling the embedded directory from a CSV file, all of it or nothing.
//!
//! The first line names the columns. The first column is `tag`; the others become the record, in
//! their order. A tag is written in hexadecimal digits, as `epc:…`, `uid:…`, `uid6b:…`,
//! `uid15693:…` or `tid:…`. Without a kind in front, 4, 7 and 10 bytes are the UID of a card
//! (ISO 14443) and everything else is an EPC.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rfid_core::{Record, TagId, TagIdKind};
use rfid_durable::{Batch, Stores};

use crate::directory::{CURRENT, META, STORE, current, key};

/// Records in one commit.
const COMMIT: usize = 100;

/// Longest record in bytes, as it is stored.
const LONGEST_RECORD: usize = 32 * 1024;

/// Faults that are kept with their places; further ones are only counted.
const FAULTS_SHOWN: usize = 20;

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportError {
    /// The file cannot be read.
    File(std::io::Error),
    /// The file is wrong in these places.
    Faults(ImportFaults),
    /// The store failed. What was in force before still is.
    Store(rfid_core::Error),
}

/// What is wrong with a file.
#[derive(Debug, Default)]
pub struct ImportFaults {
    /// The first faults: line from 1, and what is wrong.
    pub shown: Vec<(u64, String)>,
    /// How many there are in all.
    pub total: u64,
}

impl ImportFaults {
    fn push(&mut self, line: u64, message: impl Into<String>) {
        self.total += 1;
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push((line, message.into()));
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "the file cannot be read: {error}"),
            Self::Store(error) => write!(f, "{error:#}"),
            Self::Faults(faults) => {
                let plural = if faults.total == 1 { "" } else { "s" };
                write!(f, "{} fault{plural}; nothing was imported", faults.total)
            }
        }
    }
}

impl std::error::Error for ImportError {}

impl From<rfid_core::Error> for ImportError {
    fn from(error: rfid_core::Error) -> Self {
        Self::Store(error)
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the file checked, of all.
    Checking(u64, u64),
    /// Records stored, of all.
    Storing(u64, u64),
}

/// Checks the file, then puts its records in place of those that were there. Returns their
/// number.
///
/// Everything is checked before anything is stored; the records become visible together, in one
/// commit at the end. An import that is cut short leaves the table as it was.
///
/// # Errors
/// [`ImportError`]; nothing has changed then.
pub async fn import(
    stores: &Stores,
    file: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<u64, ImportError> {
    let mut file = File::open(file).map_err(ImportError::File)?;
    let length = file.metadata().map_err(ImportError::File)?.len();
    let count = check(&mut file, length, &mut progress)?;
    file.seek(SeekFrom::Start(0)).map_err(ImportError::File)?;

    let store = stores.open(STORE).await?;
    let current = current(&store).await?;
    remove_leftovers(&store, current.as_deref()).await?;
    let tree = next_tree(current.as_deref());
    let mut batch = Batch::default();
    let mut stored = 0;
    for row in rows(&file).map_err(ImportError::File)? {
        // The same rows were checked a moment ago; a file that changed meanwhile is refused.
        let (tag, record) = row.and_then(|row| row.parsed()).map_err(|(line, message)| {
            ImportError::Faults(ImportFaults { shown: vec![(line, message)], total: 1 })
        })?;
        batch.put(&tree, key(&tag), record);
        stored += 1;
        if batch.len() == COMMIT {
            store.commit(std::mem::take(&mut batch)).await?;
            progress(Progress::Storing(stored, count));
        }
    }
    batch.put(META, CURRENT, tree.as_bytes());
    store.commit(batch).await?;
    progress(Progress::Storing(stored, count));
    if let Some(old) = current {
        store.drop_tree(&old).await?;
    }
    Ok(stored)
}

/// The name of the tree behind the current one.
fn next_tree(current: Option<&str>) -> String {
    let number: u64 = current.and_then(|name| name.strip_prefix("records-")?.parse().ok()).unwrap_or(0);
    format!("records-{}", number.wrapping_add(1))
}

/// Removes what an import that was cut short left behind.
async fn remove_leftovers(store: &rfid_durable::Store, current: Option<&str>) -> rfid_core::Result<()> {
    for tree in store.tree_names().await? {
        if tree.starts_with("records-") && Some(tree.as_str()) != current {
            store.drop_tree(&tree).await?;
        }
    }
    Ok(())
}

fn check(file: &mut File, length: u64, progress: &mut impl FnMut(Progress)) -> Result<u64, ImportError> {
    let mut faults = ImportFaults::default();
    let mut seen: HashMap<TagId, u64> = HashMap::new();
    let mut count = 0;
    for row in rows(&*file).map_err(ImportError::File)? {
        match row.and_then(|row| Ok((row.line, row.at, row.parsed()?.0))) {
            Ok((line, at, tag)) => {
                if let Some(first) = seen.insert(tag, line) {
                    faults.push(line, format!("{tag} stands already on line {first}"));
                }
                count += 1;
                if count % 10_000 == 0 {
                    progress(Progress::Checking(at, length));
                }
            }
            Err((line, message)) => faults.push(line, message),
        }
    }
    progress(Progress::Checking(length, length));
    if faults.total > 0 { Err(ImportError::Faults(faults)) } else { Ok(count) }
}

/// A fault and its line.
type Fault = (u64, String);

/// A row that the CSV reader understood.
struct Row {
    line: u64,
    at: u64,
    columns: std::sync::Arc<Vec<String>>,
    cells: csv::StringRecord,
}

impl Row {
    /// The tag and the record as it is stored.
    fn parsed(&self) -> Result<(TagId, Vec<u8>), Fault> {
        let fault = |message: String| (self.line, message);
        let text = self.cells.get(0).unwrap_or_default().trim();
        let tag = parse_tag(text).map_err(|why| fault(format!("tag \"{text}\": {why}")))?;
        let record: Record = self
            .columns
            .iter()
            .zip(self.cells.iter().skip(1))
            .map(|(column, cell)| (column.clone(), cell.into()))
            .collect();
        let stored = serde_json::to_vec(&record).map_err(|error| fault(error.to_string()))?;
        if stored.len() > LONGEST_RECORD {
            return Err(fault(format!(
                "the record has {} bytes; at most {LONGEST_RECORD} are allowed",
                stored.len()
            )));
        }
        Ok((tag, stored))
    }
}

/// The rows behind the header.
fn rows<R: Read>(file: R) -> std::io::Result<impl Iterator<Item = Result<Row, Fault>>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(without_mark(file)?);
    let columns = reader.headers().map_err(csv_fault).and_then(check_header).map(std::sync::Arc::new);
    let (columns, header_fault) = match columns {
        Ok(columns) => (columns, None),
        Err(fault) => (std::sync::Arc::default(), Some(Err(fault))),
    };
    let is_broken = header_fault.is_some();
    let rows = reader.into_records().map(move |row| {
        let cells = row.map_err(csv_fault)?;
        let (line, at) = cells.position().map_or((0, 0), |place| (place.line(), place.byte()));
        Ok(Row { line, at, columns: std::sync::Arc::clone(&columns), cells })
    });
    Ok(header_fault.into_iter().chain(rows.take_while(move |_| !is_broken)))
}

/// Skips the mark that spreadsheet programs put in front of UTF-8.
fn without_mark<R: Read>(mut file: R) -> std::io::Result<impl Read> {
    let mut start = Vec::new();
    file.by_ref().take(3).read_to_end(&mut start)?;
    if start == b"\xEF\xBB\xBF" {
        start.clear();
    }
    Ok(std::io::Cursor::new(start).chain(file))
}

fn check_header(header: &csv::StringRecord) -> Result<Vec<String>, Fault> {
    if header.get(0) != Some("tag") {
        let first = header.get(0).unwrap_or_default();
        return Err((1, format!("the first column is \"{first}\"; it must be \"tag\"")));
    }
    let columns: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
    if let Some(empty) = columns.iter().position(String::is_empty) {
        return Err((1, format!("column {} has no name", empty + 2)));
    }
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    match sorted.array_windows().find(|[one, other]| one == other) {
        Some([twice, _]) => Err((1, format!("there are two columns \"{twice}\""))),
        None => Ok(columns),
    }
}

fn csv_fault(error: csv::Error) -> Fault {
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            (line, format!("{len} cells where the header has {expected_len}"))
        }
        csv::ErrorKind::Utf8 { .. } => (line, "the text is not UTF-8".to_owned()),
        _ => (line, error.to_string()),
    }
}

fn parse_tag(text: &str) -> Result<TagId, rfid_core::tag_id::TagIdFault> {
    if text.contains(':') {
        return text.parse();
    }
    let kind = match text.len() / 2 {
        4 | 7 | 10 => TagIdKind::Iso14443Uid,
        _ => TagIdKind::Epc,
    };
    TagId::from_hex(kind, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> Vec<Fault> {
        let rows = rows(text.as_bytes()).unwrap();
        rows.filter_map(|row| row.and_then(|row| row.parsed()).err()).collect()
    }

    #[test]
    fn ids_are_told_apart_by_their_length_or_their_kind() {
        for (text, id) in [
            ("2D0000000000000000000001", "epc:2D0000000000000000000001"),
            ("04a2b3c4", "uid:04A2B3C4"),
            ("04A2B3C4D5E6F7", "uid:04A2B3C4D5E6F7"),
            ("epc:04A2B3C4", "epc:04A2B3C4"),
            ("E004000012345678", "epc:E004000012345678"),
            ("uid6b:E004000012345678", "uid6b:E004000012345678"),
        ] {
            assert_eq!(parse_tag(text).unwrap().to_string(), id);
        }
    }

    #[test]
    fn faults_name_their_lines() {
        assert_eq!(
            faults("tag,name\n2D0X,a\n2D00\n,b\n2D00,c\n"),
            [
                (2, "tag \"2D0X\": character 4 is not a hexadecimal digit".to_owned()),
                (3, "1 cells where the header has 2".to_owned()),
                (4, "tag \"\": a tag id has at least one byte".to_owned()),
            ]
        );
        assert_eq!(
            faults("id,name\n2D00,a\n"),
            [(1, "the first column is \"id\"; it must be \"tag\"".to_owned())]
        );
        assert_eq!(faults("tag,a,a\n"), [(1, "there are two columns \"a\"".to_owned())]);
        assert_eq!(faults("tag,\n"), [(1, "column 2 has no name".to_owned())]);
        let long = format!("tag,note\n2D00,{}\n", "x".repeat(40_000));
        assert!(faults(&long)[0].1.contains("at most 32768"));
    }

    #[test]
    fn a_byte_order_mark_and_cells_of_several_lines_are_fine() {
        let text = "\u{FEFF}tag,name\r\n2D00,\"王\n小明\"\r\n";
        let rows: Vec<_> = rows(text.as_bytes()).unwrap().map(|row| row.unwrap().parsed().unwrap()).collect();
        assert_eq!(rows[0].1, "{\"name\":\"王\\n小明\"}".as_bytes());
    }

    proptest! {
        #[test]
        fn any_file_is_rows_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for row in rows(&bytes[..]).unwrap() {
                let _ = row.and_then(|row| row.parsed());
            }
        }
    }
}
