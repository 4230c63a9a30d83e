//! The suite that every plugin passes, in whatever language it is written.
//!
//! It speaks to a plugin as the host does, over the tables of `rfid-abi`, and worse than the host
//! ever would. A plugin under test may do anything, so each [`Case`] runs in a process of its own
//! that is killed at the case's time limit, and memory that is lent to the plugin lies between
//! pages that nobody may touch: what a plugin does wrong ends as a line of the [`Report`], with
//! the call in which it happened and what to do about it.
//!
//! The parent calls [`check`] and says how a child is started; the child calls [`serve`] before it
//! starts threads or opens files of its own. What the child says about its case comes back over
//! its standard input, a socket, since the plugin may write to standard output and error.
//!
//! ```no_run
//! use std::process::Command;
//! use rfid_plugin_conformance::{Options, Subject, check};
//!
//! let subject = Subject::new("target/release/libacme.so");
//! let child = || {
//!     let mut command = Command::new("/proc/self/exe");
//!     command.args(["plugin", "case"]);
//!     command
//! };
//! let report = check(&subject, &Options::default(), &child, &|entry| eprintln!("{entry}"))?;
//! print!("{report}");
//! std::process::exit(if report.is_passed() { 0 } else { 1 });
//! # #[allow(unreachable_code)]
//! # std::io::Result::Ok(())
//! ```
//!
//! What is not here, since it needs to know what the plugin is connected to: whether each tag of a
//! field is delivered once or counted as lost (drivers in Rust show that with
//! `rfid_conformance::driver` and their simulator), and whether what a sink flushed outlives a
//! crash. The layout of the tables is the test of `rfid-abi`.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod bench;
mod case;
mod cases;
mod check;
mod child;
mod events;
mod host;
mod instance;
mod lent;
mod plugin;
mod process;
mod proxy;
mod report;
mod subject;
mod wrong_options;

pub use case::{AppliesTo, Case, Group, cases};
pub use check::check;
pub use child::{run_case, serve};
pub use report::{Entry, Outcome, Report};
pub use subject::{Options, Subject};
