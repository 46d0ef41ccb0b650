//! docs/reference.md, from the CustomResourceDefinition.

use std::fmt::Write as _;

use sc_auth_e2e::manifests::{objects, root};
use serde_json::Value;

const HEAD: &str = "# The custom resource, field by field

`sc-auth.io/v1alpha1`, kind `ScAuth`, short name `sca`, cluster-scoped. Generated from the definition, which is what
`kubectl explain scauth.spec` prints too. What breaks a rule is refused by the API server, with the sentence given here.
";

/// The type of a value, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return "number or text".into();
    }
    match schema["type"].as_str().unwrap_or("any") {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => "map".into(),
        other => other.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// The object itself, or the items of a list.
fn inner(schema: &Value) -> &Value {
    if schema["type"] == "array" { &schema["items"] } else { schema }
}

fn is_described(schema: &Value) -> bool {
    let properties = inner(schema)["properties"].as_object();
    properties.is_some_and(|fields| fields.values().any(|field| field["description"].is_string()))
}

/// The sentences of an object's or a field's own rules.
fn sentences(schema: &Value) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.filter_map(|rule| rule["message"].as_str()).map(str::to_owned).collect()
}

/// The sentences of a field without a section of its own, and of all that is in it.
fn rules_within(path: &str, schema: &Value, lines: &mut Vec<String>) {
    lines.extend(sentences(schema).iter().map(|sentence| format!("`{path}`: {sentence}")));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        rules_within(&format!("{path}.{name}"), field, lines);
    }
    for elements in [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|schema| schema.is_object())
    {
        rules_within(path, elements, lines);
    }
}

fn rules(lines: &[String], page: &mut String) {
    let mut lines = lines.to_vec();
    // A text and a number each have a rule with the same sentence.
    lines.dedup();
    if !lines.is_empty() {
        page.push_str("\nRules:\n");
    }
    for line in lines {
        writeln!(page, "- {}", line.replace('\n', " ")).unwrap();
    }
}

fn section(path: &str, schema: &Value, page: &mut String) {
    let schema = inner(schema);
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    write!(page, "\n## {path}\n").unwrap();
    if let Some(text) = schema["description"].as_str() {
        write!(page, "{text}\n\n").unwrap();
    }
    page.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
    let properties = schema["properties"].as_object().unwrap();
    for (name, field) in properties {
        let default = match &field["default"] {
            Value::Null => String::new(),
            value => format!(" Default: `{value}`."),
        };
        let needed = if required(name) { " **Required.**" } else { "" };
        let text = cell(field["description"].as_str().unwrap_or("As Kubernetes defines it."));
        writeln!(page, "| `{name}` | {} | {text}{default}{needed} |", kind(field)).unwrap();
    }
    let mut lines = sentences(schema);
    for (name, field) in properties {
        if !is_described(field) {
            rules_within(name, field, &mut lines);
        } else if field["type"] == "array" {
            lines.extend(sentences(field).iter().map(|sentence| format!("`{name}`: {sentence}")));
        }
    }
    rules(&lines, page);
    for (name, field) in properties.iter().filter(|(_, field)| is_described(field)) {
        section(&format!("{path}.{name}"), field, page);
    }
}

#[test]
fn the_reference_matches_the_definition() {
    let text = std::fs::read_to_string(root().join("crds/sc-auth.io_scauths.yaml")).unwrap();
    let definition = &objects(&text)[0];
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut page = HEAD.to_owned();
    rules(&sentences(schema), &mut page);
    section("spec", &schema["properties"]["spec"], &mut page);
    section("status", &schema["properties"]["status"], &mut page);
    let path = root().join("docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == page,
        "docs/reference.md differs; UPDATE=1 writes it anew"
    );
}
