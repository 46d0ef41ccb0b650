//! Validates an object by the schema of a CustomResourceDefinition without an API server: its structure, and the rules
//! that [`super::rules`] supports.

use regex::Regex;
use serde_json::{Map, Value};

use super::rules::holds;

/// The possible metadata of an object, for which a definition has no schema.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The errors that the API server would return, in the order of the fields. Each begins with the path, except for
/// unknown fields.
pub fn problems(schema: &Value, object: &Value) -> Vec<String> {
    let mut found = unknown_fields(schema, object);
    found.extend(label_problems(&object["metadata"], "metadata"));
    let mut object = object.clone();
    drop_nulls(schema, &mut object);
    check(&mut found, schema, &object, "");
    found
}

/// Removes the fields that are null, as the API server does in a create, an update and a merge patch. Only a server-side
/// apply refuses them.
pub fn drop_nulls(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if let Some(schema) = field_schema(schema, name) {
                    drop_nulls(schema, value);
                }
            }
            fields.retain(|name, value| {
                !value.is_null() || field_schema(schema, name).is_none_or(|schema| schema["nullable"] == true)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls(&schema["items"], item)),
        _ => {}
    }
}

fn field_schema<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema["properties"].get(name).or_else(|| schema.get("additionalProperties"))
}

/// The keys and values of an object's labels, and the keys of its annotations, that the API server refuses.
pub fn label_problems(metadata: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for field in ["labels", "annotations"] {
        for (key, value) in metadata[field].as_object().into_iter().flatten() {
            let lower_case = key.to_lowercase();
            if !is_label_key(if field == "labels" { key } else { &lower_case }) {
                found.push(format!("{path}.{field}: {key:?} is not a valid key"));
            }
            match value.as_str() {
                None if value.is_null() => {}
                None => found.push(format!("{path}.{field}.{key}: must be of type string")),
                Some(text) if field == "labels" && !text.is_empty() && !is_label(text) => {
                    found.push(format!("{path}.{field}.{key}: {text:?} is not a valid value"));
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// A name, with a DNS name and a slash in front or not.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    is_label(name) && prefix.is_none_or(is_dns_subdomain)
}

fn is_label(text: &str) -> bool {
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=63).contains(&text.len()) && text.chars().all(is_inner) && has_alphanumeric_ends(text)
}

/// A DNS subdomain (RFC 1123), as most objects' names are.
pub fn is_dns_subdomain(text: &str) -> bool {
    let is_inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.len() <= 253 && text.split('.').all(|part| part.chars().all(is_inner) && has_alphanumeric_ends(part))
}

fn has_alphanumeric_ends(text: &str) -> bool {
    let is_end = |letter: char| letter.is_ascii_alphanumeric();
    text.starts_with(is_end) && text.ends_with(is_end)
}

/// Fields that the schema does not define.
pub fn unknown_fields(schema: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let every = Map::new();
    for (name, value) in object.as_object().unwrap_or(&every) {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                let names = value.as_object().into_iter().flat_map(Map::keys);
                let unknown = names.filter(|name| !METADATA.contains(&name.as_str()));
                found.extend(unknown.map(|name| unknown_field(&format!("metadata.{name}"))));
            }
            _ => unknown_in(&mut found, schema, name, value, ""),
        }
    }
    found
}

fn unknown_field(path: &str) -> String {
    format!("unknown field \"{path}\"")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn unknown_in(found: &mut Vec<String>, schema: &Value, name: &str, value: &Value, path: &str) {
    let path = join(path, name);
    match field_schema(schema, name) {
        None => found.push(unknown_field(&path)),
        Some(schema) => unknown_below(found, schema, value, &path),
    }
}

fn unknown_below(found: &mut Vec<String>, schema: &Value, value: &Value, path: &str) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| unknown_in(found, schema, name, value, path));
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                unknown_below(found, &schema["items"], item, &format!("{path}[{place}]"));
            }
        }
        _ => {}
    }
}

fn check(found: &mut Vec<String>, schema: &Value, value: &Value, path: &str) {
    if !is_of_type(schema, value) {
        let wanted = schema["type"].as_str().unwrap_or("integer or string");
        found.push(format!("{path}: must be of type {wanted}"));
        return;
    }
    let limits = limits(schema, value);
    found.extend(limits.into_iter().map(|problem| format!("{path}: {problem}")));
    match value {
        Value::Object(fields) => check_fields(found, schema, fields, path),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                check(found, &schema["items"], item, &format!("{path}[{place}]"));
            }
        }
        _ => {}
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if holds(rule["rule"].as_str().unwrap_or_default(), value) == Some(false) {
            let message = rule["message"].as_str().unwrap_or_default();
            found.push(if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") });
        }
    }
}

fn check_fields(found: &mut Vec<String>, schema: &Value, fields: &Map<String, Value>, path: &str) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            found.push(format!("{}: is required", join(path, name)));
        }
    }
    for (name, value) in fields {
        if let Some(schema) = field_schema(schema, name) {
            check(found, schema, value, &join(path, name));
        }
    }
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64(),
        _ if schema["x-kubernetes-int-or-string"] == true => value.is_i64() || value.is_string(),
        _ => true,
    }
}

/// Values that are too small, too large, or not in the enum.
fn limits(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (size, unit) = match value {
        Value::String(text) => (text.chars().count(), "Length"),
        Value::Array(items) => (items.len(), "Items"),
        Value::Object(fields) => (fields.len(), "Properties"),
        _ => (0, ""),
    };
    let what = if unit == "Length" { "characters" } else { "entries" };
    let limit = |name: &str| schema[&format!("{name}{unit}")].as_u64().filter(|_| !unit.is_empty());
    let size = size as u64;
    found.extend(limit("min").filter(|least| size < *least).map(|least| format!("must have at least {least} {what}")));
    found.extend(limit("max").filter(|most| size > *most).map(|most| format!("must have at most {most} {what}")));
    if let Some(number) = value.as_f64() {
        let is_int32 = schema["format"] == "int32";
        let bound = |name: &str, of_format: i32| schema[name].as_f64().or(is_int32.then(|| of_format.into()));
        let (least, most) = (bound("minimum", i32::MIN), bound("maximum", i32::MAX));
        found.extend(least.filter(|least| number < *least).map(|least| format!("must be at least {least}")));
        found.extend(most.filter(|most| number > *most).map(|most| format!("must be at most {most}")));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        found.push(format!("must be one of {}", values.join(", ")));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        found.push(format!("must match {pattern}"));
    }
    found.extend(duplicates(schema, value).map(|key| format!("has {key} more than once")));
    found
}

/// The first duplicate key of a list with keys.
fn duplicates(schema: &Value, value: &Value) -> Option<String> {
    let keys: Vec<_> = schema["x-kubernetes-list-map-keys"].as_array()?.iter().filter_map(Value::as_str).collect();
    let items: Vec<Vec<&Value>> =
        value.as_array()?.iter().map(|item| keys.iter().map(|key| &item[*key]).collect()).collect();
    let again = items.iter().enumerate().find(|(place, item)| items[..*place].contains(item));
    again.map(|(_, item)| item.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}
