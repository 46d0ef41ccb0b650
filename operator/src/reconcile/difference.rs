//! Whether an object holds all that is wanted of it. What others have added does not count.

use serde_json::Value;

/// What the API server takes as one value: here what others add is a change.
const WHOLE: [&str; 7] =
    ["selector", "podSelector", "namespaceSelector", "labelSelector", "nodeSelector", "parentRefs", "backendRefs"];

/// Whether each field of `wanted` stands in `live` with the same value.
pub fn is_within(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(name, wanted)| match live.get(name) {
            Some(live) if WHOLE.contains(&name.as_str()) => wanted == live,
            Some(live) => is_within(wanted, live),
            None => false,
        }),
        (Value::Array(wanted), Value::Array(live)) => are_within(wanted, live),
        (Value::String(wanted), Value::String(live)) => wanted == live || same_quantity(wanted, live),
        (wanted, live) => wanted == live,
    }
}

/// Items that have names are told apart by them, as server-side apply does, and others may add theirs. A list of other
/// things is one value.
fn are_within(wanted: &[Value], live: &[Value]) -> bool {
    let name = |item: &Value| item.get("name").cloned();
    if wanted.iter().all(|item| name(item).is_some()) {
        return wanted
            .iter()
            .all(|wanted| live.iter().any(|live| name(live) == name(wanted) && is_within(wanted, live)));
    }
    wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| is_within(wanted, live))
}

/// The API server writes quantities its own way: `1000m` comes back as `1`, `1024Mi` as `1Gi`.
fn same_quantity(wanted: &str, live: &str) -> bool {
    matches!((thousandths(wanted), thousandths(live)), (Some(wanted), Some(live)) if wanted == live)
}

fn thousandths(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u128 = match unit {
        "m" => 1,
        "" => 1_000,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    number.parse::<u128>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_add_does_not_count_and_what_they_change_does() {
        let wanted = json!({"a": 1, "list": [{"name": "x", "value": "1"}], "empty": {}});
        assert!(is_within(
            &wanted,
            &json!({"a": 1, "b": 2, "list": [{"name": "y"}, {"name": "x", "value": "1", "more": 0}], "empty": {"c": 3}})
        ));
        assert!(!is_within(&wanted, &json!({"a": 2, "list": [{"name": "x", "value": "1"}], "empty": {}})));
        assert!(!is_within(&wanted, &json!({"a": 1, "list": [{"name": "x", "value": "2"}], "empty": {}})));
        assert!(!is_within(&wanted, &json!({"a": 1, "list": [], "empty": {}})));
        assert!(!is_within(&json!({"from": [{"ip": "1"}]}), &json!({"from": [{"ip": "1"}, {"ip": "2"}]})));
        assert!(!is_within(&json!({"podSelector": {}}), &json!({"podSelector": {"matchLabels": {"none": "such"}}})));
    }

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        assert!(is_within(&json!({"cpu": "1000m", "memory": "1024Mi"}), &json!({"cpu": "1", "memory": "1Gi"})));
        assert!(!is_within(&json!("500m"), &json!("5")));
        assert!(!is_within(&json!("1Gi"), &json!("1G")));
    }
}
