use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::suite::customer;

#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks for some, and reads from the index what is missing.
    Ask(Vec<u8>),
    /// One of those who read is done.
    Finish(usize),
    /// The writer is about to write some; none of those before it is under way.
    Begin(Vec<u8>),
    /// The index has what the writer writes, a removal among it.
    Write(bool),
    End,
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::collection::vec(0..6u8, 1..4);
    let step = prop_oneof![
        6 => some().prop_map(Step::Ask),
        4 => (0..4usize).prop_map(Step::Finish),
        3 => some().prop_map(Step::Begin),
        3 => any::<bool>().prop_map(Step::Write),
        3 => Just(Step::End),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 1..200)
}

fn key(number: u8) -> Key {
    Key::Customer(customer(number, 0).id)
}

/// The index.
#[derive(Default)]
struct Index {
    records: BTreeMap<Key, Stored>,
    versions: u32,
}

impl Index {
    fn read(&self, keys: &[Key]) -> Vec<Option<Stored>> {
        keys.iter().map(|key| self.records.get(key).cloned()).collect()
    }

    fn write(&mut self, number: u8, is_there: bool) {
        self.versions += 1;
        match is_there {
            true => {
                let stored = Stored { version: self.versions, record: customer(number, 0).into() };
                self.records.insert(key(number), stored);
            }
            false => drop(self.records.remove(&key(number))),
        }
    }
}

proptest! {
    #[test]
    fn what_is_here_is_what_the_index_has(steps in steps()) {
        let (remembered, mut index) = (Remembered::default(), Index::default());
        let (mut reading, mut writing) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Ask(numbers) => {
                    let keys: Vec<Key> = numbers.into_iter().map(key).collect();
                    let asked = remembered.of(&keys);
                    for (here, there) in asked.here.iter().zip(index.read(&keys)) {
                        prop_assert!(here.is_none() || *here == there, "{here:?} for {there:?}");
                    }
                    let read = index.read(&asked.missing);
                    reading.push((asked, read));
                }
                Step::Finish(at) if at < reading.len() => {
                    let (asked, read) = reading.remove(at);
                    let all = asked.here.len();
                    prop_assert_eq!(remembered.read(asked, read).len(), all);
                }
                Step::Begin(numbers) if writing.is_empty() => {
                    remembered.writing(numbers.iter().copied().map(key));
                    writing = numbers;
                }
                Step::Write(is_there) => writing.iter().for_each(|number| index.write(*number, is_there)),
                Step::End if !writing.is_empty() => {
                    remembered.written();
                    writing.clear();
                }
                Step::Forget if writing.is_empty() => remembered.forget(),
                _ => {}
            }
        }
    }
}

fn read(remembered: &Remembered, index: &Index, keys: &[Key]) -> Vec<Option<Stored>> {
    let asked = remembered.of(keys);
    let read = index.read(&asked.missing);
    remembered.read(asked, read)
}

fn missing(remembered: &Remembered, keys: &[Key]) -> usize {
    remembered.of(keys).missing.len()
}

#[test]
fn each_comes_in_its_place_and_once_from_the_index() {
    let (remembered, mut index) = (Remembered::default(), Index::default());
    for number in [1, 2, 3] {
        index.write(number, true);
    }
    let keys = [3, 9, 1, 3].map(key);
    read(&remembered, &index, &[key(1)]);
    assert_eq!(missing(&remembered, &keys), 3);
    assert_eq!(read(&remembered, &index, &keys), index.read(&keys));
    // Nobody keeps that something is not there.
    assert_eq!(missing(&remembered, &keys), 1);
    assert_eq!(read(&remembered, &index, &keys), index.read(&keys));
}

#[test]
fn whoever_looks_through_a_history_pushes_out_nothing() {
    let (remembered, mut index) = (Remembered::default(), Index::default());
    (0..=200).for_each(|number| index.write(number, true));
    let keys: Vec<Key> = (0..=200).map(key).collect();
    assert_eq!(read(&remembered, &index, &keys), index.read(&keys));
    assert_eq!(missing(&remembered, &keys), keys.len());
}
