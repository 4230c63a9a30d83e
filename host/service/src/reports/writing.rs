//! A report as JSON, CSV or a workbook.

use serde_json::{Map, Value, json};

use super::Report;
use crate::export::ExportFault;
use crate::spreadsheet::{Cell, Form, Sheet};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// A JSON object.
    Json,
    /// A table for spreadsheets, in UTF-8.
    Csv,
    /// A workbook.
    Xlsx,
}

impl ReportFormat {
    /// What it is called in HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

impl Report {
    /// The report as JSON: its days, its columns, and a row for each object in `rows`.
    pub fn to_json(&self) -> Value {
        let row = |cells: &Vec<Cell>| {
            let fields = self.columns.iter().zip(cells).map(|(column, cell)| {
                let value = match cell {
                    Cell::Text(text) => Value::from(text.clone()),
                    #[expect(clippy::cast_possible_truncation, reason = "looked at before")]
                    Cell::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                        Value::from(*number as i64)
                    }
                    Cell::Number(number) => Value::from(*number),
                    Cell::Empty => Value::Null,
                };
                ((*column).to_owned(), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        };
        json!({
            "report": self.kind.name(),
            "from": self.from,
            "to": self.to,
            "columns": self.columns,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "left_out": self.left_out,
        })
    }

    /// The report in a format.
    ///
    /// # Errors
    /// `Io`, `TooMany`.
    pub fn write(&self, format: ReportFormat) -> Result<Vec<u8>, ExportFault> {
        let form = match format {
            ReportFormat::Json => return Ok(self.to_json().to_string().into_bytes()),
            ReportFormat::Csv => Form::Csv,
            ReportFormat::Xlsx => Form::Xlsx,
        };
        let mut bytes = Vec::new();
        let mut sheet = Sheet::begin(form, &mut bytes, self.kind.name(), &self.columns)?;
        for row in &self.rows {
            sheet.add(row)?;
        }
        sheet.end()?;
        Ok(bytes)
    }
}
