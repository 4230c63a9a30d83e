//! The text of a configuration file and places in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::hidden;

/// A configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    /// The folder that it stands in, which relative paths of secrets count from.
    pub(crate) folder: PathBuf,
    pub(crate) text: String,
    /// Whether the text is only there to show a fault of it.
    pub(crate) unreadable: bool,
    /// Where lines begin, without the first.
    line_starts: Vec<usize>,
}

/// Bytes of one of the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Number of the file, in the order in which they are read.
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }
}

impl Source {
    /// A file of this name with this text, which may begin with a byte order mark.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).to_owned();
        let line_starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { name: path.display().to_string(), folder, text, unreadable: false, line_starts }
    }

    /// Makes these bytes and everything that is named like a secret unreadable.
    pub(crate) fn hide(&mut self, parts: impl Iterator<Item = Range<usize>>) {
        let parts: Vec<Range<usize>> = hidden::secrets(&self.text).into_iter().chain(parts).collect();
        if !parts.is_empty() {
            hidden::hide(&mut self.text, parts);
        }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= end);
        let column = self.text.get(self.line_start(line)..end).unwrap_or_default().chars().count() + 1;
        (line + 1, column)
    }

    /// The lines around these bytes for a picture: text, number of its first line, and the bytes
    /// within it.
    pub(crate) fn excerpt(&self, place: &Place) -> (&str, usize, Range<usize>) {
        const AROUND: usize = 1;
        /// Longer texts are cut: nobody reads them, and they would fill the terminal.
        const LONGEST: usize = 2_000;
        let line = self.line_starts.partition_point(|start| *start <= place.start);
        let first = line.saturating_sub(AROUND);
        let start = self.line_start(first);
        let mut end = self.line_starts.get(line + AROUND).copied().unwrap_or(self.text.len());
        // A table that goes on over many lines is shown by its first, and what begins or ends
        // within a character by all of it.
        let line_end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        let from = self.boundary(place.start.min(line_end));
        let mut to = place.end.clamp(from, line_end);
        while !self.text.is_char_boundary(to) {
            to += 1;
        }
        if end - start > LONGEST {
            let start = self.boundary(from.saturating_sub(60).max(self.line_start(line)));
            let to = self.boundary(to.min(from + 400)).max(from);
            end = self.boundary(line_end.min(to + 60));
            return (self.text.get(start..end).unwrap_or_default(), line + 1, from - start..to - start);
        }
        (self.text.get(start..end).unwrap_or_default(), first + 1, from - start..to - start)
    }

    fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|line| self.line_starts.get(line)).copied().unwrap_or(0)
    }

    fn boundary(&self, mut at: usize) -> usize {
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
