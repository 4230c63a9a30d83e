//! Visits as files for other programs.

use std::fmt;
use std::io::{self, Write};

use rfid_core::UtcTime;
use serde_json::{Map, Value};

pub use crate::record::ExportFormat as Format;
use crate::service::view::VisitView;
use crate::service::{Caller, Fault, Service, VisitFilter};
use crate::spreadsheet::{Cell, Form, MOST_ROWS, Sheet, SheetFault};

/// Visits that are asked for at once.
const PAGE: usize = 200;

/// Why nothing, or not all, was exported.
#[derive(Debug)]
pub enum ExportFault {
    /// The service says so.
    Service(Fault),
    /// It cannot be written.
    Io(io::Error),
    /// A worksheet does not hold as many.
    TooMany,
}

impl fmt::Display for ExportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(fault) => fault.fmt(f),
            Self::Io(error) => write!(f, "the file cannot be written: {error}"),
            Self::TooMany => write!(
                f,
                "a worksheet holds {MOST_ROWS} visits, and there are more; ask for those of a shorter time, or as \
                 csv"
            ),
        }
    }
}

impl std::error::Error for ExportFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Service(fault) => Some(fault),
            Self::Io(error) => Some(error),
            Self::TooMany => None,
        }
    }
}

impl From<Fault> for ExportFault {
    fn from(fault: Fault) -> Self {
        Self::Service(fault)
    }
}

impl From<io::Error> for ExportFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SheetFault> for ExportFault {
    fn from(fault: SheetFault) -> Self {
        match fault {
            SheetFault::Io(error) => Self::Io(error),
            SheetFault::TooMany => Self::TooMany,
        }
    }
}

/// Writes visits, the latest first: except for a workbook it begins at once, however many there are.
/// Returns how many there were. Blocks where `out` does.
///
/// # Errors
/// See [`ExportFault`].
pub async fn visits(
    service: &Service,
    caller: &Caller,
    filter: &VisitFilter,
    format: Format,
    out: impl Write,
) -> Result<u64, ExportFault> {
    let mut table = Table::begin(format, out, &[])?;
    let (mut after, mut count) = (None, 0);
    loop {
        let (visits, next) = service.visits(caller, filter, after, PAGE).await?;
        for visit in visits.iter().map(VisitView::seen) {
            table.add(&visit, &[])?;
            count += 1;
        }
        match next {
            Some(place) => after = Some(place),
            None => break,
        }
    }
    table.end()?;
    Ok(count)
}

/// Visits that are written one by one, each with more to it than a caller is shown of one.
pub(crate) enum Table<W: Write> {
    Jsonl(W, Vec<&'static str>),
    Sheet(Sheet<W>),
}

impl<W: Write> Table<W> {
    /// Begins a table with these columns before those of a visit.
    pub(crate) fn begin(format: Format, out: W, before: &[&'static str]) -> Result<Self, ExportFault> {
        Self::with(Form::Xlsx, format, out, before)
    }

    /// The same, of which nothing is on the disk unless `out` puts it there.
    pub(crate) fn in_memory(format: Format, out: W, before: &[&'static str]) -> Result<Self, ExportFault> {
        Self::with(Form::XlsxInMemory, format, out, before)
    }

    fn with(workbook: Form, format: Format, out: W, before: &[&'static str]) -> Result<Self, ExportFault> {
        let form = match format {
            Format::Jsonl => return Ok(Self::Jsonl(out, before.to_vec())),
            Format::Csv => Form::Csv,
            Format::Xlsx => workbook,
        };
        Ok(Self::Sheet(Sheet::begin(form, out, "visits", &[before, &COLUMNS].concat())?))
    }

    /// Writes a visit, with what stands before it.
    pub(crate) fn add(&mut self, visit: &VisitView, before: &[String]) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(out, columns) => {
                let before = columns.iter().zip(before);
                let mut fields: Map<String, Value> =
                    before.map(|(column, text)| ((*column).to_owned(), text.as_str().into())).collect();
                if let Value::Object(of_visit) = serde_json::to_value(visit).map_err(io::Error::other)? {
                    fields.extend(of_visit);
                }
                writeln!(out, "{}", Value::Object(fields))?;
            }
            Self::Sheet(sheet) => {
                let cells = before.iter().cloned().chain(cells(visit)).map(Cell::Text);
                sheet.add(&cells.collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    /// Ends it when everything is written.
    pub(crate) fn end(self) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(mut out, _) => out.flush()?,
            Self::Sheet(sheet) => sheet.end()?,
        }
        Ok(())
    }
}

const COLUMNS: [&str; 15] = [
    "id",
    "branch",
    "outcome",
    "reason",
    "customer_id",
    "vip_class",
    "arrived_at",
    "last_seen",
    "departed_at",
    "revisits",
    "desk_read_at",
    "greeted_at",
    "served_at",
    "business",
    "reader",
];

fn cells(visit: &VisitView) -> [String; 15] {
    let time = |at: Option<UtcTime>| at.map_or(String::new(), |at| at.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        visit.id.clone(),
        visit.branch.clone(),
        visit.outcome.to_owned(),
        visit.reason.unwrap_or_default().to_owned(),
        text(&visit.customer_id),
        text(&visit.vip_class),
        visit.arrived_at.to_string(),
        visit.last_seen.to_string(),
        time(visit.departed_at),
        visit.revisits.to_string(),
        time(visit.desk_read_at),
        time(visit.greeted.as_ref().map(|act| act.at)),
        time(visit.served.as_ref().map(|act| act.at)),
        visit.business.join("; "),
        text(&visit.reader),
    ]
}
