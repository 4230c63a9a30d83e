use std::time::Duration;

use super::*;
use crate::audit::Outcome;
use crate::hex::hex;
use crate::record::{ConsentDraft, CustomerDraft, ExportFormat, ExportPurpose, ExportState, Request};
use crate::rights::Role;
use crate::service::bank::Bank;
use crate::service::{Asked, Decided};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A bank where somebody came, with people who export and approve.
struct World {
    bank: Bank,
    supervisor: Caller,
    centre: Caller,
}

impl World {
    async fn new() -> Self {
        let bank = Bank::new().await;
        for (number, name, branch) in [("6001", "张小明", "a"), ("6002", "=王芳", "a"), ("6003", "李静", "b")]
        {
            let draft = CustomerDraft {
                customer_number: number.into(),
                name: name.into(),
                id_number: Some("11010519491231002X".into()),
                employer: "".into(),
                vip_class: "gold".to_owned(),
                usual_business: "".into(),
                branch: branch.to_owned(),
                account_manager: None,
                notes: "".into(),
                consent: ConsentDraft::Given,
            };
            bank.service.open_customer(&Caller::console(), draft).await.unwrap();
        }
        bank.employ("LM1", "a", &[Role::LobbyManager]).await;
        let world = Self {
            supervisor: with_reason(bank.person("BS1", &[Role::BranchSupervisor]).await),
            centre: with_reason(bank.person("CS1", &[Role::CentreSupervisor]).await),
            bank,
        };
        world.come(&[("6001", "a"), ("6002", "a"), ("6003", "b")]).await;
        world
    }

    async fn come(&self, who: &[(&str, &str)]) {
        for (number, branch) in who {
            self.service().check_in(&Caller::console(), number, branch, Some("LM1")).await.unwrap();
            self.bank.wait(Duration::from_secs(1));
        }
    }

    fn service(&self) -> &Arc<Service> {
        &self.bank.service
    }

    fn exports(&self) -> &Exports {
        self.service().exports.as_ref().unwrap()
    }

    fn files(&self) -> usize {
        sealed::there(&self.exports().folder).unwrap().len()
    }

    /// Makes what waits, as the task does.
    async fn make(&self) {
        let mut jobs = self.exports().jobs.lock().unwrap().take().unwrap();
        while let Ok(job) = jobs.try_recv() {
            self.service().make_export(self.exports(), job).await;
        }
        *self.exports().jobs.lock().unwrap() = Some(jobs);
    }

    async fn state_of(&self, export: &BegunExport) -> ExportState {
        let console = Caller::console();
        self.service().export(&console, export.export.record.id).await.unwrap().record.state
    }

    async fn submitted(&self, who: &Caller, draft: ExportDraft) -> Stored<Request> {
        let asked = Asked::ExportVisits { draft, reason: "the inspector asks".into() };
        let drafted = self.service().draft_request(who, asked).await.unwrap();
        self.service().submit_request(who, drafted.record.id, drafted.version).await.unwrap()
    }

    async fn approved_by(&self, who: &Caller, request: &Stored<Request>) -> Result<Decided, Fault> {
        self.service().approve_request(who, request.record.id, &request.record.proposal.hash()).await
    }

    /// The text of a file that is fetched.
    async fn fetched(&self, who: &Caller, export: &BegunExport) -> Result<String, Fault> {
        let id = export.export.record.id;
        let fetched = self.service().fetch_export(who, id, &export.key).await?;
        Ok(String::from_utf8(fetched.file.to_vec()).unwrap())
    }
}

fn with_reason(caller: Caller) -> Caller {
    Caller { reason: Some("a complaint of Monday".to_owned()), ..caller }
}

fn draft(format: ExportFormat) -> ExportDraft {
    let (from, to) = ("2026-11-29".parse().unwrap(), "2026-11-30".parse().unwrap());
    ExportDraft { branch: None, from, to, format, unmasked: false, purpose: ExportPurpose::Complaint }
}

fn not_allowed<T>(outcome: Result<T, Fault>) -> String {
    match outcome {
        Err(Fault::NotAllowed(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("allowed"),
    }
}

#[tokio::test]
async fn a_few_visits_are_exported_alone_shortened_and_fetched_once() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    let silent = Caller { reason: None, ..supervisor.clone() };
    let asked = service.ask_export(&silent, draft(ExportFormat::Csv)).await;
    assert!(matches!(asked, Err(Fault::ReasonNeeded(_))));
    let begun = service.ask_export(supervisor, draft(ExportFormat::Csv)).await.unwrap();
    let id = begun.export.record.id;
    assert_eq!((begun.export.record.content.rows, world.state_of(&begun).await), (2, ExportState::Pending));
    assert!(not_allowed(world.fetched(supervisor, &begun).await).contains("not made yet"));
    let second = service.ask_export(supervisor, draft(ExportFormat::Csv)).await;
    assert!(not_allowed(second).contains("being made"));
    world.make().await;
    assert_eq!((world.state_of(&begun).await, world.files()), (ExportState::Ready, 1));
    // What lies on the disk says nothing.
    let sealed = std::fs::read(world.exports().folder.join(id.to_string())).unwrap();
    assert!(
        !sealed.windows(3).any(|part| part == "张".as_bytes())
            && !sealed.windows(4).any(|part| part == b"gold")
    );
    // Whoever has not the key, and whoever has it and did not ask.
    let wrong = service.fetch_export(supervisor, id, &"0".repeat(64)).await;
    assert!(matches!(wrong, Err(Fault::Invalid(_))));
    assert!(matches!(world.fetched(&world.centre, &begun).await, Err(Fault::NotFound("export"))));
    assert!(matches!(world.fetched(&Caller::console(), &begun).await, Err(Fault::NotFound("export"))));
    let text = world.fetched(supervisor, &begun).await.unwrap();
    let mut lines = text.strip_prefix('\u{feff}').unwrap().lines();
    assert!(lines.next().unwrap().starts_with("export_number,customer_name,id,branch,"));
    let rows: Vec<&str> = lines.collect();
    assert!(rows.iter().all(|row| row.starts_with(&format!("{id},"))), "{rows:?}");
    assert!(rows[0].contains(",***,") && rows[1].contains(",张**,"), "{rows:?}");
    assert!(
        rows.len() == 2 && !text.contains("小明") && !text.contains("6001") && !text.contains("11010519")
    );
    assert_eq!((world.state_of(&begun).await, world.files()), (ExportState::Fetched, 0));
    assert!(not_allowed(world.fetched(supervisor, &begun).await).contains("once"));
    // The trail says what, why, which file, and who fetched it; and never what opens it.
    let told = world.bank.told().await;
    let of = |action: &str, outcome: Outcome| {
        let found = told.iter().find(|told| told.entry.action == action && told.entry.outcome == outcome);
        &found.unwrap_or_else(|| panic!("{action}")).entry
    };
    let asked = of("export.ask", Outcome::Done);
    assert_eq!(asked.reason.as_deref(), Some("a complaint of Monday"));
    assert_eq!(
        (&*asked.facts["visits"], &*asked.facts["purpose"]),
        ("a, 2026-11-29 to 2026-11-30", "complaint")
    );
    let fetched = of("export.fetch", Outcome::Done);
    assert_eq!(fetched.by, supervisor.actor);
    assert_eq!(fetched.facts["sha256"], hex(&<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes())));
    assert_eq!(of("export.fetch", Outcome::Refused).rule.as_deref(), Some("another key"));
    let trail = serde_json::to_string(&told.iter().map(|told| &told.entry).collect::<Vec<_>>()).unwrap();
    assert!(!trail.contains(begun.key.as_str()));
}

#[tokio::test]
async fn who_came_and_many_visits_take_somebody_elses_approval() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    let whole = ExportDraft { unmasked: true, ..draft(ExportFormat::Csv) };
    assert!(not_allowed(service.ask_export(supervisor, whole.clone()).await).contains("by a request"));
    let request = world.submitted(supervisor, whole).await;
    let id = request.record.id;
    assert!(not_allowed(service.make_requested_export(supervisor, id).await).contains("not approved"));
    assert!(matches!(world.approved_by(supervisor, &request).await, Err(Fault::Forbidden(_))));
    world.approved_by(&world.centre, &request).await.unwrap();
    // It is made for who asked, once.
    assert!(matches!(
        service.make_requested_export(&world.centre, id).await,
        Err(Fault::NotFound("request"))
    ));
    let begun = service.make_requested_export(supervisor, id).await.unwrap();
    assert!(not_allowed(service.make_requested_export(supervisor, id).await).contains("being made"));
    world.make().await;
    let text = world.fetched(supervisor, &begun).await.unwrap();
    assert!(text.contains(",6001,张小明,") && text.contains(",'=王芳,"), "{text}");
    assert!(!text.contains("11010519491231002X") && !text.contains("李静"));
    assert!(not_allowed(service.make_requested_export(supervisor, id).await).contains("exported already"));
    let told = world.bank.told().await;
    let made = told.iter().find(|told| told.entry.action == "export.make").unwrap();
    assert_eq!(made.entry.facts["approved_by"], world.centre.grant.who().unwrap().to_string());
    // One that nobody came for in time is over.
    let late = world.submitted(supervisor, draft(ExportFormat::Csv)).await;
    world.approved_by(&world.centre, &late).await.unwrap();
    world.bank.wait(DAY + Duration::from_secs(1));
    assert!(
        not_allowed(service.make_requested_export(supervisor, late.record.id).await).contains("too long ago")
    );
}

#[tokio::test]
async fn two_approve_at_the_same_time_and_one_of_them_does() {
    let world = World::new().await;
    let second = world.bank.person("CS2", &[Role::CentreSupervisor]).await;
    for _ in 0..20 {
        let request = world.submitted(&world.supervisor, draft(ExportFormat::Jsonl)).await;
        let (one, other) =
            tokio::join!(world.approved_by(&world.centre, &request), world.approved_by(&second, &request));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        let id = request.record.id;
        let (one, other) = tokio::join!(
            world.service().make_requested_export(&world.supervisor, id),
            world.service().make_requested_export(&world.supervisor, id)
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        world.make().await;
        let begun = one.or(other).ok().unwrap();
        let (one, other) =
            tokio::join!(world.fetched(&world.supervisor, &begun), world.fetched(&world.supervisor, &begun));
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
        assert_eq!(world.files(), 0);
    }
}

#[tokio::test]
async fn nobody_exports_another_branch_or_gets_in_parts_what_takes_an_approval() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    let elsewhere = ExportDraft { branch: Some("b".to_owned()), ..draft(ExportFormat::Csv) };
    assert!(matches!(
        service.ask_export(supervisor, elsewhere.clone()).await,
        Err(Fault::NotFound("branch"))
    ));
    let asked = Asked::ExportVisits { draft: elsewhere.clone(), reason: "x".into() };
    assert!(matches!(service.draft_request(supervisor, asked).await, Err(Fault::NotFound("branch"))));
    // The centre exports all branches or one of them; what it drafted, a branch does not make its own.
    let all = service.ask_export(&world.centre, draft(ExportFormat::Jsonl)).await.unwrap();
    assert_eq!((all.export.record.content.branch.clone(), all.export.record.content.rows), (None, 3));
    let whole = Asked::ExportVisits {
        draft: ExportDraft { unmasked: true, ..draft(ExportFormat::Csv) },
        reason: "x".into(),
    };
    let drafted = service.draft_request(&world.centre, whole).await.unwrap();
    let request = service.submit_request(supervisor, drafted.record.id, drafted.version).await.unwrap();
    let second = world.bank.person("CS2", &[Role::CentreSupervisor]).await;
    world.approved_by(&second, &request).await.unwrap();
    let made = service.make_requested_export(supervisor, request.record.id).await;
    assert!(matches!(made, Err(Fault::NotFound("request"))));
    // Neither at once nor in parts.
    let mut settings = world.exports().settings.clone();
    (settings.alone_rows, settings.alone_rows_a_day) = (1, 100);
    let world = World { bank: with_settings(world.bank, settings.clone()), ..world };
    let asked = world.service().ask_export(&world.supervisor, draft(ExportFormat::Csv)).await;
    assert!(not_allowed(asked).contains("more than 1 visits"));
    (settings.alone_rows, settings.alone_rows_a_day) = (2, 5);
    let world = World { bank: with_settings(world.bank, settings), ..world };
    for _ in 0..2 {
        world.service().ask_export(&world.supervisor, draft(ExportFormat::Csv)).await.unwrap();
        world.make().await;
    }
    let third = world.service().ask_export(&world.supervisor, draft(ExportFormat::Csv)).await;
    assert!(not_allowed(third).contains("in a day"));
}

#[tokio::test]
async fn nobody_gets_more_alone_by_asking_many_times_at_once() {
    let world = World::new().await;
    let settings = ExportSettings { alone_rows_a_day: 4, ..ExportSettings::default() };
    let world = World { bank: with_settings(world.bank, settings), ..world };
    let mut rows = 0;
    for _ in 0..10 {
        let asked =
            (0..20).map(|_| world.service().ask_export(&world.supervisor, draft(ExportFormat::Jsonl)));
        let begun: Vec<BegunExport> =
            futures_util::future::join_all(asked).await.into_iter().filter_map(Result::ok).collect();
        assert!(begun.len() <= 1);
        rows += begun.iter().map(|begun| begun.export.record.content.rows).sum::<u64>();
        world.make().await;
    }
    assert_eq!(rows, 4);
}

fn with_settings(bank: Bank, settings: ExportSettings) -> Bank {
    bank.changed(|service| {
        let exports = service.exports.as_ref().unwrap();
        let (folder, host) = (exports.folder.clone(), exports.host.clone());
        service.with_exports(folder, host, settings)
    })
}

#[tokio::test]
async fn an_export_of_nothing_is_none() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-02".parse().unwrap());
    let empty = ExportDraft { from, to, ..draft(ExportFormat::Csv) };
    assert!(not_allowed(service.ask_export(supervisor, empty.clone()).await).contains("nothing"));
    let asked = Asked::ExportVisits { draft: empty, reason: "x".into() };
    assert!(not_allowed(service.draft_request(supervisor, asked).await).contains("nothing"));
    let turned = ExportDraft { from: to, to: from, ..draft(ExportFormat::Csv) };
    assert!(matches!(service.ask_export(supervisor, turned).await, Err(Fault::Invalid(_))));
    let long = ExportDraft { from: "2024-01-01".parse().unwrap(), ..draft(ExportFormat::Csv) };
    assert!(matches!(service.ask_export(supervisor, long).await, Err(Fault::Invalid(_))));
    for reason in ["", "x\ny", &"x".repeat(201)] {
        let asked = Asked::ExportVisits { draft: draft(ExportFormat::Csv), reason: reason.into() };
        assert!(
            matches!(service.draft_request(supervisor, asked).await, Err(Fault::Invalid(_))),
            "{reason:?}"
        );
    }
    assert!(
        not_allowed(service.ask_export(&Caller::console(), draft(ExportFormat::Csv)).await)
            .contains("session")
    );
}

#[tokio::test]
async fn what_is_approved_does_not_grow() {
    let world = World::new().await;
    let supervisor = &world.supervisor;
    let begun = world.service().ask_export(supervisor, draft(ExportFormat::Jsonl)).await.unwrap();
    world.bank.wait(Duration::from_secs(60));
    let stored = world.service().visits(&Caller::console(), &crate::service::VisitFilter::ALL, None, 9).await;
    // Later arrivals are not in it.
    let mut late = stored.unwrap().0.pop().unwrap().stored.record.clone();
    late.id = crate::record::VisitId::from_bytes([1; 16]);
    late.arrived_at = world.service().now();
    world.service().put(&Caller::console(), "visit.test", late.clone(), 0).await.unwrap();
    world.make().await;
    let text = world.fetched(supervisor, &begun).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (text.lines().count(), &line["export_number"]),
        (2, &begun.export.record.id.to_string().into())
    );
    assert!(line.get("customer_id").is_none() && line["customer_name"] == "***");
    // One that a reader tells late of, before it was asked, would make it more than was asked for.
    let begun = world.service().ask_export(supervisor, draft(ExportFormat::Jsonl)).await.unwrap();
    late.id = crate::record::VisitId::from_bytes([2; 16]);
    late.branch = "a".into();
    late.arrived_at = rfid_core::UtcTime::from_nanos(begun.export.record.content.until.as_nanos() - 1);
    world.service().put(&Caller::console(), "visit.test", late, 0).await.unwrap();
    world.make().await;
    let failed = world.service().export(supervisor, begun.export.record.id).await.unwrap();
    assert_eq!(failed.record.failure.as_deref(), Some("there are more visits by now than were asked for"));
    assert_eq!(world.files(), 0);
}

#[tokio::test]
async fn a_store_that_fails_half_way_leaves_no_file_and_the_trail_says_so() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    for answers in 0..12 {
        let request = world.submitted(supervisor, draft(ExportFormat::Xlsx)).await;
        world.approved_by(&world.centre, &request).await.unwrap();
        let id = request.record.id;
        let begun = service.make_requested_export(supervisor, id).await.unwrap();
        world.bank.store.break_after(answers);
        world.make().await;
        world.bank.store.mend();
        service.end_exports().await.unwrap();
        match world.state_of(&begun).await {
            ExportState::Ready => {
                assert_eq!(world.files(), 1, "{answers}");
                let workbook = service.fetch_export(supervisor, begun.export.record.id, &begun.key).await;
                assert!(workbook.unwrap().file.starts_with(b"PK"));
            }
            state => {
                assert_eq!((state, world.files()), (ExportState::Failed, 0), "{answers}");
                assert!(
                    not_allowed(service.fetch_export(supervisor, begun.export.record.id, &begun.key).await)
                        .contains("not made")
                );
                let told = world.bank.told().await;
                assert_eq!(
                    told.iter().rev().find(|told| told.entry.version.is_some()).unwrap().entry.action,
                    "export.fail"
                );
                // What was approved is made by another try, with another key.
                let again = service.make_requested_export(supervisor, id).await.unwrap();
                world.make().await;
                assert!(service.fetch_export(supervisor, begun.export.record.id, &begun.key).await.is_err());
                service.fetch_export(supervisor, begun.export.record.id, &again.key).await.unwrap();
            }
        }
        assert_eq!(world.files(), 0);
    }
}

#[tokio::test]
async fn what_an_end_of_the_host_left_is_removed_at_the_next_start() {
    let world = World::new().await;
    let (service, supervisor) = (world.service(), &world.supervisor);
    let ready = service.ask_export(supervisor, draft(ExportFormat::Csv)).await.unwrap();
    world.make().await;
    let pending = service.ask_export(supervisor, draft(ExportFormat::Csv)).await.unwrap();
    let folder = world.exports().folder.clone();
    // As the end of the host left it: a file half-way, one whose record nobody wrote, one of nobody.
    let half = pending.export.record.id;
    std::fs::write(folder.join(format!("{half}.part")), b"half").unwrap();
    std::fs::write(folder.join(half.to_string()), b"whole").unwrap();
    std::fs::write(folder.join(ExportId::from_bytes([9; 16]).to_string()), b"of nobody").unwrap();
    // Another host at the same store leaves it alone.
    let settings = world.exports().settings.clone();
    let elsewhere = tempfile::tempdir().unwrap();
    let world = {
        let bank = with_folder(world.bank, elsewhere.path().to_owned(), "other", settings.clone());
        World { bank, ..world }
    };
    assert_eq!(world.service().end_exports().await.unwrap(), 0);
    assert!(not_allowed(world.fetched(&world.supervisor, &ready).await).contains("on the host bank"));
    let world = World { bank: with_folder(world.bank, folder, "bank", settings), ..world };
    assert_eq!(world.service().end_exports().await.unwrap(), 1);
    assert_eq!(world.state_of(&pending).await, ExportState::Failed);
    assert_eq!(world.files(), 1);
    let told = world.bank.told().await;
    let failed = told.iter().find(|told| told.entry.action == "export.fail").unwrap();
    assert_eq!(failed.entry.facts["failure"], "the host ended before it was made");
    assert!(world.fetched(&world.supervisor, &ready).await.is_ok());
}

fn with_folder(bank: Bank, folder: PathBuf, host: &str, settings: ExportSettings) -> Bank {
    bank.changed(|service| service.with_exports(folder, host.into(), settings))
}

#[tokio::test]
async fn what_nobody_fetches_is_gone_after_a_day() {
    let world = World::new().await;
    let service = world.service();
    let begun = service.ask_export(&world.supervisor, draft(ExportFormat::Csv)).await.unwrap();
    world.make().await;
    world.bank.wait(DAY);
    assert_eq!(service.end_exports().await.unwrap(), 0);
    world.bank.wait(Duration::from_secs(1));
    assert!(not_allowed(world.fetched(&world.supervisor, &begun).await).contains("in time"));
    assert_eq!(service.end_exports().await.unwrap(), 1);
    assert_eq!((world.state_of(&begun).await, world.files()), (ExportState::Expired, 0));
    let (mine, next) = service.exports(&world.supervisor, None, 10).await.unwrap();
    assert_eq!((mine.len(), next), (1, None));
    assert_eq!(service.exports(&world.centre, None, 10).await.unwrap().0.len(), 1);
    let other = world.bank.person("BS2", &[Role::BranchSupervisor]).await;
    assert!(service.exports(&other, None, 10).await.unwrap().0.is_empty());
    assert!(matches!(service.export(&other, begun.export.record.id).await, Err(Fault::NotFound(_))));
}

#[tokio::test]
async fn a_damaged_file_is_not_given_out_and_not_used_up() {
    let world = World::new().await;
    let begun = world.service().ask_export(&world.supervisor, draft(ExportFormat::Csv)).await.unwrap();
    world.make().await;
    let path = world.exports().folder.join(begun.export.record.id.to_string());
    let whole = std::fs::read(&path).unwrap();
    let mut spoilt = whole.clone();
    spoilt[20] ^= 1;
    std::fs::write(&path, spoilt).unwrap();
    assert!(matches!(world.fetched(&world.supervisor, &begun).await, Err(Fault::Store(_))));
    std::fs::write(&path, whole).unwrap();
    assert!(world.fetched(&world.supervisor, &begun).await.is_ok());
}

#[tokio::test]
async fn the_task_makes_what_waits_and_looks_for_what_is_over() {
    let world = World::new().await;
    let keeping = Arc::clone(world.service());
    let keeper = tokio::spawn(async move { keeping.keep_exports().await });
    let begun = world.service().ask_export(&world.supervisor, draft(ExportFormat::Csv)).await.unwrap();
    for _ in 0..500 {
        if world.state_of(&begun).await == ExportState::Ready {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(world.fetched(&world.supervisor, &begun).await.is_ok());
    keeper.abort();
}
