//! When a replaced Ingress or HTTPRoute may be deleted.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;

use super::applied::Applied;
use crate::scauth::child::Child;
use crate::scauth::exposure::{has_address, is_accepted};

/// A controller reports that it picked up an object slightly before it routes clients.
const SETTLING: Duration = Duration::from_secs(10);
/// The old object is deleted eventually: the spec does not ask for it, and the new one may never be picked up.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long to keep a child that the spec no longer asks for: until its replacement takes traffic. `None` if nothing
/// replaces it, or the replacement already does.
pub fn stays(child: Child, applied: &Applied, now: Timestamp) -> Option<Duration> {
    let successor = match child {
        Child::Ingress => Child::HttpRoute,
        Child::HttpRoute => Child::Ingress,
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

fn is_taken_up(child: Child, object: &DynamicObject) -> bool {
    match child {
        Child::Ingress => has_address(object),
        _ => is_accepted(object),
    }
}
