//! Visits as files for other programs.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};

use rfid_core::UtcTime;
use rust_xlsxwriter::{Format as CellFormat, Workbook, Worksheet, XlsxError};

use crate::service::view::VisitView;
use crate::service::{Caller, Fault, Service, VisitFilter};

/// Visits that are asked for at once.
const PAGE: usize = 200;
/// Rows of a worksheet below its head.
const MOST_ROWS: u32 = 1_048_575;

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

impl From<csv::Error> for ExportFault {
    fn from(error: csv::Error) -> Self {
        Self::Io(error.into())
    }
}

impl From<XlsxError> for ExportFault {
    fn from(error: XlsxError) -> Self {
        Self::Io(io::Error::other(error))
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
    Csv(Box<csv::Writer<W>>),
    Xlsx(Box<Workbook>, u32, W),
}

impl<W: Write> Table<W> {
    fn begin(format: Format, mut out: W) -> Result<Self, ExportFault> {
        match format {
            Format::Jsonl => Ok(Self::Jsonl(out)),
            Format::Csv => {
                out.write_all("\u{feff}".as_bytes())?;
                let mut table = csv::Writer::from_writer(out);
                table.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(table)))
            }
            Format::Xlsx => {
                let mut workbook = Workbook::new();
                // Rows go to a temporary file as they come.
                let sheet = workbook.add_worksheet_with_constant_memory()?;
                sheet.set_name("visits")?.set_freeze_panes(1, 0)?;
                let bold = CellFormat::new().set_bold();
                for (column, name) in (0..).zip(COLUMNS) {
                    sheet.write_string_with_format(0, column, name, &bold)?;
                }
                Ok(Self::Xlsx(Box::new(workbook), 0, out))
            }
        }
    }

    fn add(&mut self, visit: &VisitView) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(out) => {
                let json = serde_json::to_string(visit).map_err(io::Error::other)?;
                writeln!(out, "{json}")?;
            }
            Self::Csv(table) => table.write_record(cells(visit).map(safe_cell))?,
            Self::Xlsx(workbook, rows, _) => {
                if *rows == MOST_ROWS {
                    return Err(ExportFault::TooMany);
                }
                *rows += 1;
                let sheet: &mut Worksheet = workbook.worksheet_from_index(0)?;
                for (column, text) in (0..).zip(cells(visit)) {
                    // As text, whatever it looks like: it is never calculated.
                    sheet.write_string(*rows, column, text)?;
                }
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), ExportFault> {
        match self {
            Self::Jsonl(mut out) => out.flush()?,
            Self::Csv(mut table) => table.flush()?,
            Self::Xlsx(mut workbook, _, mut out) => {
                let mut file: File = tempfile::tempfile()?;
                workbook.save_to_writer(&mut file)?;
                file.rewind()?;
                io::copy(&mut file, &mut out)?;
                out.flush()?;
            }
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

/// A cell that no spreadsheet takes for a formula.
fn safe_cell(text: String) -> String {
    const BEGIN_FORMULAS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    if text.starts_with(BEGIN_FORMULAS) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "＝1"] {
            assert_eq!(safe_cell(text.to_owned()), format!("'{text}"));
        }
        assert_eq!(safe_cell("存款".to_owned()), "存款");
    }
}
