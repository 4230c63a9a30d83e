use super::super::tests::{clock, contents, entry, forged_as, trail};
use super::*;
use crate::store::postgres::cluster::Cluster;
use crate::store::postgres::{central_trail, migrate};

const OF: &str = "hubin audit";
const MINUTE: Duration = Duration::from_secs(60);

/// A database with the tables of this version.
struct Centre {
    cluster: Cluster,
    url: String,
    central: Arc<dyn CentralTrail>,
}

impl Centre {
    async fn new() -> Self {
        let cluster = Cluster::start(&["fsync=off"]);
        let url = cluster.database("bank");
        migrate(&url).await.unwrap();
        Self { central: central_trail(&url).unwrap(), url, cluster }
    }

    fn copying(&self, trail: &Arc<Trail>) -> Copying {
        Copying::new(Arc::clone(trail), Arc::clone(&self.central), OF, MINUTE, clock())
    }

    fn count(&self) -> String {
        self.cluster.psql("bank", "select count(*) from audit_trail").unwrap()
    }
}

async fn act(trail: &Trail, times: std::ops::Range<usize>) {
    for at in times {
        trail.act(entry(&format!("act.{at}"))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_during_an_outage_is_there_afterwards_once() {
    let (mut centre, folder) = (Centre::new().await, tempfile::tempdir().unwrap());
    let trail = Arc::new(trail(folder.path()).await);
    // More than goes at once.
    act(&trail, 0..1_200).await;
    let copying = centre.copying(&trail);
    assert_eq!(copying.lag().records, 1_200);
    copying.catch_up().await.unwrap();
    assert_eq!((copying.lag().records, centre.count().as_str()), (0, "1200"));
    tokio::task::block_in_place(|| centre.cluster.kill());
    act(&trail, 0..7).await;
    let error = copying.catch_up().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout), "{error:#}");
    let lag = copying.lag();
    assert_eq!(lag.records, 7);
    assert!(lag.error.is_some() && copying.complaint().is_none(), "{lag:?}");
    tokio::task::block_in_place(|| centre.cluster.start_again());
    // Another process of the host goes on as well as this one, however often.
    for copying in [&centre.copying(&trail), &copying, &copying] {
        copying.catch_up().await.unwrap();
    }
    assert_eq!((copying.lag().records, centre.count().as_str()), (0, "1207"));
    let compared = compare(folder.path(), OF, centre.central.as_ref()).await.unwrap();
    assert_eq!(compared, Compared { agreeing: 1_207, last: 1_207, others: Vec::new(), fault: None });
    trail.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_takes_everything_there_by_itself_and_says_when_it_cannot() {
    let (centre, folder) = (Centre::new().await, tempfile::tempdir().unwrap());
    let trail = Arc::new(trail(folder.path()).await);
    let time = Arc::new(rfid_core::ManualClock::at("2026-11-29T01:00:00Z".parse().unwrap()));
    let central = Arc::clone(&centre.central);
    let copying = Arc::new(Copying::new(Arc::clone(&trail), central, OF, MINUTE, time.clone()));
    act(&trail, 0..1).await;
    time.advance(MINUTE + Duration::from_secs(1));
    let complaint = copying.complaint().unwrap();
    assert!(complaint.contains("lacks 1 records, for 61 s"), "{complaint}");
    let task = Arc::clone(&copying);
    let task = tokio::spawn(async move { task.run().await });
    for count in 1..4usize {
        act(&trail, 0..1).await;
        let end = trail.last();
        while centre.central.end(&copying.name).await.unwrap().number < end {
            tokio::task::yield_now().await;
        }
        assert_eq!(centre.count(), (count + 1).to_string());
    }
    task.abort();
    assert_eq!(copying.complaint(), None);
    trail.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_serves_adds_and_reads_and_changes_nothing() {
    let centre = Centre::new().await;
    centre
        .cluster
        .psql(
            "bank",
            "create role serves login; grant select, insert on audit_trail to serves; \
             create role careless login; grant all on audit_trail to careless",
        )
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trail = Arc::new(trail(folder.path()).await);
    act(&trail, 0..3).await;
    let serves = central_trail(&centre.url.replace("postgres@", "serves@")).unwrap();
    let copying = Copying::new(Arc::clone(&trail), Arc::clone(&serves), OF, MINUTE, clock());
    copying.catch_up().await.unwrap();
    assert_eq!(serves.could_change().await.unwrap(), Vec::<&str>::new());
    let careless = central_trail(&centre.url.replace("postgres@", "careless@")).unwrap();
    assert_eq!(careless.could_change().await.unwrap(), ["update", "delete", "truncate"]);
    assert!(centre.central.could_change().await.unwrap().contains(&"superuser"));
    let owner = "select relowner::regrole from pg_class where relname = 'audit_trail'";
    assert_eq!(centre.cluster.psql("bank", owner).unwrap(), "rfid_audit");
    for sql in [
        "update audit_trail set record = record || '\\x20' where number = 2",
        "update audit_trail set received = now()",
        "delete from audit_trail where number = 3",
        "truncate audit_trail",
        "insert into audit_trail (host, trail, number, record) select host, trail, number, record from audit_trail \
         where number = 2 on conflict (host, trail, number) do update set record = excluded.record",
    ] {
        // By its rights, by mistake, and whoever may do everything by mistake as well.
        for (role, why) in
            [("serves", "permission denied"), ("careless", "never changed"), ("postgres", "never changed")]
        {
            let said = centre.cluster.psql("bank", &format!("set role {role}; {sql}")).unwrap_err();
            // The order of what is added is looked at first.
            assert!(said.contains(why) || said.contains("does not go on"), "{role}: {sql}: {said}");
        }
    }
    for sql in ["alter table audit_trail disable trigger all", "drop table audit_trail"] {
        let said = centre.cluster.psql("bank", &format!("set role careless; {sql}")).unwrap_err();
        assert!(said.contains("must be owner"), "{said}");
    }
    let compared = compare(folder.path(), OF, serves.as_ref()).await.unwrap();
    assert_eq!((compared.agreeing, compared.fault), (3, None));
    trail.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_go_on_from_the_last_one_is_not_taken() {
    let (centre, folder) = (Centre::new().await, tempfile::tempdir().unwrap());
    let trail = Arc::new(trail(folder.path()).await);
    act(&trail, 0..4).await;
    trail.close().await;
    let records = contents(folder.path());
    let name = TrailName { of: OF.to_owned(), id: trail.id() };
    let append = |first, records: Vec<Vec<u8>>| centre.central.append(&name, first, records);
    append(1, records[..2].to_vec()).await.unwrap();
    for (first, wrong) in [
        // A gap, another one in its place, one that was changed, and none at all.
        (4, vec![records[3].clone()]),
        (3, vec![records[3].clone()]),
        (3, vec![records[2].clone(), [&records[2][..], b" "].concat()]),
        (3, vec![vec![0; 40]]),
    ] {
        let error = append(first, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error:#}");
    }
    // Of what was not taken nothing is there.
    assert_eq!(centre.count(), "2");
    append(3, records[2..].to_vec()).await.unwrap();
    let error = append(4, records[3..].to_vec()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Busy), "{error:#}");
    assert_eq!(centre.central.end(&name).await.unwrap().hash, Hash::of(&records[3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_difference_from_the_table_is_named() {
    let (centre, folder) = (Centre::new().await, tempfile::tempdir().unwrap());
    let trail = Arc::new(trail(folder.path()).await);
    act(&trail, 0..6).await;
    centre.copying(&trail).catch_up().await.unwrap();
    trail.close().await;
    let (id, good) = (trail.id(), contents(folder.path()));
    let mut changed = good.clone();
    changed[2].extend_from_slice(b" ");
    let mut removed = good.clone();
    removed.remove(2);
    // Whoever can write the files makes a chain that holds.
    let mut made_anew = good[..3].to_vec();
    let mut before = Hash::of(&good[2]);
    for action in ["nothing", "of", "this", "happened"] {
        made_anew.push(chain::encode(before, &entry(action)).unwrap());
        before = Hash::of(made_anew.last().unwrap());
    }
    for (name, contents, number) in [
        ("changed", changed, 3),
        ("removed", removed, 3),
        ("cut", good[..4].to_vec(), 5),
        ("made anew", made_anew, 4),
    ] {
        let folder = tempfile::tempdir().unwrap();
        forged_as(id, folder.path(), contents).await;
        let compared = compare(folder.path(), OF, centre.central.as_ref()).await.unwrap();
        let fault = compared.fault.unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!((fault.number, compared.agreeing), (number, number - 1), "{name}: {}", fault.what);
    }
    // One that was begun anew has no difference of its own, and the one before it is told.
    let folder = tempfile::tempdir().unwrap();
    forged_as([5; 16], folder.path(), good.clone()).await;
    let compared = compare(folder.path(), OF, centre.central.as_ref()).await.unwrap();
    assert_eq!((compared.fault, compared.agreeing, compared.others.len()), (None, 0, 1));
    assert_eq!(compared.others[0].1, 6);
    // A trail whose end was cut off is not copied any more, and the table stays as it is.
    let folder = tempfile::tempdir().unwrap();
    forged_as(id, folder.path(), good[..2].to_vec()).await;
    let cut = Arc::new(super::super::tests::trail(folder.path()).await);
    let error = centre.copying(&cut).catch_up().await.unwrap_err();
    assert!(format!("{error:#}").contains("its end was cut off"), "{error:#}");
    act(&cut, 0..9).await;
    let error = centre.copying(&cut).catch_up().await.unwrap_err();
    assert_eq!((error.kind(), centre.count().as_str()), (ErrorKind::Damaged, "6"), "{error:#}");
    cut.close().await;
}
