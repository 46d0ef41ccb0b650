//! The description as a page: made once, without scripts.

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}\
    details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}\
    code,pre{font:14px ui-monospace,monospace}pre{background:#f6f6f6;padding:.6rem;overflow-x:auto}\
    table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:left;vertical-align:top}\
    b{display:inline-block;width:4.5rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}\
    pre{background:#262626}details{border-color:#444}a{color:#8bf}}";

pub fn render(openapi: &Value) -> String {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let info = &openapi["info"];
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>sc-auth</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>{} {}</h1><p>{}</p><p>For machines: <a href=\"/openapi.json\">/openapi.json</a></p>",
        text(&info["title"]),
        text(&info["version"]),
        text(&info["description"])
    );
    for tag in openapi["tags"].as_array().into_iter().flatten() {
        page.extend(["<h2>", &text(&tag["description"]), "</h2>"]);
        for (path, methods) in openapi["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag["name"] {
                    page.push_str(&operation_html(openapi, path, method, operation));
                }
            }
        }
    }
    page
}

fn operation_html(openapi: &Value, path: &str, method: &str, operation: &Value) -> String {
    let summary = escape(operation["summary"].as_str().unwrap_or_default());
    let mut html =
        format!("<details><summary><b>{}</b> <code>{}</code> {summary}</summary>", method.to_uppercase(), escape(path));
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html.push_str(&rows(
        "Parameters",
        parameters.iter().map(|parameter| {
            (parameter["name"].as_str().unwrap_or_default(), parameter["description"].as_str().unwrap_or_default())
        }),
    ));
    if let Some(body) = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str() {
        let schema = openapi.pointer(body.trim_start_matches('#')).unwrap_or(&Value::Null);
        html.extend(["<h4>Body</h4><pre>", &escape(&example(openapi, schema)), "</pre>"]);
    }
    let responses = operation["responses"].as_object().into_iter().flatten();
    html.push_str(&rows(
        "Answers",
        responses.map(|(status, response)| (status.as_str(), response["description"].as_str().unwrap_or_default())),
    ));
    html.push_str("</details>");
    html
}

fn rows<'a>(title: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let rows: Vec<_> =
        rows.map(|(name, text)| format!("<tr><td><code>{}</code><td>{}", escape(name), escape(text))).collect();
    let rows = rows.concat();
    if rows.is_empty() { rows } else { format!("<h4>{title}</h4><table>{rows}</table>") }
}

/// A body of that form, with the kinds of its fields in the place of values.
fn example(openapi: &Value, schema: &Value) -> String {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let optional = if required.contains(&name.as_str()) { "" } else { " (optional)" };
            format!("  \"{name}\": {}{optional}", kind(openapi, property))
        })
        .collect();
    format!("{{\n{}\n}}", fields.join(",\n"))
}

fn kind(openapi: &Value, property: &Value) -> String {
    let reference = property["$ref"].as_str().or_else(|| property["oneOf"][0]["$ref"].as_str());
    let schema = reference.and_then(|at| openapi.pointer(at.trim_start_matches('#'))).unwrap_or(property);
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    schema["format"].as_str().or_else(|| schema["type"].as_str()).unwrap_or("text").to_owned()
}

/// For the text of elements; nothing of it ever stands in an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
