//! Visits as files for other programs.

use std::fmt;
use std::io::{self, Write};

use rfid_core::UtcTime;

use crate::service::view::VisitView;
use crate::service::{Caller, Fault, Service, VisitFilter};
use crate::spreadsheet::{Cell, Form, MOST_ROWS, Sheet, SheetFault};

/// Visits that are asked for at once.
const PAGE: usize = 200;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    Jsonl,
    /// A table in UTF-8 with the mark by which spreadsheets know that, and no cell that one of them
    /// takes for a formula.
    Csv,
    /// A workbook of one sheet (Office Open XML). A temporary file is as large as it, and it comes when
    /// the last visit is in it.
    Xlsx,
}

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
    let mut table = Table::begin(format, out)?;
    let (mut after, mut count) = (None, 0);
    loop {
        let (visits, next) = service.visits(caller, filter, after, PAGE).await?;
        for visit in visits.iter().map(VisitView::seen) {
            table.add(&visit)?;
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

enum Table<W: Write> {
    Jsonl(W),
    Sheet(Sheet<W>),
}

impl<W: Write> Table<W> {
    fn begin(format: Format, out: W) -> Result<Self, ExportFault> {
        let form = match format {
            Format::Jsonl => return Ok(Self::Jsonl(out)),
            Format::Csv => Form::Csv,
            Format::Xlsx => Form::Xlsx,
        };
        Ok(Self::Sheet(Sheet::begin(form, out, "visits", &COLUMNS)?))
    }

    fn add(&mut self, visit: &VisitView) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(out) => {
                let json = serde_json::to_string(visit).map_err(io::Error::other)?;
                writeln!(out, "{json}")?;
            }
            Self::Sheet(sheet) => sheet.add(&cells(visit).map(Cell::Text))?,
        }
        Ok(())
    }

    fn end(self) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(mut out) => out.flush()?,
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
