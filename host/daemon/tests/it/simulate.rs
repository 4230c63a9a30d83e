//! `rfid-host simulate`.

use std::process::Output;

use crate::daemon::rfid_host;

fn door(arguments: &[&str]) -> (Output, String) {
    let output = rfid_host().args(["simulate", "door"]).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

#[test]
fn all_rules_are_held_against_the_same_day_for_programs() {
    let (output, errors) = door(&["--seed", "3", "--json"]);
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    let scores: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = scores.iter().map(|score| score["rule"].as_str().unwrap()).collect();
    assert_eq!(names, ["ours", "one-read", "ale", "edgex", "smurf"]);
    for score in &scores {
        for key in ["missed", "extra_arrivals", "ghosts_in", "passers_in", "exits_by_outage"] {
            assert!(score[key].is_u64(), "{key} in {score}");
        }
        for key in ["announce_ms_median", "announce_ms_p95", "exit_ms_median"] {
            assert!(score[key].is_u64(), "{key} in {score}");
        }
        assert_eq!((&score["visits"], &score["outages"]), (&600.into(), &scores[0]["outages"]));
    }
    assert_eq!((&scores[0]["ghosts_in"], &scores[0]["exits_by_outage"]), (&0.into(), &0.into()));
    assert_eq!(scores[1]["ghosts_in"], 600);
}

#[test]
fn one_rule_is_shown_to_people_with_figures_of_ones_own() {
    let row = |arguments: &[&str]| {
        let (output, errors) = door(arguments);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("a day at the door, seed 1\n600 visits, "), "{said}");
        assert!(said.contains("\nexits by outage   outages in which"), "{said}");
        said.lines().find(|line| line.starts_with("ours ")).expect(&said).to_owned()
    };
    let (usual, patient) = (row(&["--rule", "ours"]), row(&["--rule", "ours", "--set", "lost_after=60s"]));
    let departed_after = |row: &str| -> f64 {
        row.split_whitespace().nth(9).and_then(|text| text.trim_end_matches('s').parse().ok()).expect(row)
    };
    assert!(departed_after(&patient) > 59.0 && departed_after(&usual) < 59.0, "{usual}\n{patient}");
}

#[test]
fn a_rule_that_there_is_not_and_a_figure_that_there_is_not_are_said_with_those_there_are() {
    let (output, errors) = door(&["--rule", "theirs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("[possible values: ours, one-read, ale, edgex, smurf]"), "{errors}");
    let (output, errors) = door(&["--set", "lost_afer=60s", "--set", "confirm_reads=0"]);
    assert_eq!(output.status.code(), Some(1));
    for piece in ["lost_afer: unknown key; did you mean \"lost_after\"?", "confirm_reads: 0 is out of range"]
    {
        assert!(errors.contains(piece), "{errors}");
    }
    let (output, errors) = door(&["--rule", "ale", "--set", "lost_after=60s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("--set changes figures of ours"), "{errors}");
    let (output, _) = door(&["--help"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("Examples:"));
}
