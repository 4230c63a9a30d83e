//! What is shown of an export.

use rfid_core::UtcTime;
use serde::Serialize;

#[cfg(feature = "schema")]
use super::super::view::Time;
use crate::record::{Export, ExportFormat, ExportPurpose, ExportState, Hand, LocalDate};
use crate::store::Stored;

/// An export.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExportView {
    /// The service's id, which stands in each row as its export number.
    pub id: String,
    /// How often the record was written.
    pub version: u32,
    /// How far it is.
    pub state: ExportState,
    /// Code of the branch; left out for all branches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// First day.
    pub from: LocalDate,
    /// Last day.
    pub to: LocalDate,
    /// How it is written.
    pub format: ExportFormat,
    /// Whether it tells who came.
    pub unmasked: bool,
    /// What for.
    pub purpose: ExportPurpose,
    /// The same in words.
    pub reason: String,
    /// Id of who asked.
    pub asked_by: String,
    /// When.
    #[cfg_attr(feature = "schema", schemars(with = "Time"))]
    pub asked_at: UtcTime,
    /// Id of the request that was approved for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Id of who approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Visits in it; until it is made, those that were counted.
    pub rows: u64,
    /// Length of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the file, as it is in the audit trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub made_at: Option<UtcTime>,
    /// When it was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    pub fetched_at: Option<UtcTime>,
    /// Why it was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl ExportView {
    /// What is shown of an export: neither its file nor what opens it.
    pub fn of(stored: &Stored<Export>) -> Self {
        let export = &stored.record;
        let (content, made) = (&export.content, export.made.as_ref());
        Self {
            id: export.id.to_string(),
            version: stored.version,
            state: export.state,
            branch: content.branch.as_ref().map(ToString::to_string),
            from: content.from,
            to: content.to,
            format: content.format,
            unmasked: content.unmasked,
            purpose: content.purpose,
            reason: content.reason.reveal().clone(),
            asked_by: export.asker.to_string(),
            asked_at: export.asked_at,
            request_id: export.request().map(|id| id.to_string()),
            approved_by: export.approved_by.as_ref().map(Hand::name),
            rows: made.map_or(content.rows, |made| made.rows),
            bytes: made.map(|made| made.bytes),
            sha256: made.map(|made| made.sha256.clone()),
            made_at: made.map(|made| made.at),
            fetched_at: export.fetched_at,
            failure: export.failure.clone(),
        }
    }
}
