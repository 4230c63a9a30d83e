use rfid_core::ErrorKind;
use zeroize::Zeroizing;

use super::cluster::Cluster;
use super::*;
use crate::randomness::SystemRandomness;
use crate::seal::Keys;
use crate::store::suite::{Rig, customer, origin, visit};
use crate::store::{Change, Stored};

/// A database on a server of its own, the same each time.
struct Kept {
    cluster: Cluster,
    url: String,
}

impl Kept {
    fn new() -> Self {
        Self::with(&["fsync=off"])
    }

    fn with(settings: &[&str]) -> Self {
        let cluster = Cluster::start(settings);
        Self { url: cluster.database("bank"), cluster }
    }

    async fn opened(&self, rows: Rows) -> Result<PostgresStore> {
        PostgresStore::open(&self.url, rows, Arc::new(rfid_core::SystemClock::new())).await
    }

    async fn store(&self) -> PostgresStore {
        self.opened(rows(1, &[])).await.unwrap()
    }
}

fn rows(key: u8, older: &[u8]) -> Rows {
    let older: Vec<_> = older.iter().map(|key| Zeroizing::new([*key; 32])).collect();
    Rows::new(Arc::new(Keys::new(&Zeroizing::new([key; 32]), &older).unwrap()), Arc::new(SystemRandomness))
}

#[async_trait]
impl Rig for Kept {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

crate::store_suite!(Kept::new());

fn commit(changes: Vec<Change>) -> Commit {
    Commit { origin: origin(7), changes }
}

/// A time in this month of 2026.
fn in_month(month: i8) -> u64 {
    let day = jiff::civil::date(2026, month, 3).at(8, 0, 0, 0);
    let nanos = jiff::tz::Offset::UTC.to_timestamp(day).unwrap().as_nanosecond();
    u64::try_from(nanos).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_write_to_one_database_and_one_of_each_race_wins() {
    let kept = Kept::new();
    let hosts = [Arc::new(kept.store().await), Arc::new(kept.store().await)];
    for round in 0..40 {
        let race = hosts.iter().enumerate().map(|(host, store)| {
            let store = Arc::clone(store);
            // Both the same record and the same number for two records.
            let mut theirs = customer(u8::try_from(host).unwrap() + 10, round);
            theirs.number = format!("R{round}").parse().unwrap();
            theirs.id = crate::record::CustomerId::from_bytes([
                u8::try_from(host).unwrap() + 1,
                round,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                9,
            ]);
            let visit = visit(round, 1, in_month(1 + i8::try_from(round % 12).unwrap()), true);
            tokio::spawn(async move {
                let first = store.commit(commit(vec![Change::new(visit)])).await.is_ok();
                (first, store.commit(commit(vec![Change::new(theirs)])).await.is_ok())
            })
        });
        let won = futures_util::future::join_all(race).await;
        let won: Vec<(bool, bool)> = won.into_iter().map(|won| won.unwrap()).collect();
        assert_eq!(won.iter().filter(|(visit, _)| *visit).count(), 1, "{round}: {won:?}");
        assert_eq!(won.iter().filter(|(_, customer)| *customer).count(), 1, "{round}: {won:?}");
    }
    for host in hosts {
        host.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_not_used_under_another_master_secret() {
    let kept = Kept::new();
    kept.store().await.close().await;
    let refused = kept.opened(rows(2, &[])).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    kept.opened(rows(2, &[1])).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_are_left_alone() {
    let kept = Kept::new();
    kept.store().await.close().await;
    assert_eq!(pending(&kept.url).await.unwrap(), []);
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (1000, 'newer', true, '', 0)";
    kept.cluster.psql("bank", newer).unwrap();
    assert_eq!(kept.opened(rows(1, &[])).await.err().unwrap().kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_reports_reads_visits_and_nothing_else_and_writes_nothing() {
    let kept = Kept::new();
    let store = kept.store().await;
    let visits = [1, 2, 3].map(|number| Change::new(visit(number, 1, in_month(7), false)));
    store.commit(commit(visits.into())).await.unwrap();
    store.commit(commit(vec![Change::new(customer(1, 1))])).await.unwrap();
    let as_report = |sql: &str| kept.cluster.psql("bank", &format!("set role rfid_report; {sql}"));
    let counted = as_report("select count(*), min(arrived at time zone 'UTC') from report.visit").unwrap();
    assert_eq!(counted, "3|2026-07-03 08:00:00");
    for forbidden in [
        "select * from record",
        "select * from past",
        "select * from visit",
        "select * from photo",
        "delete from report.visit",
        "create table mine (a int)",
    ] {
        assert!(as_report(forbidden).unwrap_err().contains("permission denied"), "{forbidden}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_owns_the_database_and_nothing_else_is_enough() {
    let kept = Kept::new();
    kept.cluster.psql("postgres", "create role bank login").unwrap();
    // The administrator of the server makes the role for reports.
    kept.cluster.psql("postgres", "create role rfid_report nologin").unwrap();
    kept.cluster.psql("postgres", "create database owned owner bank").unwrap();
    let url = kept.cluster.url("owned").replace("postgres@", "bank@");
    let clock = Arc::new(rfid_core::SystemClock::new());
    let store = PostgresStore::open(&url, rows(1, &[]), clock).await.unwrap();
    store.commit(commit(vec![Change::new(visit(1, 1, in_month(6), true))])).await.unwrap();
    let counted = kept.cluster.psql("owned", "set role rfid_report; select count(*) from report.visit");
    assert_eq!(counted.unwrap(), "1");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_of_a_month_are_in_a_partition_of_their_own() {
    let kept = Kept::new();
    let store = kept.store().await;
    for month in [1, 2, 12] {
        let number = u8::try_from(month).unwrap();
        store.commit(commit(vec![Change::new(visit(number, 1, in_month(month), true))])).await.unwrap();
    }
    let tables = "select relname from pg_class where relispartition and relkind = 'r' order by 1";
    let made = kept.cluster.psql("bank", tables).unwrap();
    for month in ["visit_2026_01", "visit_2026_02", "visit_2026_12"] {
        assert!(made.lines().any(|table| table == month), "{made}");
        assert_eq!(kept.cluster.psql("bank", &format!("select count(*) from {month}")).unwrap(), "1");
    }
    store.close().await;
}

fn all_visits() -> TallyAsk {
    TallyAsk {
        edges: vec![UtcTime::from_nanos(0), UtcTime::from_nanos(u64::MAX)],
        labels: Vec::new(),
        branches: None,
        by: std::collections::BTreeSet::new(),
        figures: crate::store::Figures::Visits,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_over_are_summed_up_until_a_visit_of_them_changes() {
    let kept = Kept::new();
    let store = kept.store().await;
    let today = rfid_core::SystemClock::new().now().utc.as_nanos();
    for (number, at) in [(1, in_month(5)), (2, in_month(6)), (3, in_month(6)), (4, today)] {
        store.commit(commit(vec![Change::new(visit(number, 1, at, true))])).await.unwrap();
    }
    let counted = async || store.tally(&all_visits()).await.unwrap().first().map(|(_, tally)| tally.visits);
    let summed = || kept.cluster.psql("bank", "select count(*) from visit_sum").unwrap();
    assert_eq!(summed(), "0");
    assert_eq!(counted().await, Some(4));
    assert_eq!(summed(), "2");
    let over = visit(2, 1, in_month(6), false);
    let change = Change::Put { record: Box::new(over.into()), expected: 1 };
    store.commit(commit(vec![change])).await.unwrap();
    assert_eq!(summed(), "1");
    assert_eq!(counted().await, Some(4));
    assert_eq!(summed(), "2");
    // Whoever else changes visits cannot leave a sum behind that is not true.
    kept.cluster.psql("bank", &format!("delete from visit where at = {}", in_month(5))).unwrap();
    assert_eq!(summed(), "1");
    assert_eq!(counted().await, Some(3));
    kept.cluster.psql("bank", "truncate visit").unwrap();
    assert_eq!(summed(), "0");
    assert_eq!(counted().await, None);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_are_counted_where_sums_cannot_be_kept_and_a_broken_sum_is_named() {
    let kept = Kept::new();
    let store = kept.store().await;
    store.commit(commit(vec![Change::new(visit(1, 1, in_month(6), true))])).await.unwrap();
    let refuse = "create function refuse() returns trigger language plpgsql as \
                  $$ begin raise exception 'no'; end $$; \
                  create trigger refuse before insert on visit_sum for each row execute function refuse()";
    kept.cluster.psql("bank", refuse).unwrap();
    assert_eq!(store.tally(&all_visits()).await.unwrap()[0].1.visits, 1);
    kept.cluster.psql("bank", "drop trigger refuse on visit_sum").unwrap();
    assert_eq!(store.tally(&all_visits()).await.unwrap()[0].1.visits, 1);
    let spoil = "update visit_sum set arrived = '\\x0123'; select day from visit_sum";
    let day = kept.cluster.psql("bank", spoil).unwrap();
    let error = store.tally(&all_visits()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let mend = format!("delete from visit_sum where day = {}", day.trim());
    assert!(error.detail().unwrap().contains(&mend), "{error:#}");
    kept.cluster.psql("bank", &mend).unwrap();
    assert_eq!(store.tally(&all_visits()).await.unwrap()[0].1.visits, 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tables_show_tells_nobody_who_a_customer_is() {
    let kept = Kept::new();
    let store = kept.store().await;
    let mut somebody = customer(1, 1);
    (somebody.name, somebody.employer) = ("张小明".into(), "西州电力".into());
    somebody.number = "6001700".parse().unwrap();
    store.commit(commit(vec![Change::new(somebody.clone())])).await.unwrap();
    let mut dump = String::new();
    for table in ["record", "visit", "unique_value", "id_number", "past", "photo", "meta"] {
        // Also what would be readable if bytes were taken for text.
        let text = format!("select string_agg(encode(t::text::bytea, 'escape') , ' ') from {table} t");
        dump += &kept.cluster.psql("bank", &text).unwrap();
        dump += &kept.cluster.psql("bank", &format!("table {table}")).unwrap();
    }
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id_number = somebody.id_number.as_ref().unwrap().reveal().to_owned();
    for secret in ["张小明", "西州电力", "6001700", &id_number] {
        assert!(!dump.contains(secret) && !dump.contains(&hex(secret)), "{secret}");
    }
    store.close().await;
}

/// Writes visits one behind the other until it is told to stop, and returns those that were
/// acknowledged.
async fn write_until(
    store: Arc<PostgresStore>,
    lane: u8,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Vec<Key> {
    let mut there = Vec::new();
    for number in 0u8.. {
        let mut visit = visit(number, lane, in_month(5) + u64::from(number), true);
        let mut id = visit.id.to_bytes();
        (id[1], id[2]) = (lane, 1);
        visit.id = crate::record::VisitId::from_bytes(id);
        let key = Key::Visit(visit.id);
        loop {
            match store.commit(commit(vec![Change::new(visit.clone())])).await {
                Ok(_) => break there.push(key),
                // It had happened before the answer was lost.
                Err(CommitFault::Conflict { found: 1, .. }) => break there.push(key),
                Err(CommitFault::Store(error)) => {
                    assert!(!matches!(error.retry(), rfid_core::Retry::Never), "{error:#}");
                    if *stop.borrow() {
                        return there;
                    }
                }
                Err(other) => panic!("{other}"),
            }
        }
        if *stop.borrow() || number == u8::MAX {
            return there;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_is_killed_under_load_loses_nothing_and_doubles_nothing() {
    let mut kept = Kept::with(&[]);
    let store = Arc::new(kept.store().await);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let lanes: Vec<_> =
        (0..4).map(|lane| tokio::spawn(write_until(Arc::clone(&store), lane, stopped.clone()))).collect();
    for round in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        tokio::task::block_in_place(|| {
            if round % 2 == 0 {
                kept.cluster.stop()
            } else {
                kept.cluster.kill()
            }
            kept.cluster.start_again();
        });
    }
    // It comes back by itself.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while store.commit(commit(vec![Change::new(customer(200, 200))])).await.is_err() {
        let there = store.get(&[Key::Customer(customer(200, 200).id)]).await;
        if there.is_ok_and(|there| there.iter().all(Option::is_some)) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{:?}", store.health());
    }
    stop.send(true).unwrap();
    let mut acknowledged = Vec::new();
    for lane in lanes {
        acknowledged.extend(lane.await.unwrap());
    }
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let found = store.get(&acknowledged).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    let all: Vec<Stored> = store.scan(Kind::Visit, None, 10_000).await.unwrap();
    assert!(all.iter().all(|stored| stored.version == 1));
    // Besides what was acknowledged there is at most the last of each lane.
    assert!(all.len() <= acknowledged.len() + 4, "{} {}", all.len(), acknowledged.len());
    assert_eq!(store.health(), StoreHealth::Well);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_comes_back_by_itself() {
    let mut kept = Kept::new();
    let store = kept.store().await;
    kept.cluster.stop();
    let before = std::time::Instant::now();
    let error = store.count(Kind::Customer).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout), "{error:#}");
    assert!(matches!(
        store.commit(commit(vec![Change::new(customer(1, 1))])).await,
        Err(CommitFault::Store(_))
    ));
    // Whoever waits at a screen is told soon: 2 s for a connection and as much for trying again.
    assert!(before.elapsed() < std::time::Duration::from_secs(30));
    let StoreHealth::Degraded(why) = store.health() else { panic!("well") };
    assert!(why.contains("database"), "{why}");
    kept.cluster.start_again();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while store.health() != StoreHealth::Well {
        assert!(std::time::Instant::now() < until, "{:?}", store.health());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(store.count(Kind::Customer).await.unwrap(), 0);
    store.close().await;
}

#[test]
fn an_address_is_judged_without_quoting_its_password() {
    assert!(is_address("postgres://bank:secret@db.bank.example/rfid").is_ok());
    for wrong in ["mysql://bank:secret@db/rfid", "postgres://bank:secret@db:port/rfid", "secret"] {
        let said = is_address(wrong).unwrap_err();
        assert!(!said.is_empty() && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_server_elsewhere_proves_its_name_unless_the_address_says_otherwise() {
    use sqlx::postgres::PgSslMode;
    let mode = |url: &str| connecting::options(url).unwrap().get_ssl_mode();
    assert!(matches!(mode("postgres://bank@db.bank.example/rfid"), PgSslMode::VerifyFull));
    assert!(matches!(mode("postgres://bank@db/rfid?sslmode=require"), PgSslMode::Require));
    assert!(matches!(mode("postgres://bank@127.0.0.1/rfid"), PgSslMode::Prefer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_finds_and_shows_what_another_writes() {
    use crate::recognition::{Notice, RecognitionSettings};
    use crate::search::SearchFilter;
    use crate::service::{Caller, Service};
    let kept = Kept::new();
    let service = |store: PostgresStore| {
        let (clock, settings) = (Arc::new(rfid_core::SystemClock::new()), RecognitionSettings::default());
        Arc::new(Service::new(Arc::new(store), settings, clock, Arc::new(SystemRandomness)))
    };
    let (ours, theirs) = (service(kept.store().await), kept.store().await);
    let mut notices = ours.recognition().notices().subscribe();
    let following = tokio::spawn({
        let ours = Arc::clone(&ours);
        async move { ours.follow_others().await }
    });
    let found = async |text: &str| {
        let (found, _) =
            ours.search_customers(&Caller::console(), text, &SearchFilter::default(), None, 9).await.unwrap();
        found.len()
    };
    // Listening begins beside the start: what was written before is not told.
    for number in 0u8.. {
        theirs.commit(commit(vec![Change::new(customer(number, number))])).await.unwrap();
        if found("客户").await > 0 {
            break;
        }
        assert!(number < 200, "customers of the other host are not found");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    theirs.commit(commit(vec![Change::new(visit(7, 1, in_month(3), true))])).await.unwrap();
    let Ok(Ok(Notice::Visit(told))) =
        tokio::time::timeout(std::time::Duration::from_secs(20), notices.recv()).await
    else {
        panic!("nobody was told")
    };
    assert_eq!(told.record.id, visit(7, 1, 0, true).id);
    following.abort();
    ours.store().close().await;
    theirs.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_whoever_one_host_erases_no_other_writes_or_reads_anything() {
    let kept = Kept::new();
    let (one, other) = (kept.store().await, kept.store().await);
    for store in [&one, &other] {
        // Both have the keys of persons of now at hand.
        let number = if std::ptr::eq(store, &one) { 1 } else { 2 };
        store.commit(commit(vec![Change::new(customer(number, number))])).await.unwrap();
    }
    let person = customer(1, 1).id;
    one.shut(person).await.unwrap();
    let came = other.commit(commit(vec![Change::new(visit(1, 1, in_month(3), true))])).await;
    assert!(matches!(came, Err(CommitFault::Conflict { found: 0, .. })), "{came:?}");
    one.commit(commit(vec![Change::Remove { key: Key::Customer(person), expected: 1 }])).await.unwrap();
    one.destroy_key(person).await.unwrap();
    other.commit(commit(vec![Change::new(visit(2, 2, in_month(3), true))])).await.unwrap();
    for store in [&one, &other] {
        let past = store.history(&Key::Customer(person), None, 9).await.unwrap();
        assert!(past.iter().all(|past| past.after.is_none() && past.before.is_none()), "{past:?}");
        assert_eq!(store.count(Kind::Customer).await.unwrap(), 1);
        assert_eq!(store.erasures().await.unwrap().len(), 1);
    }
    one.close().await;
    other.close().await;
}
