//! Where the chain ended, kept elsewhere.
//!
//! A line of JSON for each time: who could change the trail and the anchors can make both agree, so a
//! bank keeps these on another machine.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind as IoErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rfid_core::{Error, ErrorKind, Result, UtcTime};
use serde::{Deserialize, Serialize};

use super::chain::Head;

/// Where the chain ended at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Of which trail: the name of the host, and of the folder.
    pub trail: String,
    /// When.
    pub at: UtcTime,
    /// Where it ended.
    pub head: Head,
    /// The signature of this line without it, in base 64, where it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Anchor {
    /// What is signed: the line that it is without a signature.
    pub fn statement(&self) -> Vec<u8> {
        // Text and numbers can always be written.
        let mut line = serde_json::to_vec(&Self { signature: None, ..self.clone() }).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Adds an anchor to a file, durably. Blocks.
///
/// # Errors
/// `Io`.
pub fn add(path: &Path, anchor: &Anchor) -> Result<()> {
    let failed = failed(path);
    let mut line = serde_json::to_vec(anchor).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(&failed)?;
    file.write_all(&line).and_then(|()| file.sync_data()).map_err(failed)
}

/// The anchors of a trail in a file, those that were made first first. Blocks.
///
/// # Errors
/// `Io`; `Damaged` with the line that is no anchor.
pub fn read(path: &Path, trail: &str) -> Result<Vec<Anchor>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(path)(error)),
    };
    let mut anchors = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let anchor: Anchor = serde_json::from_str(&line).map_err(|_| {
            let detail = format!("{}:{}: this is no anchor", path.display(), at + 1);
            Error::new(ErrorKind::Damaged, "anchors").with_detail(detail)
        })?;
        anchors.push(anchor);
    }
    anchors.retain(|anchor| anchor.trail == trail);
    Ok(anchors)
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| {
        Error::new(ErrorKind::Io, "anchors").with_detail(path.display().to_string()).with_source(error)
    }
}
