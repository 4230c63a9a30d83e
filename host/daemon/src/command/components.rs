//! `rfid-host drivers` and `rfid-host sinks`.

use std::path::Path;

use rfid_core::Description;
use rfid_durable::Stores;
use rfid_loader::Plugin;
use serde_json::Value;

use crate::cli::Describe;
use crate::config::{choices, nearest, types, with_failure_keys};
use crate::registry::Registry;

/// A driver or kind of sink, and the file that it is in if it is not built in.
struct Known {
    about: Description,
    file: Option<String>,
}

impl Known {
    fn built_in(about: Description) -> Self {
        Self { about, file: None }
    }

    /// The line that takes it from its plugin.
    fn plugin_key(&self) -> String {
        self.file.as_ref().map_or_else(String::new, |file| format!("plugin = \"{file}\"\n"))
    }
}

pub(crate) fn drivers(plugin_dir: Option<&Path>, describe: Option<Describe>) -> anyhow::Result<()> {
    let built_in = Registry::built_in(Stores::new("")).driver_descriptions();
    let mut known: Vec<Known> = built_in.into_iter().map(Known::built_in).collect();
    for (file, plugin) in plugins(plugin_dir)? {
        known.extend(
            plugin.drivers().iter().map(|it| Known { about: it.describe(), file: Some(file.clone()) }),
        );
    }
    show(describe, &known, "driver", |Known { about: Description { name, .. }, .. }| {
        format!(
            "[readers.my_reader]\ndriver = \"{name}\"\nantennas = {{ 1 = \"door\" }}          # port = zone\n"
        )
    })
}

pub(crate) fn sinks(plugin_dir: Option<&Path>, describe: Option<Describe>) -> anyhow::Result<()> {
    let built_in = Registry::built_in(Stores::new("")).sink_descriptions();
    let mut known: Vec<Known> = built_in.into_iter().map(Known::built_in).collect();
    for (file, plugin) in plugins(plugin_dir)? {
        known
            .extend(plugin.sinks().iter().map(|it| Known { about: it.describe(), file: Some(file.clone()) }));
    }
    for Known { about, .. } in &mut known {
        about.schema = with_failure_keys(std::mem::take(&mut about.schema));
    }
    show(describe, &known, "sink", |known| format!("[sinks.my_sink]\ntype = \"{}\"\n", known.about.name))
}

/// The plugins of the folder. One that is refused is said and left out.
fn plugins(dir: Option<&Path>) -> anyhow::Result<Vec<(String, Plugin)>> {
    let Some(dir) = dir else { return Ok(Vec::new()) };
    let mut plugins = Vec::new();
    for (file, loaded) in super::plugin::in_folder(dir)? {
        match loaded {
            Ok(plugin) => plugins.push((file, plugin)),
            Err(why) => eprintln!("refused: {why}"),
        }
    }
    Ok(plugins)
}

fn show(
    describe: Option<Describe>,
    known: &[Known],
    what: &str,
    head: impl Fn(&Known) -> String,
) -> anyhow::Result<()> {
    let Some(Describe::Describe { name }) = describe else {
        let width = known.iter().map(|known| known.about.name.len()).max().unwrap_or(0);
        for Known { about, file } in known {
            let place = file.as_deref().unwrap_or("built in");
            println!("{:width$}  {}  ({place})", about.name, about.summary);
        }
        println!("\nOptions and an example: rfid-host {what}s describe NAME");
        return Ok(());
    };
    let names = || known.iter().map(|known| known.about.name);
    let Some(known) = known.iter().find(|known| known.about.name == name) else {
        let hint =
            nearest(&name, names()).map_or(String::new(), |hint| format!(" (did you mean \"{hint}\"?)"));
        anyhow::bail!(
            "there is no {what} \"{name}\"{hint}; there are: {}",
            names().collect::<Vec<_>>().join(", ")
        );
    };
    let Description { name, summary, schema, example } = &known.about;
    println!("{name}: {summary}\n");
    print!("{}", table(schema));
    println!("\nExample:\n\n{}{}{example}", head(known), known.plugin_key());
    Ok(())
}

/// The options of a schema as a table, one key after another.
fn table(schema: &Value) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(properties) =
        schema.get("properties").and_then(Value::as_object).filter(|keys| !keys.is_empty())
    else {
        return "There are no options.\n".to_owned();
    };
    let mut text = String::from("Options:\n");
    for (key, property) in properties {
        let default = match property.get("default") {
            Some(default) => format!("default {default}"),
            None if required.contains(&key.as_str()) => "required".to_owned(),
            None => "may be left out".to_owned(),
        };
        text.push_str(&format!("\n  {key}  ({}; {default})\n", kind(property)));
        let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
        for line in wrapped(description, 74) {
            text.push_str(&format!("      {line}\n"));
        }
    }
    text
}

/// What a value looks like, in words.
fn kind(schema: &Value) -> String {
    if let Some(choices) = choices(schema) {
        let list: Vec<String> = choices.iter().map(ToString::to_string).collect();
        return format!("one of {}", list.join(", "));
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let range = match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        _ => String::new(),
    };
    let is_duration = schema.get("format").and_then(Value::as_str) == Some("duration");
    match types(schema).into_iter().find(|name| *name != "null") {
        Some("string") if is_duration => "duration".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => format!("whole number{range}"),
        Some("number") => format!("number{range}"),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => {
            let item = schema.get("items").map_or("values".to_owned(), kind);
            format!("list, each {item}")
        }
        _ => "table".to_owned(),
    }
}

/// Text in lines of at most `width` characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
