//! `rfid-host import customers`, `import cards`, `report`, `export visits` and `staff`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rfid_core::{Clock, ErrorKind, SystemClock};
use rfid_service::audit::space::{SpaceLimits, SpaceWatch, SystemDisk};
use rfid_service::audit::{self, Copying, Trail, Watch};
use rfid_service::bulk::{self, ImportFault, Progress};
use rfid_service::export::{self, ExportFault, Format};
use rfid_service::randomness::SystemRandomness;
use rfid_service::recognition::RecognitionSettings;
use rfid_service::record::StaffRole;
use rfid_service::reports::{Part, ReportAsk, ReportFormat, ReportKind};
use rfid_service::service::{BranchDraft, Caller, ErasedList, Fault, Service, StaffDraft, VisitFilter};

use crate::cli::{
    ExportVisits, ImportFile, MakeReport, PartName, ReportName, ServicePlace, StaffAct, StaffRoleName,
    TableFormat, VisitFormat,
};
use crate::config::{AuditConfig, Config, ServiceConfig, StoreConfig};
use crate::customer_service::{erase_again, keys_of, open_store};

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// Where the customers of a host are, and what it says of them.
pub(super) struct Kept {
    pub(super) data_dir: PathBuf,
    pub(super) store: StoreConfig,
    /// What the trail of its commands is called.
    trail: String,
    table_within: Duration,
    recognition: RecognitionSettings,
    /// Those of the configuration, if there is one.
    branches: Option<Vec<BranchDraft>>,
}

/// What a configuration says; what is usual of a data folder without one.
pub(super) fn kept(place: &ServicePlace, data_dir: Option<&Path>) -> anyhow::Result<Kept> {
    let Some(files) = place.daemon.files() else {
        let data_dir = data_dir.unwrap_or(Path::new("./data")).to_owned();
        let (store, recognition) = (StoreConfig::embedded(), RecognitionSettings::default());
        let (trail, table_within) = (audit::CONSOLE_FOLDER.to_owned(), Duration::ZERO);
        return Ok(Kept { data_dir, store, trail, table_within, recognition, branches: None });
    };
    let Config { host, store, service, .. } = super::checked_config(&files, data_dir)?;
    let ServiceConfig { recognition, branches, audit: AuditConfig { table_within, .. }, .. } = service;
    let trail = format!("{} {}", host.name, audit::CONSOLE_FOLDER);
    Ok(Kept { data_dir: host.data_dir, store, trail, table_within, recognition, branches: Some(branches) })
}

/// The customer service of a place, for this process alone.
pub(super) async fn open(place: &ServicePlace, data_dir: Option<&Path>) -> anyhow::Result<Service> {
    let kept = kept(place, data_dir)?;
    let keys = keys_of(&kept.data_dir, &kept.store)?;
    let store = open_store(&kept.data_dir, &kept.store, &keys, clock()).await;
    let store = store.map_err(|error| match error.kind() {
        ErrorKind::Busy => anyhow::anyhow!(
            "{error:#}: the daemon runs on this folder; stop it for as long, or ask it over HTTP (/api/v1)"
        ),
        _ => anyhow::Error::new(error).context("the customers cannot be opened"),
    })?;
    let randomness = Arc::new(SystemRandomness);
    // Its own, because the daemon may run and write the other.
    let trail = Trail::open(&kept.data_dir.join(audit::CONSOLE_FOLDER), keys, clock()).await;
    let trail = Arc::new(trail.context("what is done here cannot be audited, so it is not done")?);
    let copying = store.central_trail().map(|central| {
        Copying::new(Arc::clone(&trail), central, kept.trail.as_str(), kept.table_within, clock())
    });
    let space = SpaceWatch::new(trail.folder(), Arc::new(SystemDisk), SpaceLimits::default());
    let watch = Watch { copying, could_change: Vec::new(), space, signing: None, archiving: None };
    let service = Service::new(store, kept.recognition, clock(), randomness)
        .with_trail(trail)
        .with_watch(Arc::new(watch))
        .with_erased_list(ErasedList::in_folder(&kept.data_dir));
    service.settle_trail().await?;
    erase_again(&service).await?;
    if let Some(branches) = &kept.branches {
        service.take_branches(&Caller::console(), branches).await?;
    }
    Ok(service)
}

/// Ends it when everything is written.
pub(super) async fn close(service: &Service) {
    service.store().close().await;
    if let Some(copying) = service.watch().and_then(|watch| watch.copying.as_ref())
        && let Err(error) = copying.catch_up().await
    {
        eprintln!("the central audit trail lacks what was done here until the next command: {error:#}");
    }
    if let Some(trail) = service.trail() {
        trail.close().await;
    }
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
    close(service).await;
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

pub(crate) async fn report(options: MakeReport, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let MakeReport { place, report, from, to, branch, by, days, format } = options;
    let mut out = io::stdout();
    let format = match format {
        TableFormat::Csv => ReportFormat::Csv,
        TableFormat::Json => ReportFormat::Json,
        TableFormat::Xlsx if out.is_terminal() => anyhow::bail!(
            "a workbook is not for a terminal: write it to a file, as `... --format xlsx > report.xlsx`"
        ),
        TableFormat::Xlsx => ReportFormat::Xlsx,
    };
    let report = match report {
        ReportName::Visits => ReportKind::Visits,
        ReportName::Frequency => ReportKind::Frequency,
        ReportName::Absent => ReportKind::Absent,
        ReportName::Recognition => ReportKind::Recognition,
        ReportName::Staff => ReportKind::Staff,
        ReportName::Duty => ReportKind::Duty,
    };
    let part = |part| match part {
        PartName::Day => Part::Day,
        PartName::Hour => Part::Hour,
        PartName::Branch => Part::Branch,
        PartName::VipClass => Part::VipClass,
        PartName::AccountManager => Part::AccountManager,
    };
    let by = by.into_iter().map(part).collect();
    let service = open(&place, data_dir).await?;
    let ask = ReportAsk { report, from, to, branch, by, days: Some(days) };
    let made = service.report(&Caller::console(), &ask).await;
    close(&service).await;
    out.write_all(&made?.write(format)?)?;
    if format == ReportFormat::Json {
        writeln!(out)?;
    }
    Ok(())
}

pub(crate) async fn export_visits(options: &ExportVisits, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let service = open(&options.place, data_dir).await?;
    let mut filter = VisitFilter { branch: options.branch.as_deref().map(Into::into), ..VisitFilter::ALL };
    filter.from = options.from.unwrap_or(filter.from);
    filter.until = options.to.unwrap_or(filter.until);
    let format = match options.format {
        VisitFormat::Jsonl => Format::Jsonl,
        VisitFormat::Csv => Format::Csv,
        VisitFormat::Xlsx => Format::Xlsx,
    };
    let out = io::stdout();
    if format == Format::Xlsx && out.is_terminal() {
        anyhow::bail!(
            "a workbook is not for a terminal: write it to a file, as `... --format xlsx > visits.xlsx`"
        );
    }
    let outcome =
        export::visits(&service, &Caller::console(), &filter, format, BufWriter::new(out.lock())).await;
    close(&service).await;
    match outcome {
        // Whoever read has seen enough.
        Err(ExportFault::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome.map(drop)?),
    }
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
    close(&service).await;
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
