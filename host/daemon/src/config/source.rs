//! The text of a configuration file and places in it.

use std::ops::Range;

/// A configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Something that is wrong, at a place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Bytes of the file that it is about.
    pub(crate) span: Range<usize>,
    /// The key, dotted; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong and what is allowed.
    pub(crate) message: String,
}

/// All that is wrong with a file, in the order of the places.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) source: Source,
    faults: Vec<Fault>,
}

impl Source {
    /// Line and column of a byte, both from 1; columns count characters.
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(..end).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

impl Faults {
    pub(crate) fn new(source: Source, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        faults.dedup();
        Self { source, faults }
    }

    /// Number of faults.
    pub(crate) fn len(&self) -> usize {
        self.faults.len()
    }

    /// One line for each fault: `FILE:LINE:COL: key: what is wrong, what is allowed`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| {
            let (line, column) = self.source.line_column(fault.span.start);
            let key = if fault.key.is_empty() { String::new() } else { format!("{}: ", fault.key) };
            format!("{}:{line}:{column}: {key}{}", self.source.name, fault.message)
        })
    }

    /// The faults with the lines that they are about, for a terminal.
    pub(crate) fn pictures(&self) -> String {
        use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
        let renderer = Renderer::styled();
        let length = self.source.text.len();
        let picture = |fault: &Fault| {
            let span = fault.span.start.min(length)..fault.span.end.min(length);
            let title = if fault.key.is_empty() {
                fault.message.clone()
            } else {
                format!("{}: {}", fault.key, fault.message)
            };
            let snippet = Snippet::source(&self.source.text)
                .path(&self.source.name)
                .annotation(AnnotationKind::Primary.span(span));
            renderer.render(&[Level::ERROR.primary_title(title).element(snippet)])
        };
        self.faults.iter().map(picture).collect::<Vec<_>>().join("\n\n")
    }
}
