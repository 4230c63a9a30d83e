//! `/metrics` of the built binary, `docs/metrics.md`, the dashboard and the alert rules say the
//! same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::daemon::Daemon;

/// One part of each kind that gives metrics. The reader need not be there.
const CONFIGURATION: &str = r#"
[host]
name = "test"
data_dir = "DATA"
listen = "127.0.0.1:0"

[service]

[branches.main]
name = "Main branch"

[readers.door]
driver = "mercury4"
address = "127.0.0.1:1"
antennas = { 1 = "door" }

[sinks.customers]
type = "lookup"
source = "directory"

[sinks.visits]
type = "log"

[sinks.screens]
type = "notify"
webhooks = [{ url = "http://127.0.0.1:1/", secret = "a key for tests" }]

[pipelines.main]
readers = ["door"]
sinks = ["customers", "visits", "screens"]
"#;

/// Stores that are opened when they are needed first have no metrics before.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

type Metrics = BTreeMap<String, Metric>;

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Those that the document says the host gives, and those that it announces.
fn documented() -> (Metrics, Metrics) {
    let text = repository("docs/metrics.md");
    let (given, announced) = text.split_once("\n## Announced\n").expect("a section \"Announced\"");
    (rows(given), rows(announced))
}

fn rows(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines().filter(|line| line.starts_with("| `rfid_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, _since, help] = cells[..] else {
            panic!("a row of docs/metrics.md has five columns: {line}")
        };
        let metric = Metric {
            kind: kind.to_owned(),
            labels: labels.split(',').map(|label| label.trim().trim_matches('`').to_owned()).collect(),
            help: help.to_owned(),
        };
        let before = metrics.insert(name.trim_matches('`').to_owned(), metric);
        assert!(before.is_none(), "docs/metrics.md has {name} twice");
    }
    metrics
}

/// What OpenMetrics text says, by the names under which Prometheus has them.
fn scraped(text: &str) -> Metrics {
    let mut families = Metrics::new();
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            let (name, help) = line.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().help = help.trim_end_matches('.').to_owned();
        } else if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((name, rest)) = line.split_once('{') {
            let family = families.get_mut(name.strip_suffix("_total").unwrap_or(name)).unwrap();
            let (labels, _) = rest.rsplit_once('}').unwrap();
            // No value of a label in this test holds a comma.
            family
                .labels
                .extend(labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())));
        }
    }
    let suffix = |metric: &Metric| if metric.kind == "counter" { "_total" } else { "" };
    families.into_iter().map(|(name, metric)| (name + suffix(&metric), metric)).collect()
}

/// Everything in which the document and the binary differ, each with what to do about it.
fn differences(scraped: &Metrics, given: &Metrics, announced: &Metrics) -> Vec<String> {
    let mut found = Vec::new();
    for (name, metric) in scraped {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = format!(
            "| `{name}` | {} | {} | {} | {} |",
            metric.kind,
            labels.join(", "),
            env!("CARGO_PKG_VERSION"),
            metric.help
        );
        match given.get(name) {
            None if announced.contains_key(name) => found.push(format!(
                "{name} is announced in docs/metrics.md and is there now: move its row to the table that \
                 it belongs to, as\n{row}"
            )),
            None => found.push(format!(
                "docs/metrics.md does not know {name}. Add to the table that it belongs to:\n{row}"
            )),
            Some(documented) if (&documented.kind, &documented.labels) != (&metric.kind, &metric.labels) => {
                found.push(format!(
                    "docs/metrics.md has another type or other labels for {name}, which are promised not \
                     to change. The host gives:\n{row}"
                ));
            }
            Some(_) => {}
        }
    }
    for name in given.keys().filter(|name| !scraped.contains_key(*name)) {
        found.push(format!(
            "docs/metrics.md has {name}, which the host does not give. If a part gives it that this test \
             does not configure, add the part to CONFIGURATION in host/daemon/tests/it/metrics.rs. If it \
             is to come, put it under \"Announced\". A metric that was released is promised to stay."
        ));
    }
    found
}

#[test]
fn the_document_and_the_binary_name_the_same_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("metrics.toml");
    let data = folder.path().join("data");
    std::fs::write(&config, CONFIGURATION.replace("DATA", &data.display().to_string())).unwrap();
    let daemon = Daemon::run(&config);
    let (given, announced) = documented();
    let start = Instant::now();
    loop {
        let found = differences(&scraped(&daemon.get("/metrics").1), &given, &announced);
        if found.is_empty() {
            break;
        }
        assert!(start.elapsed() < LONGEST_WAIT, "\n\n{}\n\n", found.join("\n\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_difference_says_what_to_do() {
    let metric = |kind: &str| Metric {
        kind: kind.to_owned(),
        labels: BTreeSet::from(["sink".to_owned()]),
        help: "Events".to_owned(),
    };
    let one = |name: &str, kind: &str| Metrics::from([(name.to_owned(), metric(kind))]);
    let none = Metrics::new();
    let new = one("rfid_new_total", "counter");
    let said = differences(&new, &none, &none).join("\n");
    let row = concat!("\n| `rfid_new_total` | counter | `sink` | ", env!("CARGO_PKG_VERSION"), " | Events |");
    assert!(said.ends_with(row), "{said}");
    assert!(differences(&new, &none, &new).join("\n").contains("move its row"));
    assert!(differences(&none, &new, &none).join("\n").contains("does not give"));
    assert!(differences(&new, &one("rfid_new_total", "gauge"), &none).join("\n").contains("another type"));
    assert!(differences(&new, &new, &none).is_empty());
}

/// Names of this host's metrics in a query.
fn used_in(query: &str) -> impl Iterator<Item = &str> {
    query
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("rfid_"))
}

/// Fails if a query uses what nobody gives, or a counter without asking how it grows or whether it
/// counted anything.
fn check_query(place: &str, query: &str) {
    let (given, announced) = documented();
    for name in used_in(query) {
        let metric = given.get(name).or(announced.get(name));
        let metric =
            metric.unwrap_or_else(|| panic!("{place} uses {name}, which docs/metrics.md does not have"));
        if metric.kind == "counter" {
            let grows = ["rate(", "increase(", " > 0"].iter().any(|function| query.contains(function));
            assert!(grows, "{place} takes the counter {name} without rate() or increase(): {query}");
        }
    }
}

#[test]
fn every_alert_says_what_it_means_and_uses_metrics_that_are_documented() {
    let file = repository("host/daemon/monitoring/alerts.yml");
    let document = repository("docs/metrics.md");
    let yaml = YamlLoader::load_from_str(&file).unwrap();
    let groups = yaml[0]["groups"].as_vec().expect("groups");
    let mut names = BTreeSet::new();
    for rule in groups.iter().flat_map(|group| group["rules"].as_vec().expect("rules of a group")) {
        let text = |value: &Yaml| value.as_str().map(str::to_owned);
        let name = text(&rule["alert"]).expect("the name of an alert");
        let present = |value: &Yaml, what: &str| {
            text(value)
                .filter(|text| !text.trim().is_empty())
                .unwrap_or_else(|| panic!("{name} has no {what}"))
        };
        let severity = present(&rule["labels"]["severity"], "severity");
        assert!(["critical", "warning"].contains(&severity.as_str()), "{name}: {severity}");
        present(&rule["annotations"]["summary"], "summary");
        present(&rule["annotations"]["description"], "description");
        present(&rule["for"], "time (for:) that it must last");
        check_query(&name, &present(&rule["expr"], "expr"));
        assert!(document.contains(&format!("`{name}`")), "docs/metrics.md says nothing of the alert {name}");
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
    // The document promises no alert that is not there.
    for word in document.split('`').filter(|word| word.starts_with("Rfid")) {
        assert!(names.contains(word), "docs/metrics.md speaks of {word}, which alerts.yml does not have");
    }
}

#[test]
fn every_panel_of_the_dashboard_shows_metrics_that_are_documented() {
    let dashboard: Value =
        serde_json::from_str(&repository("host/daemon/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title =
            panel["title"].as_str().filter(|title| !title.is_empty()).expect("a title for each panel");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have the id of {title}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{title} lies over another panel or the edge");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        for target in targets.unwrap_or_else(|| panic!("{title} shows nothing")) {
            let query = target["expr"].as_str().unwrap();
            assert!(used_in(query).next().is_some() || query.contains("up{"), "{title}: {query}");
            check_query(title, query);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            check_query("a variable", query);
        }
    }
}
