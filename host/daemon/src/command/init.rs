//! `rfid-host init` and `rfid-host schema`: a configuration to begin with, and what one may say.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use rfid_durable::Stores;
use serde_json::Value;

use crate::cli::FirstReader;
use crate::config::{self, Texts};
use crate::registry::Registry;

/// What a configuration begins as.
pub(super) const STARTER: &str = include_str!("starter.toml");

/// What the first line of the starter names.
const SCHEMA_FILE: &str = "rfid-host.schema.json";

/// Writes the starter and the schema, never over something that is there.
pub(crate) fn init(path: &Path, reader: &FirstReader) -> anyhow::Result<()> {
    let name = path.display();
    let text = starter(path, reader)?;
    let mut file = std::fs::File::create_new(path)
        .with_context(|| format!("{name} cannot be written; an existing file is left as it is"))?;
    file.write_all(text.as_bytes()).with_context(|| name.to_string())?;
    let schema = path.with_file_name(SCHEMA_FILE);
    match std::fs::File::create_new(&schema) {
        Ok(mut file) => file.write_all(schema_text()?.as_bytes()),
        // Of an earlier `init`; `rfid-host schema` renews it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .with_context(|| schema.display().to_string())?;
    println!("{name} is written, and its schema for editors in {}. Next:", schema.display());
    if reader.address.is_some() {
        println!("  rfid-host check --config {name} --connect     (does the reader answer?)");
    }
    println!("  rfid-host run --config {name}");
    println!("  curl -N http://127.0.0.1:8460/api/v1/events     (in another terminal)");
    Ok(())
}

/// Prints the starter.
pub(crate) fn sample(reader: &FirstReader) -> anyhow::Result<()> {
    print!("{}", starter(Path::new("rfid-host.toml"), reader)?);
    Ok(())
}

/// The starter for an emulated reader, or for one that is there.
fn starter(path: &Path, reader: &FirstReader) -> anyhow::Result<String> {
    let FirstReader { driver: Some(driver), address: Some(address) } = reader else {
        return Ok(STARTER.to_owned());
    };
    let text = for_real_reader(driver, address).context("the starter is not as this command knows it")?;
    // Whether the driver is there and takes the address is said now and not at the first run.
    let registry = Registry::built_in(Stores::new(""));
    match config::check(Texts::of(path, &text), &registry) {
        Ok(_) => Ok(text),
        Err(report) => Err(super::print_report(&report)),
    }
}

fn for_real_reader(driver: &str, address: &str) -> Option<String> {
    let (head, rest) = STARTER.split_once("# It runs as it stands")?;
    let (_, rest) = rest.split_once("#\n")?;
    let (middle, rest) = rest.split_once("# An emulated Mercury 4")?;
    let (_, tables) = rest.split_once("# Branches that")?;
    let quoted = |text: &str| Value::from(text).to_string();
    let tables = with_value(tables, "driver", &quoted(driver))?;
    let tables = with_value(&tables, "address", &quoted(address))?;
    Some(format!("{head}#\n{middle}# Branches that{tables}"))
}

/// Puts another value under the first key of this name. The remark behind it stays.
fn with_value(text: &str, key: &str, value: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("\n{key} = "))?;
    let (_, behind) = rest.split_once('#')?;
    Some(format!("{before}\n{:37}#{behind}", format!("{key} = {value} ")))
}

/// Prints the JSON Schema of a configuration with all drivers and sinks of this build.
pub(crate) fn schema() -> anyhow::Result<()> {
    print!("{}", schema_text()?);
    Ok(())
}

fn schema_text() -> anyhow::Result<String> {
    let schema = config::whole_schema(&Registry::built_in(Stores::new("")));
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}
