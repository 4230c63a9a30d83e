//! What somebody may be allowed to do.

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Something that somebody may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Action {
            /// All of them, in the order of the matrix.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The action of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|action| action.name() == name)
            }

            /// The name, as in the matrix and in the audit trail.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// See who is here now.
    SeeArrivals = "arrivals.see",
    /// See the visits of the day.
    ListVisits = "visits.list",
    /// See visits of earlier days.
    SeeHistory = "visits.history",
    /// Check in, greet, serve.
    ActInVisits = "visits.act",
    /// Export a few visits.
    ExportVisits = "visits.export",
    /// Export many visits, or who came.
    RequestExports = "visits.export_more",
    /// See to an alarm.
    AcknowledgeAlarms = "alarms.acknowledge",
    /// Search customers.
    SearchCustomers = "customers.search",
    /// See a customer's record.
    SeeCustomers = "customers.see",
    /// See an ID number in full.
    UnmaskCustomers = "customers.unmask",
    /// Open, change and close a customer.
    ChangeCustomers = "customers.change",
    /// Put in a photo.
    TakePhotos = "customers.photo",
    /// Note consent.
    NoteConsent = "customers.consent",
    /// Make the file of a person.
    MakeFiles = "customers.file",
    /// Erase a person.
    ErasePersons = "customers.erase",
    /// See cards.
    SeeCards = "cards.see",
    /// Ask for a card.
    RequestCards = "cards.request",
    /// Encode a card and hand it over.
    EncodeCards = "cards.encode",
    /// Confirm that a spoilt card was destroyed.
    DestroyCards = "cards.destroy",
    /// Block a card.
    BlockCards = "cards.block",
    /// Make a blocked card usable again.
    ReenableCards = "cards.reenable",
    /// See who works for the bank.
    SeeStaff = "staff.see",
    /// Enter staff.
    ChangeStaff = "staff.change",
    /// Begin and end duty.
    SetDuty = "duty.set",
    /// Ask for an account, or for another role.
    RequestAccounts = "accounts.request",
    /// Confirm that somebody still needs an account.
    ConfirmAccounts = "accounts.confirm",
    /// Disable an account.
    LockAccounts = "accounts.lock",
    /// Let somebody set a new password.
    ResetAccounts = "accounts.reset",
    /// See tokens of other systems.
    SeeClients = "clients.see",
    /// Ask for an extra right for a few hours.
    RequestBreakGlass = "break_glass.request",
    /// See which extra rights are lent.
    SeeBreakGlass = "break_glass.see",
    /// See readers, pipelines, sinks and the configuration.
    SeeInstallation = "installation.see",
    /// Hear what an antenna reads.
    ListenToReaders = "readers.listen",
    /// Have the configuration read anew.
    ReloadConfiguration = "configuration.reload",
    /// See how the host is.
    SeeHealth = "health.see",
    /// See the rules of passwords, sessions, retention and exports.
    SeePolicies = "policies.see",
    /// See which backups were made, and what came of them.
    SeeBackups = "backups.see",
    /// Have a backup made.
    MakeBackups = "backups.make",
    /// See reports.
    SeeReports = "reports.see",
    /// Read the audit trail.
    ReadAudit = "audit.read",
    /// Verify the audit trail.
    VerifyAudit = "audit.verify",
}
