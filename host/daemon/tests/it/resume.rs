//! A subscriber that comes back after the daemon was restarted.

use crate::daemon::{Daemon, Sent, until};
use crate::run::Branch;

fn ids(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.id.as_str()).collect()
}

#[test]
fn what_happened_while_a_subscriber_and_the_daemon_were_away_comes_from_the_ledger() {
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut watching = daemon.events(None);
    branch.lay(1..2);
    let mut all: Vec<Sent> = watching.by_ref().take(1).collect();
    // One of two subscribers goes away; three more people come; the daemon ends and comes back.
    let last_seen = all[0].id.clone();
    branch.lay(1..5);
    all.extend(watching.by_ref().take(3));
    drop(watching);
    assert!(daemon.terminate().success());

    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut back = daemon.events(Some(&last_seen));
    branch.lay(1..6);
    let missed: Vec<Sent> = back.by_ref().take(4).collect();
    assert_eq!(ids(&missed[..3]), ids(&all[1..]));
    assert!(missed.iter().all(|sent| sent.event == "arrived"), "{missed:#?}");
    let sequences: Vec<_> = missed.iter().map(|sent| sent.data["data"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, [Some(2), Some(3), Some(4), Some(5)]);
    assert!(daemon.terminate().success());
}

#[test]
fn behind_an_event_that_nobody_knows_it_is_said_that_something_may_be_missing() {
    let branch = Branch::new();
    let daemon = Daemon::run(&branch.config());
    daemon.until_ready();
    let mut events = daemon.events(Some("00000000000000000000000000000001"));
    assert_eq!(events.next().unwrap().event, "missed");
    branch.lay(1..2);
    assert_eq!(events.next().unwrap().event, "arrived");
    until("the index", || (daemon.status()["ledger"]["last_sequence"] == 1).then_some(()));
    assert!(daemon.terminate().success());
}
