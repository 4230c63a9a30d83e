//! The OpenAPI document as a page for people, with nothing from elsewhere and no script.

use std::fmt::Write;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Map, Value};

const STYLE: &str = include_str!("page.css");

/// Routes of the page of this document.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(document: &Value) -> Router<S> {
    let page = html(document);
    Router::new()
        .route(
            "/api/v1/docs",
            get(move || async move { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page) }),
        )
        .route(
            "/api/v1/docs/page.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }),
        )
}

/// The page of a document.
pub(super) fn html(document: &Value) -> String {
    let mut page = Page::default();
    let info = &document["info"];
    page.line("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.element("title", "", text(&info["title"]));
    page.line("<link rel=\"stylesheet\" href=\"/api/v1/docs/page.css\"></head><body>");
    page.line("<header>");
    page.element("h1", "", text(&info["title"]));
    page.element("p", "", &format!("{} Version {}.", sentence(&info["summary"]), text(&info["version"])));
    page.element("p", "", text(&document["components"]["securitySchemes"]["token"]["description"]));
    page.line("<p>For programs: <a href=\"/api/v1/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>");
    page.line("</header>");
    let operations = operations(document);
    page.line("<nav><h2>Routes</h2><ul>");
    for (path, method, operation) in &operations {
        let id = escaped(text(&operation["operationId"]));
        let (method, path) = (method.to_uppercase(), escaped(path));
        let summary = escaped(text(&operation["summary"]));
        page.line(&format!(
            "<li><a href=\"#{id}\"><code><b>{method}</b> {path}</code></a> <span>{summary}</span></li>"
        ));
    }
    page.line("</ul></nav><main>");
    for (path, method, operation) in &operations {
        page.operation(path, method, operation);
    }
    page.line("<h2 id=\"records\">What is sent</h2>");
    if let Some(schemas) = document["components"]["schemas"].as_object() {
        for (name, schema) in schemas {
            page.line(&format!("<section id=\"schema-{0}\"><h3>{0}</h3>", escaped(name)));
            page.schema(schema);
            page.line("</section>");
        }
    }
    page.line("</main></body></html>");
    page.0
}

/// Path, method and what the document says of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, html: &str) {
        self.0.push_str(html);
        self.0.push('\n');
    }

    fn element(&mut self, name: &str, class: &str, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.line(&format!("<{name}{class}>{}</{name}>", escaped(text)));
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) {
        let id = escaped(text(&operation["operationId"]));
        let (shown, path) = (method.to_uppercase(), escaped(path));
        self.line(&format!(
            "<section id=\"{id}\"><h3><code class=\"{method}\">{shown}</code> <code>{path}</code></h3>"
        ));
        self.element("p", "", &format!("{}.", text(&operation["summary"])));
        self.element("p", "needs", text(&operation["description"]));
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !parameters.is_empty() {
            self.line("<table><thead><tr><th>Parameter</th><th>In</th><th>What</th></tr></thead><tbody>");
            for parameter in parameters {
                let star = if parameter["required"] == true { "<sup>needed</sup>" } else { "" };
                self.line(&format!(
                    "<tr><td><code>{}</code>{star}</td><td>{}</td><td>{}</td></tr>",
                    escaped(text(&parameter["name"])),
                    escaped(text(&parameter["in"])),
                    escaped(text(&parameter["description"]))
                ));
            }
            self.line("</tbody></table>");
        }
        if let Some(content) = operation["requestBody"]["content"].as_object() {
            self.line(&format!("<p>Sends {}.</p>", contents(content)));
        }
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            let content = answer["content"].as_object().map(contents).unwrap_or_default();
            let what = sentence(&answer["description"]);
            self.line(&format!(
                "<p class=\"answer\"><b>{}</b> {} {content}</p>",
                escaped(status),
                escaped(&what)
            ));
        }
        self.line("</section>");
    }

    fn schema(&mut self, schema: &Value) {
        if !text(&schema["description"]).is_empty() {
            self.element("p", "", text(&schema["description"]));
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.line("<table><thead><tr><th>Field</th><th>Type</th><th>What</th></tr></thead><tbody>");
        for (name, property) in properties {
            let star = if required.iter().any(|other| other == name) { "<sup>needed</sup>" } else { "" };
            self.line(&format!(
                "<tr><td><code>{}</code>{star}</td><td>{}</td><td>{}</td></tr>",
                escaped(name),
                escaped(&type_of(property)),
                escaped(text(&property["description"]))
            ));
        }
        self.line("</tbody></table>");
    }
}

/// What a body is: its media types, and the record in it.
fn contents(content: &Map<String, Value>) -> String {
    let one = |(media, body): (&String, &Value)| {
        let schema = &body["schema"];
        let mut said = format!("<code>{}</code>", escaped(media));
        let of = [&schema["$ref"], &schema["properties"]["items"]["items"]["$ref"]];
        if let Some(name) = of.iter().find_map(|name| name.as_str()?.rsplit('/').next()) {
            let name = escaped(name);
            let many = if schema["properties"]["items"].is_object() { "many " } else { "" };
            let _ = write!(said, " {many}<a href=\"#schema-{name}\">{name}</a>");
        }
        said
    };
    content.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn type_of(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(text).collect::<Vec<_>>().join(", ");
    }
    match &schema["type"] {
        Value::String(name) => match schema["format"].as_str() {
            Some(format) => format!("{name} ({format})"),
            None => name.clone(),
        },
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or("object").to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn sentence(value: &Value) -> String {
    let text = text(value);
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_route_and_record_of_the_document_is_on_the_page() {
        let document = super::super::Api::openapi();
        let page = html(&document);
        for (path, _, operation) in operations(&document) {
            assert!(page.contains(&escaped(path)), "{path}");
            assert!(page.contains(&format!("id=\"{}\"", text(&operation["operationId"]))), "{path}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
        assert!(!page.contains("style="), "the content security policy forbids it");
    }

    #[test]
    fn what_the_document_says_is_text() {
        let hostile = "<img src=x onerror=alert(1)> & \"quoted\"";
        let document = json!({
            "info": { "title": hostile, "summary": hostile },
            "paths": { hostile: { "get": { "operationId": hostile, "summary": hostile } } },
        });
        let page = html(&document);
        assert!(
            !page.contains("<img") && page.contains("&lt;img src=x onerror=alert(1)&gt; &amp; &quot;quoted")
        );
    }
}
