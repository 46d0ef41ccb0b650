//! Fields of Kubernetes' own types, whose schemas have neither descriptions here nor limits: the API server would accept
//! what it refuses in the Deployment or the NetworkPolicy.

use serde_json::{Map, Value, json};

/// `kubectl explain pod.spec` has their descriptions; they would double the size of ours.
const BORROWED: [&str; 12] = [
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "valueFrom",
    "dnsConfig",
    "csi",
    "configMap",
    "emptyDir",
    "sources",
    "from",
    "ingressFrom",
    "egressTo",
];

const WORDS: [(&str, &[&str]); 3] = [
    ("effect", &["", "NoExecute", "NoSchedule", "PreferNoSchedule"]),
    ("whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("protocol", &["SCTP", "TCP", "UDP"]),
];
const OF_NODES: [&str; 6] = ["DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"];
const OF_LABELS: [&str; 4] = ["DoesNotExist", "Exists", "In", "NotIn"];
const OF_TAINTS: [&str; 4] = ["Equal", "Exists", "Gt", "Lt"];
const NUMBERS: [(&str, i32, i32); 6] = [
    ("weight", 1, 100),
    ("maxSkew", 1, i32::MAX),
    ("minDomains", 1, i32::MAX),
    ("mode", 0, 0o777),
    ("defaultMode", 0, 0o777),
    ("endPort", 1, 65_535),
];
/// The lengths without which a rule about them would cost too much.
const LENGTHS: [(&str, u32); 6] =
    [("name", 253), ("secretName", 253), ("key", 317), ("driver", 253), ("fieldPath", 512), ("resource", 128)];

pub fn is_borrowed(name: &str, schema: &Value) -> bool {
    // A type of this API can have the same name as a type of Kubernetes.
    BORROWED.contains(&name) || (name == "secret" && !schema["properties"]["secretName"].is_null())
}

/// Removes the descriptions below these fields, and adds the limits.
pub fn shorten(value: &mut Value) {
    if let Some(properties) = value.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            if is_borrowed(name, property) {
                let own = property.get("description").cloned();
                forget_descriptions(property);
                tighten(property, false);
                if let (Some(own), Some(property)) = (own, property.as_object_mut()) {
                    property.insert("description".to_owned(), own);
                }
            }
        }
    }
    match value {
        Value::Object(object) => object.values_mut().for_each(shorten),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        _ => {}
    }
}

fn forget_descriptions(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, value| name != "description" || !(value.is_string() || value.is_null()));
            object.values_mut().for_each(forget_descriptions);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_descriptions),
        _ => {}
    }
}

fn tighten(schema: &mut Value, is_of_nodes: bool) {
    if let Some(items) = schema.get_mut("items").filter(|items| items.is_object()) {
        tighten(items, is_of_nodes);
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let operators: Option<&[&str]> = match (properties.contains_key("operator"), properties.contains_key("values")) {
        (false, _) => None,
        (true, false) => Some(&OF_TAINTS),
        (true, true) => Some(if is_of_nodes { &OF_NODES } else { &OF_LABELS }),
    };
    for (name, property) in properties.iter_mut() {
        if let Some(fields) = property.as_object_mut() {
            limit(name, fields, operators);
        }
        tighten(property, is_of_nodes || name == "nodeAffinity");
    }
}

/// `operators` are those of an item with a key of a label or a taint.
fn limit(name: &str, schema: &mut Map<String, Value>, operators: Option<&[&str]>) {
    let is_text = schema.get("type").is_some_and(|kind| kind == "string");
    let mut set = |limit: &str, value: Value| {
        schema.insert(limit.to_owned(), value);
    };
    match (name, operators) {
        ("operator", Some(operators)) => set("enum", json!(operators)),
        // Of a toleration of all taints, the key may be empty.
        ("key", Some(operators)) if operators == OF_TAINTS => set("pattern", json!("^[-./_A-Za-z0-9]*$")),
        ("key", Some(_)) | ("topologyKey", _) if is_text => set("pattern", json!("^[-./_A-Za-z0-9]+$")),
        ("cidr", _) if is_text => set("pattern", json!("^[0-9a-fA-F:.]+/[0-9]{1,3}$")),
        _ => {
            for (_, words) in WORDS.iter().filter(|(field, _)| *field == name && is_text) {
                set("enum", json!(words));
            }
            for (_, length) in LENGTHS.iter().filter(|(field, _)| *field == name && is_text) {
                set("maxLength", json!(length));
            }
            for (_, least, most) in NUMBERS.iter().filter(|(field, ..)| *field == name && !is_text) {
                set("minimum", json!(least));
                if *most < i32::MAX {
                    set("maximum", json!(most));
                }
            }
        }
    }
}
