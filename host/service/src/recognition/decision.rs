//! May this card be used here and now?

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rfid_core::UtcTime;

use crate::record::{Bearer, Card, CardState, LocalDate, Outcome, Refusal};

/// The day of a moment where the bank is.
pub fn local_day(at: UtcTime, zone: &TimeZone) -> LocalDate {
    // Every moment that fits into 64 bits of nanoseconds is a timestamp.
    let timestamp = Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or(Timestamp::MAX);
    LocalDate(zone.to_datetime(timestamp).date())
}

/// When a day begins where the bank is. In a zone where midnight is left out it begins at the first
/// moment after that.
pub fn start_of_day(day: LocalDate, zone: &TimeZone) -> UtcTime {
    let midnight = zone.to_ambiguous_timestamp(day.0.at(0, 0, 0, 0));
    let nanos = midnight.compatible().map_or(0, |start| start.as_nanosecond());
    UtcTime::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// What is decided when somebody comes with a card; `None` for a customer who does not want to be
/// recognised.
///
/// `authentic` is what a reader found out about the card, if it could.
pub fn decide(
    card: &Card,
    customer: &Bearer,
    branch: &str,
    day: LocalDate,
    authentic: Option<bool>,
) -> Option<Outcome> {
    if !customer.closed && !customer.agrees {
        return None;
    }
    let refusal = match card.state {
        // Whatever else it is, a copy may be in a thief's hand.
        _ if authentic == Some(false) => Some(Refusal::NotAuthentic),
        CardState::Requested | CardState::Approved | CardState::Issued => Some(Refusal::NotActive),
        CardState::Suspended => Some(Refusal::Suspended),
        CardState::Lost => Some(Refusal::Lost),
        CardState::Expired => Some(Refusal::Expired),
        CardState::Revoked | CardState::Spoilt | CardState::Destroyed => Some(Refusal::Revoked),
        CardState::Replaced => Some(Refusal::Replaced),
        CardState::Active if customer.closed => Some(Refusal::CustomerClosed),
        CardState::Active if day < card.valid_from => Some(Refusal::NotYetValid),
        CardState::Active if day > card.valid_until => Some(Refusal::Expired),
        CardState::Active if !card.branches.allows(branch) => Some(Refusal::OtherBranch),
        CardState::Active => None,
    };
    Some(refusal.map_or(Outcome::Recognised, Outcome::Refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{AllowedBranches, Consent, Customer};
    use crate::store::suite;

    fn active() -> (Card, Customer) {
        let customer = Customer { closed: false, ..suite::customer(1, 1) };
        (suite::card(1, 1, 1), customer)
    }

    fn day(text: &str) -> LocalDate {
        text.parse().unwrap()
    }

    fn decided(
        card: &Card,
        customer: &Customer,
        branch: &str,
        on: &str,
        authentic: Option<bool>,
    ) -> Option<Outcome> {
        decide(card, &Bearer::of(customer), branch, day(on), authentic)
    }

    #[test]
    fn each_reason_has_its_refusal() {
        let (card, customer) = active();
        let refused = |refusal| Some(Outcome::Refused(refusal));
        let with = |card: &Card, on: &str| decided(card, &customer, "a", on, None);
        assert_eq!(with(&card, "2026-06-01"), Some(Outcome::Recognised));
        assert_eq!(decided(&card, &customer, "a", "2026-06-01", Some(true)), Some(Outcome::Recognised));
        assert_eq!(decided(&card, &customer, "a", "2026-06-01", Some(false)), refused(Refusal::NotAuthentic));
        for (state, refusal) in [
            (CardState::Requested, Refusal::NotActive),
            (CardState::Approved, Refusal::NotActive),
            (CardState::Issued, Refusal::NotActive),
            (CardState::Suspended, Refusal::Suspended),
            (CardState::Lost, Refusal::Lost),
            (CardState::Expired, Refusal::Expired),
            (CardState::Revoked, Refusal::Revoked),
            (CardState::Spoilt, Refusal::Revoked),
            (CardState::Destroyed, Refusal::Revoked),
            (CardState::Replaced, Refusal::Replaced),
        ] {
            assert_eq!(with(&Card { state, ..card.clone() }, "2026-06-01"), refused(refusal));
        }
        assert_eq!(with(&card, "2026-01-01"), refused(Refusal::NotYetValid));
        assert_eq!(with(&card, "2026-01-02"), Some(Outcome::Recognised));
        assert_eq!(with(&card, "2027-01-01"), Some(Outcome::Recognised));
        assert_eq!(with(&card, "2027-01-02"), refused(Refusal::Expired));
        let elsewhere = Card { branches: AllowedBranches::Only(vec!["b".into()]), ..card.clone() };
        assert_eq!(with(&elsewhere, "2026-06-01"), refused(Refusal::OtherBranch));
        assert_eq!(decided(&elsewhere, &customer, "b", "2026-06-01", None), Some(Outcome::Recognised));
        let closed = Customer { closed: true, ..customer.clone() };
        assert_eq!(decided(&card, &closed, "a", "2026-06-01", None), refused(Refusal::CustomerClosed));
    }

    #[test]
    fn nobody_is_recognised_who_has_not_agreed() {
        let (card, customer) = active();
        for consent in [Consent::NotAsked, Consent::OptedOut { at: UtcTime::from_nanos(1) }] {
            let customer = Customer { consent, ..customer.clone() };
            for state in CardState::ALL {
                let card = Card { state, ..card.clone() };
                assert_eq!(decided(&card, &customer, "a", "2026-06-01", Some(false)), None);
            }
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_bank() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = |text: &str| {
            let timestamp: Timestamp = text.parse().unwrap();
            UtcTime::from_nanos(u64::try_from(timestamp.as_nanosecond()).unwrap())
        };
        assert_eq!(local_day(at("2026-11-28T15:59:59.9Z"), &zone), day("2026-11-28"));
        assert_eq!(local_day(at("2026-11-28T16:00:00Z"), &zone), day("2026-11-29"));
        assert_eq!(local_day(UtcTime::from_nanos(u64::MAX), &zone).0.year(), 2554);
    }
}
