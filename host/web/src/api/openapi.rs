//! The OpenAPI 3.1 document, made from the routes.

use std::collections::BTreeSet;

use rfid_service::rights::Matrix;
use rfid_service::service::{CardDraft, Scope};
use serde_json::{Map, Value, json};

use super::{Answer, Body, Needs, Route};

/// The document of these routes.
pub(super) fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), problem());
    // Within what is asked for, and nowhere by itself.
    schemas.insert("CardDraft".to_owned(), cleaned(super::schema::<CardDraft>()));
    for route in routes {
        for (name, schema) in route.schemas() {
            schemas.insert(name.to_owned(), cleaned(schema));
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.to_owned(), operation(route));
        }
    }
    let known = schemas.clone();
    for (name, schema) in &mut schemas {
        refer(schema, name, &known);
    }
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "rfid-host customer service",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Customers, cards and visits of a bank, for its other systems",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": crate::calling::COOKIE,
                    "description": "The session of a person, begun by /api/v1/session. What changes something bears its proof in the header X-Session-Proof; what needs a reason bears it in X-Reason.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": format!("A token of [clients.NAME] in the configuration, with scopes of: {}", scopes.join(", ")),
                },
            },
        },
    })
}

impl Route {
    fn schemas(&self) -> Vec<(&'static str, Value)> {
        let answer = match &self.answer {
            Answer::One(_, name, schema) | Answer::Plain(_, name, schema) | Answer::List(name, schema) => {
                Some((*name, schema()))
            }
            Answer::Stream(_) | Answer::Picture | Answer::File(..) | Answer::Nothing => None,
        };
        let body = match &self.body {
            Some(Body::Json(name, schema)) => Some((*name, schema())),
            Some(Body::Picture) | None => None,
        };
        body.into_iter().chain(answer).collect()
    }
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for (name, what) in route.query {
        let schema = match *name {
            "open" => json!({ "type": "boolean" }),
            "size" => json!({ "type": "string", "enum": ["large", "small"] }),
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": super::LARGEST_PAGE }),
            "from" | "to" if route.path.contains("/reports/") => {
                json!({ "type": "string", "format": "date" })
            }
            "days" | "before" => json!({ "type": "integer", "minimum": 0 }),
            "format" => json!({ "type": "string", "enum": ["json", "csv", "xlsx"] }),
            "from" | "until" => json!({ "type": "string", "format": "date-time" }),
            _ => json!({ "type": "string" }),
        };
        parameters.push(json!({ "name": name, "in": "query", "description": what, "schema": schema }));
    }
    if route.if_match {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": true, "schema": { "type": "string" },
            "description": "ETag of the record that this change was made on",
        }));
    }
    let (status, good) = match &route.answer {
        Answer::One(status, name, _) => (
            status.as_u16(),
            json!({
                "description": "The record",
                "headers": { "ETag": { "schema": { "type": "string" } } },
                "content": { "application/json": { "schema": reference(name) } },
            }),
        ),
        Answer::Plain(status, name, _) => (
            status.as_u16(),
            json!({ "description": "What was asked for", "content": { "application/json": { "schema": reference(name) } } }),
        ),
        Answer::Nothing => (204, json!({ "description": "It was done" })),
        Answer::List(name, _) => (
            200,
            json!({
                "description": "The records",
                "content": { "application/json": { "schema": {
                    "type": "object",
                    "required": ["items"],
                    "properties": {
                        "items": { "type": "array", "items": reference(name) },
                        "next_cursor": { "type": ["string", "null"], "description": "Where the list goes on" },
                    },
                } } },
            }),
        ),
        Answer::Stream(what) => (
            200,
            json!({ "description": what, "content": { "text/event-stream": { "schema": { "type": "string" } } } }),
        ),
        Answer::File(what, types) => {
            let content: Map<String, Value> =
                types.iter().map(|name| ((*name).to_owned(), json!({ "schema": bytes() }))).collect();
            (200, json!({ "description": what, "content": content }))
        }
        Answer::Picture => (
            200,
            json!({
                "description": "The photo",
                "headers": { "ETag": { "schema": { "type": "string" } } },
                "content": { "image/jpeg": { "schema": bytes() } },
            }),
        ),
    };
    let bad = json!({
        "description": "What went wrong, and what to do",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "description": needs(route.needs),
        "parameters": parameters,
        "responses": { status.to_string(): good, "default": bad },
    });
    let security = match route.needs {
        Needs::Right(_) | Needs::Anything => None,
        Needs::Session => Some(json!([{ "session": [] }])),
        Needs::Nothing => Some(json!([])),
    };
    if let (Some(security), Value::Object(operation)) = (security, &mut operation) {
        operation.insert("security".to_owned(), security);
    }
    if let (Some(body), Value::Object(operation)) = (&route.body, &mut operation) {
        let content = match body {
            Body::Json(name, _) => json!({ "application/json": { "schema": reference(name) } }),
            Body::Picture => json!({
                "image/jpeg": { "schema": bytes() },
                "image/png": { "schema": bytes() },
                "image/webp": { "schema": bytes() },
            }),
        };
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

/// What it takes to ask, in words.
fn needs(needs: Needs) -> String {
    match needs {
        Needs::Right(actions) => {
            let names: Vec<&str> = actions.iter().map(|action| action.name()).collect();
            let scopes: BTreeSet<&str> =
                actions.iter().filter_map(|action| Matrix::get().scope(*action)).collect();
            let token = match scopes.len() {
                0 => "no token has it".to_owned(),
                _ => {
                    format!("a token needs the scope {}", scopes.into_iter().collect::<Vec<_>>().join(" or "))
                }
            };
            format!("Needs the right {}; {token}.", names.join(" or "))
        }
        Needs::Anything => "Needs any right at all.".to_owned(),
        Needs::Session => "Needs a session.".to_owned(),
        Needs::Nothing => "Needs nothing.".to_owned(),
    }
}

/// A body of bytes. OpenAPI 3.1 asks for no schema; generators do.
fn bytes() -> Value {
    json!({ "type": "string", "format": "binary" })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A schema without what belongs to a document of its own, and as generators of clients take it.
fn cleaned(mut schema: Value) -> Value {
    if let Value::Object(schema) = &mut schema {
        schema.remove("$schema");
        schema.remove("title");
    }
    choices_listed(&mut schema);
    schema
}

/// Writes a choice between texts as a list of them: what each means goes into the description. A
/// choice between schemas of one text each says the same, and some generators take only the first.
fn choices_listed(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(choices_listed),
        Value::Object(object) => {
            object.values_mut().for_each(choices_listed);
            let choices =
                object.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let texts: Option<Vec<&str>> = choices.iter().map(|choice| choice["const"].as_str()).collect();
            let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return };
            let meanings: Vec<String> = choices
                .iter()
                .filter_map(|choice| {
                    Some(format!("{}: {}", choice["const"].as_str()?, choice["description"].as_str()?))
                })
                .collect();
            let said = object.get("description").and_then(Value::as_str).map(str::to_owned);
            let description = said.into_iter().chain(meanings).collect::<Vec<_>>().join(" ");
            let list = json!(texts);
            object.remove("oneOf");
            object.insert("type".to_owned(), "string".into());
            object.insert("enum".to_owned(), list);
            object.insert("description".to_owned(), description.into());
        }
        _ => {}
    }
}

/// Writes what stands under a name of its own as a reference to that, so that each is one type to whoever
/// makes a client.
fn refer(schema: &mut Value, within: &str, known: &Map<String, Value>) {
    let Value::Object(object) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(|item| refer(item, within, known));
        }
        return;
    };
    for value in object.values_mut() {
        let bare = without_description(value);
        let named = known.iter().find(|(name, other)| {
            *name != within && bare.get("properties").is_some() && without_description(other) == bare
        });
        match named {
            Some((name, _)) => *value = reference(name),
            None => refer(value, within, known),
        }
    }
}

fn without_description(schema: &Value) -> Value {
    let mut bare = schema.clone();
    if let Value::Object(bare) = &mut bare {
        bare.remove("description");
    }
    bare
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457)",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "detail"],
                    "properties": { "field": { "type": "string" }, "detail": { "type": "string" } },
                },
            },
        },
    })
}
