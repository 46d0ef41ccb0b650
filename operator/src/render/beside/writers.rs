//! Objects of other operators for which these create Secrets: a Certificate, an ExternalSecret, a database.

use std::collections::BTreeSet;

use serde_json::Value;

/// Groups of Kubernetes whose names do not end in `.k8s.io`. No built-in kind creates a Secret.
const BUILT_IN: [&str; 4] = ["apps", "autoscaling", "batch", "policy"];

/// An object of a kind that is not built in.
#[derive(Debug)]
pub struct Writer {
    pub kind: String,
    pub name: String,
    /// `None` for a cluster-scoped object, or for the namespace that kubectl chooses.
    namespace: Option<String>,
    /// All texts in it, one of which may be the name of a Secret.
    texts: BTreeSet<String>,
}

impl Writer {
    pub fn of(object: &Value) -> Option<Self> {
        let group = object["apiVersion"].as_str()?.split_once('/')?.0;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let is_built_in = BUILT_IN.contains(&group) || group.ends_with(".k8s.io");
        let mut texts = BTreeSet::new();
        let content = object.as_object().into_iter().flatten().filter(|(field, _)| *field != "metadata");
        content.for_each(|(_, value)| collect(value, &mut texts));
        let (kind, metadata) = (text(&object["kind"])?, &object["metadata"]);
        let name = text(&metadata["name"])?;
        (!is_built_in).then_some(Self { kind, name, namespace: text(&metadata["namespace"]), texts })
    }

    /// How far it looks like the one for which that Secret is created, if it does.
    pub fn may_write(&self, namespace: &str, secret: &str) -> Option<Clue> {
        if self.namespace.as_deref().is_some_and(|own| own != namespace) {
            None
        } else if self.name == secret || self.texts.contains(secret) {
            Some(Clue::Named)
        } else {
            has_part(secret, &self.name).then_some(Clue::Part)
        }
    }
}

/// What a Secret and an object have in common, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clue {
    /// The Secret's name contains that of the object, as CloudNativePG's `CLUSTER-app` does.
    Part,
    /// The object has or contains its name.
    Named,
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

/// Whether `part` is a part of the name between hyphens, dots or its ends.
fn has_part(name: &str, part: &str) -> bool {
    name.match_indices(part).any(|(start, _)| {
        let (before, after) = (&name[..start], &name[start + part.len()..]);
        (before.is_empty() || before.ends_with(['-', '.'])) && (after.is_empty() || after.starts_with(['-', '.']))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn may_write(object: &Value, secret: &str) -> bool {
        Writer::of(object).is_some_and(|writer| writer.may_write("shop", secret).is_some())
    }

    fn object(version: &str, kind: &str, name: &str, spec: &Value) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    }

    #[test]
    fn an_object_of_another_operator_may_write_the_secret_that_it_names_or_that_is_named_after_it() {
        for (version, kind, name, spec, secret) in [
            ("cert-manager.io/v1", "Certificate", "auth", json!({"secretName": "auth-tls"}), "auth-tls"),
            ("external-secrets.io/v1", "ExternalSecret", "a", json!({"target": {"name": "db"}}), "db"),
            ("external-secrets.io/v1", "ExternalSecret", "db", json!({"target": {}}), "db"),
            ("bitnami.com/v1alpha1", "SealedSecret", "db", json!({"encryptedData": {}}), "db"),
            ("isindir.github.com/v1alpha3", "SopsSecret", "a", json!({"secretTemplates": [{"name": "db"}]}), "db"),
            ("postgresql.cnpg.io/v1", "Cluster", "db", json!({"instances": 3}), "db-app"),
            ("acid.zalan.do/v1", "postgresql", "db", json!({}), "sc.db.credentials.postgresql.acid.zalan.do"),
            ("k8s.mariadb.com/v1alpha1", "Connection", "a", json!({"secretName": "db-uri"}), "db-uri"),
        ] {
            let mut object = object(version, kind, name, &spec);
            assert!(may_write(&object, secret), "{kind}");
            assert!(!may_write(&object, "typo"), "{kind}");
            object["metadata"]["namespace"] = json!("other");
            assert!(!may_write(&object, secret), "{kind}");
        }
        let ingress = object("networking.k8s.io/v1", "Ingress", "db", &json!({"tls": [{"secretName": "db"}]}));
        assert!(!may_write(&ingress, "db"));
        assert!(!may_write(&object("apps/v1", "Deployment", "db", &json!({})), "db"));
        assert!(!may_write(&object("postgresql.cnpg.io/v1", "Cluster", "d", &json!({})), "db-app"));
    }
}
