//! What is wrong with a configuration, for people and for programs.

use serde_json::{Value, json};

use super::source::{Place, Source};

/// Faults that are kept, and warnings; further ones are counted.
const MOST: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The configuration cannot be used.
    Fault,
    /// It can, and does perhaps not what was meant.
    Warning,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Warning => "warning",
        }
    }
}

/// Something that is wrong, at a place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) severity: Severity,
    /// What it is about; none for a file that could not be read.
    pub(crate) place: Option<Place>,
    /// The key, dotted; empty for a file as a whole.
    pub(crate) key: String,
    /// What is wrong and what is allowed.
    pub(crate) message: String,
    /// Where the other of two stands that contradict each other.
    pub(crate) other: Option<Place>,
}

impl Fault {
    pub(crate) fn new(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        let severity = Severity::Fault;
        Self { severity, place: Some(place), key: key.into(), message: message.into(), other: None }
    }

    /// Of a file that could not be read; the message begins with its name.
    pub(crate) fn of_file(message: String) -> Self {
        Self { severity: Severity::Fault, place: None, key: String::new(), message, other: None }
    }

    pub(crate) fn beside(self, other: Place) -> Self {
        Self { other: Some(other), ..self }
    }
}

/// Gathers faults and warnings, each up to a bound: however many warnings there are, no fault is lost among them.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    faults: Bounded,
    warnings: Bounded,
}

#[derive(Debug, Default)]
struct Bounded {
    kept: Vec<Fault>,
    left_out: usize,
}

impl Gathered {
    pub(crate) fn push(&mut self, fault: Fault) {
        let bounded = match fault.severity {
            Severity::Fault => &mut self.faults,
            Severity::Warning => &mut self.warnings,
        };
        if bounded.kept.len() < MOST {
            bounded.kept.push(fault);
        } else {
            bounded.left_out += 1;
        }
    }

    /// Whether there is no fault; there may be warnings.
    pub(crate) fn is_empty(&self) -> bool {
        self.faults.kept.is_empty()
    }

    /// How many faults there are, counting those left out.
    pub(crate) fn len(&self) -> usize {
        self.faults.kept.len() + self.faults.left_out
    }
}

/// All that there is to say about a configuration, in the order of the places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) sources: Vec<Source>,
    /// Warnings among them.
    faults: Vec<Fault>,
    faults_left_out: usize,
    warnings_left_out: usize,
}

impl Report {
    pub(crate) fn new(sources: Vec<Source>, gathered: Gathered) -> Self {
        let Gathered { faults: Bounded { kept: mut faults, left_out: faults_left_out }, warnings } = gathered;
        faults.extend(warnings.kept);
        faults.sort_by(|one, other| (&one.place, one.severity).cmp(&(&other.place, other.severity)));
        faults.dedup();
        Self { sources, faults, faults_left_out, warnings_left_out: warnings.left_out }
    }

    /// Number of faults, without warnings.
    pub(crate) fn faults(&self) -> usize {
        self.count(Severity::Fault) + self.faults_left_out
    }

    /// Number of warnings.
    pub(crate) fn warnings(&self) -> usize {
        self.count(Severity::Warning) + self.warnings_left_out
    }

    fn count(&self, severity: Severity) -> usize {
        self.faults.iter().filter(|fault| fault.severity == severity).count()
    }

    /// The name of the first file.
    pub(crate) fn name(&self) -> &str {
        self.sources.first().map_or("", |source| &source.name)
    }

    /// One line for each: `FILE:LINE:COL: key: what is wrong, what is allowed`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let line = |fault: &Fault| {
            let place = fault.place.as_ref().map_or(String::new(), |place| format!("{}: ", self.at(place)));
            let warning = if fault.severity == Severity::Warning { "warning: " } else { "" };
            let other =
                fault.other.as_ref().map_or(String::new(), |other| format!(" (see {})", self.at(other)));
            format!("{place}{warning}{}{other}", said(fault))
        };
        let left_out = self.faults_left_out + self.warnings_left_out;
        let rest =
            (left_out > 0).then(|| format!("{}: and {left_out} more, which are left out here", self.name()));
        self.faults.iter().map(line).chain(rest)
    }

    /// The same with the lines of the files that they are about, for a terminal.
    pub(crate) fn pictures(&self) -> String {
        self.faults.iter().map(|fault| self.picture(fault)).collect::<Vec<_>>().join("\n\n")
    }

    fn picture(&self, fault: &Fault) -> String {
        use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
        let level = match fault.severity {
            Severity::Fault => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group: Group<'_> = Group::with_title(level.primary_title(said(fault)));
        let places = [
            (&fault.place, AnnotationKind::Primary, None),
            (&fault.other, AnnotationKind::Context, Some("the other stands here")),
        ];
        for (place, kind, label) in places {
            let Some(place) = place else { continue };
            let Some(source) = self.sources.get(place.file) else { continue };
            let (text, line, span) = source.excerpt(place);
            let annotation = kind.span(span).label(label);
            let snippet = Snippet::source(text).path(&source.name).line_start(line).annotation(annotation);
            group = group.element(snippet);
        }
        Renderer::styled().render(&[group])
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Vec<Value> {
        let place = |place: &Place| {
            let source = self.sources.get(place.file);
            let (line, column) = source.map_or((1, 1), |source| source.line_column(place.start));
            json!({ "file": source.map(|source| source.name.as_str()), "line": line, "column": column })
        };
        let one = |fault: &Fault| {
            let mut object = match &fault.place {
                Some(at) => place(at),
                None => json!({ "file": null, "line": null, "column": null }),
            };
            object["key"] = fault.key.as_str().into();
            object["severity"] = fault.severity.name().into();
            object["message"] = fault.message.as_str().into();
            if let Some(other) = &fault.other {
                object["see"] = place(other);
            }
            object
        };
        self.faults.iter().map(one).collect()
    }

    fn at(&self, place: &Place) -> String {
        let Some(source) = self.sources.get(place.file) else { return String::new() };
        let (line, column) = source.line_column(place.start);
        format!("{}:{line}:{column}", source.name)
    }
}

fn said(fault: &Fault) -> String {
    match fault.key.as_str() {
        "" => fault.message.clone(),
        key => format!("{key}: {}", fault.message),
    }
}
