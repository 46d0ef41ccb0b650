//! When an Ingress or HTTPRoute that another takes the place of may go.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;

use super::Applied;
use crate::scauth::child::Child;
use crate::scauth::exposure::{has_address, is_accepted};

/// A controller says that it takes something up a moment before it lets clients through.
const SETTLING: Duration = Duration::from_secs(10);
/// The old one goes in the end: the spec does not ask for it, and maybe nobody ever takes up the new one.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a child of that kind, which the spec does not ask for any more, stays: until clients come in by what takes its
/// place. None where nothing does, or where that is done.
pub fn stays(kind: Child, applied: &Applied, now: Timestamp) -> Option<Duration> {
    let successor = match kind {
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

fn is_taken_up(kind: Child, object: &DynamicObject) -> bool {
    match kind {
        Child::Ingress => has_address(object),
        _ => is_accepted(object),
    }
}
