//! Reports as pages: a chart, and the table that it was drawn from.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use rfid_service::record::LocalDate;
use rfid_service::reports::{Cell, Part, Report, ReportAsk, ReportKind};
use rfid_service::service::Fault;
use serde::Deserialize;

use super::chart::{Chart, Data, Series, plain};
use super::{Area, Named, areas, branches_of, may_enter, said_of_branch};
use crate::api::Api;
use crate::percent::encoded;
use crate::screens::text::Text;
use crate::screens::viewer::{Frame, Refusal, Viewer, shown};

/// Rows that a page shows; a file holds all of them.
const MOST_ROWS: usize = 1_000;
/// Days that a report is over unless somebody says otherwise.
const USUAL_DAYS: i64 = 30;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    from: String,
    to: String,
    branch: String,
    /// By what visits are counted apart, one of [`WAYS`].
    by: String,
    /// Of those who did not come: for how many days.
    days: String,
}

type Way = (&'static str, &'static [Part]);
const USUAL_WAY: Way = ("day_class", &[Part::Day, Part::VipClass]);
/// By what visits can be counted apart on a page: what is said in an address, and the parts of the report.
const WAYS: [Way; 6] = [
    USUAL_WAY,
    ("hour_class", &[Part::Hour, Part::VipClass]),
    ("day", &[Part::Day]),
    ("branch_class", &[Part::Branch, Part::VipClass]),
    ("class", &[Part::VipClass]),
    ("manager", &[Part::AccountManager]),
];

/// A report that there is, on the page of all of them.
struct Offer {
    name: &'static str,
    title: String,
    hint: String,
}

#[derive(Template)]
#[template(path = "centre/reports.html")]
struct ReportsPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    offers: Vec<Offer>,
}

#[derive(Template)]
#[template(path = "centre/report.html")]
struct ReportPage {
    text: Text,
    frame: Frame,
    areas: Vec<Area>,
    name: &'static str,
    title: String,
    hint: String,
    asked: Asked,
    span: String,
    branch: String,
    branches: Vec<Named>,
    ways: Vec<(&'static str, String)>,
    chart: Option<Chart>,
    columns: Vec<(String, bool)>,
    /// Cells, each with whether it holds a number.
    rows: Vec<Vec<(String, bool)>>,
    all_rows: u64,
    is_cut: bool,
    csv: String,
    xlsx: String,
    printed: String,
}

pub(super) async fn list(State(api): State<Api>, viewer: Viewer) -> Result<Response, Refusal> {
    let page = async {
        may_enter(&viewer)?;
        let offer = |kind: ReportKind| Offer {
            name: kind.name(),
            title: viewer.text.known("report", kind.name()),
            hint: viewer.text.known("report-hint", kind.name()),
        };
        Ok(ReportsPage {
            frame: Frame::of(&api, &viewer, "centre").await?,
            areas: areas(&viewer, "reports"),
            offers: ReportKind::ALL.into_iter().map(offer).collect(),
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

pub(super) async fn page(
    State(api): State<Api>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let page = async {
        may_enter(&viewer)?;
        let kind = ReportKind::from_name(&name).ok_or(Fault::NotFound("report"))?;
        let (text, service) = (viewer.text.clone(), api.service());
        let today = text.date(service.now()).unwrap_or_default();
        let (from, to) = span_of(&asked, today)?;
        let way = *WAYS.iter().find(|(way, _)| *way == asked.by).unwrap_or(&USUAL_WAY);
        let days = match asked.days.trim() {
            "" => None,
            days => Some(days.parse().map_err(|_| Fault::Invalid(Vec::new()))?),
        };
        let ask = ReportAsk {
            report: kind,
            from,
            to,
            branch: Some(asked.branch.clone()).filter(|branch| !branch.is_empty()),
            by: if kind == ReportKind::Visits { way.1.to_vec() } else { Vec::new() },
            days,
        };
        let report = service.report(viewer.caller(), &ask).await?;
        let branches = branches_of(&api, &viewer).await?;
        let words = Words { text: &text, branches: &branches };
        let branch = said_of_branch(&text, &branches, ask.branch.as_deref());
        let span = format!("{} – {}", text.date_said(from.0), text.date_said(to.0));
        let title = text.known("report", kind.name());
        let chart = words.chart(&report, &title, &format!("{branch}, {span}"));
        let file = file_of(&ask);
        Ok(ReportPage {
            frame: Frame::of(&api, &viewer, "centre").await?,
            areas: areas(&viewer, "reports"),
            name: kind.name(),
            hint: text.known("report-hint", kind.name()),
            asked: Asked {
                from: from.to_string(),
                to: to.to_string(),
                by: way.0.to_owned(),
                ..asked.clone()
            },
            span,
            branch,
            ways: WAYS.iter().map(|(way, _)| (*way, text.known("by-part", way))).collect(),
            columns: report.columns.iter().map(|column| (words.column(column), is_number(column))).collect(),
            rows: report.rows.iter().take(MOST_ROWS).map(|row| words.row(&report.columns, row)).collect(),
            all_rows: report.rows.len() as u64 + report.left_out,
            is_cut: report.rows.len() > MOST_ROWS || report.left_out > 0,
            csv: format!("{file}&format=csv"),
            xlsx: format!("{file}&format=xlsx"),
            printed: text.moment(service.now()),
            chart,
            title,
            branches,
            text: viewer.text.clone(),
        })
    };
    page.await.map(|page| shown(&page)).map_err(|fault| viewer.refusal(fault))
}

/// The days that are asked for; the last thirty if none are.
fn span_of(asked: &Asked, today: Date) -> Result<(LocalDate, LocalDate), Fault> {
    let date = |said: &str, usual: Date| match said.trim() {
        "" => Ok(LocalDate(usual)),
        said => said.parse::<Date>().map(LocalDate).map_err(|_| Fault::Invalid(Vec::new())),
    };
    let to = date(&asked.to, today)?;
    let usual = to.0.checked_sub((USUAL_DAYS - 1).days()).unwrap_or(to.0);
    Ok((date(&asked.from, usual)?, to))
}

/// Where the same report comes as a file.
fn file_of(ask: &ReportAsk) -> String {
    let mut path = format!("/api/v1/reports/{}?from={}&to={}", ask.report.name(), ask.from, ask.to);
    if let Some(branch) = &ask.branch {
        path.push_str(&format!("&branch={}", encoded(branch)));
    }
    if !ask.by.is_empty() {
        let by: Vec<&str> = ask.by.iter().map(|part| part.name()).collect();
        path.push_str(&format!("&by={}", by.join(",")));
    }
    if let Some(days) = ask.days {
        path.push_str(&format!("&days={days}"));
    }
    path
}

/// Whether a column holds numbers.
fn is_number(column: &str) -> bool {
    !matches!(
        column,
        "day"
            | "branch"
            | "vip_class"
            | "account_manager"
            | "customer_number"
            | "last_visit"
            | "staff_number"
            | "role"
    )
}

/// What a report is called in the language of who looks.
struct Words<'a> {
    text: &'a Text,
    branches: &'a [Named],
}

impl Words<'_> {
    fn column(&self, column: &str) -> String {
        let said = self.text.known("column", column);
        // Why cards are refused is said as everywhere.
        if said == column { self.text.known("refusal", column) } else { said }
    }

    fn cell(&self, column: &str, cell: &Cell) -> String {
        match (column, cell) {
            (_, Cell::Empty) => String::new(),
            ("hour", Cell::Number(hour)) => format!("{hour:02}:00"),
            ("share_recognised", Cell::Number(share)) => format!("{} %", plain(share * 100.0)),
            (_, Cell::Number(number)) => plain(*number),
            ("branch", Cell::Text(code)) => said_of_branch(self.text, self.branches, Some(code)),
            ("vip_class", Cell::Text(class)) => self.text.known("class", class),
            ("role", Cell::Text(role)) => self.text.known("role", role),
            ("day" | "last_visit", Cell::Text(day)) => match day.parse::<Date>() {
                Ok(date) => self.text.date_said(date),
                Err(_) => day.clone(),
            },
            (_, Cell::Text(text)) => text.clone(),
        }
    }

    fn row(&self, columns: &[&'static str], row: &[Cell]) -> Vec<(String, bool)> {
        columns.iter().zip(row).map(|(column, cell)| (self.cell(column, cell), is_number(column))).collect()
    }

    fn chart(&self, report: &Report, title: &str, description: &str) -> Option<Chart> {
        let has = |column: &str| report.columns.contains(&column);
        let (places, series, is_line) = match report.kind {
            ReportKind::Visits if has("vip_class") && has("day") => self.apart(report, &["day"], "visits"),
            ReportKind::Visits if has("vip_class") && has("hour") => self.apart(report, &["hour"], "visits"),
            ReportKind::Visits if has("vip_class") && has("branch") => {
                self.apart(report, &["branch"], "visits")
            }
            ReportKind::Visits if has("day") => {
                self.beside(report, &["day"], &["visits", "greeted", "served", "refused"], true)
            }
            ReportKind::Visits if has("vip_class") => self.beside(report, &["vip_class"], &["visits"], false),
            ReportKind::Visits => self.beside(report, &["account_manager"], &["visits"], false),
            ReportKind::Frequency => self.apart(report, &["visits_from", "visits_to"], "customers"),
            ReportKind::Absent => self.count(report, "vip_class"),
            ReportKind::Recognition => self.recognition(report),
            ReportKind::Staff => self.beside(report, &["staff_number"], &["greeted", "served"], false),
            ReportKind::Duty => self.duty(report),
        };
        let (title, description) = (title.to_owned(), description.to_owned());
        Chart::of(Data { title, description, places, series, is_line })
    }

    fn place(&self, report: &Report, row: &[Cell], columns: &[&str]) -> String {
        let said = columns.iter().filter_map(|column| {
            let at = report.columns.iter().position(|other| other == column)?;
            let said = match (*column, row.get(at)?) {
                // The year stands in the title.
                ("day", Cell::Text(day)) => day.get(5..).unwrap_or(day).to_owned(),
                (_, cell) => self.cell(column, cell),
            };
            (!said.is_empty()).then_some(said)
        });
        said.collect::<Vec<_>>().join("–")
    }

    /// A series for each class, over places that are alike.
    fn apart(&self, report: &Report, places: &[&str], value: &str) -> Drawn {
        let class_at = report.columns.iter().position(|column| *column == "vip_class");
        let mut names: Vec<String> = Vec::new();
        let mut classes: BTreeMap<String, BTreeMap<usize, f64>> = BTreeMap::new();
        for row in &report.rows {
            let place = self.place(report, row, places);
            let at = names.iter().position(|name| *name == place).unwrap_or_else(|| {
                names.push(place);
                names.len() - 1
            });
            let class = class_at.and_then(|at| row.get(at)).map(|cell| self.cell("vip_class", cell));
            let sum = classes.entry(class.unwrap_or_default()).or_default().entry(at).or_default();
            *sum += number(report, row, value);
        }
        let of_class = |(name, values): (String, BTreeMap<usize, f64>)| Series {
            name,
            values: (0..names.len()).map(|at| values.get(&at).copied().unwrap_or(0.0)).collect(),
        };
        let series = classes.into_iter().map(of_class).collect();
        (names, series, false)
    }

    /// A series for each column, a place for each row.
    fn beside(&self, report: &Report, places: &[&str], values: &[&str], is_line: bool) -> Drawn {
        let names = report.rows.iter().map(|row| self.place(report, row, places)).collect();
        let series = values.iter().map(|value| Series {
            name: self.column(value),
            values: report.rows.iter().map(|row| number(report, row, value)).collect(),
        });
        (names, series.collect(), is_line)
    }

    /// How many rows there are of each.
    fn count(&self, report: &Report, column: &str) -> Drawn {
        let mut counted: BTreeMap<String, f64> = BTreeMap::new();
        for row in &report.rows {
            *counted.entry(self.place(report, row, &[column])).or_default() += 1.0;
        }
        let (names, values) = counted.into_iter().unzip();
        (names, vec![Series { name: self.column("customers"), values }], false)
    }

    fn recognition(&self, report: &Report) -> Drawn {
        let (names, mut series, _) = self.beside(report, &["branch"], &["recognised"], false);
        let is_refusal = |column: &&&str| is_number(column) && !MEASURED.contains(column);
        let refusals: Vec<&str> = report.columns.iter().filter(is_refusal).copied().collect();
        let refused = |row: &Vec<Cell>| refusals.iter().map(|column| number(report, row, column)).sum();
        series
            .push(Series { name: self.column("refused"), values: report.rows.iter().map(refused).collect() });
        (names, series, false)
    }

    /// Hours of each day: of one branch who covered them, of several how many in each.
    fn duty(&self, report: &Report) -> Drawn {
        let branch_at = report.columns.iter().position(|column| *column == "branch");
        let mut branches: Vec<&Cell> = report.rows.iter().filter_map(|row| row.get(branch_at?)).collect();
        branches.dedup();
        if branches.len() <= 1 {
            let columns = ["covered_h", "covered_by_lobby_managers_h", "covered_by_account_managers_h"];
            return self.beside(report, &["day"], &columns, true);
        }
        let mut summed: BTreeMap<String, f64> = BTreeMap::new();
        for row in &report.rows {
            *summed.entry(self.place(report, row, &["branch"])).or_default() +=
                number(report, row, "covered_h");
        }
        let (names, values) = summed.into_iter().unzip();
        (names, vec![Series { name: self.column("covered_h"), values }], false)
    }
}

/// Places, what is drawn over them, and whether it is a line.
type Drawn = (Vec<String>, Vec<Series>, bool);

/// Columns of the report of recognition that count no refusal.
const MEASURED: [&str; 5] = [
    "recognised",
    "share_recognised",
    "unknown_since_start",
    "unconfirmed_since_start",
    "clone_alarms_since_start",
];

fn number(report: &Report, row: &[Cell], column: &str) -> f64 {
    let at = report.columns.iter().position(|other| *other == column);
    match at.and_then(|at| row.get(at)) {
        Some(Cell::Number(number)) => *number,
        _ => 0.0,
    }
}
