//! ScAuths that ask for one namespace.

use super::hosts::{age, may_take};
use crate::api::ScAuth;
use crate::scauth::names;

/// The oldest of the other ScAuths that ask for the same namespace, if it is older than this one. It gets the namespace
/// while nobody has it.
pub fn older_rival(scauth: &ScAuth, fleet: &[&ScAuth]) -> Option<String> {
    let namespace = names::namespace(scauth);
    let others = fleet.iter().filter(|other| {
        names::namespace(other) == namespace
            && other.metadata.name != scauth.metadata.name
            && other.metadata.deletion_timestamp.is_none()
            && may_take(other)
    });
    others.map(|other| age(other)).min().filter(|oldest| *oldest < age(scauth)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scauth(name: &str, second: u8, more: &Value) -> ScAuth {
        let mut scauth = json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": format!("2026-01-01T00:00:0{second}Z")},
            "spec": {"namespace": "shop", "database": {"embedded": {}}},
        });
        for (path, value) in more.as_object().into_iter().flatten() {
            let (part, field) = path.split_once('.').unwrap();
            scauth[part][field] = value.clone();
        }
        serde_json::from_value(scauth).unwrap()
    }

    #[test]
    fn the_oldest_gets_the_namespace_and_of_one_second_the_first_by_name() {
        let (old, same, young) = (scauth("z", 1, &json!({})), scauth("a", 2, &json!({})), scauth("b", 2, &json!({})));
        let fleet = [&old, &same, &young];
        assert_eq!(older_rival(&old, &fleet), None);
        assert_eq!(older_rival(&same, &fleet).as_deref(), Some("z"));
        assert_eq!(older_rival(&young, &[&same, &young]).as_deref(), Some("a"));
        assert_eq!(older_rival(&same, &[&same, &young]), None);
    }

    #[test]
    fn one_that_takes_no_namespace_is_no_rival() {
        let mine = scauth("b", 2, &json!({}));
        let refused = json!([{"type": "Ready", "status": "False", "reason": "ImageNotAllowed", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        for more in [
            json!({"spec.namespace": "other"}),
            json!({"spec.suspend": true}),
            json!({"metadata.deletionTimestamp": "2026-01-01T00:00:09Z"}),
            json!({"status.conditions": refused}),
        ] {
            assert_eq!(older_rival(&mine, &[&scauth("a", 1, &more), &mine]), None, "{more}");
        }
    }
}
