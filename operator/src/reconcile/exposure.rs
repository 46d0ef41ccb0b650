//! Whether clients come in by an Ingress or an HTTPRoute, from what its controllers wrote into it; and when one that
//! another takes the place of may go.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::Value;

use super::apply::Applied;
use crate::kinds::Kind;

/// A controller says that it takes something up a moment before it lets clients through.
const SETTLING: Duration = Duration::from_secs(10);
/// The old one goes in the end: the spec does not ask for it, and maybe nobody ever takes up the new one.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a child of that kind, which the spec does not ask for any more, stays: until clients come in by what takes its
/// place. None where nothing does, or where that is done.
pub fn stays(kind: Kind, applied: &Applied, now: Timestamp) -> Option<Duration> {
    let successor = match kind {
        Kind::Ingress => Kind::HttpRoute,
        Kind::HttpRoute => Kind::Ingress,
        _ => return None,
    };
    if applied.unknown_kinds.contains(&successor) {
        return Some(PATIENCE);
    }
    let object = applied.children.get(&successor)?;
    let needed = if is_taken_up(successor, object) { SETTLING } else { PATIENCE };
    let made = object.metadata.creation_timestamp.as_ref()?.0;
    let age = Duration::try_from(now.duration_since(made)).unwrap_or_default();
    needed.checked_sub(age).filter(|rest| !rest.is_zero())
}

fn is_taken_up(kind: Kind, object: &DynamicObject) -> bool {
    match kind {
        Kind::Ingress => has_address(object),
        _ => is_accepted(object),
    }
}

/// Whether an ingress controller has written an address into it.
pub fn has_address(ingress: &DynamicObject) -> bool {
    let addresses = ingress.data.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    addresses.is_some_and(|addresses| !addresses.is_empty())
}

/// Whether a Gateway takes the route.
pub fn is_accepted(route: &DynamicObject) -> bool {
    words_of_gateways(route).iter().any(|word| word["type"] == "Accepted" && word["status"] == "True")
}

/// The conditions that the route's present Gateways have written into it as it is now. Some leave their words behind when
/// a route leaves them.
pub fn words_of_gateways(route: &DynamicObject) -> Vec<&Value> {
    let list = |path: &str| route.data.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let identity = |reference: &Value| {
        let namespace = reference["namespace"].as_str().map(str::to_owned).or_else(|| route.namespace());
        (reference["name"].clone(), namespace, reference["sectionName"].clone(), reference["port"].clone())
    };
    let present: Vec<_> = list("/spec/parentRefs").map(identity).collect();
    let parents = list("/status/parents").filter(|parent| present.contains(&identity(&parent["parentRef"])));
    let conditions = parents.flat_map(|parent| parent["conditions"].as_array().into_iter().flatten());
    let now = route.metadata.generation;
    conditions
        .filter(|condition| condition["observedGeneration"].as_i64().is_none_or(|seen| Some(seen) >= now))
        .collect()
}
