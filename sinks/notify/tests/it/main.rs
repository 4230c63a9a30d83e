//! The notify sink with its webhooks on real sockets and a real disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_receivers;
mod receiver;
mod requests;
mod restarts;
mod stage;
mod tls;
