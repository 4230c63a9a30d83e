//! Receivers of webhooks that are dead or slow.

use anyhow::Result;

use super::{Outcome, Play};

pub(super) async fn dead(_play: Play) -> Result<Outcome> {
    Ok(Outcome::Skipped("this binary has no webhooks".to_owned()))
}

pub(super) async fn slow(_play: Play) -> Result<Outcome> {
    Ok(Outcome::Skipped("this binary has no webhooks".to_owned()))
}
