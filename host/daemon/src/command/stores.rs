//! `rfid-host backup`, `restore`, `migrate-store` and `tables`: what is done to a store as a whole, each
//! with its place in the trail of the console.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use indicatif::ProgressBar;
use rfid_service::audit::{self, Entry, Trail};
use rfid_service::backup::{self, Manifest, Progress};
use rfid_service::moving::{self, Progress as Moving};
use rfid_service::randomness::{Randomness, SystemRandomness};
use rfid_service::seal::Keys;
use rfid_service::service::ErasedList;
use rfid_service::store::{Actor, Store, postgres};
use zeroize::Zeroizing;

use super::customers::{Kept, clock, kept};
use crate::cli::{ConfigFiles, ServicePlace};
use crate::config::Config;
use crate::customer_service::{KEY_FILE, keys_of, open_store};

/// Does something to what a data folder is of: the trail of the console says so first, and that it did
/// not happen if it fails.
async fn audited<T>(
    data_dir: &Path,
    action: &str,
    facts: &[(&str, &Path)],
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    // Nothing in these entries is personal, so nothing is marked and the bank's own secret, which may
    // not be here yet, is not asked for.
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandomness.fill(secret.as_mut_slice())?;
    let trail =
        Trail::open(&data_dir.join(audit::CONSOLE_FOLDER), Arc::new(Keys::new(&secret, &[])?), clock()).await;
    let trail = trail.context("what is done here cannot be audited, so it is not done")?;
    let mut entry = Entry::new(clock().now().utc, Actor::Console, "console", action);
    entry.facts = facts.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string())).collect();
    let outcome = async {
        let number = trail.act(entry.clone()).await?;
        let outcome = work.await;
        if outcome.is_err() {
            trail.undone(number, entry, "it failed").await?;
        }
        outcome
    }
    .await;
    trail.close().await;
    outcome
}

/// What is kept in a data folder.
fn embedded(place: &ServicePlace, data_dir: Option<&Path>) -> anyhow::Result<Kept> {
    let kept = kept(place, data_dir)?;
    if kept.store.url.is_some() {
        anyhow::bail!(
            "this store is in PostgreSQL, whose own tools copy it (pg_dump, pg_basebackup); the master secret is in \
             neither"
        );
    }
    Ok(kept)
}

/// Shows how many entries are copied so far.
fn counting() -> (ProgressBar, impl FnMut(Progress) -> ControlFlow<()> + Send) {
    let bar = ProgressBar::new_spinner();
    let shown = bar.clone();
    let show = move |Progress { entries, of_entries, photo_files }| {
        shown.set_message(format!("{entries} of {of_entries} entries, {photo_files} photo files"));
        shown.tick();
        ControlFlow::Continue(())
    };
    (bar, show)
}

pub(crate) async fn back_up(
    place: &ServicePlace,
    target: &Path,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let kept = embedded(place, data_dir)?;
    let (bar, progress) = counting();
    // A folder that was mistyped gets no trail.
    anyhow::ensure!(kept.data_dir.is_dir(), "there is no data folder {}", kept.data_dir.display());
    let work = async {
        let manifest = backup::back_up(&kept.data_dir, target, clock(), progress).await;
        manifest.context("no backup was made")
    };
    let manifest = audited(&kept.data_dir, "store.backup", &[("to", target)], work).await;
    bar.finish_and_clear();
    let manifest = manifest?;
    println!("backed up {} to {}", size(&manifest), target.display());
    println!("the master secret is not in it: keep a copy of {} elsewhere", key_place(&kept));
    Ok(())
}

pub(crate) async fn restore(
    place: &ServicePlace,
    backup: &Path,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let kept = embedded(place, data_dir)?;
    let (bar, progress) = counting();
    let work = async {
        let manifest = backup::restore(backup, &kept.data_dir, clock(), progress).await;
        manifest.context("nothing was restored")
    };
    let manifest = audited(&kept.data_dir, "store.restore", &[("from", backup)], work).await;
    bar.finish_and_clear();
    let manifest = manifest?;
    println!("restored {} into {}", size(&manifest), kept.data_dir.display());
    println!("the master secret that it was made under is not in it; its place is {}", key_place(&kept));
    Ok(())
}

fn size(manifest: &Manifest) -> String {
    let entries =
        if manifest.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", manifest.entries) };
    format!("{entries} and {}", super::counted(manifest.photo_files, "photo file"))
}

fn key_place(kept: &Kept) -> String {
    match &kept.store.key {
        Some(_) => "the secret that store.key names".to_owned(),
        None => kept.data_dir.join(KEY_FILE).display().to_string(),
    }
}

pub(crate) async fn migrate(from: &Path, to: &Path, data_dir: Option<&Path>) -> anyhow::Result<()> {
    if data_dir.is_some() {
        anyhow::bail!("--data-dir is for one store; each of the two configurations names its own");
    }
    let facts = [("from", from), ("to", to)];
    let from = opened_alone(from, "--from").await?;
    let to = opened_alone(to, "--to").await?;
    let bar = ProgressBar::new_spinner();
    let shown = bar.clone();
    let mut show = move |progress| {
        shown.set_message(match progress {
            Moving::Moving(versions) => format!("{versions} versions moved"),
            Moving::Photos(photos) => format!("{photos} photos moved"),
            Moving::Proving(read) => format!("{read} read again"),
        });
        shown.tick();
    };
    let work = async {
        // Whoever the one knows to be erased is erased by the host of the other, before it serves.
        let erased = ErasedList::in_folder(&from.data_dir).persons().await?;
        ErasedList::in_folder(&to.data_dir).add_all(erased).await?;
        let sum = moving::move_all(from.store.as_ref(), to.store.as_ref(), &mut show).await;
        sum.context("the stores are not the same yet; what was moved stays, and the same command goes on")
    };
    let moved = async {
        let receiving = audited(&to.data_dir, "store.migrate", &facts, work);
        if from.data_dir == to.data_dir {
            return receiving.await;
        }
        audited(&from.data_dir, "store.migrate", &facts, receiving).await
    }
    .await;
    bar.finish_and_clear();
    from.store.close().await;
    to.store.close().await;
    let sum = moved?;
    for (kind, count) in sum.records.iter().filter(|(_, count)| *count > 0) {
        println!("{:>9} {}", count, kind.name());
    }
    println!("{:>9} versions of them, all that there ever were", sum.versions);
    println!("{:>9} photos", sum.photos);
    println!("both stores were read again and have the same: SHA-256 {sum}");
    Ok(())
}

/// A store and the data folder of its host.
struct Opened {
    store: Arc<dyn Store>,
    data_dir: PathBuf,
}

/// The store of a configuration, for this process alone.
async fn opened_alone(config: &Path, which: &str) -> anyhow::Result<Opened> {
    let files = ConfigFiles { config: config.to_owned(), config_dir: Vec::new() };
    let Config { host, store, .. } = super::checked_config(&files, None)?;
    let keys = keys_of(&host.data_dir, &store)?;
    let opened = open_store(&host.data_dir, &store, &keys, clock()).await;
    let store =
        opened.with_context(|| format!("the store of {which} {} cannot be opened", config.display()))?;
    Ok(Opened { store, data_dir: host.data_dir })
}

pub(crate) async fn tables(
    place: &ServicePlace,
    dry_run: bool,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let kept = kept(place, data_dir)?;
    let Some(url) = kept.store.url else {
        anyhow::bail!("the store is embedded, which has no tables; store.kind = \"postgres\" has");
    };
    let pending = postgres::pending(url.reveal()).await?;
    if pending.is_empty() {
        println!("the tables are those of this version");
        return Ok(());
    }
    if dry_run {
        for step in &pending {
            println!("-- step {}: {}\n{}", step.number, step.about, step.sql);
        }
        return Ok(());
    }
    let work = async { Ok(postgres::migrate(url.reveal()).await?) };
    audited(&kept.data_dir, "store.tables", &[], work).await?;
    for step in &pending {
        println!("step {}: {}", step.number, step.about);
    }
    Ok(())
}
