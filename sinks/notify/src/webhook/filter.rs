//! Which events a webhook wants.

use rfid_core::{Event, EventKind, Name};

/// What is absent lets everything through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) branches: Option<Vec<Name>>,
    pub(crate) zones: Option<Vec<Name>>,
}

impl Filter {
    /// Whether this event is sent. A move belongs to the zone it leaves and to the one it enters.
    pub(crate) fn wants(&self, event: &Event) -> bool {
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
        assert!(Filter { branches: names(&["hubin"]), zones: names(&["door"]), kinds: None }.wants(&arrival));
        assert!(
            !Filter { branches: names(&["hubin"]), zones: names(&["hall"]), kinds: None }.wants(&arrival)
        );
        let without_branch = Event { branch: None, ..Event::sample() };
        assert!(!Filter { branches: names(&["hubin"]), ..Filter::default() }.wants(&without_branch));
    }

    #[test]
    fn a_move_is_of_interest_to_both_of_its_zones() {
        let zones = |zone: &str| Filter { zones: Some(vec![Name::from(zone)]), ..Filter::default() };
        let moved = Event { zone_before: Some(Name::from("hall")), ..Event::sample() };
        assert!(zones("hall").wants(&moved) && zones("door").wants(&moved) && !zones("desk").wants(&moved));
    }
}
