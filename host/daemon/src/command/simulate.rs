//! `rfid-host simulate`.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rfid_core::Settings;
use rfid_core::presence::PresenceSettings;
use rfid_core::settings::schema_of;
use rfid_simulation::rules::{self, Ours, Rule};
use rfid_simulation::{Door, Score};

use crate::cli::{SimulateDoor, options};
use crate::config::misfits;

/// Lines of a heading and the place of a figure under it.
type Column = ([&'static str; 2], fn(&Score) -> String);

const COLUMNS: [Column; 10] = [
    (["", "missed"], |score| score.missed.to_string()),
    (["extra", "arrivals"], |score| score.extra_arrivals.to_string()),
    (["extra", "departures"], |score| score.extra_departures.to_string()),
    (["ghosts", "in"], |score| score.ghosts_in.to_string()),
    (["passers", "in"], |score| score.passers_in.to_string()),
    (["exits by", "outage"], |score| score.exits_by_outage.to_string()),
    (["announced", "after"], |score| span(score.announce_ms_median)),
    (["95 of 100", "after"], |score| span(score.announce_ms_p95)),
    (["departed", "after"], |score| span(score.exit_ms_median)),
    (["", "moves"], |score| score.moves.to_string()),
];

const LEGEND: &str = "
missed            visits that nobody was told of; who is hardly heard can hardly be announced
extra arrivals    arrivals of somebody who was already announced at this visit; a revisit is none
extra departures  departures of somebody who stayed on
ghosts in         misread numbers that were announced
passers in        people outside who were announced
exits by outage   outages in which somebody who was heard before and after was said to depart
announced after   from a visit's first read to its arrival: half of the visits, and 95 of 100
departed after    from the true leaving to the departure, for half of the visits
moves             changes of zone that were said; rules without zones say none
";

pub(crate) fn door(wanted: &SimulateDoor) -> anyhow::Result<()> {
    let is_ours = wanted.rule.as_deref().is_none_or(|rule| rule == "ours");
    anyhow::ensure!(
        is_ours || wanted.figures.is_empty(),
        "--set changes figures of ours, not of other rules"
    );
    let settings = presence(&wanted.figures)?;
    let names = rules::NAMES.iter().filter(|name| wanted.rule.as_ref().is_none_or(|rule| rule == *name));
    // Drawn on a terminal only.
    let bar = ProgressBar::new(1 + names.clone().count() as u64);
    bar.set_style(ProgressStyle::with_template("{msg:>8} [{bar:40}]")?.progress_chars("=> "));
    bar.set_message("the day");
    bar.tick();
    let door = Door::new(wanted.seed);
    let mut scores = Vec::new();
    for name in names {
        bar.inc(1);
        bar.set_message(*name);
        let mut rule = match *name {
            "ours" => Box::new(Ours::new(settings.clone())) as Box<dyn Rule>,
            other => rules::by_name(other).context("a rule of this name")?,
        };
        scores.push(Score::new(name, &door, &door.play(&mut *rule)));
    }
    bar.finish_and_clear();
    let text =
        if wanted.json { serde_json::to_string_pretty(&scores)? + "\n" } else { table(&door, &scores) };
    super::read::say(&text);
    Ok(())
}

/// The default figures with these in place of some.
fn presence(figures: &[String]) -> anyhow::Result<PresenceSettings> {
    let figures = options(figures)?.into();
    let faults = misfits(&figures, &schema_of::<PresenceSettings>());
    anyhow::ensure!(faults.is_empty(), "--set {}", faults.join("; --set "));
    Ok(Settings::new(figures).parse()?)
}

fn table(door: &Door, scores: &[Score]) -> String {
    let mut text = format!("a day at the door, seed {}\n", door.seed());
    if let Some(score) = scores.first() {
        text.push_str(&format!(
            "{} visits, {} of them hardly heard (fewer reads than confirm an arrival); {} changes of zone; \
             {} ghosts; {} passers-by;\n{} times the reader failed while somebody was being heard\n\n",
            score.visits, score.hardly_heard, score.zone_changes, score.ghosts, score.passers, score.outages
        ));
    }
    let width = |heading: [&str; 2]| heading.iter().map(|line| line.len()).max().unwrap_or(0).max(6);
    for (line, first) in ["", "rule"].into_iter().enumerate() {
        text.push_str(&format!("{first:9}"));
        for (heading, _) in COLUMNS {
            text.push_str(&format!("  {:>1$}", heading[line], width(heading)));
        }
        text.push('\n');
    }
    for score in scores {
        text.push_str(&format!("{:9}", score.rule));
        for (heading, figure) in COLUMNS {
            text.push_str(&format!("  {:>1$}", figure(score), width(heading)));
        }
        text.push('\n');
    }
    text + LEGEND
}

fn span(ms: Option<u64>) -> String {
    ms.map_or("-".to_owned(), |ms| format!("{:.2}s", ms as f64 / 1000.0))
}
