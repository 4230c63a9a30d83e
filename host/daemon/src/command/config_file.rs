//! `rfid-host config`: a configuration as it takes effect.

use crate::cli::{ConfigAct, ConfigFiles, ConfigFormat};
use crate::config;

pub(crate) fn run(act: &ConfigAct) -> anyhow::Result<()> {
    match act {
        ConfigAct::Show { files, format } => show(files, *format),
        ConfigAct::Sample { reader } => super::init::sample(reader),
        ConfigAct::Schema => super::init::schema(),
    }
}

fn show(files: &ConfigFiles, format: ConfigFormat) -> anyhow::Result<()> {
    let checked = super::checked(files, None).map_err(|report| super::print_report(&report))?;
    super::print_lines(&checked.report);
    match format {
        ConfigFormat::Toml => print!("{}", config::as_toml(&checked)),
        ConfigFormat::Json => {
            println!("{}", serde_json::to_string_pretty(&config::as_json(&checked))?);
        }
    }
    Ok(())
}
