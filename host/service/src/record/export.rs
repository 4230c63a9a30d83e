//! Exports: visits that somebody carries out of the service as a file.

use rfid_core::{Name, UtcTime};
use serde::{Deserialize, Serialize};

use super::{ExportId, Hand, LocalDate, Personal, RequestId, StaffId};

/// An export, from when it is asked for until its file is gone. The file itself lies on the disk of the
/// host that made it, under a key that is kept nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Its id, which stands in each row. Of an export that was approved it is that of the request, so that
    /// one approval makes one.
    pub id: ExportId,
    /// Who asked, and alone fetches it.
    pub asker: StaffId,
    /// The branch whose visits they are; of all branches, that of who asked.
    pub branch: Name,
    /// What is in it.
    pub content: ExportContent,
    /// When it was asked for.
    pub asked_at: UtcTime,
    /// The host that makes it and keeps its file.
    pub host: Name,
    /// How far it is.
    pub state: ExportState,
    /// The hash of the key that opens the file.
    pub key_hash: String,
    /// Who approved it, where somebody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Hand>,
    /// What was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<MadeFile>,
    /// When it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<UtcTime>,
    /// Why it was not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Export {
    /// The request that was approved for it, if one was.
    pub fn request(&self) -> Option<RequestId> {
        self.approved_by.as_ref().map(|_| RequestId::from_bytes(self.id.to_bytes()))
    }
}

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportContent {
    /// Visits in this branch; in all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Name>,
    /// First day.
    pub from: LocalDate,
    /// Last day.
    pub to: LocalDate,
    /// Arrivals from then on are not in it, so that what is approved does not grow.
    pub until: UtcTime,
    /// How it is written.
    pub format: ExportFormat,
    /// Whether it tells who came.
    pub unmasked: bool,
    /// What for.
    pub purpose: ExportPurpose,
    /// The same in words.
    pub reason: Personal<String>,
    /// How many visits there were when it was asked for; more are not written.
    pub rows: u64,
}

/// The file of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeFile {
    /// When it was made.
    pub at: UtcTime,
    /// Visits in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: String,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// It is made, or waits for that.
    Pending,
    /// It can be fetched.
    Ready,
    /// It was fetched, and its file is gone.
    Fetched,
    /// Nobody fetched it in time, and its file is gone.
    Expired,
    /// It was not made.
    Failed,
}

impl ExportState {
    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Fetched => "fetched",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// Whether it goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Ready)
    }
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// A JSON object a line.
    Jsonl,
    /// A table in UTF-8 with the mark by which spreadsheets know that, and no cell that one of them
    /// takes for a formula.
    Csv,
    /// A workbook of one sheet (Office Open XML). A temporary file is as large as it, and it comes when
    /// the last visit is in it.
    Xlsx,
}

impl ExportFormat {
    /// The name, as in JSON and behind the dot of a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// What it is called in HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// What somebody exports for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportPurpose {
    /// How a branch serves its customers.
    ServiceQuality,
    /// Somebody complained.
    Complaint,
    /// Auditors look at it.
    Audit,
    /// Something happened that has to be cleared up.
    Incident,
    /// An authority asks, as the law allows.
    Authority,
}

impl ExportPurpose {
    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceQuality => "service_quality",
            Self::Complaint => "complaint",
            Self::Audit => "audit",
            Self::Incident => "incident",
            Self::Authority => "authority",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_export_is_called_as_in_json() {
        use ExportState::{Expired, Failed, Fetched, Pending, Ready};
        for state in [Pending, Ready, Fetched, Expired, Failed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for format in [ExportFormat::Jsonl, ExportFormat::Csv, ExportFormat::Xlsx] {
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
        use ExportPurpose::{Audit, Authority, Complaint, Incident, ServiceQuality};
        for purpose in [ServiceQuality, Complaint, Audit, Incident, Authority] {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.name());
        }
    }
}
