//! Whether an object holds all that is wanted of it. What others have added does not count.

use serde_json::Value;

/// Whether each field of `wanted` stands in `live` with the same value.
pub fn is_within(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            wanted.iter().all(|(name, wanted)| live.get(name).is_some_and(|live| is_within(wanted, live)))
        }
        // Lists keep their order in all that we apply; one that someone has added to is longer.
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.iter().all(|wanted| live.iter().any(|live| same_item(wanted, live) && is_within(wanted, live)))
        }
        (Value::String(wanted), Value::String(live)) => wanted == live || same_quantity(wanted, live),
        (wanted, live) => wanted == live,
    }
}

/// Items of a list of objects are told apart by their names, as server-side apply does.
fn same_item(wanted: &Value, live: &Value) -> bool {
    match (wanted.get("name"), live.get("name")) {
        (Some(wanted), Some(live)) => wanted == live,
        _ => true,
    }
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
    }

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        assert!(is_within(&json!({"cpu": "1000m", "memory": "1024Mi"}), &json!({"cpu": "1", "memory": "1Gi"})));
        assert!(!is_within(&json!("500m"), &json!("5")));
        assert!(!is_within(&json!("1Gi"), &json!("1G")));
    }
}
