//! Webhooks: events posted to receivers over HTTP, signed, in order, until they are taken.
//!
//! ```text
//! deliver -> shelf -> lanes -> transport
//!           outbox    one for   one request
//!           on disk   each tag
//! ```
//!
//! A sink hands events to one task for each webhook ([`sender`]), which keeps them in an outbox on
//! the disk before it answers, so what the line has passed on survives a crash. It sends several
//! at once, but of one tag only one, and tells the outbox what is done once everything before it is
//! done. What the receiver refuses, and what it did not take for as long as configured, goes to a
//! file of dead letters. `docs/webhooks.md` is for those who receive.

mod addresses;
mod config;
mod dead_letters;
mod filter;
mod http;
mod lanes;
mod marks;
mod outbox;
mod queue;
mod receiver;
mod resend;
mod running;
mod sender;
mod shelf;
mod signature;
mod status;
mod transport;
mod trial;

#[cfg(test)]
mod tests;

pub(crate) use config::{Webhook, WebhookConfig, check};
pub(crate) use http::HttpTransport;
pub use resend::{Resent, ResentCounts, resend_dead_letters};
pub(crate) use running::{Running, Surroundings};
pub use status::{RunningWebhook, WebhookStatus, Webhooks};
pub use trial::{Trial, try_webhooks};
