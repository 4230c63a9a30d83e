//! From TOML to JSON, keeping where everything stood.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Fault;

/// Deepest nesting that is taken.
const DEEPEST: usize = 64;

/// The values of a file, and the places of all keys and values by JSON pointer.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: Map<String, Value>,
    places: HashMap<String, Place>,
}

#[derive(Clone, Debug)]
struct Place {
    key: Range<usize>,
    value: Range<usize>,
}

impl Tree {
    /// Reads TOML text. Everything that the parser finds wrong is a fault; what could be read is
    /// read all the same.
    pub(crate) fn parse(text: &str, faults: &mut Vec<Fault>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            faults.push(Fault { span, key: String::new(), message: error.message().to_owned() });
        }
        let mut tree = Self::default();
        tree.root = tree.table(table.get_ref(), "", 0, faults);
        tree
    }

    /// The place of a value, or of the nearest table around it.
    pub(crate) fn value(&self, pointer: &str) -> Range<usize> {
        self.nearest(pointer).map_or(0..0, |place| place.value.clone())
    }

    /// The place of a key, or of the nearest table around it.
    pub(crate) fn key(&self, pointer: &str) -> Range<usize> {
        self.nearest(pointer).map_or(0..0, |place| place.key.clone())
    }

    fn nearest(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(place);
            }
            pointer = pointer.get(..pointer.rfind('/')?)?;
        }
    }

    fn table(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        depth: usize,
        faults: &mut Vec<Fault>,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let pointer = join(path, key.get_ref());
            let place = Place { key: key.span(), value: value.span() };
            self.places.insert(pointer.clone(), place);
            map.insert(key.get_ref().to_string(), self.json(value, &pointer, depth + 1, faults));
        }
        map
    }

    fn json(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        path: &str,
        depth: usize,
        faults: &mut Vec<Fault>,
    ) -> Value {
        let mut fault = |message: &str| {
            faults.push(Fault { span: value.span(), key: dotted(path), message: message.to_owned() });
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
                    let pointer = format!("{path}/{index}");
                    self.places.insert(pointer.clone(), Place { key: item.span(), value: item.span() });
                    self.json(item, &pointer, depth + 1, faults)
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            DeValue::Table(table) => Value::Object(self.table(table, path, depth, faults)),
        }
    }
}

/// The pointer to a key of a table.
pub(crate) fn join(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A pointer as people write keys: `readers.door.address`.
pub(crate) fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~")
}
