//! Tables for spreadsheets: CSV and workbooks.

use std::fs::File;
use std::io::{self, Seek, Write};

use rust_xlsxwriter::{Format as CellFormat, Workbook, Worksheet, XlsxError};
use zeroize::Zeroizing;

/// Rows of a worksheet below its head.
pub(crate) const MOST_ROWS: u32 = 1_048_575;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// UTF-8 with the mark by which spreadsheets know that, and no cell that one of them takes for a
    /// formula.
    Csv,
    /// A workbook of one sheet (Office Open XML). A temporary file is as large as it, and it comes when the
    /// last row is in it.
    Xlsx,
    /// The same in memory alone: nothing of it is ever on the disk as it is.
    XlsxInMemory,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text, whatever it looks like.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing.
    Empty,
}

impl Cell {
    /// A count.
    pub(crate) fn count(count: u64) -> Self {
        Self::of_parts(count, 1.0)
    }

    /// A number of parts, of which so many make one.
    pub(crate) fn of_parts(count: u64, make_one: f64) -> Self {
        // A count that a double does not hold takes longer to count than there is time.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        Self::Number(count as f64 / make_one)
    }

    /// Text, or nothing.
    pub(crate) fn maybe(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_string()))
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => safe_cell(text.clone()),
            Self::Number(number) => number.to_string(),
            Self::Empty => String::new(),
        }
    }
}

/// Why a table was not written.
#[derive(Debug)]
pub(crate) enum SheetFault {
    /// It cannot be written.
    Io(io::Error),
    /// A worksheet does not hold as many rows.
    TooMany,
}

impl From<io::Error> for SheetFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<csv::Error> for SheetFault {
    fn from(error: csv::Error) -> Self {
        Self::Io(error.into())
    }
}

impl From<XlsxError> for SheetFault {
    fn from(error: XlsxError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// A table that is written row by row.
pub(crate) enum Sheet<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Xlsx(Box<Workbook>, u32, W),
    XlsxInMemory(Box<Workbook>, u32, W),
}

impl<W: Write> Sheet<W> {
    /// Begins a table of this name with these columns.
    pub(crate) fn begin(form: Form, mut out: W, name: &str, columns: &[&str]) -> Result<Self, SheetFault> {
        match form {
            Form::Csv => {
                out.write_all("\u{feff}".as_bytes())?;
                let mut table = csv::Writer::from_writer(out);
                table.write_record(columns)?;
                Ok(Self::Csv(Box::new(table)))
            }
            Form::Xlsx | Form::XlsxInMemory => {
                let mut workbook = Workbook::new();
                let is_in_memory = form == Form::XlsxInMemory;
                let sheet = if is_in_memory {
                    workbook.add_worksheet()
                } else {
                    // Rows go to a temporary file as they come.
                    workbook.add_worksheet_with_constant_memory()?
                };
                sheet.set_name(name)?.set_freeze_panes(1, 0)?;
                let bold = CellFormat::new().set_bold();
                for (column, name) in (0..).zip(columns) {
                    sheet.write_string_with_format(0, column, *name, &bold)?;
                }
                let workbook = Box::new(workbook);
                Ok(if is_in_memory {
                    Self::XlsxInMemory(workbook, 0, out)
                } else {
                    Self::Xlsx(workbook, 0, out)
                })
            }
        }
    }

    /// Writes a row.
    pub(crate) fn add(&mut self, cells: &[Cell]) -> Result<(), SheetFault> {
        match self {
            Self::Csv(table) => table.write_record(cells.iter().map(Cell::text))?,
            Self::Xlsx(workbook, rows, _) | Self::XlsxInMemory(workbook, rows, _) => {
                if *rows == MOST_ROWS {
                    return Err(SheetFault::TooMany);
                }
                *rows += 1;
                let sheet: &mut Worksheet = workbook.worksheet_from_index(0)?;
                for (column, cell) in (0..).zip(cells) {
                    match cell {
                        // As text, whatever it looks like: it is never calculated.
                        Cell::Text(text) => drop(sheet.write_string(*rows, column, text)?),
                        Cell::Number(number) => drop(sheet.write_number(*rows, column, *number)?),
                        Cell::Empty => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends it when everything is written.
    pub(crate) fn end(self) -> Result<(), SheetFault> {
        match self {
            Self::Csv(mut table) => table.flush()?,
            Self::Xlsx(mut workbook, _, mut out) => {
                let mut file: File = tempfile::tempfile()?;
                workbook.save_to_writer(&mut file)?;
                file.rewind()?;
                io::copy(&mut file, &mut out)?;
                out.flush()?;
            }
            Self::XlsxInMemory(mut workbook, _, mut out) => {
                out.write_all(&Zeroizing::new(workbook.save_to_buffer()?))?;
                out.flush()?;
            }
        }
        Ok(())
    }
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
        assert_eq!(Cell::Number(-1.5).text(), "-1.5");
    }
}
