//! A ScAuth as the API server has it. An earlier definition accepted values that this program cannot read, such as numbers
//! without a limit. One such object must not keep all others from being listed.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{ClusterResourceScope, ObjectMeta};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};

use super::ScAuth;

/// The most fields that are left out. An object with more of them cannot be read.
const MOST: usize = 32;

/// A ScAuth without the fields that cannot be read; `spec.unreadable` names them.
#[derive(Clone, Debug)]
pub struct StoredScAuth(pub ScAuth);

impl<'de> Deserialize<'de> for StoredScAuth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        if let Ok(scauth) = ScAuth::deserialize(&object) {
            return Ok(Self(scauth));
        }
        let mut problems = Vec::new();
        loop {
            match serde_path_to_error::deserialize::<_, ScAuth>(&object) {
                Ok(mut scauth) => {
                    scauth.spec.unreadable = Some(problems.join("; "));
                    return Ok(Self(scauth));
                }
                Err(error) if problems.len() < MOST => {
                    leave_out(&mut object, error.path());
                    problems.push(format!("{}: {}", error.path(), error.inner()));
                }
                Err(error) => return Err(D::Error::custom(error)),
            }
        }
    }
}

/// Removes the field at the path.
fn leave_out(object: &mut Value, path: &Path) {
    let mut segments: Vec<_> = path.iter().collect();
    let last = segments.pop();
    let parent = segments.into_iter().try_fold(&mut *object, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(index),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    match (parent, last) {
        (Some(Value::Object(fields)), Some(Segment::Map { key })) if key != "spec" => {
            fields.remove(key);
        }
        (Some(Value::Array(items)), Some(Segment::Seq { index })) if *index < items.len() => {
            items.remove(*index);
        }
        // The spec is none at all, or lacks the field that each has.
        _ => {
            let Some(fields) = object.as_object_mut() else { return };
            let spec = fields.entry("spec").or_insert_with(|| json!({}));
            match spec.as_object_mut() {
                Some(spec) => drop(spec.insert("database".to_owned(), json!({}))),
                None => *spec = json!({"database": {}}),
            }
        }
    }
}

impl Resource for StoredScAuth {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ScAuth::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ScAuth::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ScAuth::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ScAuth::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(spec: &Value) -> ScAuth {
        let object = json!({
            "apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "metadata": {"name": "a"}, "spec": spec,
            "status": {"url": "https://a.test"},
        });
        serde_json::from_value::<StoredScAuth>(object).unwrap().0
    }

    #[test]
    fn what_can_be_read_is_as_it_is() {
        let spec = json!({"database": {"embedded": {"size": "1Gi"}}, "replicas": 1});
        let scauth = stored(&spec);
        assert_eq!(scauth.spec.unreadable, None);
        assert_eq!(serde_json::to_value(&scauth.spec).unwrap(), spec);
    }

    #[test]
    fn a_field_that_cannot_be_read_is_named_and_the_others_are_read() {
        for (part, path) in [
            (
                json!({"networkPolicy": {"egressTo": [{"ports": [{"port": 5_432_543_254_i64}]}]}}),
                "spec.networkPolicy.egressTo[0].ports[0].port: ",
            ),
            (
                json!({"podTemplate": {"topologySpreadConstraints": [
                    {"maxSkew": 3_000_000_000_i64, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]}}),
                "spec.podTemplate.topologySpreadConstraints[0].maxSkew: ",
            ),
            (json!({"replicas": 3_000_000_000_i64}), "spec.replicas: "),
            (json!({"resources": {"limits": {"cpu": 1.5}}}), "spec.resources.limits.cpu: "),
            (
                json!({"podTemplate": {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": true}}]}}),
                "spec.podTemplate.volumes[0].emptyDir.sizeLimit: ",
            ),
            (json!({"expose": {"ingress": {}}}), "spec.expose.ingress: missing field `host`"),
        ] {
            let mut spec =
                json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}, "namespace": "n"});
            spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            let scauth = stored(&spec);
            let problem = scauth.spec.unreadable.unwrap();
            assert!(problem.starts_with(path), "{problem}, not {path}");
            assert!(
                scauth.spec.database.external.is_some() && scauth.spec.namespace.is_some() && scauth.status.is_some()
            );
        }
    }

    #[test]
    fn all_of_them_are_named() {
        let scauth = stored(&json!({"database": {"external": 1}, "replicas": "many", "suspend": "yes"}));
        let problem = scauth.spec.unreadable.unwrap();
        for path in ["spec.database.external: ", "spec.replicas: ", "spec.suspend: "] {
            assert!(problem.contains(path), "{problem}");
        }
    }

    #[test]
    fn an_object_without_any_spec_is_read_too() {
        for spec in [json!(null), json!(1), json!({}), json!({"database": 1}), json!([])] {
            let problem = stored(&spec).spec.unreadable.unwrap();
            assert!(problem.contains("spec"), "{spec}: {problem}");
        }
    }
}
