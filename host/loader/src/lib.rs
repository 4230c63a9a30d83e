//! Drivers and sinks from outside, as shared libraries.
//!
//! [`Plugins::load`] takes a file from the folder of plugins and gives its [`Plugin`]: drivers and
//! kinds of sinks that the framework uses as it does those built in. Each instance lives in a process
//! of its own, which is this program again ([`run`]), or, where the operator writes so, on a thread
//! of this one. What is loaded are the very bytes that were looked at: a file is read once into
//! sealed memory, where nobody can change it any more.
//!
//! | file | what |
//! |---|---|
//! | `trust.rs` | who may have written the file, and its sum |
//! | `brought.rs` | the libraries that it brings along |
//! | `module.rs` | loading and the handshake |
//! | `raw.rs`, `host_side.rs` | the calls of the interface, both ways |
//! | `thread.rs` | the life of an instance |
//! | `ring/` | the memory over which its reads go |
//! | `in_process.rs`, `process.rs`, `runner.rs`, `wire.rs` | where it lives |
//! | `line.rs`, `incoming.rs` | how the host speaks with it, and what it says unasked |
//! | `there.rs` | which are still there when the host ends |
//! | `instance.rs` | what follows when it is lost |
//! | `session.rs`, `sink.rs` | what the framework sees |
//!
//! Limits: Linux only. A library that a plugin brings along is found by its SONAME alone. A process has what this program may do, less
//! new rights, core files, and memory beyond its bound; it is not confined further.
//!
//! An instance that is closed and not needed any more is destroyed, and its process ends with
//! `deinit`; a host that stops waits for that ([`all_gone`]). A process whose instance is lost is
//! killed. In this process `deinit` is never called: what is loaded stays, another reader may be
//! made of it at any time, and at the end of the program a library that fails in it would take with
//! it what the host has still to do.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

#[cfg(feature = "boundary")]
pub mod boundary;
mod brought;
mod encoding;
mod host_side;
mod in_process;
mod incoming;
mod instance;
mod line;
mod message;
mod module;
mod plugins;
mod process;
mod raw;
mod ring;
mod runner;
mod session;
mod sink;
mod teller;
mod there;
mod thread;
mod trust;
mod wire;

#[cfg(test)]
#[path = "../fuzz/hostile.rs"]
mod hostile;
#[cfg(test)]
mod logged;

pub use plugins::{Isolation, Place, Plugin, Plugins, USUAL_MEMORY};
pub use process::Runner;
pub use runner::run;
pub use there::all_gone;
pub use trust::Sha256Text;
