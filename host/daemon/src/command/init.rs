//! `rfid-host init` and `rfid-host schema`: a configuration to begin with, and what one may say.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use rfid_durable::Stores;

use crate::config;
use crate::registry::Registry;

/// What a configuration begins as.
pub(super) const STARTER: &str = include_str!("starter.toml");

/// Writes the starter, never over something that is there.
pub(crate) fn init(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let mut file = std::fs::File::create_new(path)
        .with_context(|| format!("{name} cannot be written; an existing file is left as it is"))?;
    file.write_all(STARTER.as_bytes()).with_context(|| name.to_string())?;
    println!("{name} is written. Next:");
    println!("  rfid-host emulate mercury4 --listen 127.0.0.1:8080     (or put your reader's address in)");
    println!("  rfid-host run --config {name}");
    println!("  curl -N http://127.0.0.1:8460/api/v1/events");
    Ok(())
}

/// Prints the JSON Schema of a configuration with all drivers and sinks of this build.
pub(crate) fn schema() -> anyhow::Result<()> {
    let schema = config::whole_schema(&Registry::built_in(Stores::new("")));
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}
