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
/// The API server checks no `format`: without a maximum it stores numbers that do not fit.
const NUMBERS: [(&str, i64, i64); 8] = [
    ("weight", 1, 100),
    ("maxSkew", 1, 2_147_483_647),
    ("minDomains", 1, 2_147_483_647),
    ("mode", 0, 0o777),
    ("defaultMode", 0, 0o777),
    ("endPort", 1, 65_535),
    ("tolerationSeconds", -EXACT, EXACT),
    ("expirationSeconds", 600, 1 << 32),
];
/// The largest number that every reader of JSON has exactly.
pub const EXACT: i64 = (1 << 53) - 1;
/// Numbers or texts: the range of the number, and the length and form of the text. The name of a port has a letter.
const AMOUNTS: [(&str, [i64; 2], u32, &str); 3] = [
    ("port", [1, 65_535], 15, "^([a-z0-9]+-)*[a-z0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$"),
    ("sizeLimit", [0, EXACT], 32, "^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$"),
    ("divisor", [0, 1], 32, "^(0|1(m|k|[MGTPE]|[KMGTPE]i)?)$"),
];
/// The lists that would make a rule about their items cost too much.
const LISTS: [(&str, u32); 2] = [("to", 64), ("ports", 64)];
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
    let is_list = schema.get("type").is_some_and(|kind| kind == "array");
    let is_amount = schema.contains_key("x-kubernetes-int-or-string");
    // The API server ignores it.
    schema.remove("format");
    let mut set = |limit: &str, value: Value| {
        schema.insert(limit.to_owned(), value);
    };
    match (name, operators) {
        ("operator", Some(operators)) => set("enum", json!(operators)),
        // Of a toleration of all taints, the key may be empty.
        ("key", Some(operators)) if operators == OF_TAINTS => set("pattern", json!("^[-./_A-Za-z0-9]*$")),
        ("key", Some(_)) if is_text => set("pattern", json!("^[-./_A-Za-z0-9]+$")),
        ("topologyKey", _) if is_text => {
            set("pattern", json!("^[-./_A-Za-z0-9]+$"));
            set("maxLength", json!(317));
        }
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
                set("maximum", json!(most));
            }
            for (_, [least, most], length, pattern) in AMOUNTS.iter().filter(|(field, ..)| *field == name && is_amount)
            {
                set("minimum", json!(least));
                set("maximum", json!(most));
                set("maxLength", json!(length));
                set("pattern", json!(pattern));
            }
            for (_, most) in LISTS.iter().filter(|(field, _)| *field == name && is_list) {
                set("maxItems", json!(most));
            }
        }
    }
}
