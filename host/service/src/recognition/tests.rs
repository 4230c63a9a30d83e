use rfid_core::{EventId, SystemClock, TagIdKind};

use super::*;
use crate::record::{Branch, CardState, Consent, Customer, Presence, Refusal};
use crate::store::{MemoryStore, suite};

const MINUTE: u64 = 60_000_000_000;
/// A day in the middle of the cards' year.
const NOON: u64 = 1_780_000_000_000_000_000;

struct Hall {
    recognition: Recognition,
    store: Arc<MemoryStore>,
}

impl Hall {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let recognition =
            Recognition::new(store.clone(), RecognitionSettings::default(), Arc::new(SystemClock::new()));
        let hall = Self { recognition, store };
        let branch = |code: &str, longitude| Branch {
            code: code.into(),
            name: code.to_owned(),
            position: Some(Position { latitude: 0.0, longitude }),
            closed: false,
        };
        for record in [branch("a", 0.0), branch("b", 1.0)] {
            hall.put(record).await;
        }
        let customer = Customer { closed: false, ..suite::customer(1, 1) };
        hall.put(customer).await;
        hall.put(suite::card(1, 1, 3)).await;
        hall
    }

    async fn put(&self, record: impl Into<Record>) {
        let record = record.into();
        let found = self.store.get(&[record.key()]).await.unwrap().pop().flatten();
        let put =
            Change::Put { record: Box::new(record), expected: found.map_or(0, |stored| stored.version) };
        self.store.commit(Commit { origin: suite::origin(0), changes: vec![put] }).await.unwrap();
    }

    async fn say(&self, event: Event) -> Option<Noted> {
        self.recognition.find(&[event]).await.unwrap().pop().unwrap()
    }

    async fn visits(&self) -> Vec<Visit> {
        let all = self.store.scan(Kind::Visit, None, 100).await.unwrap();
        let mut visits: Vec<Visit> =
            all.into_iter().filter_map(|stored| stored.record.try_into().ok()).collect();
        visits.sort_by_key(|visit: &Visit| visit.arrived_at);
        visits
    }

    async fn alarms(&self) -> Vec<Alarm> {
        let all = self.store.scan(Kind::Alarm, None, 100).await.unwrap();
        all.into_iter().filter_map(|stored| stored.record.try_into().ok()).collect()
    }
}

fn event(kind: EventKind, tag_kind: TagIdKind, branch: &str, from: u64, at: u64) -> Event {
    let time = |minutes| UtcTime::from_nanos(NOON + minutes * MINUTE);
    let tag = suite::tag(tag_kind, 3);
    Event {
        event_id: EventId::derive(branch, &tag, time(from), if kind == EventKind::Arrived { 0 } else { 1 }),
        kind,
        time: time(at),
        branch: Some(branch.into()),
        tag,
        first_seen: time(from),
        last_seen: time(at),
        authentic: None,
        record: None,
        ..Event::sample()
    }
}

fn arrived(branch: &str, at: u64) -> Event {
    event(EventKind::Arrived, TagIdKind::Epc, branch, at, at)
}

fn departed(branch: &str, from: u64, at: u64) -> Event {
    event(EventKind::Departed, TagIdKind::Epc, branch, from, at)
}

#[tokio::test]
async fn an_arrival_registers_a_visit_and_tells_ids_alone() {
    let hall = Hall::new().await;
    let mut notices = hall.recognition.notices().subscribe();
    let noted = hall.say(arrived("a", 0)).await.unwrap();
    let visit = hall.visits().await.pop().unwrap();
    let expected = serde_json::json!({
        "outcome": "recognised",
        "customer_id": suite::customer(1, 1).id.to_string(),
        "vip_class": "gold",
        "visit_id": visit.id.to_string(),
        "card_id": suite::card(1, 1, 3).id.to_string(),
    });
    assert_eq!(serde_json::Value::Object(noted), expected);
    assert_eq!(notices.try_recv().unwrap(), Notice::Visit(Arc::new(Stored { version: 1, record: visit })));
    // The same again is the same, and nobody is told.
    hall.say(arrived("a", 0)).await.unwrap();
    assert!(notices.try_recv().is_err());
    assert_eq!(hall.visits().await.len(), 1);
}

#[tokio::test]
async fn door_and_desk_are_one_visit_that_ends_with_the_last_of_them() {
    let hall = Hall::new().await;
    let desk = |kind, from, at| event(kind, TagIdKind::Iso14443Uid, "a", from, at);
    hall.say(arrived("a", 0)).await;
    hall.say(desk(EventKind::Arrived, 5, 5)).await;
    hall.say(departed("a", 0, 6)).await;
    let visit = hall.visits().await.pop().unwrap();
    assert_eq!(visit.present, [Presence { is_desk: true, since: UtcTime::from_nanos(NOON + 5 * MINUTE) }]);
    assert_eq!(visit.departed_at, None);
    hall.say(desk(EventKind::Departed, 5, 8)).await;
    let visits = hall.visits().await;
    assert_eq!(visits.len(), 1);
    assert_eq!(visits[0].departed_at, Some(UtcTime::from_nanos(NOON + 8 * MINUTE)));
    assert_eq!(visits[0].desk_read.as_ref().unwrap().at, UtcTime::from_nanos(NOON + 5 * MINUTE));
    // Back within ten minutes goes on, later is another visit.
    hall.say(arrived("a", 17)).await;
    hall.say(departed("a", 17, 18)).await;
    hall.say(arrived("a", 40)).await;
    let visits = hall.visits().await;
    assert_eq!(
        visits.iter().map(|visit| (visit.revisits, visit.departed_at.is_some())).collect::<Vec<_>>(),
        [(1, true), (0, false)]
    );
}

#[tokio::test]
async fn what_somebody_did_meanwhile_stays_in_the_visit() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    let act =
        crate::record::Act { by: crate::record::StaffId::from_bytes([1; 16]), at: UtcTime::from_nanos(7) };
    hall.put(Visit { greeted: Some(act), ..hall.visits().await.pop().unwrap() }).await;
    hall.say(departed("a", 0, 6)).await;
    let visit = hall.visits().await.pop().unwrap();
    assert_eq!((visit.greeted, visit.departed_at.is_some()), (Some(act), true));
}

#[tokio::test]
async fn a_refused_card_names_nobody() {
    let hall = Hall::new().await;
    hall.put(Card { state: CardState::Lost, ..suite::card(1, 1, 3) }).await;
    let noted = hall.say(arrived("a", 0)).await.unwrap();
    assert_eq!(noted.get("reason"), Some(&"lost".into()));
    assert!(!noted.contains_key("customer_id") && !noted.contains_key("vip_class"));
    assert_eq!(hall.visits().await.pop().unwrap().outcome, Outcome::Refused(Refusal::Lost));
    let counted = hall.recognition.counters().by_branch();
    assert_eq!(counted.get("a").unwrap().refused, BTreeMap::from([("lost", 1)]));
}

#[tokio::test]
async fn whoever_carries_a_lost_card_is_not_part_of_the_customers_visit() {
    let hall = Hall::new().await;
    hall.put(Card { state: CardState::Lost, ..suite::card(1, 1, 3) }).await;
    let mut anew = suite::card(2, 1, 5);
    (anew.valid_from, anew.valid_until) = (suite::card(1, 1, 3).valid_from, suite::card(1, 1, 3).valid_until);
    hall.put(anew).await;
    hall.say(arrived("a", 0)).await;
    let with_the_new_one = Event { tag: suite::tag(TagIdKind::Epc, 5), ..arrived("a", 2) };
    hall.say(Event {
        event_id: EventId::derive("a", &with_the_new_one.tag, with_the_new_one.time, 0),
        ..with_the_new_one
    })
    .await;
    hall.say(departed("a", 0, 4)).await;
    let visits = hall.visits().await;
    let seen: Vec<_> = visits.iter().map(|visit| (visit.outcome, visit.departed_at.is_some())).collect();
    assert_eq!(seen, [(Outcome::Refused(Refusal::Lost), true), (Outcome::Recognised, false)]);
}

#[tokio::test]
async fn a_card_that_is_reported_lost_while_it_is_here_turns_its_visit() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    hall.put(Card { state: CardState::Lost, ..suite::card(1, 1, 3) }).await;
    hall.say(Event {
        first_seen: arrived("a", 0).first_seen,
        ..event(EventKind::Seen, TagIdKind::Epc, "a", 0, 1)
    })
    .await;
    hall.say(departed("a", 0, 2)).await;
    let visits = hall.visits().await;
    assert_eq!(visits.len(), 1);
    assert_eq!((visits[0].outcome, visits[0].departed_at.is_some()), (Outcome::Refused(Refusal::Lost), true));
}

#[tokio::test]
async fn a_sighting_of_somebody_who_is_there_is_written_once_a_minute() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    for seconds in (10..=150).step_by(10) {
        let last_seen = UtcTime::from_nanos(NOON + seconds * 1_000_000_000);
        let seen = event(EventKind::Seen, TagIdKind::Epc, "a", 0, 0);
        hall.say(Event { time: last_seen, last_seen, ..seen }).await;
    }
    let key = Key::Visit(hall.visits().await[0].id);
    assert_eq!(hall.store.history(&key, None, 100).await.unwrap().len(), 3);
    let end = UtcTime::from_nanos(NOON + 155 * 1_000_000_000);
    hall.say(Event { last_seen: end, ..departed("a", 0, 3) }).await;
    assert_eq!(hall.visits().await[0].departed_at, Some(end));
}

#[tokio::test]
async fn who_does_not_want_to_be_recognised_is_as_unknown_as_anybody() {
    let hall = Hall::new().await;
    let opted_out = Consent::OptedOut { at: UtcTime::from_nanos(1) };
    hall.put(Customer { closed: false, consent: opted_out, ..suite::customer(1, 1) }).await;
    let stranger = Event { tag: suite::tag(TagIdKind::Epc, 5), ..arrived("a", 1) };
    assert_eq!(hall.say(arrived("a", 0)).await, None);
    assert_eq!(hall.say(stranger).await, None);
    assert!(hall.visits().await.is_empty());
    let counted = hall.recognition.counters().by_branch();
    let of_a = counted.get("a").unwrap();
    let (_, of_day) = of_a.unknown_of_day.unwrap();
    assert_eq!((of_a.unknown, of_day, of_a.recognised, of_a.alarms), (2, 2, 0, 0));
}

#[tokio::test]
async fn a_card_in_two_branches_at_once_raises_one_alarm() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    hall.say(departed("a", 0, 10)).await;
    // The branches are 111 km apart, which takes 44.5 minutes.
    for _ in 0..2 {
        hall.say(arrived("b", 50)).await;
    }
    let alarms = hall.alarms().await;
    assert_eq!(alarms.len(), 1);
    let visits = hall.visits().await;
    let AlarmKind::ImpossibleTravel { other_visit, apart_ms, .. } = &alarms[0].kind else {
        panic!("{alarms:?}")
    };
    assert_eq!((*other_visit, *apart_ms, visits.len()), (visits[0].id, 40 * 60_000, 2));
    assert!(visits.iter().all(|visit| visit.outcome == Outcome::Recognised));
}

#[tokio::test]
async fn whoever_has_had_time_to_travel_raises_no_alarm_whatever_the_clocks() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    hall.say(departed("a", 0, 10)).await;
    hall.say(arrived("b", 56)).await;
    // The way takes 44 minutes and 29 seconds, and each clock may be five seconds from the time.
    let at = |seconds: u64| UtcTime::from_nanos(NOON + 56 * MINUTE + 10 * MINUTE + seconds * 1_000_000_000);
    hall.say(departed("b", 56, 66)).await;
    for (seconds, alarms) in [(44 * 60 + 20, 0), (44 * 60 + 10, 1)] {
        let back =
            Event { time: at(seconds), first_seen: at(seconds), last_seen: at(seconds), ..arrived("a", 0) };
        hall.say(Event { event_id: EventId::derive("a", &back.tag, back.time, 0), ..back }).await;
        assert_eq!(hall.alarms().await.len(), alarms, "{seconds}");
    }
}

#[tokio::test]
async fn a_copy_is_refused_and_raises_an_alarm() {
    let hall = Hall::new().await;
    let copy =
        Event { authentic: Some(false), ..event(EventKind::Arrived, TagIdKind::Iso14443Uid, "a", 0, 0) };
    assert_eq!(hall.say(copy).await.unwrap().get("reason"), Some(&"not_authentic".into()));
    assert_eq!(hall.alarms().await.pop().unwrap().kind, AlarmKind::NotAuthentic);
}

#[tokio::test]
async fn a_departure_that_nobody_knows_the_arrival_of_makes_no_visit() {
    let hall = Hall::new().await;
    assert_eq!(hall.say(departed("a", 0, 5)).await, None);
    assert!(hall.visits().await.is_empty());
}

#[tokio::test]
async fn a_visit_that_its_readers_forgot_ends_by_itself() {
    let hall = Hall::new().await;
    hall.say(arrived("a", 0)).await;
    assert_eq!(hall.recognition.end_forgotten().await.unwrap(), 1);
    let visit = hall.visits().await.pop().unwrap();
    assert_eq!((visit.departed_at, visit.present.len()), (Some(visit.last_seen), 0));
    assert_eq!(hall.recognition.end_forgotten().await.unwrap(), 0);
}
