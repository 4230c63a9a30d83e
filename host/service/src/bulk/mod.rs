//! Many customers or cards at once, from CSV.
//!
//! A file is read twice: first everything is checked, against itself and against the store, and all
//! that is wrong is told with its line; then, if nothing is, all of it is taken in, or nothing. Neither
//! time is the whole file in memory.
//!
//! The first line names the columns, in English or in Chinese, in any order. UTF-8 (with or without a
//! byte-order mark) and GB 18030, as Chinese spreadsheets write it, are both read.

mod cards;
mod customers;
mod table;

use std::fmt;
use std::path::Path;

use rfid_core::{Error, ErrorKind};

use self::table::Row;
use crate::rights::Action;
use crate::service::{Caller, Fault, FieldFault, Service};
use crate::store::{CommitFault, Origin};

pub use cards::CARD_COLUMNS;
pub use customers::CUSTOMER_COLUMNS;

/// Faults that are told one by one; of further ones only the number.
const MOST_SHOWN: usize = 100;

/// Where an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes of so many are checked.
    Checking(u64, u64),
    /// So many bytes of so many are taken in.
    Taking(u64, u64),
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportFault {
    /// Lines are wrong.
    Lines {
        /// Line from 1 and what is wrong, the first hundred.
        shown: Vec<(u64, String)>,
        /// How many there are.
        total: u64,
    },
    /// The file cannot be read.
    File(Error),
    /// The store refuses, or cannot.
    Store(CommitFault),
}

impl fmt::Display for ImportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { total: 1, .. } => f.write_str("1 fault; nothing was imported"),
            Self::Lines { total, .. } => write!(f, "{total} faults; nothing was imported"),
            Self::File(error) => write!(f, "{error:#}"),
            Self::Store(fault) => write!(f, "{fault}; nothing was imported"),
        }
    }
}

impl std::error::Error for ImportFault {}

impl From<Error> for ImportFault {
    fn from(error: Error) -> Self {
        Self::File(error)
    }
}

/// Gathers what is wrong.
#[derive(Default)]
struct Faults {
    shown: Vec<(u64, String)>,
    total: u64,
}

impl Faults {
    fn add(&mut self, line: u64, what: impl Into<String>) {
        self.total += 1;
        if self.shown.len() < MOST_SHOWN {
            self.shown.push((line, what.into()));
        }
    }

    fn add_all(&mut self, line: u64, faults: Vec<FieldFault>) {
        faults.into_iter().for_each(|fault| self.add(line, fault.to_string()));
    }

    fn end(self) -> Result<(), ImportFault> {
        match self.total {
            0 => Ok(()),
            total => Err(ImportFault::Lines { shown: self.shown, total }),
        }
    }
}

/// Opens the customers of a file. Returns how many there are; with `dry_run` nothing is written.
///
/// # Errors
/// Everything that is wrong; then nothing was written.
pub async fn import_customers(
    service: &Service,
    caller: &Caller,
    file: &Path,
    dry_run: bool,
    progress: impl FnMut(Progress) + Send,
) -> Result<u64, ImportFault> {
    customers::import(service, caller, file, dry_run, progress).await
}

/// Binds the cards of a file to their customers. Returns how many there are; with `dry_run` nothing
/// is written.
///
/// # Errors
/// Everything that is wrong; then nothing was written.
pub async fn import_cards(
    service: &Service,
    caller: &Caller,
    file: &Path,
    dry_run: bool,
    progress: impl FnMut(Progress) + Send,
) -> Result<u64, ImportFault> {
    cards::import(service, caller, file, dry_run, progress).await
}

impl Service {
    /// Only who does it alone imports: the console of the host, and the bank's own register.
    async fn may_import(&self, caller: &Caller, action: Action) -> Result<(), ImportFault> {
        let denied = |what: String| Error::new(ErrorKind::Denied, "import").with_detail(what);
        self.may(caller, action).await.map(drop).map_err(|fault| denied(fault.to_string()).into())
    }

    /// Notes that so many are about to be taken in.
    async fn note_import(&self, caller: &Caller, action: &str, count: u64) -> Result<(), ImportFault> {
        let unaudited = |fault: Fault| Error::new(ErrorKind::Io, "import").with_detail(fault.to_string());
        let noted = self.did(caller, action, |entry| entry.count = Some(count)).await;
        noted.map_err(|fault| unaudited(fault).into())
    }
}

fn origin(service: &Service, caller: &Caller) -> Origin {
    Origin { by: caller.actor.clone(), at: service.now(), from: caller.from.clone() }
}

/// A cell that is not empty.
fn filled(row: &Row, column: &str) -> Option<String> {
    let text = row.get(column).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
