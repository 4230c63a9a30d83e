//! `rfid-host bench`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rfid_load::{Comparison, Mode, Protocol, Report, Settings};

use crate::cli::{Bench, BenchMode, BenchProtocol};

/// Measured for as long as shows that everything works.
const QUICK: Duration = Duration::from_millis(200);

/// Readers and tags at which memory is looked at, at least.
const FOR_MEMORY: (u32, u32) = (64, 100_000);
const QUICK_FOR_MEMORY: (u32, u32) = (2, 2_000);

pub(crate) async fn run(asked: Bench, data_dir: Option<&Path>) -> anyhow::Result<()> {
    if asked.protocol == BenchProtocol::Llrp && asked.mode == BenchMode::Poll {
        anyhow::bail!("--mode poll asks readers for rounds, which LLRP readers report by themselves");
    }
    let daemon = std::env::current_exe().context("this program does not know where it is")?;
    let parent = data_dir.map_or_else(std::env::temp_dir, Path::to_owned);
    std::fs::create_dir_all(&parent).with_context(|| parent.display().to_string())?;
    let json = asked.json;
    let stopped = Arc::new(AtomicBool::new(false));
    let watch = Arc::clone(&stopped);
    let told = super::told_to_stop();
    tokio::spawn(async move {
        // Without signals the bench ends by itself, later.
        let _ = told.await;
        watch.store(true, Ordering::Relaxed);
    });
    let measures = move || -> anyhow::Result<Report> {
        let says = &mut |what: &str| eprintln!("{what}");
        if let Some(ceiling) = asked.against {
            let comparison = if asked.quick { Comparison::quick } else { Comparison::whole };
            return comparison(daemon, ceiling, parent).run(&stopped, says);
        }
        let (readers, tags) = if asked.quick { QUICK_FOR_MEMORY } else { FOR_MEMORY };
        let settings = Settings {
            for_memory: (readers.max(asked.readers), tags.max(asked.tags)),
            daemon,
            parent,
            readers: asked.readers,
            tags: asked.tags,
            customers: asked.customers,
            protocol: match asked.protocol {
                BenchProtocol::Rql => Protocol::Rql,
                BenchProtocol::Llrp => Protocol::Llrp,
            },
            mode: match asked.mode {
                BenchMode::Autonomous => Mode::Autonomous,
                BenchMode::Poll => Mode::Poll,
            },
            rate: asked.rate.map(f64::from),
            measured: if asked.quick { QUICK } else { Duration::from_secs(asked.seconds.into()) },
            rounds: 1,
        };
        settings.run(&stopped, says)
    };
    let report = tokio::task::spawn_blocking(measures).await??;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    anyhow::ensure!(report.failures().is_empty(), "{}", report.failures().join("; "));
    match report.missing() {
        0 => Ok(()),
        missing => anyhow::bail!("{missing} reads or arrivals are missing"),
    }
}
