//! Reads the ScAuths of a manifest as kubectl and the API server do.

use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use kube::{Resource as _, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use super::beside::Beside;
use crate::api::{self, ScAuth};
use crate::shared::schema::drop_nulls;

/// A manifest: its ScAuths, and the other objects that matter for them.
#[derive(Debug, Default)]
pub struct Manifest {
    pub scauths: Vec<ScAuth>,
    pub beside: Beside,
}

/// The problems of an object according to its schema.
pub type Check = fn(&Value, &Value) -> Vec<String>;

/// # Errors
/// If the file cannot be read, or contains no ScAuth, or one that is refused.
pub fn read(path: &Path, check: Check) -> anyhow::Result<Manifest> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    }
    parse(&text, check).with_context(|| path.display().to_string())
}

fn parse(text: &str, check: Check) -> anyhow::Result<Manifest> {
    let schema = api::schema()?;
    let mut found = Manifest::default();
    for (place, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let object = Yaml::deserialize(document).map_err(anyhow::Error::from).and_then(object);
        let place = format!("document {}", place + 1);
        for (place, object) in items(object.with_context(|| place.clone())?, place) {
            if !is_scauth(&object).with_context(|| place.clone())? {
                found.beside.add(&object);
                continue;
            }
            let name = object["metadata"]["name"].as_str().map_or(place, |name| format!("ScAuth {name}"));
            let scauth = scauth(&schema, object, check).with_context(|| name.clone())?;
            let is_again = found.scauths.iter().any(|other| other.metadata.name == scauth.metadata.name);
            ensure!(!is_again || scauth.metadata.name.is_none(), "{name}: the manifest contains it more than once");
            found.scauths.push(scauth);
        }
    }
    ensure!(!found.scauths.is_empty(), "the manifest contains no ScAuth");
    Ok(found)
}

/// The document with its merge keys applied. Keys become strings, as in kubectl.
fn object(mut document: Yaml) -> anyhow::Result<Value> {
    // A merged mapping can have a merge key of its own.
    while has_merge(&document) {
        document.apply_merge()?;
    }
    json(document)
}

fn has_merge(value: &Yaml) -> bool {
    match value {
        Yaml::Mapping(fields) => fields.contains_key("<<") || fields.values().any(has_merge),
        Yaml::Sequence(items) => items.iter().any(has_merge),
        Yaml::Tagged(tagged) => has_merge(&tagged.value),
        _ => false,
    }
}

fn json(value: Yaml) -> anyhow::Result<Value> {
    Ok(match value {
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (key, value) in fields {
                let key = match key {
                    Yaml::String(key) => key,
                    Yaml::Number(key) => key.to_string(),
                    Yaml::Bool(key) => key.to_string(),
                    key => bail!("the key {key:?} is not a string"),
                };
                ensure!(object.insert(key.clone(), json(value)?).is_none(), "duplicate key {key:?}");
            }
            Value::Object(object)
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        other => serde_json::to_value(other)?,
    })
}

/// The object, or the items of a list, each with its place. An empty document has none.
fn items(object: Value, place: String) -> Vec<(String, Value)> {
    let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match object {
        Value::Null => Vec::new(),
        Value::Object(mut list) if is_list && list.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(inner)) = list.remove("items") else { return Vec::new() };
            let inner = inner.into_iter().enumerate();
            inner.flat_map(|(number, item)| items(item, format!("{place}, items[{number}]"))).collect()
        }
        object => vec![(place, object)],
    }
}

/// # Errors
/// If it is no object, or of a kind that the group of ScAuths does not have.
fn is_scauth(object: &Value) -> anyhow::Result<bool> {
    let (kind, version) = (ScAuth::kind(&()), ScAuth::api_version(&()));
    for field in ["apiVersion", "kind"] {
        ensure!(object[field].is_string(), "{field} is missing, or is not a string");
    }
    let group = object["apiVersion"].as_str().and_then(|version| version.split('/').next()).unwrap_or_default();
    if object["kind"] == *kind {
        ensure!(object["apiVersion"] == *version, "apiVersion is {}, it must be {version}", object["apiVersion"]);
        return Ok(true);
    }
    let is_own_group = group.eq_ignore_ascii_case(&ScAuth::group(&()));
    ensure!(!is_own_group, "kind is {}, {group} has only {kind}", object["kind"]);
    Ok(false)
}

fn scauth(schema: &Value, mut object: Value, check: Check) -> anyhow::Result<ScAuth> {
    let problems = check(schema, &object);
    ensure!(problems.is_empty(), "{}", problems.join("; "));
    drop_nulls(schema, &mut object);
    let mut scauth: ScAuth = serde_json::from_value(object)?;
    if let Some(namespace) = scauth.metadata.namespace.take_if(|namespace| !namespace.is_empty()) {
        let name = scauth.name_any();
        // The API server ignores it, too.
        let _ = writeln!(
            std::io::stderr(),
            "warning: ScAuth {name}: metadata.namespace {namespace:?} is ignored, ScAuths have no namespace; \
             spec.namespace sets the namespace of its pods"
        );
    }
    Ok(scauth)
}
