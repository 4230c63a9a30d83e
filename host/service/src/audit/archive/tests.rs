use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rfid_core::{Clock, ManualClock};
use rfid_ledger::{LedgerSettings, Reader};
use zeroize::Zeroizing;

use super::format::ArchiveWriter;
use super::*;
use crate::audit::tests::{contents as online, entry, forged_as, keys};
use crate::audit::{Faulty, Trail, Verified, verify};
use crate::randomness::SystemRandomness;

const DAY: Duration = Duration::from_secs(24 * 3600);
const NAME: &str = "bank audit";

/// A trail of which a segment holds ten days of twenty records, and a folder for its archives.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("archives")).unwrap();
        Self { folder, clock: Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap())) }
    }

    fn trail_folder(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn archives(&self) -> Archives {
        Archives::new(self.folder.path().join("archives"), Some(keys()))
    }

    async fn open(&self) -> Trail {
        let settings = LedgerSettings {
            segment_for: Some(DAY * 10),
            keep_for: None,
            reserve_bytes: 0,
            ..LedgerSettings::default()
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        Trail::open_with(&self.trail_folder(), keys(), clock, settings).await.unwrap()
    }

    /// Twenty records a day for so many days.
    async fn live(&self, days: usize) {
        let trail = self.open().await;
        for day in 0..days {
            let acts = (0..20).map(|at| trail.act(entry(&format!("act.{day}.{at}"))));
            for act in acts {
                act.await.unwrap();
            }
            self.clock.advance(DAY);
        }
        trail.close().await;
    }

    fn ask(&self, older_than: Duration) -> Ask {
        let now = self.clock.now().utc.as_nanos();
        let before = UtcTime::from_nanos(now - u64::try_from(older_than.as_nanos()).unwrap());
        Ask { trail: NAME.to_owned(), before, at_most: u64::MAX, by: Actor::Host, from: "host".to_owned() }
    }

    /// Archives what is older, and lets the process end behind this step.
    async fn archive_to(&self, older_than: Duration, end: Option<Step>) -> Result<Vec<Manifest>> {
        let trail = self.open().await;
        let told = |step| match Some(step) == end {
            true => Err(damaged("the process ends here")),
            false => Ok(()),
        };
        let outcome = trail
            .archive_told(&self.archives(), &self.ask(older_than), Arc::new(SystemRandomness), &told)
            .await;
        // Nothing is done for the sake of a good end: what was acknowledged is on the disk.
        trail.close().await;
        outcome
    }

    async fn archive(&self, older_than: Duration) -> Vec<Manifest> {
        self.archive_to(older_than, None).await.unwrap()
    }

    fn verified(&self) -> Verified {
        verify(&self.trail_folder(), Some(&self.archives()), &[], |_| {}).unwrap()
    }

    fn fault(&self) -> Faulty {
        self.verified().fault.expect("a fault")
    }

    fn well(&self) -> Verified {
        let verified = self.verified();
        assert_eq!(verified.fault, None);
        verified
    }

    fn id(&self) -> [u8; 16] {
        rfid_ledger::identity(&self.trail_folder()).unwrap().unwrap()
    }

    fn listed(&self) -> Vec<Archive> {
        self.archives().of(self.id()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("archives").join(name)
    }

    fn notes(&self) -> Vec<(bool, String)> {
        let notes = notes::all(&self.trail_folder()).unwrap();
        notes.into_iter().map(|note| (note.is_removal, note.file)).collect()
    }

    /// Two archives and what is online.
    async fn with_two() -> Self {
        let world = Self::new();
        world.live(40).await;
        world.archive(DAY * 30).await;
        world.archive(DAY * 15).await;
        let ranges: Vec<(u64, u64)> = world.listed().iter().map(|one| (one.first, one.last)).collect();
        assert_eq!(ranges, [(1, 200), (201, 400)]);
        world
    }
}

#[tokio::test]
async fn what_is_old_is_in_an_archive_and_all_of_it_is_one_chain() {
    let world = World::new();
    world.live(40).await;
    let all = online(&world.trail_folder());
    let made = world.archive(DAY * 25).await;
    let [manifest] = made.as_slice() else { panic!("{made:?}") };
    let contents = &manifest.contents;
    assert_eq!((contents.first, contents.last, contents.previous.as_deref()), (1, 200, None));
    assert_eq!((contents.before, contents.hash), (Hash::NONE, Hash::of(&all[199])));
    assert_eq!(contents.from.to_string(), "2026-01-01T00:00:00Z");
    // It is what the manifest says, and tells nobody what is in it.
    let bytes = fs::read(world.file(&manifest.file)).unwrap();
    assert_eq!((Hash::of(&bytes), bytes.len() as u64), (manifest.sha256, manifest.bytes));
    assert!(!bytes.windows(5).any(|part| part == b"act.1"));
    // Much smaller, too.
    assert!(bytes.len() * 2 < all[..200].iter().map(Vec::len).sum(), "{}", bytes.len());
    assert_eq!(world.listed()[0].manifest().unwrap().as_ref(), Some(manifest));
    assert_eq!(world.notes(), [(false, manifest.file.clone())]);
    let left = online(&world.trail_folder());
    assert_eq!((left.len(), &left[0]), (601, &all[200]));
    let verified = world.well();
    assert_eq!((verified.first, verified.records, verified.head.number), (1, 801, 801));
    let archived = verified.archives.unwrap();
    assert_eq!((archived.count, archived.records, archived.are_opened), (1, 200, true));
    let mut records = world.archives().records(world.id()).unwrap();
    let mut read = Vec::new();
    while let Some(record) = records.next_record().unwrap() {
        read.push(record.bytes);
    }
    assert_eq!(read, all[..200]);
    // There is nothing more to do.
    assert!(world.archive(DAY * 25).await.is_empty());
    // What is online is verified by itself, too.
    assert_eq!(verify(&world.trail_folder(), None, &[], |_| {}).unwrap().first, 201);
}

#[tokio::test]
async fn without_the_master_secret_manifests_and_sums_are_held_against_each_other() {
    let world = World::with_two().await;
    let archives = Archives::new(world.archives().folder(), None);
    let verified = verify(&world.trail_folder(), Some(&archives), &[], |_| {}).unwrap();
    assert_eq!((verified.fault, verified.first, verified.records), (None, 1, 802));
    assert!(!verified.archives.unwrap().are_opened);
    let path = world.file(&world.listed()[0].name);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let fault = verify(&world.trail_folder(), Some(&archives), &[], |_| {}).unwrap().fault.unwrap();
    assert!(fault.what.contains("SHA-256"), "{}", fault.what);
    // Another master secret opens nothing, and says what to do.
    let other = Keys::new(&Zeroizing::new([9; 32]), &[]).unwrap();
    let archives = Archives::new(archives.folder(), Some(Arc::new(other)));
    let fault = verify(&world.trail_folder(), Some(&archives), &[], |_| {}).unwrap().fault.unwrap();
    assert!(fault.what.contains("older ones"), "{}", fault.what);
}

#[tokio::test]
async fn wherever_it_ends_nothing_is_lost_and_the_next_run_goes_on() {
    for step in [Step::Written, Step::ReadBack, Step::Placed, Step::Described, Step::Noted, Step::Removed] {
        let world = World::new();
        world.live(40).await;
        let all = online(&world.trail_folder());
        world.archive_to(DAY * 15, Some(step)).await.unwrap_err();
        let verified = world.well();
        assert!(verified.first == 1 && verified.records >= 800, "{step:?}: {verified:?}");
        // Half of what was to be removed is, before the next run.
        if step == Step::Noted {
            let mut segments: Vec<PathBuf> = fs::read_dir(world.trail_folder())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "ledger"))
                .collect();
            segments.sort();
            fs::remove_file(&segments[0]).unwrap();
            assert_eq!(world.well().records, 801);
        }
        // Somebody works on before that.
        world.live(1).await;
        world.archive(DAY * 16).await;
        let verified = world.well();
        assert_eq!((verified.first, verified.records), (1, 821), "{step:?}");
        let listed = world.listed();
        assert_eq!(listed.len(), 1, "{step:?}");
        assert_eq!(world.notes(), [(false, listed[0].name.clone())], "{step:?}");
        assert_eq!(online(&world.trail_folder())[0], all[400], "{step:?}");
        // Archive and manifest, and nothing half made.
        assert_eq!(fs::read_dir(world.archives().folder()).unwrap().count(), 2, "{step:?}");
    }
}

#[tokio::test]
async fn what_is_still_needed_or_cannot_be_read_stays() {
    let world = World::new();
    world.live(40).await;
    // The central table has no more yet.
    let trail = world.open().await;
    let ask = Ask { at_most: 399, ..world.ask(DAY) };
    let made = trail.archive(&world.archives(), &ask, Arc::new(SystemRandomness)).await.unwrap();
    assert_eq!(made.iter().map(|made| made.contents.last).collect::<Vec<_>>(), [200]);
    // A start looks among the last ones.
    let made = trail.archive(&world.archives(), &world.ask(Duration::ZERO), Arc::new(SystemRandomness)).await;
    assert_eq!(made.unwrap()[0].contents.last, 400);
    assert!(trail.last() - KEPT_ONLINE >= 400 && trail.last() - KEPT_ONLINE < 600);
    trail.close().await;
    // A folder that is not there is not made.
    let trail = world.open().await;
    let nowhere = Archives::new(world.folder.path().join("not mounted"), None);
    let refused = trail.archive(&nowhere, &world.ask(DAY), Arc::new(SystemRandomness)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    trail.close().await;
    // A chain that is broken is not taken out: somebody has to see it.
    let world = World::new();
    world.live(40).await;
    let mut changed = online(&world.trail_folder());
    changed[50].push(b' ');
    let id = world.id();
    fs::remove_dir_all(world.trail_folder()).unwrap();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let settings =
        LedgerSettings { segment_bytes: 30_000, reserve_bytes: 0, new_id: id, ..LedgerSettings::default() };
    let ledger = rfid_ledger::Ledger::open(world.trail_folder(), settings, clock).await.unwrap();
    for content in changed {
        ledger.append(vec![rfid_ledger::NewRecord { id: [0; 16], content }]).await.unwrap();
    }
    ledger.close().await;
    let refused = world.archive_to(Duration::ZERO, None).await.unwrap_err();
    assert!(refused.to_string().contains("record 52"), "{refused}");
    assert_eq!(online(&world.trail_folder()).len(), 800);
}

/// An archive of other records under the keys of the host, as somebody makes it who has them.
fn reseal(world: &World, archive: &Archive, change: impl Fn(&mut Vec<u8>)) {
    let mut reader = archive.open().unwrap();
    let mut contents = reader.contents().clone();
    let (mut records, mut before) = (Vec::new(), contents.before);
    let keys = keys();
    while let Some(mut record) = reader.next_record(&keys).unwrap() {
        record.bytes.splice(..32, hash_bytes(before));
        if record.number == archive.first + 5 {
            change(&mut record.bytes);
        }
        before = Hash::of(&record.bytes);
        records.push(record);
    }
    contents.hash = before;
    let mut writer = ArchiveWriter::new(Vec::new(), &contents, &keys, &SystemRandomness).unwrap();
    for record in records {
        writer.add(record.time, &record.bytes).unwrap();
    }
    let (bytes, len, sha256) = writer.end().unwrap();
    fs::write(world.file(&archive.name), bytes).unwrap();
    archive.describe(&Manifest { file: archive.name.clone(), bytes: len, sha256, contents }).unwrap();
}

fn hash_bytes(hash: Hash) -> Vec<u8> {
    let text = hash.to_string();
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn every_kind_of_tampering_is_named() {
    type Tamper = fn(&World, &[Archive]);
    let kinds: BTreeMap<&str, (Tamper, u64, &str)> = BTreeMap::from([
        (
            "oldest missing",
            ((|world, all| fs::remove_file(world.file(&all[0].name)).unwrap()) as Tamper, 200, "missing"),
        ),
        (
            "latest missing",
            (|world, all| fs::remove_file(world.file(&all[1].name)).unwrap(), 201, "in no archive"),
        ),
        ("manifest missing", (|_, all| all[1].remove_manifest().unwrap(), 201, "in no archive")),
        (
            "both missing",
            (
                |world, all| all.iter().for_each(|one| fs::remove_file(world.file(&one.name)).unwrap()),
                1,
                "missing",
            ),
        ),
        (
            "changed",
            (
                |world, all| {
                    let path = world.file(&all[1].name);
                    let mut bytes = fs::read(&path).unwrap();
                    let at = bytes.len() - 20;
                    bytes[at] ^= 4;
                    fs::write(path, bytes).unwrap();
                },
                201,
                "portion 1",
            ),
        ),
        (
            "cut",
            (
                |world, all| {
                    let path = world.file(&all[0].name);
                    let bytes = fs::read(&path).unwrap();
                    fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
                },
                1,
                "ends in the middle",
            ),
        ),
        (
            "longer",
            (
                |world, all| {
                    let path = world.file(&all[0].name);
                    let mut bytes = fs::read(&path).unwrap();
                    bytes.extend_from_slice(&[0, 0, 0, 0]);
                    fs::write(path, bytes).unwrap();
                },
                1,
                "portion 1",
            ),
        ),
        (
            "no archive",
            (|world, all| fs::write(world.file(&all[0].name), b"nothing").unwrap(), 1, "no archive"),
        ),
        (
            "manifest changed",
            (
                |_, all| {
                    let mut manifest = all[0].manifest().unwrap().unwrap();
                    manifest.contents.last -= 1;
                    all[0].describe(&manifest).unwrap();
                },
                1,
                "than its manifest says",
            ),
        ),
        (
            "sum changed",
            (
                |_, all| {
                    let mut manifest = all[0].manifest().unwrap().unwrap();
                    manifest.sha256 = Hash::NONE;
                    all[0].describe(&manifest).unwrap();
                },
                1,
                "SHA-256",
            ),
        ),
        (
            "wrong order",
            (
                |world, all| {
                    let (one, other) = (world.file(&all[0].name), world.file(&all[1].name));
                    let aside = world.file("aside");
                    fs::rename(&one, &aside).unwrap();
                    fs::rename(&other, &one).unwrap();
                    fs::rename(&aside, &other).unwrap();
                },
                1,
                "says of itself that it holds records 201 to 400",
            ),
        ),
        // Whoever has the keys can make another archive, and not the chain that goes on from it.
        ("made anew", (|world, all| reseal(world, &all[0], |bytes| bytes.push(b' ')), 201, "does not go on")),
        (
            "made anew at the end",
            (|world, all| reseal(world, &all[1], |bytes| bytes.push(b' ')), 401, "does not bear the hash"),
        ),
        // With the same records it is another file.
        ("sealed anew", (|world, all| reseal(world, &all[1], |_| {}), 201, "not the one that was made")),
        (
            "online cut",
            (
                |world, _| {
                    let heads = rfid_ledger::segment_heads(&world.trail_folder()).unwrap();
                    fs::remove_file(world.trail_folder().join(format!("{:020}.v1.ledger", heads[0].first)))
                        .unwrap();
                },
                401,
                "in no archive, and the trail is online from 601 on",
            ),
        ),
    ]);
    for (kind, (tamper, number, what)) in kinds {
        let world = World::with_two().await;
        world.well();
        tamper(&world, &world.listed());
        let fault = world.fault();
        assert!(
            fault.number == number && fault.what.contains(what),
            "{kind}: {} {}",
            fault.number,
            fault.what
        );
    }
}

#[tokio::test]
async fn an_archive_in_the_middle_that_is_missing_is_named() {
    let world = World::new();
    world.live(50).await;
    for days in [40, 30, 15] {
        world.archive(DAY * days).await;
    }
    let listed = world.listed();
    fs::remove_file(world.file(&listed[1].name)).unwrap();
    let fault = world.fault();
    assert!(fault.number == 201 && fault.what.contains(&listed[1].name), "{fault:?}");
}

#[tokio::test]
async fn records_that_are_in_two_archives_or_another_online_are_named() {
    let world = World::new();
    world.live(40).await;
    world.archive_to(DAY * 15, Some(Step::Noted)).await.unwrap_err();
    let all = online(&world.trail_folder());
    let id = world.id();
    let mut changed = all.clone();
    changed[300].push(b' ');
    fs::remove_dir_all(world.trail_folder()).unwrap();
    forged_as(id, &world.trail_folder(), changed).await;
    let fault = world.fault();
    assert!(fault.number == 301 && fault.what.contains("another online than in its archive"), "{fault:?}");
    // Nothing is removed on the word of such an archive.
    let refused = world.archive_to(DAY * 15, None).await.unwrap_err();
    assert!(format!("{refused:#}").contains("is another online"), "{refused:#}");
    assert_eq!(online(&world.trail_folder()).len(), all.len());
}

#[tokio::test]
async fn nothing_is_removed_online_that_is_in_no_archive() {
    let world = World::with_two().await;
    let oldest = world.listed().remove(0);
    // As an old copy of the disk brings it: everything is online again, and the first archive is not there.
    let all: Vec<Vec<u8>> = {
        let mut records = world.archives().records(world.id()).unwrap();
        let mut all = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            all.push(record.bytes);
        }
        all.extend(online(&world.trail_folder()));
        all
    };
    let id = world.id();
    fs::remove_dir_all(world.trail_folder()).unwrap();
    forged_as(id, &world.trail_folder(), all.clone()).await;
    fs::remove_file(world.file(&oldest.name)).unwrap();
    let refused = world.archive_to(DAY, None).await.unwrap_err();
    assert!(refused.to_string().contains("none of the records 1 to 200"), "{refused}");
    assert_eq!(online(&world.trail_folder()).len(), all.len());
}

#[tokio::test]
async fn old_archives_go_one_by_one_and_the_trail_says_from_where_on_it_is_known() {
    for end in [None, Some(Step::RemovalNoted), Some(Step::Undescribed)] {
        let world = World::with_two().await;
        let trail = world.open().await;
        let remove = |before: UtcTime, end: Option<Step>| {
            let (trail, world) = (&trail, &world);
            async move {
                let told = move |step| match Some(step) == end {
                    true => Err(damaged("the process ends here")),
                    false => Ok(()),
                };
                let archives = world.archives();
                trail.remove_old_archive_told(&archives, before, Actor::Host, "host", &told).await
            }
        };
        let young = remove("2026-01-10T00:00:00Z".parse().unwrap(), None).await.unwrap();
        // Its last record is of just then.
        assert_eq!(young, None);
        let years_ahead = "2099-01-01T00:00:00Z".parse().unwrap();
        let names: Vec<String> = world.listed().into_iter().map(|archive| archive.name).collect();
        if end.is_some() {
            remove(years_ahead, end).await.unwrap_err();
            let verified = world.well();
            assert!(verified.first == if end == Some(Step::RemovalNoted) { 1 } else { 201 }, "{verified:?}");
        }
        let removed = remove(years_ahead, None).await.unwrap().unwrap();
        assert_eq!(removed.file, names[0]);
        let noted: Vec<_> = world.notes().into_iter().filter(|(is_removal, _)| *is_removal).collect();
        assert_eq!(noted, [(true, names[0].clone())], "{end:?}");
        let verified = world.well();
        let known = verified.known_from.unwrap();
        assert_eq!((verified.first, known.archive.as_str()), (201, names[0].as_str()));
        assert_eq!(fs::read_dir(world.archives().folder()).unwrap().count(), 2);
        remove(years_ahead, None).await.unwrap().unwrap();
        assert_eq!(remove(years_ahead, None).await.unwrap(), None);
        let verified = world.well();
        assert_eq!((verified.first, verified.known_from.unwrap().archive), (401, names[1].clone()));
        trail.close().await;
        // The next archive goes on from one that is not there any more.
        world.live(20).await;
        let made = world.archive(DAY * 15).await;
        assert_eq!(made[0].contents.previous.as_deref(), Some(names[1].as_str()));
        assert_eq!(world.well().first, 401);
    }
}

#[tokio::test]
async fn a_trail_of_before_there_were_archives_begins_with_what_it_has() {
    let world = World::new();
    world.live(40).await;
    // As the ledger removes what is older than three years.
    fs::remove_file(world.trail_folder().join(format!("{:020}.v1.ledger", 1))).unwrap();
    assert_eq!(world.well().first, 201);
    let made = world.archive(DAY * 15).await;
    assert_eq!((made[0].contents.first, made[0].contents.previous.as_deref()), (201, None));
    let verified = world.well();
    assert_eq!((verified.first, verified.known_from), (201, None));
    let mut reader = Reader::new(world.trail_folder(), 0);
    assert_eq!(reader.next_entry().unwrap(), Some(rfid_ledger::Entry::Gone { first: 401 }));
}
