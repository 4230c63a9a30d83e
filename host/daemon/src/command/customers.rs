//! `rfid-host import customers`, `import cards`, `export visits`, `staff`, `backup` and `restore`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rfid_core::{Clock, ErrorKind, SystemClock};
use rfid_service::backup::{self, Manifest};
use rfid_service::bulk::{self, ImportFault, Progress};
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::record::StaffRole;
use rfid_service::service::view::VisitView;
use rfid_service::service::{BranchDraft, Caller, Fault, Service, StaffDraft, VisitFilter};

use crate::cli::{ExportFormat, ExportVisits, ImportFile, ServicePlace, StaffAct, StaffRoleName};
use crate::config::{Config, ServiceConfig, StoreConfig};
use crate::customer_service::{KEY_FILE, open_store};

/// Visits that are asked for at once.
const PAGE: usize = 200;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// Where the customers of a host are, and what it says of them.
struct Kept {
    data_dir: PathBuf,
    store: StoreConfig,
    recognition: RecognitionSettings,
    /// Those of the configuration, if there is one.
    branches: Option<Vec<BranchDraft>>,
}

/// What a configuration says; what is usual of a data folder without one.
fn kept(place: &ServicePlace, data_dir: Option<&Path>) -> anyhow::Result<Kept> {
    let Some(files) = place.daemon.files() else {
        let data_dir = data_dir.unwrap_or(Path::new("./data")).to_owned();
        let (store, recognition) = (StoreConfig::embedded(), RecognitionSettings::default());
        return Ok(Kept { data_dir, store, recognition, branches: None });
    };
    let Config { host, store, service, .. } = super::checked_config(&files, data_dir)?;
    let ServiceConfig { recognition, branches, .. } = service;
    Ok(Kept { data_dir: host.data_dir, store, recognition, branches: Some(branches) })
}

/// The customer service of a place, for this process alone.
async fn open(place: &ServicePlace, data_dir: Option<&Path>) -> anyhow::Result<Service> {
    let kept = kept(place, data_dir)?;
    let store = open_store(&kept.data_dir, &kept.store, clock()).await;
    let store = store.map_err(|error| match error.kind() {
        ErrorKind::Busy => anyhow::anyhow!(
            "{error:#}: the daemon runs on this folder; stop it for as long, or ask it over HTTP (/api/v1)"
        ),
        _ => anyhow::Error::new(error).context("the customers cannot be opened"),
    })?;
    let randomness = Arc::new(SystemRandomness);
    let service = Service::new(store, kept.recognition, clock(), randomness);
    if let Some(branches) = &kept.branches {
        service.take_branches(&Caller::console(), branches).await?;
    }
    Ok(service)
}

fn bar() -> anyhow::Result<ProgressBar> {
    // Drawn on a terminal only.
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:>10} [{bar:40}] {percent}%")?.progress_chars("=> "));
    Ok(bar)
}

pub(crate) async fn import_customers(options: &ImportFile, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let service = open(&options.place, data_dir).await?;
    let (bar, caller) = (bar()?, Caller::console());
    let outcome =
        bulk::import_customers(&service, &caller, &options.file, options.dry_run, shown_on(&bar)).await;
    told(&service, &bar, options, "customer", outcome).await
}

pub(crate) async fn import_cards(options: &ImportFile, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let service = open(&options.place, data_dir).await?;
    let (bar, caller) = (bar()?, Caller::console());
    let outcome = bulk::import_cards(&service, &caller, &options.file, options.dry_run, shown_on(&bar)).await;
    told(&service, &bar, options, "card", outcome).await
}

fn shown_on(bar: &ProgressBar) -> impl FnMut(Progress) + Send {
    let bar = bar.clone();
    move |progress| {
        let (what, done, all) = match progress {
            Progress::Checking(done, all) => ("checking", done, all),
            Progress::Taking(done, all) => ("taking in", done, all),
        };
        bar.set_message(what);
        bar.set_length(all);
        bar.set_position(done);
    }
}

async fn told(
    service: &Service,
    bar: &ProgressBar,
    options: &ImportFile,
    what: &str,
    outcome: Result<u64, ImportFault>,
) -> anyhow::Result<()> {
    bar.finish_and_clear();
    service.store().close().await;
    let file = options.file.display();
    match outcome {
        Ok(count) if options.dry_run => {
            println!("{file}: {} in order; nothing was written", super::counted(count, what));
            Ok(())
        }
        Ok(count) => {
            println!("imported {} from {file}", super::counted(count, what));
            Ok(())
        }
        Err(ImportFault::Lines { shown, total }) => {
            for (line, what) in &shown {
                eprintln!("{file}:{line}: {what}");
            }
            let more = total - shown.len() as u64;
            if more > 0 {
                eprintln!("and {more} more");
            }
            anyhow::bail!("{file}: {}", ImportFault::Lines { shown, total })
        }
        Err(fault) => Err(anyhow::Error::new(fault).context(file.to_string())),
    }
}

pub(crate) async fn export_visits(options: &ExportVisits, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let service = open(&options.place, data_dir).await?;
    let mut filter = VisitFilter { branch: options.branch.as_deref().map(Into::into), ..VisitFilter::ALL };
    filter.from = options.from.unwrap_or(filter.from);
    filter.until = options.to.unwrap_or(filter.until);
    let outcome = write_visits(&service, &filter, options.format, io::stdout().lock()).await;
    service.store().close().await;
    match outcome {
        // Whoever read has seen enough.
        Err(error) if super::export::is_closed_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Writes the latest first: it begins at once, however many there are.
async fn write_visits(
    service: &Service,
    filter: &VisitFilter,
    format: ExportFormat,
    out: impl Write,
) -> anyhow::Result<()> {
    let mut out = Output::begin(format, BufWriter::new(out))?;
    let mut after = None;
    loop {
        let (visits, next) = service.visits(&Caller::console(), filter, after, PAGE).await?;
        for visit in visits.iter().map(VisitView::of) {
            match &mut out {
                Output::Jsonl(out) => writeln!(out, "{}", serde_json::to_string(&visit)?)?,
                Output::Csv(table) => table.write_record(cells(&visit))?,
            }
        }
        match next {
            Some(place) => after = Some(place),
            None => break,
        }
    }
    match out {
        Output::Jsonl(mut out) => out.flush()?,
        Output::Csv(mut table) => table.flush()?,
    }
    Ok(())
}

/// Where visits go, in one format or the other.
enum Output<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Output<W> {
    fn begin(format: ExportFormat, mut out: W) -> anyhow::Result<Self> {
        if format == ExportFormat::Jsonl {
            return Ok(Self::Jsonl(out));
        }
        // The mark by which spreadsheets know that it is UTF-8.
        out.write_all("\u{feff}".as_bytes())?;
        let mut table = csv::Writer::from_writer(out);
        table.write_record(VISIT_COLUMNS)?;
        Ok(Self::Csv(Box::new(table)))
    }
}

const VISIT_COLUMNS: [&str; 15] = [
    "id",
    "branch",
    "outcome",
    "reason",
    "customer_id",
    "vip_class",
    "arrived_at",
    "last_seen",
    "departed_at",
    "revisits",
    "desk_read_at",
    "greeted_at",
    "served_at",
    "business",
    "reader",
];

fn cells(visit: &VisitView) -> [String; 15] {
    let time = |at: Option<rfid_core::UtcTime>| at.map_or(String::new(), |at| at.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        visit.id.clone(),
        visit.branch.clone(),
        visit.outcome.to_owned(),
        visit.reason.unwrap_or_default().to_owned(),
        text(&visit.customer_id),
        text(&visit.vip_class),
        visit.arrived_at.to_string(),
        visit.last_seen.to_string(),
        time(visit.departed_at),
        visit.revisits.to_string(),
        time(visit.desk_read_at),
        time(visit.greeted.as_ref().map(|act| act.at)),
        time(visit.served.as_ref().map(|act| act.at)),
        visit.business.join("; "),
        text(&visit.reader),
    ]
    .map(safe_cell)
}

/// A cell that no spreadsheet takes for a formula.
fn safe_cell(text: String) -> String {
    const BEGIN_FORMULAS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    if text.starts_with(BEGIN_FORMULAS) { format!("'{text}") } else { text }
}

pub(crate) async fn staff(act: StaffAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let StaffAct::Add { place, number, name, role, branch } = act;
    let service = open(&place, data_dir).await?;
    let role = match role {
        StaffRoleName::LobbyManager => StaffRole::LobbyManager,
        StaffRoleName::AccountManager => StaffRole::AccountManager,
        StaffRoleName::IssuingClerk => StaffRole::IssuingClerk,
        StaffRoleName::Other => StaffRole::Other,
    };
    let draft = StaffDraft { staff_number: number.clone(), name: name.into(), role, branch };
    let outcome = service.add_staff(&Caller::console(), draft).await;
    service.store().close().await;
    match outcome {
        Ok(_) => {
            println!("{number} is entered");
            Ok(())
        }
        Err(Fault::Invalid(faults)) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            anyhow::bail!("{number} was not entered")
        }
        Err(fault) => Err(anyhow::Error::new(fault).context(number)),
    }
}

pub(crate) async fn back_up(
    place: &ServicePlace,
    target: &Path,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let kept = kept(place, data_dir)?;
    let bar = ProgressBar::new_spinner();
    let progress = {
        let bar = bar.clone();
        move |entries| bar.set_message(format!("{entries} entries"))
    };
    let manifest = backup::back_up(&kept.data_dir, target, clock(), progress).await;
    bar.finish_and_clear();
    let manifest = manifest.context("no backup was made")?;
    println!("backed up {} to {}", size(&manifest), target.display());
    println!("the master secret is not in it: keep a copy of {} elsewhere", key_place(&kept));
    Ok(())
}

pub(crate) async fn restore(
    place: &ServicePlace,
    backup: &Path,
    data_dir: Option<&Path>,
) -> anyhow::Result<()> {
    let kept = kept(place, data_dir)?;
    let bar = ProgressBar::new_spinner();
    let progress = {
        let bar = bar.clone();
        move |entries| bar.set_message(format!("{entries} entries"))
    };
    let manifest = backup::restore(backup, &kept.data_dir, clock(), progress).await;
    bar.finish_and_clear();
    let manifest = manifest.context("nothing was restored")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@A1", "\tx", "\rx", "＝1"] {
            assert_eq!(safe_cell(text.to_owned()), format!("'{text}"));
        }
        assert_eq!(safe_cell("存款".to_owned()), "存款");
    }
}
