//! When a replaced Ingress or HTTPRoute may be deleted.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;

use super::applied::Applied;
use crate::scauth::child::Child;
use crate::scauth::exposure::{accepted_since, address_written, has_address, is_accepted};

/// A controller reports that it picked up an object slightly before it routes clients.
const SETTLING: Duration = Duration::from_secs(10);
/// The old object is deleted eventually: the spec does not ask for it, and the new one may never be picked up.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest that a clock ahead of the operator's can keep it.
const LONGEST: Duration = PATIENCE.saturating_add(SETTLING);

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
    let created = object.metadata.creation_timestamp.as_ref()?.0;
    let age = |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let rest = if is_taken_up(successor, object) {
        let since_taken_up = age(taken_up(successor, object).unwrap_or(created));
        SETTLING.saturating_sub(since_taken_up).min(LONGEST.saturating_sub(age(created)))
    } else {
        PATIENCE.saturating_sub(age(created))
    };
    Some(rest).filter(|rest| !rest.is_zero())
}

fn is_taken_up(child: Child, object: &DynamicObject) -> bool {
    match child {
        Child::Ingress => has_address(object),
        _ => is_accepted(object),
    }
}

/// When its controllers reported that, if they said when.
fn taken_up(child: Child, object: &DynamicObject) -> Option<Timestamp> {
    match child {
        Child::Ingress => address_written(object),
        _ => accepted_since(object),
    }
}
