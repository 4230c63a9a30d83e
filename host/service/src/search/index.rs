//! The text of all customers in one piece of memory.

use std::collections::{BTreeMap, HashMap};

use memchr::memmem::Finder;
use rfid_core::Name;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::fold::folded;
use super::readings::readings;
use crate::record::{Customer, CustomerId, StaffId};

/// Stands before each field of a customer's text. Folding leaves no such character in a text.
const FIELD: u8 = 0x1F;
/// Text of customers who have changed or gone is taken out when it is so much of the whole, and more
/// than a MiB.
const MOST_STALE: usize = 3;
/// Longest text that is searched for, in bytes after folding.
const LONGEST_TEXT: usize = 200;

/// Which customers are looked for, besides the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchFilter {
    /// Of this branch.
    pub branch: Option<Name>,
    /// Of this VIP class.
    pub vip_class: Option<Name>,
    /// Looked after by this account manager.
    pub account_manager: Option<StaffId>,
    /// Only those that are no longer customers, or only those that are.
    pub closed: Option<bool>,
}

/// A place in what was found, behind which it goes on. It stays good while customers come and change;
/// one that changes meanwhile may be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whether fields that begin with the text are through.
    is_within: bool,
    /// The customer's number of entry.
    serial: u64,
}

/// What was found, and where it goes on.
pub type Found = (Vec<CustomerId>, Option<Position>);

/// A customer's part of the text, and what it is filtered by.
struct Entry {
    id: CustomerId,
    /// Counts up with each entry and never comes again.
    serial: u64,
    from: usize,
    to: usize,
    branch: Name,
    vip_class: Name,
    account_manager: Option<StaffId>,
    closed: bool,
    is_live: bool,
}

/// The index. About 150 bytes for a customer with a Chinese name of three characters.
#[derive(Default)]
pub struct SearchIndex {
    text: Vec<u8>,
    /// In the order of their texts.
    entries: Vec<Entry>,
    places: HashMap<CustomerId, usize>,
    /// How many customers there are of each class.
    classes: BTreeMap<Name, usize>,
    stale: usize,
    next_serial: u64,
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchIndex").field("customers", &self.places.len()).finish_non_exhaustive()
    }
}

impl Drop for SearchIndex {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl SearchIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many customers are in it.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a customer is in it.
    pub fn holds(&self, id: CustomerId) -> bool {
        self.places.contains_key(&id)
    }

    /// VIP classes that customers have.
    pub fn vip_classes(&self) -> Vec<Name> {
        self.classes.keys().cloned().collect()
    }

    /// Puts a customer in, or in place of how it was.
    pub fn put(&mut self, customer: &Customer) {
        self.remove(customer.id);
        let from = self.text.len();
        let name = folded(customer.name.reveal());
        let employer = folded(customer.employer.reveal());
        let fields = [name.clone()].into_iter().chain(readings(&name)).chain([employer]);
        for mut field in fields.filter(|field| !field.is_empty()) {
            self.text.push(FIELD);
            self.text.extend_from_slice(field.as_bytes());
            field.zeroize();
        }
        self.places.insert(customer.id, self.entries.len());
        *self.classes.entry(customer.vip_class.clone()).or_default() += 1;
        self.entries.push(Entry {
            id: customer.id,
            serial: self.next_serial,
            from,
            to: self.text.len(),
            branch: customer.branch.clone(),
            vip_class: customer.vip_class.clone(),
            account_manager: customer.account_manager,
            closed: customer.closed,
            is_live: true,
        });
        self.next_serial += 1;
    }

    /// Takes a customer out.
    pub fn remove(&mut self, id: CustomerId) {
        let Some(entry) = self.places.remove(&id).and_then(|place| self.entries.get_mut(place)) else {
            return;
        };
        entry.is_live = false;
        let (from, to) = (entry.from, entry.to);
        if let Some(count) = self.classes.get_mut(&entry.vip_class) {
            *count -= 1;
            if *count == 0 {
                self.classes.remove(&entry.vip_class);
            }
        }
        self.stale += to - from;
        if let Some(text) = self.text.get_mut(from..to) {
            text.zeroize();
        }
        if self.stale > 1024 * 1024 && self.stale > self.text.len() / MOST_STALE {
            self.compact();
        }
    }

    /// Leaves out what is stale.
    fn compact(&mut self) {
        let mut text = Vec::with_capacity(self.text.len() - self.stale);
        self.entries.retain(|entry| entry.is_live);
        self.places.clear();
        for (place, entry) in self.entries.iter_mut().enumerate() {
            let from = text.len();
            text.extend_from_slice(self.text.get(entry.from..entry.to).unwrap_or_default());
            (entry.from, entry.to) = (from, text.len());
            self.places.insert(entry.id, place);
        }
        std::mem::swap(&mut self.text, &mut text);
        text.zeroize();
        self.stale = 0;
    }

    /// Customers with this text in their names, ways to type them, or employers: first those in which
    /// one of these begins with it, then the others. Of an empty text there are none. `may_see` says
    /// whether a branch's customers may be known of.
    pub fn find(
        &self,
        text: &str,
        filter: &SearchFilter,
        may_see: impl Fn(&Name) -> bool,
        after: Option<Position>,
        limit: usize,
    ) -> Found {
        let text = folded(text);
        if text.is_empty() || text.len() > LONGEST_TEXT || limit == 0 {
            return (Vec::new(), None);
        }
        let beginning = [&[FIELD], text.as_bytes()].concat();
        let (beginning, within) = (Finder::new(&beginning), Finder::new(text.as_bytes()));
        let is_asked = |entry: &Entry| {
            entry.is_live
                && filter.branch.as_ref().is_none_or(|branch| *branch == entry.branch)
                && filter.vip_class.as_ref().is_none_or(|class| *class == entry.vip_class)
                && filter.account_manager.is_none_or(|staff| entry.account_manager == Some(staff))
                && filter.closed.is_none_or(|closed| closed == entry.closed)
                && may_see(&entry.branch)
        };
        let mut found = Vec::new();
        for is_within in [false, true] {
            let from = match after {
                Some(position) if position.is_within && !is_within => continue,
                Some(position) if position.is_within == is_within => position.serial + 1,
                _ => 0,
            };
            let finder = if is_within { &within } else { &beginning };
            let mut place = self.entries.partition_point(|entry| entry.serial < from);
            while let Some(hit) = self.next_hit(place, finder) {
                let Some(entry) = self.entries.get(hit) else { break };
                place = hit + 1;
                // Those that begin with it were told first.
                let was_told = is_within && beginning.find(self.text_of(entry)).is_some();
                if was_told || !is_asked(entry) {
                    continue;
                }
                found.push(entry.id);
                if found.len() == limit {
                    return (found, Some(Position { is_within, serial: entry.serial }));
                }
            }
        }
        (found, None)
    }

    fn text_of(&self, entry: &Entry) -> &[u8] {
        self.text.get(entry.from..entry.to).unwrap_or_default()
    }

    /// The next entry, from this place on, whose text has it.
    fn next_hit(&self, place: usize, finder: &Finder<'_>) -> Option<usize> {
        let from = self.entries.get(place)?.from;
        let at = from + finder.find(self.text.get(from..)?)?;
        Some(self.entries.partition_point(|entry| entry.to <= at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::suite;

    fn customer(number: u8, name: &str, employer: &str) -> Customer {
        Customer {
            name: name.into(),
            employer: employer.into(),
            closed: false,
            ..suite::customer(number, number)
        }
    }

    fn index(people: &[(&str, &str)]) -> SearchIndex {
        let mut index = SearchIndex::new();
        for (number, (name, employer)) in (0..).zip(people) {
            index.put(&customer(number, name, employer));
        }
        index
    }

    fn find(index: &SearchIndex, text: &str) -> Vec<u8> {
        let (found, next) = index.find(text, &SearchFilter::default(), |_| true, None, 100);
        assert_eq!(next, None);
        found.into_iter().map(|id| id.to_bytes()[0]).collect()
    }

    #[test]
    fn a_customer_is_found_by_what_somebody_remembers() {
        let index = index(&[("张小明", "西州电力"), ("单田芳", ""), ("José Müller", "Zhang & Co")]);
        for text in ["张", "小明", "zhang xm", "ZXM", "xiaoming", "张小明"] {
            assert!(find(&index, text).contains(&0), "{text}");
        }
        assert_eq!(find(&index, "shantianfang"), [1]);
        assert_eq!(find(&index, "muller"), [2]);
        assert_eq!(find(&index, "电力"), [0]);
        for text in ["", " ", "\u{202E}", "李", "zxmx", "明\u{1F}西", &"z".repeat(500)] {
            assert_eq!(find(&index, text), [] as [u8; 0], "{text:?}");
        }
    }

    #[test]
    fn classes_are_those_that_customers_have() {
        let mut index = SearchIndex::new();
        let of = |number, class: &str| Customer { vip_class: class.into(), ..customer(number, "张三", "") };
        for (number, class) in [(1, "gold"), (2, "gold"), (3, "black")] {
            index.put(&of(number, class));
        }
        assert_eq!(index.vip_classes(), [Name::from("black"), "gold".into()]);
        index.put(&of(3, "gold"));
        index.remove(of(1, "").id);
        assert_eq!(index.vip_classes(), [Name::from("gold")]);
        index.remove(of(2, "").id);
        index.remove(of(3, "").id);
        assert!(index.vip_classes().is_empty());
    }

    #[test]
    fn what_begins_with_the_text_comes_first() {
        let index = index(&[("王张丽", ""), ("张丽", ""), ("李明", "大张公司"), ("张", "")]);
        assert_eq!(find(&index, "张"), [1, 3, 0, 2]);
    }

    #[test]
    fn filters_and_what_may_be_seen_are_kept_while_paging() {
        let mut index = SearchIndex::new();
        for number in 0..60 {
            let branch = if number % 3 == 0 { "b" } else { "a" };
            index.put(&Customer { branch: branch.into(), ..customer(number, "张三", "") });
        }
        let filter = SearchFilter { branch: Some("b".into()), ..SearchFilter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = index.find("zhang", &filter, |_| true, after, 7);
            found.extend(page);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
            // Somebody is changed between two pages, and somebody comes.
            index.put(&customer(200, "张四", ""));
        }
        assert_eq!(found.len(), 20);
        assert!(
            index
                .find("zhang", &SearchFilter::default(), |branch| *branch == Name::from("c"), None, 9)
                .0
                .is_empty()
        );
    }

    #[test]
    fn whoever_is_gone_is_not_found_and_leaves_no_text() {
        let mut index = index(&[("张小明", ""), ("王芳", "")]);
        index.remove(customer(0, "", "").id);
        assert_eq!((find(&index, "张"), index.len()), (Vec::new(), 1));
        assert!(!index.text.windows(3).any(|part| part == "张".as_bytes()));
        index.put(&customer(1, "李芳", ""));
        assert_eq!((find(&index, "王"), find(&index, "芳")), (Vec::new(), vec![1]));
    }

    proptest! {
        /// As a look through everybody finds them.
        #[test]
        fn nobody_is_missed_and_nobody_made_up(
            steps in proptest::collection::vec((0u8..12, "[张王小明 ab]{0,4}", any::<bool>()), 0..60),
            text in "[张王小明ab]{1,2}",
            limit in 1usize..4,
        ) {
            let mut index = SearchIndex::new();
            let mut naive = std::collections::BTreeMap::new();
            for (number, name, stays) in steps {
                let customer = customer(number, &name, "");
                if stays {
                    index.put(&customer);
                    naive.insert(customer.id, name);
                } else {
                    index.remove(customer.id);
                    naive.remove(&customer.id);
                }
            }
            index.compact();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let (page, next) = index.find(&text, &SearchFilter::default(), |_| true, after, limit);
                found.extend(page);
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            found.sort_unstable();
            let has_it = |name: &str| {
                let name = folded(name);
                name.contains(&text) || readings(&name).iter().any(|typed| typed.contains(&text))
            };
            let expected: Vec<CustomerId> =
                naive.iter().filter(|(_, name)| has_it(name)).map(|(id, _)| *id).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
