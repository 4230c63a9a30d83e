//! `rfid-host plugin`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use indicatif::ProgressBar;
use rfid_core::{Driver, Settings};
use rfid_loader::{Isolation, Place, Plugin, Plugins, Runner, USUAL_MEMORY};
use rfid_plugin_conformance::{Entry, Options, Subject};
use serde_json::{Value, json};

use super::{counted, plugin_template};
use crate::cli::{Checked, PluginAct};
use crate::registry::{PLUGIN_CASE, runner};

pub(crate) fn run(act: &PluginAct) -> anyhow::Result<()> {
    match act {
        PluginAct::List { dir, json } => list(dir, *json),
        PluginAct::Check(checked) => check(checked),
        PluginAct::New { lang, dir, source } => plugin_template::write(*lang, dir, source.as_deref()),
    }
}

fn check(Checked { file, config, component, filter, quick, json }: &Checked) -> anyhow::Result<()> {
    let options = match config {
        None => None,
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let options = Settings::from_toml(&text)
                .map_err(|faults| anyhow::anyhow!("{}: {faults}", path.display()))?;
            Some(options.as_json().clone())
        }
    };
    let subject = Subject { component: component.clone(), options, ..Subject::new(file) };
    let how = Options { filter: filter.clone(), quick: *quick, ..Options::default() };
    let child = || {
        let Runner { program, .. } = runner();
        let mut child = std::process::Command::new(program);
        child.arg(PLUGIN_CASE);
        child
    };
    let bar = ProgressBar::new_spinner();
    let progress = |entry: &Entry| {
        bar.inc(1);
        bar.set_message(format!("{} cases, last {}", bar.position(), entry.case));
    };
    let report = rfid_plugin_conformance::check(&subject, &how, &child, &progress)?;
    bar.finish_and_clear();
    match json {
        true => println!("{}", serde_json::to_string_pretty(&report.to_json())?),
        false => println!("{report}"),
    }
    anyhow::ensure!(report.is_passed(), "{} does not keep to the interface", file.display());
    Ok(())
}

/// The plugins of a folder by their files, each loaded in a process of its own or refused with a
/// reason.
pub(crate) fn in_folder(dir: &Path) -> anyhow::Result<Vec<(String, Result<Plugin, String>)>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot look into {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "so"));
    files.sort();
    let plugins = Plugins::new(runner(), Path::new(""));
    let names = files.iter().filter_map(|path| path.file_name()?.to_str());
    let mut found: Vec<(String, Result<Plugin, String>)> =
        names.map(|file| (file.to_owned(), plugins.load(&place(dir, file)))).collect();
    let brought: Vec<String> = found
        .iter()
        .flat_map(|(_, loaded)| loaded.iter().flat_map(Plugin::libraries))
        .map(|(name, _)| name)
        .collect();
    // A library of a plugin is none itself.
    found.retain(|(file, loaded)| loaded.is_ok() || !brought.contains(file));
    Ok(found)
}

/// A plugin as it is loaded where no configuration says how.
fn place(dir: &Path, file: &str) -> Place {
    Place {
        folder: dir.to_owned(),
        file: file.to_owned(),
        sha256: None,
        libraries: BTreeMap::new(),
        isolation: Isolation::Process,
        most_memory: USUAL_MEMORY,
    }
}

/// The driver of this name that a plugin's file has. Its instances keep their files below `data_dir`.
pub(super) fn driver(file: &Path, name: &str, data_dir: &Path) -> anyhow::Result<Arc<dyn Driver>> {
    let (folder, file_name) = folder_and_name(file).context("--plugin takes the file of a plugin")?;
    let loaded = Plugins::new(runner(), data_dir).load(&place(folder, file_name));
    let plugin = loaded.map_err(anyhow::Error::msg)?;
    let names = || plugin.drivers().iter().map(|driver| driver.describe().name);
    let index = names().position(|known| known == name);
    index.and_then(|index| plugin.drivers().get(index).cloned()).with_context(|| {
        let known: Vec<&str> = names().collect();
        format!("{} has no driver \"{name}\"; it has: {}", file.display(), known.join(", "))
    })
}

fn folder_and_name(file: &Path) -> Option<(&Path, &str)> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some((folder.unwrap_or(Path::new(".")), file.file_name()?.to_str()?))
}

fn list(dir: &Path, as_json: bool) -> anyhow::Result<()> {
    let found = in_folder(dir)?;
    let mut refused = 0;
    for (file, loaded) in &found {
        match loaded {
            Ok(plugin) if as_json => println!("{}", described(file, plugin)),
            Ok(plugin) => print(file, plugin),
            Err(why) => {
                refused += 1;
                match as_json {
                    true => println!("{}", json!({ "file": file, "refused": why })),
                    false => println!("{file}\n  refused: {why}\n"),
                }
            }
        }
    }
    if found.is_empty() && !as_json {
        println!("{} has no plugins: files that end in .so", dir.display());
    }
    anyhow::ensure!(refused == 0, "{} refused", counted(refused, "plugin"));
    Ok(())
}

fn print(file: &str, plugin: &Plugin) {
    println!("{file}");
    println!(
        "  {} {} by {}, built with {}",
        plugin.id(),
        plugin.version(),
        plugin.vendor(),
        plugin.built_with()
    );
    for driver in plugin.drivers() {
        let about = driver.describe();
        println!("  driver = \"{}\"  {}", about.name, about.summary);
    }
    for sink in plugin.sinks() {
        let about = sink.describe();
        println!("  type = \"{}\"  {}", about.name, about.summary);
    }
    println!("  sha256 = \"{}\"", plugin.sha256());
    let libraries = plugin.libraries();
    if !libraries.is_empty() {
        let sums: Vec<String> =
            libraries.iter().map(|(name, sha256)| format!("\"{name}\" = \"{sha256}\"")).collect();
        println!("  libraries = {{ {} }}", sums.join(", "));
    }
    println!();
}

fn described(file: &str, plugin: &Plugin) -> Value {
    let drivers: Vec<&str> = plugin.drivers().iter().map(|driver| driver.describe().name).collect();
    let sinks: Vec<&str> = plugin.sinks().iter().map(|sink| sink.describe().name).collect();
    json!({
        "file": file,
        "id": plugin.id(),
        "version": plugin.version(),
        "vendor": plugin.vendor(),
        "built_with": plugin.built_with(),
        "sha256": plugin.sha256().to_string(),
        "libraries": plugin.libraries().iter().map(|(name, sum)| (name.clone(), sum.to_string())).collect::<BTreeMap<_, _>>(),
        "drivers": drivers,
        "sinks": sinks,
    })
}
