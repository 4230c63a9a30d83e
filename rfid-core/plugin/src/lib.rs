//! Drivers and sinks in Rust as plugins of `rfid-host`.
//!
//! What an author writes is what a driver or a sink in the tree is: a [`Driver`] with its
//! [`Session`], or a [`SinkKind`] with its [`Sink`]. A crate of the type `cdylib` exports it with one
//! macro, without any unsafe code of its own:
//!
//! ```
//! # use std::time::Duration;
//! # use rfid_core::{ConfigFaults, Description, Driver, DynSession, ReadBuf, ReaderInfo, ReaderSetup};
//! # use rfid_core::{Result, Session, Settings, settings::schema_of};
//! # #[derive(Default)]
//! # struct Acme;
//! # struct Connection;
//! # impl Session for Connection {
//! #     async fn open(&mut self) -> Result<ReaderInfo> { std::future::pending().await }
//! #     async fn start(&mut self) -> Result<()> { Ok(()) }
//! #     async fn read(&mut self, _: &mut ReadBuf) -> Result<()> { Ok(()) }
//! #     async fn stop(&mut self) -> Result<()> { Ok(()) }
//! #     async fn close(&mut self) -> Result<()> { Ok(()) }
//! # }
//! # impl Driver for Acme {
//! #     fn describe(&self) -> Description {
//! #         let schema = serde_json::json!({ "type": "object", "additionalProperties": false });
//! #         Description { name: "acme", summary: "the Acme readers", schema, example: "" }
//! #     }
//! #     fn session(&self, _: &Settings, _: &ReaderSetup) -> Result<Box<dyn DynSession>, ConfigFaults> {
//! #         Ok(Box::new(Connection))
//! #     }
//! # }
//! rfid_plugin::export! {
//!     id: "com.acme.readers",
//!     vendor: "Acme",
//!     drivers: [Acme::default()],
//!     sinks: [],
//! }
//! # fn main() {}
//! ```
//!
//! What stands around it, so that the author need not think of it:
//!
//! * **Panics** end the instance and nothing else. The host is told the text and the place, and
//!   every later call on the instance says so again. A panic in a task or thread that was begun
//!   with [`spawn`] or [`thread`] counts as the instance's.
//! * **Waiting**: each call of the host runs the future on the host's thread, within the limit that
//!   the host gave, until the host cancels. One runtime of tokio with one worker thread serves all
//!   instances, so tasks run between the calls. Do not block in a future: nothing can interrupt it.
//! * **Reads** are taken in batches of up to [`ReadBuf::DEFAULT_CAPACITY`]. What the host has no room
//!   for waits, and [`Session::read`] is then not called. A session's `silence_limit` is watched here.
//! * **Logging**: `tracing` goes to the host's log, with the fields of the spans around it.
//! * **Options** are described by [`Description`](rfid_core::Description) and arrive checked.
//!
//! A profile with `panic = "abort"` does not compile. A plugin that is loaded is never unloaded.
//!
//! Limits: a call without room for reads keeps up to one batch and then leaves the session alone, as a
//! host does that is behind, so only its tasks keep the connection alive. A sink can add a record to an
//! event and change it, and not take it away. Of a driver is recorded what it delivers, and nothing of its
//! connections.
//!
//! [`Driver`]: rfid_core::Driver
//! [`Session`]: rfid_core::Session
//! [`Session::read`]: rfid_core::Session::read
//! [`SinkKind`]: rfid_core::SinkKind
//! [`Sink`]: rfid_core::Sink
//! [`ReadBuf::DEFAULT_CAPACITY`]: rfid_core::ReadBuf::DEFAULT_CAPACITY
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod driver;
mod event;
mod extension;
mod failure;
mod held;
mod host;
mod instance;
mod inventory;
mod lent;
mod logging;
mod module;
mod panics;
mod runtime;
mod sink;
mod tasks;
mod turn;

pub use tasks::{spawn, thread};

#[cfg(panic = "abort")]
compile_error!(
    "a plugin must unwind: with panic = \"abort\" one panic would end the host; \
     remove it from the profile"
);

/// What the macro's expansion names. Not for use by hand.
#[doc(hidden)]
pub mod exported {
    pub use crate::driver::{ExportedDriver, component as driver};
    pub use crate::module::{Exported, entry};
    pub use crate::sink::{ExportedSink, MakeKind, component as sink, make_kind};
    pub use rfid_abi as abi;
    pub use rfid_core as core;
}

/// Exports drivers and sinks as a plugin: the one C function that `rfid-host` looks for.
///
/// `id` is a dotted name that nobody else has, `vendor` who made it. A driver is an expression of a
/// type that implements [`Driver`](rfid_core::Driver). A sink is a closure that gets the folder in
/// which this sink may keep files (`&Path`; it need not exist yet) and returns a
/// [`SinkKind`](rfid_core::SinkKind); it is also called with an empty path, to describe the sink, and
/// does no I/O.
///
/// To be used once, in the crate that is the plugin (`crate-type = ["cdylib"]`): two in one program
/// would define the function twice.
#[macro_export]
macro_rules! export {
    (
        id: $id:expr,
        vendor: $vendor:expr,
        drivers: [$($driver:expr),* $(,)?],
        sinks: [$($sink:expr),* $(,)?] $(,)?
    ) => {
        /// The module of this plugin, or null for a host that it cannot work with.
        #[unsafe(no_mangle)]
        pub extern "C" fn rfid_plugin_module_v0(
            host_abi_minor: u32,
        ) -> *const $crate::exported::abi::Module {
            static MODULE: ::std::sync::OnceLock<$crate::exported::Exported> =
                ::std::sync::OnceLock::new();
            $crate::exported::entry(host_abi_minor, &MODULE, || {
                $crate::exported::Exported::new($id, $vendor, env!("CARGO_PKG_VERSION"), vec![
                    $({
                        struct Component;
                        impl $crate::exported::ExportedDriver for Component {
                            fn driver() -> &'static dyn $crate::exported::core::Driver {
                                static DRIVER: ::std::sync::OnceLock<
                                    ::std::boxed::Box<dyn $crate::exported::core::Driver>,
                                > = ::std::sync::OnceLock::new();
                                &**DRIVER.get_or_init(|| ::std::boxed::Box::new($driver))
                            }
                        }
                        $crate::exported::driver::<Component>()
                    },)*
                    $({
                        struct Component;
                        impl $crate::exported::ExportedSink for Component {
                            fn kind() -> &'static $crate::exported::MakeKind {
                                static KIND: ::std::sync::OnceLock<
                                    ::std::boxed::Box<$crate::exported::MakeKind>,
                                > = ::std::sync::OnceLock::new();
                                &**KIND.get_or_init(|| $crate::exported::make_kind($sink))
                            }
                        }
                        $crate::exported::sink::<Component>()
                    },)*
                ])
            })
        }
    };
}
