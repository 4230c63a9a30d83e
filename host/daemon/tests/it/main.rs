//! The built binary as its users see it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod antennas;
mod archives;
mod bench;
mod capture;
mod cards;
mod commands;
mod config;
mod daemon;
mod delivered;
mod discover;
mod emulator;
mod ledger;
mod looking_on;
mod metrics;
mod pads;
mod people;
mod plugins;
mod pn532;
mod record;
mod reload;
mod resume;
mod run;
mod screens;
mod service;
mod service_manager;
mod simulate;
mod spill;
mod stores;
mod webhook_receiver;
mod webhooks;
