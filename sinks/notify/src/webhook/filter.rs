//! Which events a webhook wants, and how much of them.

use rfid_core::{Event, EventKind, Name};

/// What is absent lets everything through.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) branches: Option<Vec<Name>>,
    pub(crate) zones: Option<Vec<Name>>,
    /// Whether events keep what lookup has added.
    pub(crate) record: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self { kinds: None, branches: None, zones: None, record: true }
    }
}

impl Filter {
    /// The event as it is sent, if it is. What the receiver may not know of is not kept for it either.
    pub(crate) fn taken(&self, event: &Event) -> Option<Event> {
        let mut taken = self.wants(event).then(|| event.clone())?;
        if !self.record {
            taken.record = None;
        }
        Some(taken)
    }

    /// Whether this event is sent. A move belongs to the zone it leaves and to the one it enters.
    fn wants(&self, event: &Event) -> bool {
        let lets = |list: &Option<Vec<Name>>, name: Option<&Name>| {
            list.as_ref().is_none_or(|list| name.is_some_and(|name| list.contains(name)))
        };
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
            && lets(&self.branches, event.branch.as_ref())
            && (lets(&self.zones, Some(&event.zone)) || lets(&self.zones, event.zone_before.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_branches_and_zones_must_all_fit() {
        let names = |list: &[&str]| Some(list.iter().map(|name| Name::from(*name)).collect::<Vec<_>>());
        let arrival = Event::sample();
        assert!(Filter::default().wants(&arrival));
        assert!(Filter { kinds: Some(vec![EventKind::Arrived]), ..Filter::default() }.wants(&arrival));
        assert!(!Filter { kinds: Some(vec![EventKind::Departed]), ..Filter::default() }.wants(&arrival));
        assert!(
            Filter { branches: names(&["hubin"]), zones: names(&["door"]), ..Filter::default() }
                .wants(&arrival)
        );
        assert!(
            !Filter { branches: names(&["hubin"]), zones: names(&["hall"]), ..Filter::default() }
                .wants(&arrival)
        );
        let without_branch = Event { branch: None, ..Event::sample() };
        assert!(!Filter { branches: names(&["hubin"]), ..Filter::default() }.wants(&without_branch));
    }

    #[test]
    fn whoever_may_not_know_whose_a_tag_is_is_not_told() {
        let known = Event { record: Some(rfid_core::Record::default()), ..Event::sample() };
        assert_eq!(Filter::default().taken(&known), Some(known.clone()));
        let taken = Filter { record: false, ..Filter::default() }.taken(&known);
        assert_eq!(taken, Some(Event { record: None, ..known }));
    }

    #[test]
    fn a_move_is_of_interest_to_both_of_its_zones() {
        let zones = |zone: &str| Filter { zones: Some(vec![Name::from(zone)]), ..Filter::default() };
        let moved = Event { zone_before: Some(Name::from("hall")), ..Event::sample() };
        assert!(zones("hall").wants(&moved) && zones("door").wants(&moved) && !zones("desk").wants(&moved));
    }
}
