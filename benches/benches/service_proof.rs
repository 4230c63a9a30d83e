//! What it costs to look back: reports over many visits, and going through the audit trail. Prints each
//! figure beside its bar.
//!
//! `cargo bench -p rfid-benches --bench service_proof -- [VISITS] [trail|embedded|postgres ...]`: 200,000
//! visits and all three parts if left out; PostgreSQL is a server of its own, from Debian's package
//! `postgresql`. The bars are those for 5,000,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rfid_core::{Clock, Name, Result, SystemClock, UtcTime};
use rfid_service::audit::archive::{Archives, Ask};
use rfid_service::audit::{self, Entry, Trail};
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::record::{Act, CustomerId, Outcome, Record, Refusal, StaffId, Visit, VisitId, Way};
use rfid_service::reports::{Part, ReportAsk, ReportKind};
use rfid_service::seal::Keys;
use rfid_service::service::{BranchDraft, Caller, Service};
use rfid_service::store::embedded::EmbeddedStore;
use rfid_service::store::postgres::PostgresStore;
use rfid_service::store::postgres::cluster::Cluster;
use rfid_service::store::{Actor, Origin, Rows, Store, Supply};
use zeroize::Zeroizing;

const PORTION: u32 = 512;
const BRANCHES: u32 = 300;
/// A year of days, beginning on 2025-11-29 in Shanghai.
const DAYS: u64 = 365;
const FIRST: u64 = 1_764_345_600_000_000_000;
const DAY: u64 = 24 * 3600 * 1_000_000_000;
/// Records of the trail for each visit: it is the same work to go through either.
const RECORDS: u32 = 1_000_000;
const PARTS: [&str; 3] = ["trail", "embedded", "postgres"];

/// Numbers that look random and are the same each time.
fn spread(number: u32) -> u64 {
    (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn visit(number: u32, of: u32) -> Visit {
    let random = spread(number);
    let day = u64::from(number) * DAYS / u64::from(of.max(1));
    // Between nine and five where the bank is.
    let arrived = FIRST + day * DAY + 9 * DAY / 24 + random % (8 * DAY / 24);
    let millis = arrived / 1_000_000;
    let id = u128::from(millis) << 80 | u128::from(random) << 8 | u128::from(number & 0xFF);
    let staff = |of: u64| StaffId::from_bytes(u128::from(of % 2_000 + 1).to_be_bytes());
    let act =
        |after: u64| Act { by: staff(random >> 7), at: UtcTime::from_nanos(arrived + after * 1_000_000_000) };
    Visit {
        id: VisitId::from_bytes(id.to_be_bytes()),
        customer: CustomerId::from_bytes(u128::from(random % 200_000 + 1).to_be_bytes()),
        vip_class: ["gold", "platinum", "diamond"][(random % 200_000) as usize % 3].into(),
        account_manager: Some(staff(random >> 3)),
        card: None,
        branch: format!("b{:03}", random as u32 % BRANCHES).as_str().into(),
        way: Way::Heard { reader: "door".into(), antenna_port: Some(1), zone: "door".into() },
        outcome: if random.is_multiple_of(50) {
            Outcome::Refused(Refusal::Lost)
        } else {
            Outcome::Recognised
        },
        arrived_at: UtcTime::from_nanos(arrived),
        last_seen: UtcTime::from_nanos(arrived),
        revisits: 0,
        desk_read: None,
        greeted: (!random.is_multiple_of(10)).then(|| act(20 + random % 60)),
        served: (random % 10 < 8).then(|| act(120 + random % 600)),
        business: Vec::new(),
        present: Vec::new(),
        departed_at: Some(UtcTime::from_nanos(arrived + 1_200_000_000_000)),
    }
}

struct Year {
    next: u32,
    of: u32,
}

#[async_trait]
impl Supply for Year {
    async fn next(&mut self) -> Result<Option<Vec<Record>>> {
        let to = (self.next + PORTION).min(self.of);
        if self.next == to {
            return Ok(None);
        }
        let records = (self.next..to).map(|number| visit(number, self.of).into()).collect();
        self.next = to;
        Ok(Some(records))
    }
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&Zeroizing::new([7; 32]), &[]).unwrap())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn show(what: &str, figure: impl std::fmt::Display, bar: &str) {
    println!("  {what:<58} {figure:>16}   {bar}");
}

async fn reports(name: &str, store: Arc<dyn Store>, visits: u32, loaded: impl FnOnce()) {
    println!("\n{name}, {visits} visits");
    let begun = Instant::now();
    let origin = Origin { by: Actor::Console, at: UtcTime::from_nanos(1), from: "bench".to_owned() };
    store.load(origin, &mut Year { next: 0, of: visits }).await.unwrap();
    show("taken in", format!("{:.1} s", begun.elapsed().as_secs_f64()), "");
    loaded();
    let service = Service::new(store, RecognitionSettings::default(), clock(), Arc::new(SystemRandomness));
    let branches: Vec<BranchDraft> = (0..BRANCHES)
        .map(|number| format!("b{number:03}"))
        .map(|code| BranchDraft { code: Name::from(code.as_str()), name: code, position: None })
        .collect();
    service.take_branches(&Caller::console(), &branches).await.unwrap();
    let ask = |report, by: &[Part]| ReportAsk {
        report,
        from: "2025-11-29".parse().unwrap(),
        to: "2026-11-28".parse().unwrap(),
        branch: None,
        by: by.to_vec(),
        days: None,
    };
    let begun = Instant::now();
    let first = service.report(&Caller::console(), &ask(ReportKind::Visits, &[Part::Day])).await.unwrap();
    show("the first report, which may sum days up", format!("{:.2} s", begun.elapsed().as_secs_f64()), "");
    assert_eq!(first.rows.len(), usize::try_from(DAYS).unwrap().min(visits as usize));
    let bar = if name == "PostgreSQL" { "under 2 s" } else { "under 5 s" };
    for (what, ask) in [
        ("visits by day", ask(ReportKind::Visits, &[Part::Day])),
        (
            "visits by branch, class and hour",
            ask(ReportKind::Visits, &[Part::Branch, Part::VipClass, Part::Hour]),
        ),
        ("visits by account manager", ask(ReportKind::Visits, &[Part::AccountManager])),
        ("how often customers come", ask(ReportKind::Frequency, &[])),
        ("recognition by branch", ask(ReportKind::Recognition, &[])),
        ("greeting and serving by member of staff", ask(ReportKind::Staff, &[])),
    ] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            service.report(&Caller::console(), &ask).await.unwrap();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        show(what, format!("{:.2} s", times[1].as_secs_f64()), bar);
    }
    service.store().close().await;
}

async fn trail() {
    println!("\nthe audit trail, {RECORDS} records");
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::open(folder.path(), keys(), clock()).await.unwrap();
    let begun = Instant::now();
    for number in 0..RECORDS {
        let by = Actor::Staff(StaffId::from_bytes(u128::from(number % 50 + 1).to_be_bytes()));
        let entry =
            Entry::new(UtcTime::from_nanos(FIRST + u64::from(number)), by, "10.20.30.40", "customer.see");
        let object = format!("customer {:032x}", spread(number));
        let entry = Entry {
            object: Some(object),
            branch: Some("b001".into()),
            session: Some("0123456789ab".to_owned()),
            ..entry
        };
        trail.note(entry).await.unwrap();
    }
    trail.head().await.unwrap();
    let per_second = f64::from(RECORDS) / begun.elapsed().as_secs_f64();
    show("sights written", format!("{per_second:.0} a second"), "");
    trail.close().await;
    let begun = Instant::now();
    let verified = audit::verify(folder.path(), None, &[], |_| {}).unwrap();
    assert_eq!((verified.records, verified.fault), (u64::from(RECORDS), None));
    let per_second = f64::from(RECORDS) / begun.elapsed().as_secs_f64();
    show("records verified", format!("{per_second:.0} a second"), "above 200,000");
    archives(folder.path()).await;
}

/// The same records, nearly all of them sealed in archives.
async fn archives(trail_folder: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let archives = Archives::new(folder.path(), Some(keys()));
    let trail = Trail::open(trail_folder, keys(), clock()).await.unwrap();
    let before = clock().now().utc;
    let (by, from) = (Actor::Host, "host".to_owned());
    let ask = Ask { trail: "bench audit".to_owned(), before, at_most: u64::MAX, by, from };
    let begun = Instant::now();
    let made = trail.archive(&archives, &ask, Arc::new(SystemRandomness)).await.unwrap();
    let records: u64 = made.iter().map(|one| one.contents.last + 1 - one.contents.first).sum();
    let per_second = records as f64 / begun.elapsed().as_secs_f64();
    show("records archived", format!("{per_second:.0} a second"), "");
    trail.close().await;
    let begun = Instant::now();
    let verified = audit::verify(trail_folder, Some(&archives), &[], |_| {}).unwrap();
    let archived = verified.archives.unwrap();
    assert_eq!((verified.fault, verified.first, archived.records), (None, 1, records));
    let per_second = verified.records as f64 / begun.elapsed().as_secs_f64();
    let share = 100 * records / verified.records;
    show(&format!("verified, {share} % in archives"), format!("{per_second:.0} a second"), "above 200,000");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let visits = match arguments.iter().find_map(|argument| argument.parse().ok()) {
        Some(visits) => visits,
        None if is_test => 2_000,
        None => 200_000,
    };
    let is_named = |part: &str| arguments.iter().any(|argument| argument == part);
    let is_any_named = PARTS.iter().any(|part| is_named(part));
    // A benchmark that is only tried takes as little time as it can.
    let is_asked = |part| if is_any_named { is_named(part) } else { !(is_test && part == "trail") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let rows = || Rows::new(keys(), Arc::new(SystemRandomness));
    runtime.block_on(async {
        if is_asked("trail") {
            trail().await;
        }
        if is_asked("embedded") {
            let folder = tempfile::tempdir().unwrap();
            let store = EmbeddedStore::open(folder.path(), rows(), clock()).await.unwrap();
            reports("embedded", Arc::new(store), visits, || ()).await;
        }
        if is_asked("postgres") {
            let cluster = Cluster::start(&["shared_buffers=512MB", "max_wal_size=2GB"]);
            let store = PostgresStore::open(&cluster.database("year"), rows(), clock()).await.unwrap();
            // As the server does by itself in its own time.
            let vacuum = || drop(cluster.psql("year", "vacuum analyze visit").unwrap());
            reports("PostgreSQL", Arc::new(store), visits, vacuum).await;
        }
    });
}
