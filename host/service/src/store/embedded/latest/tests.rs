use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::record::VisitId;
use crate::store::suite::{customer, visit};

#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks, and reads if told to.
    Ask(u8),
    /// One of those who read is done.
    Finish(usize),
    Put {
        number: u8,
        of: u8,
        at: u64,
        is_open: bool,
    },
    Remove(u8),
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0..40u8, 0..3u8, 0..60u64, any::<bool>());
    let step = prop_oneof![
        6 => (0..3u8).prop_map(Step::Ask),
        4 => (0..4usize).prop_map(Step::Finish),
        8 => put.prop_map(|(number, of, at, is_open)| Step::Put { number, of, at, is_open }),
        1 => (0..40u8).prop_map(Step::Remove),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 1..200)
}

/// The index.
#[derive(Default)]
struct Index(BTreeMap<VisitId, Stored<Visit>>);

impl Index {
    fn list(&self, of: CustomerId) -> Visits {
        let mut visits: Vec<_> = self.0.values().filter(|stored| stored.record.customer == of).collect();
        visits.sort_by_key(|stored| place(&stored.record));
        visits.into_iter().take(LATEST_VISITS).cloned().collect()
    }

    fn write(&mut self, latest: &Latest, id: VisitId, after: Option<Visit>) {
        let before = self.0.remove(&id);
        let version = before.as_ref().map_or(0, |stored| stored.version) + 1;
        if let Some(record) = after.clone() {
            self.0.insert(id, Stored { version, record });
        }
        let (before, after) = (before.map(|stored| Record::from(stored.record)), after.map(Record::from));
        latest.written([(version, before.as_ref(), after.as_ref())].into_iter());
    }
}

proptest! {
    #[test]
    fn what_is_here_is_what_the_index_has(steps in steps(), kept in 1usize..60) {
        let latest = Latest::keeping(kept);
        let mut index = Index::default();
        let mut reading = Vec::new();
        for step in steps {
            match step {
                Step::Ask(number) => {
                    let of = customer(number, 0).id;
                    match latest.of(of) {
                        Asked::Here(visits) => prop_assert_eq!(visits, index.list(of)),
                        Asked::Read(read) => reading.push((read, index.list(of))),
                    }
                }
                Step::Finish(at) if at < reading.len() => {
                    let (read, visits) = reading.remove(at);
                    latest.read(read, &visits);
                }
                Step::Finish(_) => {}
                Step::Put { number, of, at, is_open } => {
                    let visit = visit(number, of, at, is_open);
                    index.write(&latest, visit.id, Some(visit));
                }
                Step::Remove(number) => index.write(&latest, visit(number, 0, 0, true).id, None),
                Step::Forget => latest.forget(),
            }
        }
    }
}

fn read(latest: &Latest, index: &Index, number: u8) -> Visits {
    let of = customer(number, 0).id;
    match latest.of(of) {
        Asked::Here(visits) => visits,
        Asked::Read(reading) => {
            let visits = index.list(of);
            latest.read(reading, &visits);
            visits
        }
    }
}

fn is_here(latest: &Latest, number: u8) -> bool {
    matches!(latest.of(customer(number, 0).id), Asked::Here(_))
}

#[test]
fn whoever_is_seen_again_and_again_is_not_read_again() {
    let (latest, mut index) = (Latest::default(), Index::default());
    let first = visit(1, 1, 5, true);
    index.write(&latest, first.id, Some(first.clone()));
    assert_eq!(read(&latest, &index, 1).len(), 1);
    // Seen, gone, and back another day.
    for next in [Visit { revisits: 1, ..first.clone() }, visit(1, 1, 5, false), visit(2, 1, 9, true)] {
        index.write(&latest, next.id, Some(next));
        assert!(is_here(&latest, 1));
    }
    assert_eq!(read(&latest, &index, 1).len(), 2);
}

#[test]
fn those_who_are_asked_about_stay_and_no_more_than_are_kept() {
    let (latest, mut index) = (Latest::keeping(20), Index::default());
    for number in 0..200 {
        let visit = visit(number, number, 5, true);
        index.write(&latest, visit.id, Some(visit));
    }
    read(&latest, &index, 0);
    for number in 1..200 {
        read(&latest, &index, number);
        assert!(is_here(&latest, 0), "asked about all the time, at {number}");
    }
    assert!(!is_here(&latest, 1));
}
