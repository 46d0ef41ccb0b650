//! Examples of bodies and answers, composed from the examples of their fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::reference::resolve;
use crate::account::Problem;

/// An answer of the envelope with an error.
pub fn failure(code: u16, error: &str) -> Value {
    json!({"status": "fail", "code": code, "data": {"error": error}})
}

/// Gives the answer to a body that is larger than the routes' limit, with this error.
pub fn add_too_large(paths: &mut Paths, error: &str) {
    for operation in paths.paths.values_mut().flat_map(operations) {
        set(operation, "413", &failure(413, error));
    }
}

/// Gives each body and each answer an example, unless it has one.
pub fn add(openapi: &mut OpenApi) {
    let document = serde_json::to_value(&*openapi).unwrap_or_default();
    for operation in openapi.paths.paths.values_mut().flat_map(operations) {
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            body.content.values_mut().for_each(|content| add_to(content, &document, None));
            let mut schemas = body.content.values().filter_map(|content| match content {
                RefOr::T(content) => serde_json::to_value(&content.schema).ok(),
                RefOr::Ref(_) => None,
            });
            let invalid = schemas.find_map(|schema| invalid_field(&document, &schema));
            if let Some(example) = &invalid {
                set(operation, "422", example);
            }
        }
        for (code, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            let code = code.parse().ok();
            response.content.values_mut().for_each(|content| add_to(content, &document, code));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Sets the example of the answer with that status, if there is such an answer and it has no example.
fn set(operation: &mut Operation, status: &str, example: &Value) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) else { return };
    for content in response.content.values_mut() {
        if let RefOr::T(content) = content {
            content.example.get_or_insert_with(|| example.clone());
        }
    }
}

/// The answer to a body with a problem in its first field.
fn invalid_field(document: &Value, schema: &Value) -> Option<Value> {
    let schema = resolve(document, schema);
    let required = schema["required"][0].as_str().map(|field| (field, Problem::Missing));
    let first = || Some((schema["properties"].as_object()?.keys().next()?.as_str(), Problem::NotString));
    let (field, problem) = required.or_else(first)?;
    Some(json!({"status": "fail", "code": 422, "data": {"error": {field: [problem.to_string()]}}}))
}

fn add_to(content: &mut RefOr<Content>, document: &Value, code: Option<u16>) {
    let RefOr::T(content) = content else { return };
    if content.example.is_some() {
        return;
    }
    let schema = serde_json::to_value(&content.schema).unwrap_or_default();
    let mut example = of(document, &schema);
    if let (Some(field), Some(code)) = (example.get_mut("code"), code) {
        *field = code.into();
    }
    content.example = Some(example);
}

fn of(document: &Value, schema: &Value) -> Value {
    let schema = resolve(document, schema);
    let given = [&schema["example"], &schema["examples"][0], &schema["enum"][0]];
    if let Some(example) = given.into_iter().find(|example| !example.is_null()) {
        return example.clone();
    }
    let parts = |name: &str| schema[name].as_array().into_iter().flatten();
    if let Some(choice) = parts("oneOf").chain(parts("anyOf")).find(|choice| choice["type"] != "null") {
        return of(document, choice);
    }
    if schema["allOf"].is_array() {
        let objects = parts("allOf").map(|part| of(document, part));
        return Value::Object(objects.filter_map(|part| part.as_object().cloned()).flatten().collect());
    }
    let kinds = schema["type"].as_array().map_or_else(|| vec![&schema["type"]], |kinds| kinds.iter().collect());
    match kinds.iter().filter_map(|kind| kind.as_str()).find(|kind| *kind != "null") {
        Some("object") => object(document, schema),
        Some("array") => json!([of(document, &schema["items"])]),
        Some("integer") => json!(1),
        Some("boolean") => json!(false),
        _ if schema["format"] == "date-time" => json!("2026-01-31T12:00:00Z"),
        _ => json!("text"),
    }
}

fn object(document: &Value, schema: &Value) -> Value {
    let properties: BTreeMap<_, _> = schema["properties"].as_object().into_iter().flatten().collect();
    let fields: Map<_, _> =
        properties.into_iter().map(|(name, property)| (name.clone(), of(document, property))).collect();
    Value::Object(fields)
}
