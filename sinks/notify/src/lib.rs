//! Telling people and programs: the sink `notify` and the [`Hub`] that they subscribe to.
//!
//! Publishing never waits. The hub keeps the latest notices in a ring, and a subscription is a
//! place in it: one that falls behind is told how many notices it missed and goes on with the
//! oldest that is left. A subscriber that comes back names the last event it saw and continues
//! behind it.
//!
//! Webhooks get every event that they ask for, posted and signed, until they take it: what waits
//! for them lies on the disk. `docs/webhooks.md` is their manual.
#![forbid(unsafe_code)]

mod hub;
mod notice;
mod sink;
mod webhook;

pub use hub::{Delivery, Hub, HubCounts, Subscription, TooManySubscribers};
pub use notice::Notice;
pub use sink::{NotifyKind, NotifySink};
pub use webhook::{
    Resent, ResentCounts, RunningWebhook, Trial, WebhookStatus, Webhooks, resend_dead_letters, try_webhooks,
};
