//! Commits numbered records for ever and prints each number once it is durable.
//!
//! `cargo run --example commit_until_killed -- FOLDER`; the tests kill it at random moments and
//! look for every number that it printed.

use std::io::Write;

use rfid_durable::{Batch, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: commit_until_killed FOLDER")?;
    let store = Store::open(folder).await?;
    let last = store.last("numbers").await?;
    let first = match last {
        Some((key, _)) => u64::from_be_bytes(key.as_slice().try_into()?) + 1,
        None => 0,
    };
    for number in first.. {
        let mut batch = Batch::default();
        batch.put("numbers", number.to_be_bytes(), format!("record {number}"));
        // The same number in another tree, so that a commit torn in two shows.
        batch.put("twins", number.to_be_bytes(), format!("record {number}"));
        store.commit(batch).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    Ok(())
}
