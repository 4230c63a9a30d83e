//! What an event makes of a visit.
//!
//! A visit is everything that is heard of one card in one branch with no gap of more than
//! `revisit_within`: by the UHF tag at a door, by the 13.56 MHz chip on a desk, by several readers
//! and pipelines. Events may come twice, and those of one pipeline after those of another, so what
//! an event makes of a visit that knows of it already is that visit.

use std::time::Duration;

use rfid_core::{Event, EventKind, TagIdKind};

use crate::record::{Bearer, Card, CardId, DeskRead, Outcome, Presence, Visit, VisitId, Way};

/// Whether this event is of the 13.56 MHz chip.
fn is_desk(event: &Event) -> bool {
    event.tag.kind() == TagIdKind::Iso14443Uid
}

fn presence(event: &Event) -> Presence {
    Presence { is_desk: is_desk(event), since: event.first_seen }
}

/// Whether an event, about which this was decided, may belong to this visit: it is not behind its end by
/// more than `within`, nor before its beginning by more. It belongs to the earliest visit of which this
/// holds: what comes again is known to the visit that it was part of.
///
/// A card that is refused makes a visit of its own: whoever carries a customer's lost card is not part
/// of the visit of the customer, who comes with the new one.
pub(super) fn belongs(
    visit: &Visit,
    event: &Event,
    card: CardId,
    outcome: Outcome,
    within: Duration,
) -> bool {
    // It began this visit, or was already part of it when the card could still be used.
    let is_known = visit.id == VisitId::from(event.event_id)
        || visit.card == Some(card) && visit.present.contains(&presence(event));
    is_known || is_of_its_kind(visit, card, outcome) && is_near(visit, event, within)
}

fn is_of_its_kind(visit: &Visit, card: CardId, outcome: Outcome) -> bool {
    match (visit.outcome, outcome) {
        (Outcome::Recognised, Outcome::Recognised) => true,
        (Outcome::Refused(_), Outcome::Refused(_)) => visit.card == Some(card),
        _ => false,
    }
}

fn is_near(visit: &Visit, event: &Event, within: Duration) -> bool {
    let ends = visit.departed_at.map(|departed| departed.max(visit.last_seen).plus(within));
    // A reader that is heard of late may have heard the card first.
    let begins_in_time = event.time.plus(within) >= visit.arrived_at;
    begins_in_time && ends.is_none_or(|ends| event.first_seen <= ends)
}

/// The visit that begins with an event.
pub(super) fn begin(
    event: &Event,
    branch: &rfid_core::Name,
    card: &Card,
    customer: &Bearer,
    outcome: Outcome,
) -> Visit {
    let way = Way::Heard {
        reader: event.reader.clone(),
        antenna_port: event.antenna_port,
        zone: event.zone.clone(),
    };
    let begun = Visit {
        id: VisitId::from(event.event_id),
        customer: customer.id,
        vip_class: customer.vip_class.clone(),
        account_manager: customer.account_manager,
        card: Some(card.id),
        branch: branch.clone(),
        way,
        outcome,
        arrived_at: event.time,
        last_seen: event.last_seen,
        revisits: 0,
        desk_read: None,
        greeted: None,
        served: None,
        business: Vec::new(),
        present: Vec::new(),
        departed_at: None,
    };
    go_on(&begun, event, outcome)
}

/// Whether a visit says nothing new beside `before` but a sighting less than `step` later, which nobody
/// waits for: the departure has the last.
pub(super) fn says_the_same(visit: &Visit, before: &Visit, step: Duration) -> bool {
    let seen = before.last_seen;
    visit.last_seen.since(seen) < step && Visit { last_seen: seen, ..visit.clone() } == *before
}

/// The visit after an event that belongs to it.
pub(super) fn go_on(visit: &Visit, event: &Event, outcome: Outcome) -> Visit {
    let mut next = visit.clone();
    next.last_seen = next.last_seen.max(event.last_seen);
    if is_desk(event) && next.desk_read.as_ref().is_none_or(|read| event.first_seen < read.at) {
        next.desk_read = Some(DeskRead { at: event.first_seen, reader: event.reader.clone() });
    }
    let presence = presence(event);
    // What is told of a time before the end is known: it came before, and comes again.
    let is_news = visit.departed_at.is_none_or(|departed| event.last_seen > departed);
    match event.kind {
        EventKind::Departed => {
            next.present.retain(|present| *present != presence);
            if next.present.is_empty() && is_news {
                next.departed_at = Some(next.last_seen);
            }
        }
        EventKind::Arrived | EventKind::Seen | EventKind::Moved if is_news => {
            if !next.present.contains(&presence) {
                next.present.push(presence);
                next.present.sort_unstable();
            }
            if next.departed_at.take().is_some() {
                next.revisits += 1;
            }
            next.outcome = outcome;
        }
        _ => {}
    }
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rfid_core::{EventId, TagId, UtcTime};

    use super::*;
    use crate::store::suite;

    const WITHIN: Duration = Duration::from_nanos(100);

    /// Somebody's card in the field of a reader from one moment to another, and what a pipeline says
    /// of it.
    #[derive(Clone, Debug)]
    struct Stay {
        is_desk: bool,
        from: u64,
        to: u64,
        moves: bool,
    }

    impl Stay {
        fn events(&self, number: u32) -> Vec<Event> {
            let at = UtcTime::from_nanos;
            let (kind, reader) =
                if self.is_desk { (TagIdKind::Iso14443Uid, "desk") } else { (TagIdKind::Epc, "door") };
            let tag = TagId::new(kind, &[4; 4]).unwrap();
            let event = |kind, sequence, time: u64, last_seen: u64| Event {
                event_id: EventId::derive("p", &tag, at(self.from + u64::from(number)), sequence),
                kind,
                time: at(time),
                reader: reader.into(),
                tag,
                first_seen: at(self.from),
                last_seen: at(last_seen),
                ..Event::sample()
            };
            let mut events = vec![event(EventKind::Arrived, 0, self.from, self.from)];
            if self.moves {
                let middle = self.from.midpoint(self.to);
                events.push(event(EventKind::Moved, 1, middle, middle));
            }
            // Silence has to last before it is a departure.
            events.push(event(EventKind::Departed, 2, self.to + 20, self.to));
            events
        }
    }

    fn take(visits: &mut Vec<Visit>, event: &Event) {
        let (card, customer) = (suite::card(1, 1, 3), suite::customer(1, 1));
        let outcome = Outcome::Recognised;
        match visits.iter_mut().find(|visit| belongs(visit, event, card.id, outcome, WITHIN)) {
            Some(visit) => *visit = go_on(visit, event, outcome),
            None if event.kind == EventKind::Departed => {}
            None => visits.push(begin(event, &"a".into(), &card, &Bearer::of(&customer), outcome)),
        }
    }

    /// Stays that overlap or follow within the time are one visit.
    fn expected(stays: &[Stay]) -> Vec<(u64, u64)> {
        let mut stays: Vec<_> = stays.iter().map(|stay| (stay.from, stay.to)).collect();
        stays.sort_unstable();
        let mut visits: Vec<(u64, u64)> = Vec::new();
        for (from, to) in stays {
            match visits.last_mut().filter(|(_, end)| from <= *end + 100) {
                Some((_, end)) => *end = to.max(*end),
                None => visits.push((from, to)),
            }
        }
        visits
    }

    fn stays() -> impl Strategy<Value = Vec<Stay>> {
        // Stays of one kind do not overlap: a tag is in one place.
        let stay = (any::<bool>(), 1u64..400, 1u64..200, any::<bool>());
        proptest::collection::vec(stay, 1..7).prop_map(|parts| {
            let mut at = [1_000u64; 2];
            let stay = |(is_desk, gap, length, moves): (bool, u64, u64, bool)| {
                let free = &mut at[usize::from(is_desk)];
                let from = *free + gap + 30;
                *free = from + length;
                Stay { is_desk, from, to: from + length, moves }
            };
            parts.into_iter().map(stay).collect()
        })
    }

    proptest! {
        #[test]
        fn each_presentation_is_in_exactly_one_visit(stays in stays(), twice in any::<bool>()) {
            let mut events: Vec<Event> =
                stays.iter().zip(0..).flat_map(|(stay, number)| stay.events(number)).collect();
            events.sort_by_key(|event| event.time);
            let mut visits = Vec::new();
            for event in &events {
                take(&mut visits, event);
                if twice {
                    take(&mut visits, event);
                }
            }
            // The whole again, as after a crash before anything was acknowledged.
            let once = visits.clone();
            let first = visits.first().map(|visit| visit.arrived_at);
            for event in events.iter().rev().take(4).rev() {
                take(&mut visits, event);
            }
            prop_assert_eq!(&visits, &once);
            prop_assert_eq!(first, visits.first().map(|visit| visit.arrived_at));
            let found: Vec<_> = visits
                .iter()
                .map(|visit| (visit.arrived_at.as_nanos(), visit.departed_at.unwrap().as_nanos()))
                .collect();
            prop_assert_eq!(found, expected(&stays));
            prop_assert!(visits.iter().all(|visit| visit.present.is_empty()));
            let desk = stays.iter().filter(|stay| stay.is_desk).map(|stay| stay.from).min();
            let read = visits.iter().filter_map(|visit| visit.desk_read.as_ref()).map(|read| read.at.as_nanos()).min();
            prop_assert_eq!(read, desk);
        }
    }
}
