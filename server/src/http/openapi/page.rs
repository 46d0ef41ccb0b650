//! The description as an HTML page, without scripts.

use serde_json::Value;

use super::reference::resolve;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}\
    details{border:1px solid #ddd;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer}\
    code,pre{font:14px ui-monospace,monospace}pre{background:#f6f6f6;padding:.6rem;overflow-x:auto;margin:.2rem 0}\
    table{border-collapse:collapse}td,th{padding:.1rem .8rem .1rem 0;text-align:left;vertical-align:top}\
    b{display:inline-block;width:4.5rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}\
    pre{background:#262626}details{border-color:#444}a{color:#8bf}}";

/// `calls` are the paths and methods in the order of the page.
pub fn render(openapi: &Value, calls: &[(String, &str)]) -> String {
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
        for (path, method) in calls {
            let operation = &openapi["paths"][path][method];
            if operation["tags"][0] == tag["name"] {
                page.push_str(&operation_html(openapi, path, method, operation));
            }
        }
    }
    page
}

fn operation_html(openapi: &Value, path: &str, method: &str, operation: &Value) -> String {
    let text = |value: &Value| escape(value.as_str().unwrap_or_default());
    let mut html = format!(
        "<details><summary><b>{}</b> <code>{}</code> {}</summary><p>{}</p><p>Authentication: {}.</p>",
        method.to_uppercase(),
        escape(path),
        text(&operation["summary"]),
        text(&operation["description"]),
        authentication(operation)
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    html.push_str(&table(
        "Parameters",
        parameters.map(|parameter| [text(&parameter["name"]), text(&parameter["description"]), String::new()]),
    ));
    let body = &operation["requestBody"]["content"]["application/json"];
    let schema = resolve(openapi, &body["schema"]);
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| {
        let optional = if required.contains(&name.as_str()) { "" } else { "optional" };
        [escape(name), text(&field["description"]), optional.to_owned()]
    });
    html.push_str(&table("Body", fields));
    html.push_str(&example(body));
    let responses = operation["responses"].as_object().into_iter().flatten();
    html.push_str(&table(
        "Answers",
        responses.map(|(status, response)| {
            let content = &response["content"]["application/json"];
            [escape(status), text(&response["description"]), example(content)]
        }),
    ));
    html.push_str("</details>");
    html
}

/// How a call is authenticated: the security requirement names the required role (OpenAPI 3.1, 4.8.30).
fn authentication(operation: &Value) -> &'static str {
    match operation["security"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [first, ..] if first["refresh"].is_array() => "refresh token",
        [first, ..] if first["bearer"][0] == "Admin" => "access token of an Admin",
        [first, ..] if first["bearer"].is_array() => "access token",
        _ => "none",
    }
}

/// Each row has a name, a text, and HTML.
fn table(title: &str, rows: impl Iterator<Item = [String; 3]>) -> String {
    let rows = rows.map(|[name, text, html]| format!("<tr><td><code>{name}</code><td>{text}<td>{html}"));
    let rows: String = rows.collect();
    if rows.is_empty() { rows } else { format!("<h4>{title}</h4><table>{rows}</table>") }
}

fn example(content: &Value) -> String {
    let Some(example) = content.get("example") else { return String::new() };
    format!("<pre>{}</pre>", escape(&serde_json::to_string_pretty(example).unwrap_or_default()))
}

/// Escapes the text of an element; not for attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
