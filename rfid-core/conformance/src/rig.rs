//! What the suite for drivers plays with.

use async_trait::async_trait;
use rfid_core::{Driver, DynSession, ReaderSetup, Settings, TagId};

/// A reader that the suite may play with, and the driver for it.
#[async_trait]
pub trait Rig: Send {
    /// The driver.
    fn driver(&self) -> &dyn Driver;

    /// Settings with which the driver reaches the reader, with inventory rounds as short as the
    /// reader allows.
    fn settings(&self) -> Settings;

    /// Settings that lead to an address where nobody answers.
    fn settings_to_nowhere(&self) -> Settings;

    /// Puts exactly these tags before antenna 1 and returns their ids as the driver is to report
    /// them. Asked for 0, 1 and [`Rig::most_tags`] tags.
    async fn lay_tags(&mut self, count: usize) -> Vec<TagId>;

    /// How many tags can be before the antenna at once: many, or one on a pad.
    fn most_tags(&self) -> usize {
        40
    }

    /// Breaks every connection to the reader, as a pulled cable or a reboot does. New ones are
    /// accepted at once.
    async fn cut(&mut self);
}

pub(crate) fn session(rig: &dyn Rig, settings: &Settings) -> Result<Box<dyn DynSession>, String> {
    let setup = ReaderSetup { antenna_ports: vec![1], ..ReaderSetup::named("under_test") };
    rig.driver().session(settings, &setup).map_err(|faults| format!("settings are refused: {faults:?}"))
}
