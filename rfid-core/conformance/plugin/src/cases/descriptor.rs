//! What the plugin says about itself.

use std::collections::BTreeSet;
use std::path::Path;

use rfid_conformance::schema;
use serde_json::Value;

use super::{SHORT, on_component};
use crate::bench::Bench;
use crate::case::{AppliesTo, Case, Group, Run, Verdict, fail, skip};
use crate::instance::Instance;
use crate::plugin::{self, Component, text};

const fn on_file(
    name: &'static str,
    run: fn(&Path) -> Verdict,
    about: &'static str,
    advice: &'static str,
) -> Case {
    let (group, applies_to) = (Group::Descriptor, AppliesTo::Module);
    Case { name, group, about, advice, limit: SHORT, applies_to, run: Run::File(run) }
}

pub(super) const CASES: &[Case] = &[
    on_file(
        "descriptor/texts",
        texts,
        "Every text is there, is UTF-8 and says something.",
        "Fill in all texts of the module and of its components.",
    ),
    on_file(
        "descriptor/unique-ids",
        unique_ids,
        "No two components have the same id.",
        "Give each component an id of its own: it is how a configuration names it.",
    ),
    on_file(
        "descriptor/tables",
        tables,
        "Each component has its kind, its table, the size of it, and all functions that must be there.",
        "Set `kind`, `driver` or `sink`, `struct_size`, and every function that the header does not call optional.",
    ),
    on_component(
        Group::Descriptor,
        AppliesTo::Component,
        SHORT,
        "descriptor/schema",
        schema_is_closed,
        "The schema is JSON, keeps to what the host heeds, is closed at each level, and describes each key.",
        "Set additionalProperties to false in every table, and a description for every key.",
    ),
    on_component(
        Group::Descriptor,
        AppliesTo::Component,
        SHORT,
        "descriptor/example",
        example,
        "The example is TOML with options that `create` takes.",
        "Write an example that works as it stands.",
    ),
];

fn texts(file: &Path) -> Verdict {
    let module = plugin::load(file)?;
    let mut all = vec![
        ("the module's id".to_owned(), module.id),
        ("the module's vendor".to_owned(), module.vendor),
        ("the module's version".to_owned(), module.version),
        ("the module's built_with".to_owned(), module.built_with),
    ];
    for (index, table) in plugin::components(module).into_iter().enumerate() {
        let of = |what: &str| format!("component {index}: its {what}");
        all.extend([
            (of("id"), table.id),
            (of("name"), table.name),
            (of("description"), table.description),
            (of("config_schema"), table.config_schema),
            (of("config_example"), table.config_example),
        ]);
    }
    for (what, pointer) in all {
        match text(pointer) {
            Err(fault) => return fail(format!("{what} {fault}")),
            // A component may have no options.
            Ok("") if !what.ends_with("config_example") => return fail(format!("{what} is empty")),
            Ok(_) => {}
        }
    }
    Ok(None)
}

fn unique_ids(file: &Path) -> Verdict {
    let mut ids = BTreeSet::new();
    for table in plugin::components(plugin::load(file)?) {
        let Ok(id) = text(table.id) else { return skip("an id is no text; see descriptor/texts") };
        if !ids.insert(id) {
            return fail(format!("two components are called \"{id}\""));
        }
    }
    Ok(None)
}

fn tables(file: &Path) -> Verdict {
    let module = plugin::load(file)?;
    let components = plugin::components(module);
    if components.len() != module.component_count as usize {
        return fail("a pointer to a component is null");
    }
    for table in components {
        let component = Component::of(table).or_else(fail)?;
        let other = if component.is_driver() { table.sink.is_null() } else { table.driver.is_null() };
        if !other {
            return fail(format!("{}: it has the functions of both kinds", component.id));
        }
    }
    Ok(None)
}

fn schema_is_closed(bench: &Bench) -> Verdict {
    let text =
        text(bench.component().table.config_schema).or_else(|fault| fail(format!("the schema {fault}")))?;
    let schema: Value =
        serde_json::from_str(text).or_else(|error| fail(format!("the schema is no JSON: {error}")))?;
    schema::check(&schema).or_else(fail)?;
    Ok(None)
}

fn example(bench: &Bench) -> Verdict {
    let options = bench.example().or_else(fail)?;
    let host = bench.host(&[]);
    let (instance, answer) = Instance::create(*bench.component(), host, options.to_string().as_bytes());
    match instance {
        Some(_) => Ok(None),
        None if answer.status.is_ok() => fail("`create` said OK and left no instance"),
        None => answer.ok().map(|_| None),
    }
}
