//! The man page of the configuration, from its JSON Schema.

use roff::{Roff, bold, italic, roman};
use serde_json::{Map, Value};

const ABOUT: &str = "\
A configuration is a TOML file, and the *.toml of the folder conf.d beside it, in the order of \
their names. `rfid-host init` writes one to begin with, `rfid-host check` finds \
every fault in one, and `rfid-host schema` prints what an editor needs to complete it. Durations \
are text with a unit, as in \"250ms\" or \"10m\".";

/// Keys beside the options of a driver or a sink, which its schema cannot describe.
const KEYS_OF_THE_HOST: [(&str, &str); 6] = [
    ("driver", "Which driver, as `rfid-host drivers` lists them."),
    ("type", "Which kind of sink, as `rfid-host sinks` lists them."),
    ("branch", "Branch that the reader belongs to."),
    ("zone", "Zone of all antennas of the reader; `antennas` names them one by one instead."),
    ("serial", "Serial number that the reader must have; another one is not read."),
    ("antennas", "Zone of each antenna port, as in { 1 = \"door\", 2 = \"hall\" }."),
];

/// The page, in section 5.
pub(crate) fn of(schema: &Value) -> String {
    let mut roff = Roff::new();
    let source = concat!("rfid-host ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["rfid-host.toml", "5", "", source, "rfid-host"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("rfid-host.toml - configuration of rfid-host")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(ABOUT)]);
    for (name, section) in properties(schema) {
        roff.control("SH", [name.to_uppercase().as_str()]);
        match section.get("additionalProperties").filter(|entry| entry.is_object()) {
            Some(entry) => add_table(&mut roff, &format!("[{name}.NAME]"), entry),
            None => add_table(&mut roff, &format!("[{name}]"), section),
        }
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("nf", []);
    for line in super::init::STARTER.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.control("SH", ["FILES"]);
    roff.text([bold("/etc/rfid-host/rfid-host.toml"), roman(" is what the service runs.")]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("rfid-host"), roman("(1)")]);
    roff.render()
}

/// A table of the file. One whose keys depend on a value, as on the driver, is shown for each.
fn add_table(roff: &mut Roff, heading: &str, table: &Value) {
    let kinds: Vec<&Value> = table.get("allOf").and_then(Value::as_array).into_iter().flatten().collect();
    if kinds.is_empty() {
        roff.control("SS", [heading]);
        add_keys(roff, "", table);
    }
    for kind in kinds {
        let condition = kind.pointer("/if/properties");
        let names = condition.and_then(Value::as_object).into_iter().flatten().filter_map(|(key, value)| {
            value.get("const").and_then(Value::as_str).map(|name| format!("{key} {name}"))
        });
        // No quotes: they would end the argument of the heading.
        roff.control("SS", [format!("{heading} of {}", names.collect::<Vec<_>>().join(", ")).as_str()]);
        if let Some(table) = kind.get("then") {
            add_keys(roff, "", table);
        }
    }
}

/// The keys of a table, and those of the tables in it behind a dot.
fn add_keys(roff: &mut Roff, before: &str, table: &Value) {
    let required = |key: &str| {
        let keys = table.get("required").and_then(Value::as_array);
        keys.is_some_and(|keys| keys.iter().any(|name| name.as_str() == Some(key)))
    };
    for (key, schema) in properties(table) {
        let name = format!("{before}{key}");
        roff.control("TP", []);
        roff.text([bold(name.as_str()), roman(" "), italic(value_in_words(schema, required(key)))]);
        let own = KEYS_OF_THE_HOST.iter().find(|(name, _)| name == key).map_or("", |(_, text)| text);
        let text = text_of(schema);
        roff.text([roman(if text.is_empty() { own } else { text.as_str() })]);
        for (value, meaning) in choices(schema) {
            roff.control("br", []);
            roff.text([bold(format!("\"{value}\"")), roman(": "), roman(meaning)]);
        }
        add_keys(roff, &format!("{name}."), schema);
    }
}

/// Its default, or that it must stand there.
fn value_in_words(schema: &Value, is_required: bool) -> String {
    match schema.get("default") {
        _ if is_required => "required".to_owned(),
        Some(default) if !default.is_object() => format!("default {default}"),
        _ => "optional".to_owned(),
    }
}

/// Values that may be written, with what they mean.
fn choices(schema: &Value) -> Vec<(&str, String)> {
    let schema = schema.get("items").unwrap_or(schema);
    let one_of = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    one_of
        .filter_map(|choice| Some((choice.get("const").and_then(Value::as_str)?, text_of(choice))))
        .collect()
}

fn text_of(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ")
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties: Option<&Map<String, Value>> = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use rfid_durable::Stores;

    use super::*;
    use crate::registry::Registry;

    #[test]
    fn the_page_says_what_each_key_means() {
        let page = of(&crate::config::whole_schema(&Registry::built_in(Stores::new(""))));
        for expected in [
            ".SH PIPELINES\n",
            ".SS \"[readers.NAME] of driver mercury4\"\n",
            "\\fBlisten\\fR \\fIdefault",
            "\\fBpresence.lost_after\\fR \\fIdefault",
            "\\fBaddress\\fR \\fIrequired\\fR",
            "Branch that the reader belongs to.",
            "The driver, by a query.",
        ] {
            assert!(page.contains(expected), "{expected} is not in:\n{page}");
        }
    }
}
