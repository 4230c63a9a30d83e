//! What the stores of the customer service cost: taking in customers and cards, finding who holds a
//! card, registering arrivals. Prints each figure beside its bar.
//!
//! `cargo bench -p rfid-benches --bench service_store -- [CUSTOMERS] [embedded|postgres]`, 100,000 customers
//! if left out, on the embedded store and on a PostgreSQL server of its own, from Debian's package
//! `postgresql`, or on that one of them that is named. The bars are those for 1,000,000.
//!
//! How much longer something takes among all than among 10,000 is the ratio of medians: both stores are asked
//! in turns, so that whatever else the machine does falls on both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use rfid_core::{Event, EventId, EventKind, Result, SystemClock, TagId, TagIdKind, UtcTime};
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::{Recognition, RecognitionSettings};
use rfid_service::record::{
    AllowedBranches, Branch, Card, CardId, CardState, Consent, Customer, CustomerId, Record,
};
use rfid_service::seal::Keys;
use rfid_service::store::embedded::EmbeddedStore;
use rfid_service::store::postgres::PostgresStore;
use rfid_service::store::postgres::cluster::Cluster;
use rfid_service::store::{Actor, Origin, Rows, Store, Supply};
use rfid_sink_lookup::Directory;
use zeroize::Zeroizing;

const PORTION: u32 = 256;
const LOOKUPS: u32 = 20_000;
const ARRIVALS: u32 = 5_000;
/// In the store with which that of all customers is compared.
const FEW: u32 = 10_000;
/// Arrivals that come together, as a pipeline hands them on when many walk in.
const TOGETHER: usize = 32;

fn bytes(number: u32) -> [u8; 16] {
    // As the service makes ids: when, twenty a millisecond, and random bits.
    let spread = (u128::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let millis = 1_790_000_000_000 + u128::from(number / 20);
    (millis << 80 | spread >> 48).to_be_bytes()
}

fn tag(number: u32) -> TagId {
    let mut epc = [0x2D; 12];
    epc[8..].copy_from_slice(&number.to_be_bytes());
    TagId::new(TagIdKind::Epc, &epc).unwrap()
}

fn customer(number: u32) -> Record {
    Record::from(Customer {
        id: CustomerId::from_bytes(bytes(number)),
        number: format!("C{number:09}").parse().unwrap(),
        name: format!("客户{number}").into(),
        id_number: None,
        employer: "西州电力有限公司".into(),
        photo: None,
        vip_class: "gold".into(),
        usual_business: "理财".into(),
        branch: "hubin".into(),
        account_manager: None,
        notes: "".into(),
        consent: Consent::Given { at: UtcTime::from_nanos(1) },
        closed: false,
    })
}

fn card(number: u32) -> Record {
    Record::from(Card {
        id: CardId::from_bytes(bytes(number)),
        customer: CustomerId::from_bytes(bytes(number)),
        epc: Some(tag(number)),
        uid: None,
        state: CardState::Active,
        valid_from: "2000-01-01".parse().unwrap(),
        valid_until: "2099-12-31".parse().unwrap(),
        branches: AllowedBranches::All,
        replaced_by: None,
        plastic: None,
    })
}

struct People {
    next: u32,
    of: u32,
}

#[async_trait]
impl Supply for People {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let to = (self.next + PORTION).min(self.of);
        if self.next == to {
            return Ok(None);
        }
        let records = (self.next..to).flat_map(|number| [customer(number), card(number)]).collect();
        self.next = to;
        Ok(Some(records))
    }
}

fn rows() -> Rows {
    let keys = Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap();
    Rows::new(Arc::new(keys), Arc::new(SystemRandomness))
}

async fn embedded(folder: &Path) -> Arc<dyn Store> {
    Arc::new(EmbeddedStore::open(folder, rows(), Arc::new(SystemClock::new())).await.unwrap())
}

async fn postgres(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, rows(), Arc::new(SystemClock::new())).await.unwrap())
}

fn origin() -> Origin {
    Origin { by: Actor::Console, at: UtcTime::from_nanos(1), from: "bench".to_owned() }
}

/// Most memory that this process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn part(times: &mut [Duration], of_thousand: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * of_thousand / 1000]
}

/// Looks for customers whom no turn before has looked for, where there are as many.
async fn lookups(store: &dyn Store, customers: u32, turn: u32) -> (Duration, Duration) {
    let mut times = Vec::new();
    let count = LOOKUPS.min(customers);
    for round in 0..2 * count {
        let number = (turn * 2 * LOOKUPS + round).wrapping_mul(7_919) % customers;
        let started = Instant::now();
        let found = store.holders(&[tag(number)]).await.unwrap();
        // The first half warms what there is to warm.
        if round >= count {
            times.push(started.elapsed());
        }
        assert!(found[0].is_some());
    }
    (part(&mut times, 500), part(&mut times, 990))
}

/// Asks until what the store keeps in memory is there, or for so long.
async fn warm(store: &dyn Store, customers: u32, limit: Duration) {
    let started = Instant::now();
    for round in 0u32.. {
        let mut slow = 0;
        for number in 0..2_048u32 {
            let asked = Instant::now();
            let number = round.wrapping_mul(2_048).wrapping_add(number);
            store.holders(&[tag(number.wrapping_mul(7_919) % customers)]).await.unwrap();
            slow += u32::from(asked.elapsed() > Duration::from_micros(50));
        }
        // A few are slow whatever the store does: the machine does something else.
        if slow < 10 || started.elapsed() > limit {
            return;
        }
    }
}

/// What a pipeline says of a customer's card.
fn event(kind: EventKind, number: u32) -> Event {
    let at = UtcTime::from_nanos(1_790_000_000_000_000_000 + u64::from(number));
    Event {
        event_id: EventId::derive("bench", &tag(number), at, 0),
        kind,
        time: at,
        branch: Some("hubin".into()),
        tag: tag(number),
        first_seen: at,
        last_seen: at,
        record: None,
        ..Event::sample()
    }
}

fn recognition(store: &Arc<dyn Store>) -> Recognition {
    Recognition::new(Arc::clone(store), RecognitionSettings::default(), Arc::new(SystemClock::new()))
}

/// Registers that some have come, and says how many a second.
async fn arrivals(store: &Arc<dyn Store>, customers: u32) -> f64 {
    let recognition = recognition(store);
    let count = ARRIVALS.min(customers);
    let all: Vec<Event> = (0..count).map(|number| event(EventKind::Arrived, number)).collect();
    let started = Instant::now();
    for batch in all.chunks(TOGETHER) {
        let records = recognition.find(batch).await.unwrap();
        assert!(records.iter().all(Option::is_some));
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// What a pipeline waits for when it says again that somebody is there who has come before: recognition,
/// decision and the visit, which goes on without being written.
async fn sightings(store: &Arc<dyn Store>, customers: u32) -> (Duration, Duration) {
    let recognition = recognition(store);
    let mut notices = recognition.notices().subscribe();
    let mut times = Vec::new();
    let count = ARRIVALS.min(customers);
    for round in 0..count {
        let event = event(EventKind::Seen, round.wrapping_mul(7_919) % count);
        let started = Instant::now();
        let records = recognition.find(std::slice::from_ref(&event)).await.unwrap();
        times.push(started.elapsed());
        assert!(records[0].is_some());
    }
    assert!(notices.try_recv().is_err(), "nothing is written");
    (part(&mut times, 500), part(&mut times, 990))
}

/// What holds for a store.
struct Bars {
    name: &'static str,
    lookup: &'static str,
    load: &'static str,
    /// How long it may take until what it keeps in memory is there.
    warm: Duration,
    /// Turns in which both stores are asked.
    turns: u32,
}

/// Median and 99th percentile of a store with few customers and one with all, turn by turn.
#[derive(Default)]
struct Compared {
    few: Vec<(Duration, Duration)>,
    all: Vec<(Duration, Duration)>,
}

impl Compared {
    fn print(self, what: &str, bar: &str) {
        let middle = |turns: &[(Duration, Duration)]| {
            let (mut p50, mut p99): (Vec<_>, Vec<_>) = turns.iter().copied().unzip();
            (part(&mut p50, 500), part(&mut p99, 500))
        };
        let times = |all: Duration, few: Duration| all.as_secs_f64() / few.as_secs_f64();
        let ((few_p50, few_p99), (p50, p99)) = (middle(&self.few), middle(&self.all));
        println!("  {what}: p50 {p50:?}, p99 {p99:?}{bar}");
        println!(
            "    among 10,000: p50 {few_p50:?}, p99 {few_p99:?}; among all {:.2} and {:.2} times as long (bar: 1.5)",
            times(p50, few_p50),
            times(p99, few_p99)
        );
        let turns: Vec<String> = (self.all.iter().zip(&self.few))
            .map(|((all, _), (few, _))| format!("{:.2}", times(*all, *few)))
            .collect();
        println!("    medians turn by turn: {}", turns.join(", "));
    }
}

async fn measure(bars: &Bars, few: Arc<dyn Store>, store: Arc<dyn Store>, customers: u32) {
    println!("\n{}, {customers} customers with as many cards", bars.name);
    let fewer = FEW.min(customers);
    few.load(origin(), &mut People { next: 0, of: fewer }).await.unwrap();
    for store in [&few, &store] {
        let branch =
            Branch { code: "hubin".into(), name: "湖滨支行".to_owned(), position: None, closed: false };
        let new = rfid_service::store::Change::new(branch);
        store.commit(rfid_service::store::Commit { origin: origin(), changes: vec![new] }).await.unwrap();
    }
    let started = Instant::now();
    let count = store.load(origin(), &mut People { next: 0, of: customers }).await.unwrap();
    let loading = started.elapsed();
    println!(
        "  taken in: {:.1} s, {:.0} records/s, {} MiB at most{}",
        loading.as_secs_f64(),
        count as f64 / loading.as_secs_f64(),
        peak_mib(),
        bars.load
    );
    warm(few.as_ref(), fewer, bars.warm).await;
    warm(store.as_ref(), customers, bars.warm).await;
    let mut compared = Compared::default();
    for turn in 0..bars.turns {
        compared.few.push(lookups(few.as_ref(), fewer, turn).await);
        compared.all.push(lookups(store.as_ref(), customers, turn).await);
    }
    compared.print("who holds a card", &format!(" (bar: {})", bars.lookup));
    arrivals(&few, fewer).await;
    let per_second = arrivals(&store, customers).await;
    println!("  arrivals, each with its visit on the disk: {per_second:.0} a second (bar: 1000)");
    let mut compared = Compared::default();
    for _ in 0..bars.turns {
        compared.few.push(sightings(&few, fewer).await);
        compared.all.push(sightings(&store, customers).await);
    }
    compared.print("somebody who is there is seen again", "");
    few.close().await;
    // Whoever reads meanwhile is not held up either.
    let readers = (0..4).map(|_| lookups(store.as_ref(), customers, bars.turns));
    let slowest = join_all(readers).await.into_iter().map(|(_, p99)| p99).max().unwrap();
    println!("  who holds a card, asked by four at once: p99 {slowest:?}");
    store.close().await;
}

#[tokio::main]
async fn main() {
    // As a test it only has to run.
    let usual = if std::env::args().any(|word| word == "--test") { 1_000 } else { 100_000 };
    let customers = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(usual);
    let is_asked = |name: &str| {
        let others = ["embedded", "postgres"];
        std::env::args().any(|word| word == name) || !std::env::args().any(|word| others.contains(&&*word))
    };
    if is_asked("embedded") {
        let folder = tempfile::tempdir().unwrap();
        let few = embedded(&folder.path().join("few")).await;
        let many = embedded(&folder.path().join("many")).await;
        let bars = Bars {
            name: "embedded",
            lookup: "100 us",
            load: " (bars: 300 s, 500 MiB)",
            warm: Duration::from_secs(300),
            turns: 5,
        };
        measure(&bars, few, many, customers).await;
    }
    if is_asked("postgres") {
        let cluster = Cluster::start(&["shared_buffers=512MB", "max_wal_size=2GB"]);
        let (few, many) = (cluster.database("few"), cluster.database("many"));
        let bars =
            Bars { name: "PostgreSQL", lookup: "5 ms", load: "", warm: Duration::from_secs(3), turns: 3 };
        measure(&bars, postgres(&few).await, postgres(&many).await, customers).await;
    }
}
