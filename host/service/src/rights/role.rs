//! Roles.

use serde::{Deserialize, Serialize};

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $short:literal;)*) => {
        /// What somebody is to the customer service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Role {
            $($(#[$doc])* #[serde(rename = $text, alias = $short)] $name,)*
        }

        impl Role {
            /// All of them, in the order of the matrix.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The name, as in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The two letters of the matrix.
            pub const fn short(self) -> &'static str {
                match self {
                    $(Self::$name => $short,)*
                }
            }

            /// The role of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|role| role.name() == name)
            }
        }
    };
}

roles! {
    /// Greets in the hall.
    LobbyManager = "lobby_manager", "LM";
    /// Looks after certain customers.
    AccountManager = "account_manager", "AM";
    /// Asks for cards, encodes them and hands them over.
    IssuingClerk = "issuing_clerk", "IC";
    /// Approves what others ask for.
    ApprovingReviewer = "approving_reviewer", "AR";
    /// Runs a branch.
    BranchSupervisor = "branch_supervisor", "BS";
    /// Looks after all branches.
    CentreSupervisor = "centre_supervisor", "CS";
    /// Hosts, readers, configuration.
    SystemAdministrator = "system_administrator", "SA";
    /// Accounts, roles, policies.
    SecurityAdministrator = "security_administrator", "SE";
    /// Reads and verifies the audit trail.
    Auditor = "auditor", "AU";
    /// Another system.
    MachineClient = "machine_client", "MC";
    /// A screen on a wall or a desk: a device, no person.
    Display = "display", "DS";
}
