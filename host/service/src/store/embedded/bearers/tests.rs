use std::collections::BTreeMap;

use proptest::prelude::*;
use rfid_core::TagIdKind;

use super::*;
use crate::record::{AllowedBranches, Customer, StaffId};
use crate::store::suite;

/// Hashes of which there are three, and the last place of all is one: everything collides.
#[derive(Default)]
struct Colliding;

impl BuildHasher for Colliding {
    type Hasher = Sum;

    fn build_hasher(&self) -> Sum {
        Sum(0)
    }
}

struct Sum(u64);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        self.0 += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }

    fn finish(&self) -> u64 {
        u64::MAX - (self.0 % 3) * (1 << 60)
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Card {
        number: u8,
        of: u8,
        tags: u8,
        form: u8,
    },
    Customer {
        number: u8,
        form: u8,
    },
    RemoveCard(u8),
    RemoveCustomer(u8),
    /// A page with what was written so many steps before, of which some is old.
    Page(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1u8..6, 0u8..4, 0u8..7, 0u8..6)
            .prop_map(|(number, of, tags, form)| Step::Card { number, of, tags, form }),
        4 => (0u8..4, 0u8..8).prop_map(|(number, form)| Step::Customer { number, form }),
        1 => (1u8..6).prop_map(Step::RemoveCard),
        1 => (0u8..4).prop_map(Step::RemoveCustomer),
        1 => (0usize..20).prop_map(Step::Page),
    ]
}

/// A card that bears none, one or both of its tags, and fits into a line or not.
fn card(number: u8, of: u8, tags: u8, form: u8) -> Card {
    let mut card = Card { plastic: None, ..suite::card(number, of, tags) };
    match form {
        0 => card.branches = AllowedBranches::Only(vec!["a".into(), "b".into()]),
        1 => card.replaced_by = Some(CardId::from_bytes([9; 16])),
        2 => card.plastic = suite::card(number, of, 5).plastic,
        3 => card.epc = None,
        4 => card.epc = card.epc.map(|_| TagId::new(TagIdKind::Epc, &[tags; 62]).unwrap()),
        _ => {}
    }
    card
}

/// A customer of whom something differs in each form.
fn customer(number: u8, form: u8) -> Customer {
    let mut customer = suite::customer(number, form);
    if form > 3 {
        customer.vip_class = format!("class {form}").into();
        customer.account_manager = Some(StaffId::from_bytes([form; 16]));
    }
    customer
}

fn every_tag() -> Vec<TagId> {
    let of = |number| {
        let long = TagId::new(TagIdKind::Epc, &[number; 62]).unwrap();
        [suite::tag(TagIdKind::Epc, number), suite::tag(TagIdKind::Iso14443Uid, number), long]
    };
    (0..7).flat_map(of).collect()
}

/// What there is, found by looking through all of it.
#[derive(Default)]
struct Model {
    cards: BTreeMap<CardId, Stored<Card>>,
    customers: BTreeMap<CustomerId, Stored<Bearer>>,
    written: Vec<Stored>,
    version: u32,
}

impl Model {
    fn holder(&self, tag: &TagId) -> Option<Holder> {
        let card = self.cards.values().find(|card| card.record.tags().any(|other| other == *tag))?;
        let customer = self.customers.get(&card.record.customer)?;
        Some(Holder { card: card.clone(), customer: customer.clone() })
    }

    /// As the store does: what another card bears is refused.
    fn is_taken(&self, card: &Card) -> bool {
        let bears = |other: &Card| other.tags().any(|theirs| card.tags().any(|tag| tag == theirs));
        self.cards.values().any(|other| other.record.id != card.id && bears(&other.record))
    }

    fn put(&mut self, record: Record) {
        let version = self.version;
        match &record {
            Record::Card(card) => {
                self.cards.insert(card.id, Stored { version, record: card.clone() });
            }
            Record::Customer(customer) => {
                self.customers.insert(customer.id, Stored { version, record: Bearer::of(customer) });
            }
            _ => panic!("neither a card nor a customer"),
        }
        self.written.push(Stored { version, record });
    }
}

/// Carries out steps and looks for every tag after each. The first of them were written before anybody asked,
/// and come with a page; the last `behind` come when everything is there.
fn carry_out<S: BuildHasher + Default>(
    steps: Vec<Step>,
    first_version: u32,
    before: usize,
    behind: usize,
    is_crowded: bool,
) -> Result<(), TestCaseError> {
    let bearers = Bearers::<S>::default();
    let mut model = Model { version: first_version, ..Model::default() };
    if is_crowded {
        // So many classes that the next does not fit.
        let mut crowd = Bearers::state(&bearers);
        for number in 0..300u32 {
            let class = format!("crowd {number}").as_str().into();
            let bearer = Bearer { vip_class: class, ..Bearer::of(&suite::customer(1, 1)) };
            crowd.common.known(1, &bearer);
        }
    }
    let count = steps.len();
    for (number, step) in steps.into_iter().enumerate() {
        if number == before {
            prop_assert!(bearers.is_first_asked() && !bearers.is_first_asked());
        }
        if number == count.saturating_sub(behind).max(before) {
            // What the index has now.
            let of = |stored: &&Stored| match stored.record.key() {
                Key::Card(id) => model.cards.get(&id).map(|card| card.version) == Some(stored.version),
                Key::Customer(id) => {
                    model.customers.get(&id).map(|known| known.version) == Some(stored.version)
                }
                _ => false,
            };
            let page: Vec<Stored> = model.written.iter().filter(of).cloned().collect();
            bearers.fill(&page);
            bearers.complete();
        }
        model.version += 1;
        let written = |key: Key, record: Option<&Record>| {
            bearers.written([(&key, model.version, record)].into_iter());
        };
        match step {
            Step::Card { number, of, tags, form } => {
                let card = card(number, of, tags, form);
                if model.is_taken(&card) {
                    continue;
                }
                written(Key::Card(card.id), Some(&card.clone().into()));
                model.put(card.into());
            }
            Step::Customer { number, form } => {
                let customer = customer(number, form);
                written(Key::Customer(customer.id), Some(&customer.clone().into()));
                model.put(customer.into());
            }
            Step::RemoveCard(number) => {
                let id = suite::card(number, 0, 0).id;
                written(Key::Card(id), None);
                model.cards.remove(&id);
            }
            Step::RemoveCustomer(number) => {
                let id = suite::customer(number, 0).id;
                written(Key::Customer(id), None);
                model.customers.remove(&id);
            }
            Step::Page(ago) => {
                // Only what was written since somebody asked is known to be old.
                let is_filling = number >= before && number < count.saturating_sub(behind).max(before);
                let from = model.written.len().saturating_sub(ago);
                if let Some(page) = model.written.get(from..).filter(|_| is_filling && before == 0) {
                    bearers.fill(page);
                }
            }
        }
        let is_complete = number >= count.saturating_sub(behind).max(before);
        let tags = every_tag();
        let Found { holders, not_yet } = bearers.of(&tags);
        for (number, (tag, holder)) in tags.iter().zip(holders).enumerate() {
            prop_assert_eq!(not_yet.contains(&number), !is_complete && holder.is_none());
            if is_complete || holder.is_some() {
                prop_assert_eq!(holder, model.holder(tag));
            }
        }
    }
    Ok(())
}

proptest! {
    /// Whatever is written in whatever order, a card is found by its tags as by looking through all, in the
    /// version that was written last, and its customer in theirs.
    #[test]
    fn a_tag_leads_to_the_card_that_bears_it(
        steps in proptest::collection::vec(step(), 0..60),
        first_version in prop_oneof![Just(0u32), 65_500u32..65_540],
        before in prop_oneof![Just(0usize), 0usize..20],
        behind in 0usize..60,
        is_crowded in proptest::bool::weighted(0.2),
    ) {
        carry_out::<RandomState>(steps.clone(), first_version, before, behind, is_crowded)?;
        carry_out::<Colliding>(steps, first_version, before, behind, is_crowded)?;
    }
}

#[test]
fn a_card_of_any_form_comes_back_as_it_was() {
    for (epc, uid) in [(12, 7), (12, 10), (13, 7), (1, 4), (62, 10), (0, 4), (12, 0)] {
        for form in 0..3 {
            for version in [3, 65_535, 65_536] {
                let of = |kind, length: usize| TagId::new(kind, &vec![7; length]).ok();
                let mut card = Card { ..card(1, 1, 1, form) };
                (card.epc, card.uid) = (of(TagIdKind::Epc, epc), of(TagIdKind::Iso14443Uid, uid));
                let fits = epc <= 12 && uid <= 7 && form == 0 && version < 65_536;
                assert_eq!(
                    Line::of(version, &card, &mut Common::default()).is_some(),
                    fits,
                    "{epc} {uid} {form} {version}"
                );
                let mut state = State::<RandomState>::default();
                state.put(1, &suite::customer(1, 1).into());
                state.put(version, &card.clone().into());
                for tag in card.tags() {
                    let holder = state.holder(&tag).unwrap();
                    assert_eq!(holder.card, Stored { version, record: card.clone() });
                    assert_eq!(holder.customer.record, Bearer::of(&suite::customer(1, 1)));
                }
            }
        }
    }
}

/// A card of a large store.
fn one_of_many(number: u32) -> Card {
    let id = u128::from(number).to_be_bytes();
    Card {
        id: CardId::from_bytes(id),
        customer: CustomerId::from_bytes(id),
        epc: TagId::new(TagIdKind::Epc, &id[4..]).ok(),
        uid: TagId::new(TagIdKind::Iso14443Uid, &id[9..]).ok(),
        ..suite::card(1, 1, 1)
    }
}

fn fill_with_many(state: &mut State<RandomState>, count: u32) {
    for number in 0..count {
        let card = one_of_many(number);
        let customer = Customer { id: card.customer, ..suite::customer(1, 1) };
        state.put(1, &card.into());
        state.put(1, &customer.into());
    }
}

#[test]
fn many_cards_are_found_when_many_others_have_gone() {
    let mut state = State::<RandomState>::default();
    fill_with_many(&mut state, 5_000);
    let is_kept = |number: u32| !number.is_multiple_of(3);
    for number in (0..5_000).filter(|number| !is_kept(*number)) {
        state.forget_card(one_of_many(number).id);
    }
    for number in 0..5_000 {
        let card = one_of_many(number);
        for tag in card.tags() {
            assert_eq!(state.holder(&tag).is_some(), is_kept(number), "{number}");
        }
        // Those whose card is gone may get another.
        assert_eq!(state.customers.contains_key(&card.customer), !is_kept(number));
    }
}

#[test]
fn a_card_takes_less_than_two_hundred_bytes_with_its_customer() {
    for (expected, count) in [(0, 20_000), (20_000, 20_000), (30_000, 30_000)] {
        let mut state = State::<RandomState>::default();
        state.expect(expected);
        fill_with_many(&mut state, count);
        let pointers = [&state.by_card, &state.by_customer, &state.by_other_tag];
        let bytes = state.lines.bytes() + pointers.map(Pointers::bytes).iter().sum::<usize>();
        let beside = (state.cards.len(), state.customers.len());
        assert_eq!(beside, (0, 0), "of cards like these nothing stands elsewhere");
        assert!(bytes / (count as usize) < 200, "{} for each of {count}", bytes / (count as usize));
    }
}

#[test]
fn what_is_not_here_yet_is_not_taken_for_unknown() {
    let bearers = <Bearers>::default();
    let tag = suite::tag(TagIdKind::Epc, 3);
    assert_eq!(bearers.of(&[tag]).not_yet, [0]);
    bearers.fill(&[Stored { version: 2, record: suite::card(1, 1, 3).into() }]);
    assert_eq!(bearers.of(&[tag]).not_yet, [0]);
    bearers.fill(&[Stored { version: 1, record: suite::customer(1, 1).into() }]);
    let Found { holders, not_yet } = bearers.of(&[tag]);
    assert!(matches!(&holders[..], [Some(holder)] if holder.card.version == 2) && not_yet.is_empty());
    bearers.complete();
    let Found { holders, not_yet } = bearers.of(&[suite::tag(TagIdKind::Epc, 4)]);
    assert!(matches!(holders[..], [None]) && not_yet.is_empty());
}
