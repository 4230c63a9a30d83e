//! Reports.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rfid_service::record::LocalDate;
use rfid_service::reports::{Part, ReportAsk, ReportFormat, ReportKind};
use rfid_service::rights::Action;
use serde::Deserialize;

use super::{Answer, Api, Asked, Needs, Route, schema};
use crate::calling::Calling;
use crate::refused::Refused;

/// Which report, in a query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportQuery {
    from: LocalDate,
    to: LocalDate,
    #[serde(default)]
    branch: Option<String>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    days: Option<u16>,
    #[serde(default)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
    Xlsx,
}

/// A report.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "says in the document what a report is")]
struct ReportView {
    /// Which report.
    report: String,
    /// First day.
    from: LocalDate,
    /// Last day.
    to: LocalDate,
    /// Names of its columns.
    columns: Vec<String>,
    /// Its rows.
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Rows that are left out, because there are too many.
    left_out: u64,
}

pub(super) fn routes() -> Vec<Route> {
    vec![Route {
        method: "get",
        path: "/api/v1/reports/{report}",
        id: "getReport",
        summary: "A report: visits, frequency, absent, recognition, staff or duty",
        needs: Needs::Right(&[Action::SeeReports]),
        query: &[
            ("from", "first day, as in 2026-11-01"),
            ("to", "last day, as in 2026-11-30"),
            ("branch", "code of a branch"),
            ("by", "of visits: day, hour, branch, vip_class, account_manager, with commas between them"),
            ("days", "of absent: customers who were not here for so many days; 90 if left out"),
            ("format", "json, csv or xlsx; json if left out"),
        ],
        if_match: false,
        body: None,
        answer: Answer::Plain(StatusCode::OK, "Report", schema::<ReportView>),
        handler: get(report),
    }]
}

async fn report(
    State(api): State<Api>,
    Calling(caller): Calling,
    Path(name): Path<String>,
    Asked(query): Asked<ReportQuery>,
) -> Result<Response, Refused> {
    let ReportQuery { from, to, branch, by, days, format } = query;
    let report = ReportKind::from_name(&name).ok_or_else(|| Refused::not_found("report"))?;
    let part = |name: &str| {
        Part::from_name(name).ok_or_else(|| {
            Refused::bad_request(
                "by is of day, hour, branch, vip_class and account_manager, with commas between them.",
            )
        })
    };
    let by = by.split(',').filter(|name| !name.is_empty()).map(part).collect::<Result<_, _>>()?;
    let made = api.service.report(&caller, &ReportAsk { report, from, to, branch, by, days }).await?;
    let format = match format {
        Format::Json => ReportFormat::Json,
        Format::Csv => ReportFormat::Csv,
        Format::Xlsx => ReportFormat::Xlsx,
    };
    // A workbook of many rows takes its time.
    let written = tokio::task::spawn_blocking(move || made.write(format)).await;
    match written {
        Ok(Ok(bytes)) => {
            let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CACHE_CONTROL, "no-store")];
            Ok((StatusCode::OK, headers, bytes).into_response())
        }
        failed => {
            tracing::error!(?failed, "a report cannot be written");
            let detail = "The report could not be written. The log of the host says why.";
            Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "Not writable", detail))
        }
    }
}
