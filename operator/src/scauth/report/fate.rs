//! What happens to the objects of a ScAuth that is being deleted while finalizers keep it.

use crate::api::{DeletionPolicy, ScAuth};
use crate::scauth::child::Child;
use crate::scauth::observe::Observed;
use crate::scauth::resolved::{NamespaceUse, Resolved};

/// Kubernetes' own finalizers, by which the garbage collector works.
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What will be deleted and when, and what stays.
pub fn fate(scauth: &ScAuth, resolved: &Resolved, observed: &Observed) -> String {
    let finalizers = scauth.metadata.finalizers.as_deref().unwrap_or_default();
    let others: Vec<_> =
        finalizers.iter().map(String::as_str).filter(|name| ![FOREGROUND, ORPHAN].contains(name)).collect();
    let when = match others.as_slice() {
        [] => "now".to_owned(),
        names => format!("once the finalizers are removed ({})", names.join(", ")),
    };
    if finalizers.iter().any(|name| name == ORPHAN) {
        return format!("the ScAuth is deleted {when}; its objects stay, without an owner (--cascade=orphan)");
    }
    if !has_objects(resolved, observed) {
        return format!("the ScAuth is deleted {when}; it has no objects");
    }
    let when = if finalizers.iter().any(|name| name == FOREGROUND) { "now".to_owned() } else { when };
    let namespace = &resolved.names.namespace;
    let data =
        if resolved.database.is_embedded() { "the generated Secrets and the volume" } else { "the generated Secrets" };
    let rest = match (resolved.policy, resolved.namespace) {
        (DeletionPolicy::Retain, _) => format!("{data} and namespace {namespace} stay (spec.deletionPolicy: Retain)"),
        (DeletionPolicy::Delete, NamespaceUse::Managed) => {
            format!("so is namespace {namespace} with everything in it (spec.deletionPolicy: Delete)")
        }
        (DeletionPolicy::Delete, _) => {
            format!("so are {data}; namespace {namespace} stays (spec.deletionPolicy: Delete)")
        }
    };
    format!("the Deployment and the other objects that clients are served by are deleted {when}; {rest}")
}

/// Whether something exists that belongs to it.
fn has_objects(resolved: &Resolved, observed: &Observed) -> bool {
    let has_namespace = observed.children.contains_key(&Child::Namespace);
    has_namespace && (resolved.namespace == NamespaceUse::Managed || observed.owned().next().is_some())
}
