//! `rfid-host user`, `audit` and `rights`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;
use rfid_ledger::{Entry as LedgerEntry, Reader};
use rfid_service::audit::anchors::{self, Anchor};
use rfid_service::audit::{self, Verified};
use rfid_service::record::StaffRole;
use rfid_service::rights::{Language, Matrix, Role};
use rfid_service::service::{Caller, Fault, StaffDraft};

use super::customers::{close, open};
use crate::cli::{AdministratorName, AuditAct, Audited, RightsLanguage, UserAct};
use crate::config::Config;

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
struct Place {
    folder: PathBuf,
    of: String,
    anchors: Vec<PathBuf>,
}

fn place(audited: &Audited, data_dir: Option<&Path>) -> anyhow::Result<Place> {
    let name = if audited.console { audit::CONSOLE_FOLDER } else { audit::FOLDER };
    let (data_dir, host, mut anchors) = match audited.place.daemon.files() {
        Some(files) => {
            let Config { host, service, .. } = super::checked_config(&files, data_dir)?;
            (host.data_dir, Some(host.name), service.audit.anchors)
        }
        None => (data_dir.unwrap_or(Path::new("./data")).to_owned(), None, Vec::new()),
    };
    anchors.extend(audited.anchors.iter().cloned());
    anyhow::ensure!(
        anchors.is_empty() || host.is_some(),
        "anchors name the host that they are of: name its configuration by --config"
    );
    Ok(Place { folder: data_dir.join(name), of: format!("{} audit", host.unwrap_or_default()), anchors })
}

pub(crate) fn audit(act: &AuditAct, data_dir: Option<&Path>) -> anyhow::Result<()> {
    match act {
        AuditAct::Verify { audited, json } => verify(&place(audited, data_dir)?, audited.console, *json),
        AuditAct::Show { audited, last } => show(&place(audited, data_dir)?.folder, *last),
    }
}

fn verify(place: &Place, is_console: bool, as_json: bool) -> anyhow::Result<()> {
    let mut known: Vec<Anchor> = Vec::new();
    // What commands do is not anchored.
    if !is_console {
        for path in &place.anchors {
            known.extend(anchors::read(path, &place.of)?);
        }
    }
    let bar = ProgressBar::new_spinner();
    let verified = audit::verify(&place.folder, &known, |number| {
        bar.set_message(format!("{number} records"));
        bar.tick();
    });
    bar.finish_and_clear();
    let verified = verified?;
    if as_json {
        print_json(&verified, known.len())
    } else {
        print_text(&verified, known.len())
    }
    match &verified.fault {
        Some(fault) => anyhow::bail!("record {} {}", fault.number, fault.what),
        None => Ok(()),
    }
}

fn print_json(verified: &Verified, anchors: usize) {
    let Verified { first, head, records, anchors: agreeing, until, fault } = verified;
    let fault = fault.as_ref().map(|fault| serde_json::json!({ "number": fault.number, "what": fault.what }));
    let report = serde_json::json!({
        "first": first,
        "last": head.number,
        "head": head.hash,
        "records": records,
        "until": until,
        "anchors": anchors,
        "anchors_agreeing": agreeing,
        "first_bad": fault,
    });
    println!("{report}");
}

fn print_text(verified: &Verified, anchors: usize) {
    let Verified { first, head, records, anchors: agreeing, .. } = verified;
    println!("{} from number {first} to {}", super::counted(*records, "record"), head.number);
    println!("the chain ends with {}", head.hash);
    match anchors {
        0 => println!("there are no anchors, so an end that was cut off would not be noticed"),
        _ => println!("{agreeing} of {} agree with it", super::counted(anchors as u64, "anchor")),
    }
}

fn show(folder: &Path, last: usize) -> anyhow::Result<()> {
    anyhow::ensure!(folder.is_dir(), "there is no audit trail in {}", folder.display());
    let mut reader = Reader::new(folder, 0);
    let mut kept = std::collections::VecDeque::new();
    while let Some(entry) = reader.next_entry().context("the audit trail cannot be read")? {
        if let LedgerEntry::Content(content) = entry {
            if kept.len() == last {
                kept.pop_front();
            }
            kept.push_back((content.number, content.bytes));
        }
    }
    for (number, bytes) in kept {
        let entry = audit::read_entry(number, &bytes)?;
        let mut line = serde_json::to_value(entry)?;
        if let Some(line) = line.as_object_mut() {
            line.shift_insert(0, "number".to_owned(), number.into());
        }
        super::read::say(&format!("{line}\n"));
    }
    Ok(())
}
