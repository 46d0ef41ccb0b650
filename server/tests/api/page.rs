//! Generates docs/http-api.md from the server's OpenAPI document.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::database::Engine;
use crate::examples::resolve;
use crate::harness::Server;

const HEAD: &str = r#"# The HTTP API

Generated from `/openapi.json` (OpenAPI 3.1), which every server serves for client generators; `/docs` shows it in a browser. Bodies
are JSON in an envelope: `{"status": "ok", "code": 200, "data": …}` or
`{"status": "fail", "code": 422, "data": {"error": …}}`. A token travels as `Authorization: Bearer TOKEN`.
"#;

fn line(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn kind(document: &Value, schema: &Value) -> String {
    let resolved = resolve(document, schema);
    if let Some(values) = resolved["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = resolved[choice].as_array() {
            let kinds: Vec<_> = choices.iter().map(|one| kind(document, one)).filter(|kind| kind != "null").collect();
            return kinds.join(" or ");
        }
    }
    match &resolved["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "any".into(),
    }
}

/// How a call is authenticated.
fn authentication(operation: &Value) -> &'static str {
    match operation["security"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [first, ..] if first["refresh"].is_array() => "refresh token",
        [first, ..] if first["bearer"][0] == "Admin" => "access token of an Admin",
        [first, ..] if first["bearer"].is_array() => "access token",
        _ => "none",
    }
}

fn example(content: &Value) -> String {
    content["application/json"].get("example").map(|example| format!("`{example}`")).unwrap_or_default()
}

fn call(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let mut text = format!("\n## {} {path}\n", method.to_uppercase());
    for words in [&operation["summary"], &operation["description"]].map(line).iter().filter(|words| !words.is_empty()) {
        writeln!(text, "{words}").unwrap();
    }
    writeln!(text, "Authentication: {}.", authentication(operation)).unwrap();
    let mut rows = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let place = format!("in the {}", parameter["in"].as_str().unwrap());
        let kind = kind(document, &parameter["schema"]);
        let name = parameter["name"].as_str().unwrap();
        rows.push(format!("| `{name}` | {place}, {kind} | {} |", line(&parameter["description"])));
    }
    let body = resolve(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
    let needed = |name: &str| body["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    for (name, field) in body["properties"].as_object().into_iter().flatten() {
        let optional = if needed(name) { "" } else { ", optional" };
        let meaning = line(&field["description"]);
        rows.push(format!("| `{name}` | {}{optional} | {meaning} |", kind(document, field)));
    }
    if !rows.is_empty() {
        write!(text, "\n| sent | type | meaning |\n| --- | --- | --- |\n{}\n", rows.join("\n")).unwrap();
    }
    if !operation["requestBody"].is_null() {
        write!(text, "\nExample: {}\n", example(&operation["requestBody"]["content"])).unwrap();
    }
    text.push_str("\n| answer | when | example |\n| --- | --- | --- |\n");
    for (status, answer) in operation["responses"].as_object().unwrap() {
        let answer = resolve(document, answer);
        writeln!(text, "| {status} | {} | {} |", line(&answer["description"]), example(&answer["content"])).unwrap();
    }
    text
}

#[tokio::test]
async fn the_page_of_the_http_api_is_up_to_date() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let text = server.request("GET", "/openapi.json").send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let mut calls: Vec<_> = paths
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        })
        .collect();
    // Keep the order of the document, which a parsed object loses.
    calls.sort_by_key(|(_, _, operation)| text.find(&format!("\"operationId\":{}", operation["operationId"])).unwrap());
    let mut page = HEAD.to_owned();
    for (path, method, operation) in calls {
        page.push_str(&call(&document, method, path, operation));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http-api.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == page, "docs/http-api.md differs; UPDATE=1 updates it");
}
