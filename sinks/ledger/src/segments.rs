//! The segments of a folder.

use std::io;
use std::path::{Path, PathBuf};

use rfid_core::{Result, UtcTime};

use crate::files::{Disk, Files};
use crate::reader;
use crate::record::{HEADER_LEN, Header};

/// Version of the format, which stands in the name of each file.
const VERSION: u32 = 1;

/// A segment, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number of its first record.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// What is known of a segment without reading its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// Number of its first record. What lies before it is older.
    pub first: u64,
    /// When it was begun; nothing where that cannot be read.
    pub begun: Option<UtcTime>,
    /// Its length.
    pub bytes: u64,
}

/// The segments of a ledger in their order, also while it is written. Blocks.
///
/// # Errors
/// `Io` when a file cannot be read, `Unsupported` for one of a newer version.
pub fn segment_heads(folder: &Path) -> Result<Vec<SegmentHead>> {
    let mut heads = Vec::new();
    for Segment { first, path } in list(&Disk, folder).map_err(|error| reader::failed(folder, error))? {
        let read = || Ok::<_, io::Error>((Disk.read_part(&path, 0, HEADER_LEN)?, Disk.len(&path)?));
        match read() {
            Ok((bytes, len)) => {
                let begun = Header::read(&bytes).map(|header| header.begun);
                heads.push(SegmentHead { first, begun, bytes: len });
            }
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(reader::failed(folder, error)),
        }
    }
    Ok(heads)
}

/// Where the segment that begins with this number is kept.
pub(crate) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.v{VERSION}.ledger"))
}

/// The segments of a folder, in order. Other files are left alone.
///
/// # Errors
/// `Unsupported` for one of a newer version, which is not touched.
pub(crate) fn list(files: &dyn Files, folder: &Path) -> io::Result<Vec<Segment>> {
    let names = match files.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut segments = Vec::new();
    for name in names {
        let Some((first, version)) = parse(&name) else { continue };
        if version > VERSION {
            let version = format!(
                "{name} is of format version {version}; this build reads up to {VERSION}: use the newer one"
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, version));
        }
        segments.push(Segment { first, path: folder.join(name) });
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

fn parse(name: &str) -> Option<(u64, u32)> {
    let (first, version) = name.strip_suffix(".ledger")?.split_once(".v")?;
    Some((first.parse().ok()?, version.parse().ok()?))
}
