//! `rfid-host check`.

use std::fmt::Write;
use std::path::Path;

use rfid_core::presence::{EpcHeaders, Lost, ZoneRules};
use serde_json::{Value, json};

use super::connect::{self, Answer};
use super::{counted, print_lines, print_report};
use crate::cli::{ConfigFiles, ResultFormat};
use crate::config::{Config, PipelineConfig, Report, zones};

/// What is asked for besides the faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) deny_warnings: bool,
    pub(crate) connect: bool,
    pub(crate) verbose: bool,
    pub(crate) format: ResultFormat,
}

impl Check {
    pub(crate) async fn run(self, files: &ConfigFiles, data_dir: Option<&Path>) -> anyhow::Result<()> {
        let (config, report) = match super::checked(files, data_dir) {
            Ok(checked) if self.deny_warnings && checked.report.warnings() > 0 => (None, checked.report),
            Ok(checked) => (Some(checked.config), checked.report),
            Err(report) => (None, report),
        };
        if self.format == ResultFormat::Text {
            match &config {
                Some(config) => self.print(config, &report),
                None => return Err(print_report(&report)),
            }
        }
        let answers = match &config {
            Some(config) if self.connect => connect::ask(config, self.format).await,
            _ => Vec::new(),
        };
        if self.format == ResultFormat::Json {
            println!("{}", serde_json::to_string_pretty(&as_json(config.as_ref(), &report, &answers))?);
        }
        let silent = answers.iter().filter(|answer| !answer.is_well()).count();
        anyhow::ensure!(config.is_some(), "{}: not in order", report.name());
        anyhow::ensure!(silent == 0, "{}: {silent} of {} not well", report.name(), answers.len());
        Ok(())
    }

    fn print(self, config: &Config, report: &Report) {
        print_lines(report);
        println!("{}", summary(config, report));
        if self.verbose {
            for pipeline in &config.pipelines {
                print!("{}", effective(pipeline, config));
            }
        }
    }
}

/// `branch.toml, conf.d/door.toml: ok (2 readers, 3 sinks, 1 pipeline)`.
fn summary(config: &Config, report: &Report) -> String {
    let files: Vec<&str> = report.sources.iter().map(|source| source.name.as_str()).collect();
    let with = match report.warnings() {
        0 => String::new(),
        warnings => format!(" with {}", counted(warnings as u64, "warning")),
    };
    let mut counts: Vec<String> = [
        (config.readers.len(), "reader"),
        (config.sinks.len(), "sink"),
        (config.pipelines.len(), "pipeline"),
    ]
    .map(|(count, what)| counted(count as u64, what))
    .into();
    if !config.emulators.is_empty() {
        counts.push(counted(config.emulators.len() as u64, "emulated reader"));
    }
    format!("{}: ok{with} ({})", files.join(", "), counts.join(", "))
}

/// The way that events of a pipeline go, and what holds in each of its zones.
fn effective(pipeline: &PipelineConfig, config: &Config) -> String {
    let list = |names: &[rfid_core::Name], between: &str| {
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(between)
    };
    // Writing to a string does not fail.
    let mut text = format!(
        "\npipeline {}: {} > {}\n",
        pipeline.name,
        list(&pipeline.readers, ", "),
        list(&pipeline.sinks, " > ")
    );
    let _ = writeln!(text, "  {}", of_all_zones(pipeline));
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(zones_of(pipeline, config).into_iter().map(|zone| row(pipeline, zone)));
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| console::measure_text_width(cell)).max()
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| console::pad_str(cell, *width, console::Alignment::Left, None).into_owned());
        let _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// What [`row`] says of a zone.
const COLUMNS: [&str; 7] = [
    "zone",
    "confirm_reads",
    "confirm_within",
    "lost_after",
    "revisit_within",
    "repeat_every",
    "stationary_after",
];

fn row(pipeline: &PipelineConfig, zone: String) -> [String; COLUMNS.len()] {
    let rules = pipeline.presence.rules(&zone);
    let ZoneRules { confirm_reads, confirm_within, lost, revisit_within, repeat_every, stationary_after } =
        rules;
    let span = |span| rfid_core::DurationText(span).to_string();
    let lost = match lost {
        Lost::After(silence) => span(silence),
        Lost::Adaptive { at_least, at_most } => format!("{} to {}", span(at_least), span(at_most)),
    };
    [
        zone,
        confirm_reads.to_string(),
        span(confirm_within),
        lost,
        span(revisit_within),
        repeat_every.map_or("never".to_owned(), span),
        stationary_after.map_or("never".to_owned(), span),
    ]
}

/// What holds in all zones of a pipeline.
fn of_all_zones(pipeline: &PipelineConfig) -> String {
    let presence = &pipeline.presence;
    let headers = match presence.epc_headers {
        EpcHeaders::Any => "any header",
        EpcHeaders::Known => "headers of the EPC Tag Data Standard only",
    };
    let passages: String = presence
        .passages
        .iter()
        .map(|passage| format!("; passage {} > {}", passage.outer, passage.inner))
        .collect();
    format!(
        "up to {} tags; a glimpse lasts {}; EPCs of {headers}{passages}",
        presence.max_tags, presence.glimpse_lasts
    )
}

fn zones_of(pipeline: &PipelineConfig, config: &Config) -> Vec<String> {
    let mut all: Vec<String> = config
        .readers
        .iter()
        .filter(|reader| pipeline.readers.contains(&reader.setup.reader))
        .flat_map(|reader| zones(&reader.place.zones))
        .map(|zone| zone.as_str().to_owned())
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The figures that hold, by pipeline and zone.
fn presence_as_json(config: &Config) -> Value {
    let of_zone = |pipeline: &PipelineConfig, zone: String| {
        let row = row(pipeline, zone);
        let cells = COLUMNS.into_iter().map(str::to_owned).zip(row.iter().cloned().map(Value::from)).skip(1);
        let [zone, ..] = row.clone();
        (zone, Value::Object(cells.collect()))
    };
    let of_pipeline = |pipeline: &PipelineConfig| {
        let zones = zones_of(pipeline, config).into_iter().map(|zone| of_zone(pipeline, zone)).collect();
        (pipeline.name.as_str().to_owned(), Value::Object(zones))
    };
    Value::Object(config.pipelines.iter().map(of_pipeline).collect())
}

/// What holds in all zones of a pipeline, by its name.
fn pipelines_as_json(config: &Config) -> Value {
    let of_pipeline = |pipeline: &PipelineConfig| {
        let presence = &pipeline.presence;
        let figures = json!({
            "max_tags": presence.max_tags,
            "glimpse_lasts": presence.glimpse_lasts,
            "epc_headers": presence.epc_headers,
            "passages": presence.passages,
        });
        (pipeline.name.as_str().to_owned(), figures)
    };
    Value::Object(config.pipelines.iter().map(of_pipeline).collect())
}

fn as_json(config: Option<&Config>, report: &Report, answers: &[Answer]) -> Value {
    let files: Vec<&str> = report.sources.iter().map(|source| source.name.as_str()).collect();
    json!({
        "ok": config.is_some() && answers.iter().all(Answer::is_well),
        "files": files,
        "faults": report.json(),
        "presence": config.map(presence_as_json),
        "pipelines": config.map(pipelines_as_json),
        "checks": answers.iter().map(Answer::json).collect::<Vec<_>>(),
    })
}
