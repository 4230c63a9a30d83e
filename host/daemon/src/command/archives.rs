//! `rfid-host audit archive`, and `audit show` as far back as archives go.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::tz::TimeZone;
use rfid_core::{ErrorKind, UtcTime};
use rfid_ledger::{Content, Entry as LedgerEntry, Reader};
use rfid_service::audit::archive::{self, Archives, Ask, KEPT_ONLINE, Manifest, Planned};
use rfid_service::audit::{self, Trail};
use rfid_service::recognition::{RecognitionSettings, start_of_day};
use rfid_service::store::Actor;
use rfid_service::store::postgres::central_trail;

use super::customers::clock;
use super::people::{Place, place};
use crate::archiving::archive_once;
use crate::cli::{Audited, ServicePlace, When};
use crate::config::{ArchivingConfig, StoreConfig};
use crate::customer_service::{KEY_FILE, keys_of};

/// The archives of a folder, with what opens them if that is at hand: looking makes no master secret.
pub(super) fn opened(folder: PathBuf, data_dir: &Path, store: &StoreConfig) -> anyhow::Result<Archives> {
    let is_there = store.key.is_some() || data_dir.join(KEY_FILE).is_file();
    let keys = is_there.then(|| keys_of(data_dir, store)).transpose();
    Ok(Archives::new(folder, keys.context("archives cannot be opened")?))
}

/// What a configuration says of days, and of what is old; what is usual without one.
fn settings(
    place: &ServicePlace,
    data_dir: Option<&Path>,
) -> anyhow::Result<(TimeZone, Option<ArchivingConfig>)> {
    let Some(files) = place.daemon.files() else { return Ok((RecognitionSettings::default().zone, None)) };
    let service = super::checked_config(&files, data_dir)?.service;
    Ok((service.recognition.zone, service.audit.archiving))
}

fn moment(when: When, zone: &TimeZone) -> UtcTime {
    match when {
        When::At(at) => at,
        When::Day(day) => start_of_day(day, zone),
    }
}

pub(super) async fn archive(
    audited: &Audited,
    before: Option<When>,
    to: Option<&Path>,
    dry_run: bool,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let (zone, config) = settings(&audited.place, data_dir)?;
    let found = place(audited, data_dir)?;
    let now = clock().now().utc;
    let before = match (before, &config) {
        (Some(when), _) => moment(when, &zone),
        (None, Some(config)) => now.minus(config.online_for),
        (None, None) => {
            anyhow::bail!("how old is old? Name a day by --before, or audit.archives in a configuration")
        }
    };
    anyhow::ensure!(before <= now, "--before is later than now");
    anyhow::ensure!(found.folder.is_dir(), "there is no audit trail in {}", found.folder.display());
    if dry_run {
        let last = rfid_ledger::last_number(&found.folder)?;
        let planned = archive::plan(&found.folder, before, last.saturating_sub(KEPT_ONLINE))?;
        print_planned(&planned, before);
        return Ok(());
    }
    let archives = match (to, found.archives) {
        (Some(folder), Some(archives)) => archives.moved_to(folder),
        (Some(folder), None) => Archives::new(folder, None),
        (None, Some(archives)) => archives,
        (None, None) => {
            anyhow::bail!("where to? Name a folder by --to, or audit.archives in a configuration")
        }
    };
    let (keys, data_dir) = {
        let kept = super::customers::kept(&audited.place, data_dir)?;
        (keys_of(&kept.data_dir, &kept.store)?, kept.data_dir)
    };
    let trail = Trail::open(&found.folder, keys, clock()).await.map_err(|error| match error.kind() {
        ErrorKind::Busy if audited.console => {
            anyhow::anyhow!("{error:#}: a command that runs writes this trail; try again when it has ended")
        }
        ErrorKind::Busy => anyhow::anyhow!(
            "the host that runs on {} writes this trail, and archives it once a day by itself where audit.archives \
             names a folder; stop it for as long, or say --console for the trail of the commands",
            data_dir.display()
        ),
        _ => anyhow::Error::new(error).context("the audit trail cannot be opened"),
    })?;
    let central = found.database.as_ref().map(|url| central_trail(url.reveal())).transpose()?;
    let ask =
        Ask { trail: found.of, before, at_most: u64::MAX, by: Actor::Console, from: "console".to_owned() };
    let remove_before = config.and_then(|config| config.archives_for).map(|kept| now.minus(kept));
    let central = central.map(|central| (central, clock()));
    let ran = archive_once(&Arc::new(trail), central, &archives, &ask, remove_before)
        .await
        .context("what is not in an archive is online still; the next run goes on")?;
    for manifest in &ran.made {
        print_made(manifest, archives.folder());
    }
    if ran.made.is_empty() {
        println!("nothing is to be taken out that was written before {before}");
    }
    if let Some(Manifest { file, contents, .. }) = &ran.removed {
        println!(
            "{file} is removed, with records {} to {}: it was kept long enough",
            contents.first, contents.last
        );
    }
    Ok(())
}

fn print_planned(planned: &[Planned], before: UtcTime) {
    for one in planned {
        println!(
            "records {} to {}, written from {} on and before {}: {} KiB online",
            one.first,
            one.last,
            one.from,
            one.until,
            one.bytes / 1024
        );
    }
    if planned.is_empty() {
        println!("nothing is to be taken out that was written before {before}");
    }
}

fn print_made(Manifest { file, bytes, sha256, contents }: &Manifest, folder: &Path) {
    println!("records {} to {} are in {}", contents.first, contents.last, folder.join(file).display());
    println!(
        "  written from {} to {}, {} KiB, SHA-256 {sha256}",
        contents.from,
        contents.until,
        bytes / 1024
    );
}

/// Which records are shown.
pub(super) struct Shown {
    last: usize,
    from: Option<UtcTime>,
    until: Option<UtcTime>,
}

/// So many where nothing is said.
const USUALLY_SHOWN: usize = 50;

impl Shown {
    pub(super) fn new(
        last: Option<usize>,
        from: Option<When>,
        until: Option<When>,
        place: &ServicePlace,
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let is_of_time = from.is_some() || until.is_some();
        let last = last.unwrap_or(if is_of_time { usize::MAX } else { USUALLY_SHOWN });
        if !is_of_time {
            return Ok(Self { last, from: None, until: None });
        }
        let (zone, _) = settings(place, data_dir)?;
        let [from, until] = [from, until].map(|when| when.map(|when| moment(when, &zone)));
        Ok(Self { last, from, until })
    }

    fn is_of_time(&self) -> bool {
        self.from.is_some() || self.until.is_some()
    }

    fn has(&self, content: &Content) -> bool {
        self.from.is_none_or(|from| content.time >= from)
            && self.until.is_none_or(|until| content.time < until)
    }
}

/// What is shown: all at once, or the last ones when the end is reached.
struct Showing<'a> {
    shown: &'a Shown,
    kept: VecDeque<Content>,
}

impl Showing<'_> {
    fn take(&mut self, content: Content) -> anyhow::Result<()> {
        if !self.shown.has(&content) {
            return Ok(());
        }
        if self.shown.last == usize::MAX {
            return say(&content);
        }
        if self.kept.len() == self.shown.last {
            self.kept.pop_front();
        }
        if self.shown.last > 0 {
            self.kept.push_back(content);
        }
        Ok(())
    }
}

pub(super) fn show(place: &Place, shown: &Shown) -> anyhow::Result<()> {
    anyhow::ensure!(place.folder.is_dir(), "there is no audit trail in {}", place.folder.display());
    let mut showing = Showing { shown, kept: VecDeque::new() };
    let mut through = 0;
    // Before the archives are looked for: what is taken out meanwhile is in one of them, or online still.
    let mut reader = Reader::new(&place.folder, 0);
    let id = rfid_ledger::identity(&place.folder)?;
    if let (Some(archives), Some(id), true) = (&place.archives, id, shown.is_of_time()) {
        let mut records = archives.records(id).context("the archives of the audit trail cannot be read")?;
        while let Some(record) = records.next_record().context("an archive cannot be read")? {
            through = record.number;
            showing.take(record)?;
        }
    }
    while let Some(entry) = reader.next_entry().context("the audit trail cannot be read")? {
        match entry {
            LedgerEntry::Content(content) if content.number > through => showing.take(content)?,
            _ => {}
        }
    }
    showing.kept.iter().try_for_each(say)
}

fn say(content: &Content) -> anyhow::Result<()> {
    let entry = audit::read_entry(content.number, &content.bytes)?;
    let mut line = serde_json::to_value(entry)?;
    if let Some(line) = line.as_object_mut() {
        line.shift_insert(0, "number".to_owned(), content.number.into());
    }
    super::read::say(&format!("{line}\n"));
    Ok(())
}
