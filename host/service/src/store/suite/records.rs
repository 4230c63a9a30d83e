//! Records to try a store with, and commits of them.

use super::*;

pub(super) const ID_NUMBERS: [&str; 2] = ["11010519491231002X", "440524188001010014"];

/// Somebody at the console, at this time.
pub fn origin(at: u64) -> Origin {
    Origin { by: Actor::Console, at: UtcTime::from_nanos(at), from: "console".to_owned() }
}

pub(super) fn id(kind: u8, number: u8) -> [u8; 16] {
    let mut id = [0; 16];
    (id[0], id[15]) = (number, kind);
    id
}

/// A customer for tests; everything depends on these small numbers.
pub fn customer(number: u8, named: u8) -> Customer {
    Customer {
        id: CustomerId::from_bytes(id(1, number)),
        number: format!("C{named}").parse().unwrap(),
        name: format!("客户{named}").into(),
        id_number: ID_NUMBERS.get(usize::from(named % 3)).and_then(|text| text.parse().ok()),
        employer: "".into(),
        photo: None,
        vip_class: "gold".into(),
        usual_business: "".into(),
        branch: "a".into(),
        account_manager: None,
        notes: "".into(),
        consent: Consent::Given { at: UtcTime::from_nanos(1) },
        closed: named.is_multiple_of(2),
    }
}

/// The tag number `number`.
pub fn tag(kind: TagIdKind, number: u8) -> TagId {
    TagId::new(kind, &[number; 4]).unwrap()
}

/// A card for tests.
pub fn card(number: u8, of: u8, epc: u8) -> Card {
    Card {
        id: CardId::from_bytes(id(2, number)),
        customer: CustomerId::from_bytes(id(1, of)),
        epc: (epc > 0).then(|| tag(TagIdKind::Epc, epc)),
        uid: (epc > 2).then(|| tag(TagIdKind::Iso14443Uid, epc)),
        state: CardState::Active,
        valid_from: LocalDate(date(2026, 1, 1 + i8::try_from(epc % 20).unwrap())),
        valid_until: LocalDate(date(2027, 1, 1)),
        branches: AllowedBranches::All,
        replaced_by: None,
        plastic: (epc == 5).then(|| Plastic { handled_by: [Hand::Console].into(), ..Plastic::default() }),
    }
}

pub(super) fn branch_name(number: u8) -> Name {
    match number % 3 {
        0 => "a".into(),
        1 => "ab".into(),
        _ => "b".into(),
    }
}

/// A visit for tests.
pub fn visit(number: u8, of: u8, at: u64, is_open: bool) -> Visit {
    Visit {
        id: VisitId::from_bytes(id(3, number)),
        customer: CustomerId::from_bytes(id(1, of)),
        vip_class: "gold".into(),
        account_manager: None,
        card: None,
        branch: branch_name(of),
        way: Way::Heard { reader: "door".into(), antenna_port: Some(1), zone: "door".into() },
        outcome: Outcome::Recognised,
        arrived_at: UtcTime::from_nanos(at),
        last_seen: UtcTime::from_nanos(at),
        revisits: 0,
        desk_read: None,
        greeted: None,
        served: None,
        business: Vec::new(),
        present: Vec::new(),
        departed_at: (!is_open).then_some(UtcTime::from_nanos(at + 1)),
    }
}

pub(super) fn duty(number: u8, of: u8, at: u64, is_open: bool) -> Duty {
    Duty {
        id: DutyId::from_bytes(id(5, number)),
        staff: StaffId::from_bytes(id(4, of)),
        branch: branch_name(of),
        from: UtcTime::from_nanos(at),
        until: (!is_open).then_some(UtcTime::from_nanos(at + 1)),
    }
}

/// The visit on another day, with what was done in it.
pub(super) fn acted(visit: Visit, acts: u8) -> Visit {
    let day = u64::from(acts % 3) * 24 * 3600 * 1_000_000_000;
    let (at, staff) = (visit.arrived_at.as_nanos() + day, StaffId::from_bytes(id(4, acts % 4)));
    let act = |after: u64| Act { by: staff, at: UtcTime::from_nanos(at + after * 1_000_000) };
    Visit {
        arrived_at: UtcTime::from_nanos(at),
        vip_class: if acts & 4 == 0 { "gold".into() } else { "platinum".into() },
        account_manager: (acts & 8 != 0).then_some(staff),
        outcome: if acts & 16 == 0 { Outcome::Recognised } else { Outcome::Refused(Refusal::Lost) },
        greeted: (acts & 32 != 0).then(|| act(u64::from(acts))),
        served: (acts & 64 != 0).then(|| act(3 * u64::from(acts))),
        departed_at: visit.departed_at.map(|_| UtcTime::from_nanos(at + 9_000_000)),
        ..visit
    }
}

pub(super) fn account(of: u8, seen: u8) -> Account {
    Account {
        staff: StaffId::from_bytes(id(4, of)),
        roles: [Role::LobbyManager].into(),
        state: AccountState::Active,
        invitation: None,
        password: None,
        second_factor: None,
        device: Some(Device {
            key_hash: "0".repeat(64),
            from: "10.0.0.9".to_owned(),
            since: UtcTime::from_nanos(1),
        }),
        last_step: u64::from(seen),
        confirmed: None,
        warned: None,
        since: UtcTime::from_nanos(1),
        last_login: None,
        lent: None,
        epoch: 0,
    }
}

pub(super) fn request(number: u8, of: u8, at: u64, is_open: bool) -> Request {
    let (customer, card) = (CustomerId::from_bytes(id(1, of)), CardId::from_bytes(id(2, number)));
    Request {
        id: RequestId::from_bytes(id(6, number)),
        branch: branch_name(of),
        state: if is_open { RequestState::Submitted } else { RequestState::Done },
        proposal: Proposal::ReenableCard { customer, card, version: 1 },
        drafted_at: UtcTime::from_nanos(at),
        hands: BTreeSet::new(),
        submitted: None,
        decided: None,
        note: None,
        stood_in: false,
        code_half: None,
    }
}

pub(super) fn export(number: u8, of: u8, at: u64, is_open: bool) -> Export {
    let day = LocalDate(date(2026, 1, 1));
    Export {
        id: ExportId::from_bytes(id(7, number)),
        asker: StaffId::from_bytes(id(4, of)),
        branch: branch_name(of),
        content: ExportContent {
            branch: None,
            from: day,
            to: day,
            until: UtcTime::from_nanos(at),
            format: ExportFormat::Csv,
            unmasked: false,
            purpose: ExportPurpose::Audit,
            reason: "".into(),
            rows: 1,
        },
        asked_at: UtcTime::from_nanos(at),
        host: "a".into(),
        state: if is_open { ExportState::Ready } else { ExportState::Fetched },
        key_hash: String::new(),
        approved_by: None,
        made: None,
        fetched_at: None,
        failure: None,
    }
}

pub(super) fn branch(number: u8, named: u8) -> Branch {
    Branch {
        code: branch_name(number),
        name: format!("网点{named}"),
        position: None,
        closed: named.is_multiple_of(2),
    }
}

/// A change whose expected version is told by what is there.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(Box<Record>),
    Remove(Key),
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let few = 0u8..4;
    prop_oneof![
        (few.clone(), 0u8..6).prop_map(|(number, named)| branch(number, named).into()),
        (few.clone(), 0u8..6).prop_map(|(number, named)| customer(number, named).into()),
        (few.clone(), few.clone(), 0u8..6).prop_map(|(number, of, epc)| card(number, of, epc).into()),
        (0u8..6, few.clone(), 0u64..5, any::<bool>(), any::<u8>())
            .prop_map(|(number, of, at, is_open, acts)| acted(visit(number, of, at, is_open), acts).into()),
        (few.clone(), 0u8..6).prop_map(|(of, seen)| account(of, seen).into()),
        (0u8..6, few.clone(), 0u64..5, any::<bool>())
            .prop_map(|(number, of, at, is_open)| request(number, of, at, is_open).into()),
        (0u8..6, few.clone(), 0u64..5, any::<bool>())
            .prop_map(|(number, of, at, is_open)| export(number, of, at, is_open).into()),
        (0u8..6, few, 0u64..5, any::<bool>())
            .prop_map(|(number, of, at, is_open)| duty(number, of, at, is_open).into()),
    ]
}

/// Commits of one to three changes; one expected version in twenty is wrong.
pub(super) fn commits() -> impl Strategy<Value = Vec<Vec<(Step, bool)>>> {
    let step = prop_oneof![
        4 => record().prop_map(|record| Step::Put(Box::new(record))),
        1 => record().prop_map(|record| Step::Remove(record.key())),
    ];
    let change = (step, proptest::bool::weighted(0.05));
    proptest::collection::vec(proptest::collection::vec(change, 1..4), 20..60)
}
