//! From TOML to JSON, keeping where everything stood; several files become one.

use std::collections::HashMap;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Gathered};
use super::source::{Place, Source};

/// Deepest nesting that is taken.
const DEEPEST: usize = 32;

/// Longest key that is taken, in bytes.
const LONGEST_KEY: usize = 256;

/// The values of all files, and the places of all keys and values.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Map<String, Value>,
    node: Node,
}

/// Where a key and its value stand, and the same for what is in it: keys of a table, numbers of a
/// list.
#[derive(Debug, Default)]
struct Node {
    places: Option<(Place, Place)>,
    children: HashMap<String, Node>,
}

impl Tree {
    /// Adds a file. Everything that the parser finds wrong is a fault; what could be read is read
    /// all the same. Tables of tables, as `readers`, may be spread over files; what stands in two
    /// files otherwise is a fault.
    pub(crate) fn add(&mut self, file: usize, source: &Source, tables: &[&str], faults: &mut Gathered) {
        if source.unreadable {
            return;
        }
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors {
            let place = Place::new(file, error.span().unwrap_or(0..0));
            faults.push(Fault::new(place, "", error.message()));
        }
        let mut node = Node::default();
        let root = Reader { file, faults }.table(table.get_ref(), &mut node, "", 0);
        for (key, value) in root {
            let Some(child) = node.children.remove(&key) else { continue };
            match (self.root.get_mut(&key), value) {
                (None, value) => {
                    self.root.insert(key.clone(), value);
                    self.node.children.insert(key, child);
                }
                (Some(Value::Object(there)), Value::Object(here)) if tables.contains(&key.as_str()) => {
                    let before = self.node.children.entry(key.clone()).or_default();
                    merge(there, before, here, child, &join("", &key), faults);
                }
                _ => twice(self.node.children.get(&key), &child, &join("", &key), faults),
            }
        }
    }

    /// The place of a value, or of the nearest table around it.
    pub(crate) fn value(&self, pointer: &str) -> Option<Place> {
        self.nearest(pointer).map(|(_, value)| value.clone())
    }

    /// The place of a key, or of the nearest table around it.
    pub(crate) fn key(&self, pointer: &str) -> Option<Place> {
        self.nearest(pointer).map(|(key, _)| key.clone())
    }

    fn nearest(&self, pointer: &str) -> Option<&(Place, Place)> {
        let mut node = &self.node;
        let mut found = node.places.as_ref();
        for part in pointer.split('/').skip(1) {
            let Some(child) = node.children.get(&unescaped(part)) else { break };
            node = child;
            found = node.places.as_ref().or(found);
        }
        found
    }
}

fn merge(
    there: &mut Map<String, Value>,
    before: &mut Node,
    here: Map<String, Value>,
    mut node: Node,
    pointer: &str,
    faults: &mut Gathered,
) {
    for (name, value) in here {
        let Some(child) = node.children.remove(&name) else { continue };
        if there.contains_key(&name) {
            twice(before.children.get(&name), &child, &join(pointer, &name), faults);
        } else {
            there.insert(name.clone(), value);
            before.children.insert(name, child);
        }
    }
}

fn twice(before: Option<&Node>, node: &Node, pointer: &str, faults: &mut Gathered) {
    let places = (node.places.clone(), before.and_then(|before| before.places.clone()));
    let (Some((key, _)), Some((other, _))) = places else { return };
    let message = "stands in two files; write it in one of them";
    faults.push(Fault::new(key, dotted(pointer), message).beside(other));
}

/// Reads the tables of one file.
struct Reader<'a> {
    file: usize,
    faults: &'a mut Gathered,
}

impl Reader<'_> {
    fn table(
        &mut self,
        table: &DeTable<'_>,
        node: &mut Node,
        path: &str,
        depth: usize,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let name = key.get_ref();
            let place = Place::new(self.file, key.span());
            if name.len() > LONGEST_KEY {
                let message = format!("the key has {} bytes; at most {LONGEST_KEY} are taken", name.len());
                self.faults.push(Fault::new(place, dotted(path), message));
                continue;
            }
            let child = node.children.entry(name.to_string()).or_default();
            child.places = Some((place, Place::new(self.file, value.span())));
            let value = self.json(value, child, &join(path, name), depth + 1);
            map.insert(name.to_string(), value);
        }
        map
    }

    fn json(&mut self, value: &Spanned<DeValue<'_>>, node: &mut Node, path: &str, depth: usize) -> Value {
        let mut fault = |message: &str| {
            self.faults.push(Fault::new(Place::new(self.file, value.span()), dotted(path), message));
            Value::Null
        };
        if depth > DEEPEST {
            return fault("tables are nested too deeply");
        }
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(is) => Value::Bool(*is),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::from(number),
                Err(_) => fault("the number is out of range"),
            },
            DeValue::Float(number) => {
                match number.as_str().parse::<f64>().ok().filter(|number| number.is_finite()) {
                    Some(number) => Value::from(number),
                    None => fault("the number is not finite"),
                }
            }
            DeValue::Array(items) => {
                let item = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
                    let name = index.to_string();
                    let pointer = join(path, &name);
                    let child = node.children.entry(name).or_default();
                    let place = Place::new(self.file, item.span());
                    child.places = Some((place.clone(), place));
                    self.json(item, child, &pointer, depth + 1)
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            DeValue::Table(table) => Value::Object(self.table(table, node, path, depth)),
        }
    }
}

/// The pointer to a key of a table.
pub(crate) fn join(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// A pointer as people write keys: `readers.door.address`.
pub(crate) fn dotted(pointer: &str) -> String {
    unescaped(&pointer.trim_start_matches('/').replace('/', "."))
}
