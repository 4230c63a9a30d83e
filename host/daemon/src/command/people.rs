//! `rfid-host user`, `audit` and `rights`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;
use rfid_core::{Secret, UtcTime};
use rfid_service::audit::anchors::{self, Anchor};
use rfid_service::audit::archive::Archives;
use rfid_service::audit::signatures::PublicKey;
use rfid_service::audit::{self, Archived, Compared, Faulty, Verified};
use rfid_service::record::StaffRole;
use rfid_service::rights::{Language, Matrix, Role};
use rfid_service::service::{Caller, Fault, StaffDraft};
use rfid_service::store::postgres::central_trail;

use super::archives;
use super::customers::{close, open};
use crate::cli::{AdministratorName, AuditAct, Audited, RightsLanguage, UserAct};
use crate::config::{AuditConfig, Config, StoreConfig};
use crate::signing;

pub(crate) async fn user(act: UserAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let (UserAct::Add { place, .. } | UserAct::List { place } | UserAct::Disable { place, .. }) = &act;
    let service = open(place, data_dir).await?;
    let caller = Caller::console();
    let outcome: Result<(), Fault> = async {
        match act {
            UserAct::Add { number, name, role, branch, .. } => {
                let role = match role {
                    AdministratorName::SystemAdministrator => Role::SystemAdministrator,
                    AdministratorName::SecurityAdministrator => Role::SecurityAdministrator,
                };
                let draft = StaffDraft {
                    staff_number: number.clone(),
                    name: name.into(),
                    role: StaffRole::Other,
                    branch,
                };
                let code = service.first_account("console", draft, role).await?;
                let hours = service.account_settings().invited_for.as_secs() / 3600;
                println!("{number} is the {}", role.name().replace('_', " "));
                println!("within {hours} hours the person sets a password with this code: {}", code.as_str());
            }
            UserAct::List { .. } => {
                for (staff, account) in service.accounts(&caller).await? {
                    let (staff, account) = (staff.record, account.record);
                    let roles: Vec<&str> = account.roles.iter().map(|role| role.name()).collect();
                    let last = account.last_login.map_or("never".to_owned(), |at| at.to_string());
                    let (number, branch) = (staff.number, staff.branch);
                    println!(
                        "{number:<12} {branch:<12} {:<9} {last:<28} {}",
                        account.state.name(),
                        roles.join(", ")
                    );
                }
            }
            UserAct::Disable { number, .. } => {
                service.disable_account(&caller, &number).await?;
                println!("the account of {number} is disabled");
            }
        }
        Ok(())
    }
    .await;
    close(&service).await;
    Ok(outcome?)
}

pub(crate) fn rights(language: RightsLanguage) {
    let language = match language {
        RightsLanguage::En => Language::English,
        RightsLanguage::Zh => Language::Chinese,
    };
    print!("{}", Matrix::get().table(language));
}

/// Where a trail lies, what it is called in anchors, and where those are.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) of: String,
    anchors: Vec<PathBuf>,
    public_key: Option<PathBuf>,
    /// Where the trails of all hosts are, if anywhere.
    pub(super) database: Option<Secret>,
    /// Its archives, if there is a folder of them.
    pub(super) archives: Option<Archives>,
}

pub(super) fn place(audited: &Audited, data_dir: Option<&Path>) -> anyhow::Result<Place> {
    let name = if audited.console { audit::CONSOLE_FOLDER } else { audit::FOLDER };
    let (data_dir, host, store, audit) = match audited.place.daemon.files() {
        Some(files) => {
            let Config { host, service, store, .. } = super::checked_config(&files, data_dir)?;
            (host.data_dir, Some(host.name), store, Some(service.audit))
        }
        None => (data_dir.unwrap_or(Path::new("./data")).to_owned(), None, StoreConfig::embedded(), None),
    };
    let (mut anchors, public_key, archiving) = match audit {
        Some(AuditConfig { anchors, public_key, archiving, .. }) => (anchors, public_key, archiving),
        None => (Vec::new(), None, None),
    };
    let archives = audited.archives.clone().or(archiving.map(|archiving| archiving.folder));
    let archives = archives.map(|folder| archives::opened(folder, &data_dir, &store)).transpose()?;
    anchors.extend(audited.anchors.iter().cloned());
    anyhow::ensure!(
        anchors.is_empty() || host.is_some(),
        "anchors name the host that they are of: name its configuration by --config"
    );
    let of = format!("{} {name}", host.unwrap_or_default());
    let database = store.url;
    Ok(Place { folder: data_dir.join(name), of, anchors, public_key, database, archives })
}

pub(crate) async fn audit(act: &AuditAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    match act {
        AuditAct::Verify { audited, public_key, without_table, replaced, json } => {
            let mut place = place(audited, data_dir)?;
            if let Some(path) = public_key {
                place.public_key = Some(path.clone());
            }
            if *without_table {
                place.database = None;
            }
            verify(&place, audited.console, replaced, *json).await
        }
        AuditAct::Show { audited, last, from, until } => {
            let shown = archives::Shown::new(*last, *from, *until, &audited.place, data_dir)?;
            archives::show(&place(audited, data_dir)?, &shown)
        }
        AuditAct::Archive { audited, before, to, dry_run } => {
            archives::archive(audited, *before, to.as_deref(), *dry_run, data_dir).await
        }
    }
}

/// What was found.
struct Found {
    verified: Verified,
    /// Anchors that there are.
    anchors: usize,
    /// Those of them that bear a signature of the key; nothing without a key.
    signed: Option<Signed>,
    /// The same against the central trail, where there is one.
    compared: Option<Compared>,
    /// Why it is not in order, if it is not.
    fault: Option<String>,
}

/// Signed anchors.
struct Signed {
    count: usize,
    last: Option<UtcTime>,
}

async fn verify(place: &Place, is_console: bool, replaced: &[String], as_json: bool) -> anyhow::Result<()> {
    let mut known: Vec<Anchor> = Vec::new();
    // What commands do is not anchored.
    if !is_console {
        for path in &place.anchors {
            known.extend(anchors::read(path, &place.of)?);
        }
    }
    let bar = ProgressBar::new_spinner();
    let progress = |number| {
        bar.set_message(format!("{number} records"));
        bar.tick();
    };
    let verified = audit::verify(&place.folder, place.archives.as_ref(), &known, progress);
    bar.finish_and_clear();
    let verified = verified?;
    let mut fault = verified.fault.as_ref().map(|fault| format!("record {} {}", fault.number, fault.what));
    let mut signed = None;
    if let Some(path) = place.public_key.as_deref().filter(|_| !is_console) {
        let key = signing::public_key(path)?;
        let (found, wrong) = signatures(&key, &known);
        fault = fault.or(wrong);
        signed = Some(found);
    }
    let mut compared = None;
    if let Some(url) = &place.database {
        let central = central_trail(url.reveal())?;
        let outcome = audit::compare(&place.folder, &place.of, central.as_ref()).await;
        let outcome = outcome.context("the central trail cannot be read; --without-table leaves it alone")?;
        fault = fault.or_else(|| difference(&outcome, replaced));
        compared = Some(outcome);
    }
    let found = Found { verified, anchors: known.len(), signed, compared, fault };
    if as_json {
        print_json(&found);
    } else {
        print_text(&found);
    }
    match found.fault {
        Some(fault) => anyhow::bail!(fault),
        None => Ok(()),
    }
}

/// The signed anchors, and what is wrong with them.
fn signatures(key: &PublicKey, known: &[Anchor]) -> (Signed, Option<String>) {
    let signed: Vec<&Anchor> = known.iter().filter(|anchor| anchor.signature.is_some()).collect();
    let forged = signed.iter().find(|anchor| !key.has_signed(anchor)).map(|anchor| {
        let (number, at) = (anchor.head.number, anchor.at);
        format!("record {number} was anchored at {at} with a signature that is not of this key")
    });
    let none = signed.is_empty().then(|| "no anchor is signed".to_owned());
    let last = signed.iter().map(|anchor| anchor.at).max();
    (Signed { count: signed.len(), last }, forged.or(none))
}

/// How the trail differs from the central one.
fn difference(compared: &Compared, replaced: &[String]) -> Option<String> {
    let first = compared.fault.as_ref().map(|fault| format!("record {} {}", fault.number, fault.what));
    let other = compared.others.iter().find(|(id, _)| !replaced.contains(id));
    first.or_else(|| {
        other.map(|(id, last)| {
            format!(
                "the central trail has another trail of this host, {id}, of {}: if its loss is known, say \
                 --replaced {id}",
                super::counted(*last, "record")
            )
        })
    })
}

fn print_json(found: &Found) {
    let Verified { first, head, records, anchors: agreeing, until, fault, archives, known_from } =
        &found.verified;
    let faulty = |fault: &Option<Faulty>| {
        fault.as_ref().map(|fault| serde_json::json!({ "number": fault.number, "what": fault.what }))
    };
    let signed = found
        .signed
        .as_ref()
        .map(|signed| serde_json::json!({ "anchors": signed.count, "last": signed.last }));
    let central = found.compared.as_ref().map(|compared| {
        serde_json::json!({
            "agreeing": compared.agreeing,
            "last": compared.last,
            "lacks": head.number.saturating_sub(compared.last),
            "others": compared.others.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            "first_difference": faulty(&compared.fault),
        })
    });
    let report = serde_json::json!({
        "first": first,
        "last": head.number,
        "head": head.hash,
        "records": records,
        "until": until,
        "archives": archives.map(|Archived { count, records, are_opened }| {
            serde_json::json!({ "count": count, "records": records, "opened": are_opened })
        }),
        "known_from": known_from.as_ref().map(|known| {
            serde_json::json!({ "number": first, "said_by": known.number, "archive_removed": known.archive })
        }),
        "anchors": found.anchors,
        "anchors_agreeing": agreeing,
        "signed": signed,
        "central": central,
        "first_bad": faulty(fault),
        "fault": found.fault,
    });
    println!("{report}");
}

fn print_text(found: &Found) {
    let Verified { first, head, records, anchors: agreeing, archives, known_from, .. } = &found.verified;
    println!("{} from number {first} to {}", super::counted(*records, "record"), head.number);
    if let Some(Archived { count, records, are_opened }) = archives {
        let (count, records) = (super::counted(*count, "archive"), super::counted(*records, "record"));
        println!("{records} of them in {count}");
        if !are_opened && *records != super::counted(0, "record") {
            println!(
                "the master secret is not at hand, so archives were held against their sums and not opened"
            );
        }
    }
    if let Some(known) = known_from {
        println!(
            "what came before is gone: record {} says that {} was removed at {}",
            known.number, known.archive, known.at
        );
    }
    println!("the chain ends with {}", head.hash);
    match found.anchors {
        0 => println!("there are no anchors, so an end that was cut off would not be noticed"),
        all => println!("{agreeing} of {} agree with it", super::counted(all as u64, "anchor")),
    }
    if let Some(Signed { count, last: Some(last) }) = &found.signed {
        println!("{} signed, the last at {last}", super::counted(*count as u64, "anchor"));
    }
    if let Some(compared) = &found.compared {
        let lacks = head.number.saturating_sub(compared.last);
        let agreeing = super::counted(compared.agreeing, "record");
        println!("{agreeing} of the central trail are the same, and it lacks {lacks} yet");
    }
}
