//! The segments of a folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::Files;

/// Version of the format, which stands in the name of each file.
const VERSION: u32 = 1;

/// A segment, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number of its first record.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
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
