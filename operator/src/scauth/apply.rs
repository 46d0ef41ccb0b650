//! Brings the cluster to the desired state, child by child.

mod applied;
pub mod balancer;
mod context;
pub mod handover;
mod openid;
mod quota;
mod secrets;
pub mod succession;

use std::collections::BTreeSet;

use kube::core::DynamicObject;
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use strum::IntoEnumIterator as _;

use super::capacity;
use super::child::Child;
use super::children::Children;
use super::names::Names;
use super::observe::Observed;
use super::resolved::Resolved;
use super::volume;
use crate::shared::apply::{Target, is_applied};
use crate::shared::error::ApplyError;
pub use applied::{Applied, Keys};
pub use context::ApplyContext;

/// Applies what it can. If something is refused, the rest of the live state is the one from before.
pub async fn apply(
    context: &ApplyContext<'_>,
    resolved: &Resolved,
    children: Children,
    observed: &Observed,
) -> (Applied, Result<(), ApplyError>) {
    let mut applied = Applied::default();
    let done = apply_all(context, resolved, children, observed, &mut applied).await;
    if done.is_err() {
        applied.complete(observed);
    }
    (applied, done)
}

async fn apply_all(
    context: &ApplyContext<'_>,
    resolved: &Resolved,
    mut children: Children,
    observed: &Observed,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    // Before `replicas` is sent again: otherwise two managers would fight over it.
    if !children.contains_key(&Child::Autoscaler) {
        delete(context.client, Child::Autoscaler, observed).await?;
    }
    if let Some(namespace) = children.remove(&Child::Namespace) {
        apply_child(context, Child::Namespace, &resolved.names, namespace, observed, applied).await?;
    }
    applied.keys = secrets::make_and_keep(context, resolved, observed).await?;
    let wanted: BTreeSet<_> = children.keys().copied().collect();
    // A refused child does not block the others.
    let mut refused = None;
    for (child, desired) in children {
        if let Err(error) = change(context, child, resolved, desired, observed, applied).await {
            refused.get_or_insert(error);
        }
    }
    // Create the replacement before deleting what it replaces.
    if let Some(error) = refused {
        return Err(error);
    }
    delete_dropped(context, &wanted, observed, applied).await?;
    let deployment = applied.children.get(&Child::Deployment);
    if let Some(deployment) = deployment.filter(|_| !volume::freezes(Child::Deployment, &observed.children)) {
        quota::try_again(context, &resolved.names, deployment).await;
    }
    Ok(())
}

/// Brings one child to the desired state. Some changes take a step before.
async fn change(
    context: &ApplyContext<'_>,
    child: Child,
    resolved: &Resolved,
    mut desired: Value,
    observed: &Observed,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let live = observed.children.get(&child);
    if let Some(live) = live.filter(|_| volume::freezes(child, &observed.children)) {
        // Another pod would find an empty volume.
        applied.children.insert(child, live.clone());
        return Ok(());
    }
    match child {
        Child::Deployment => {
            handover::begin(&resolved.scale, &mut desired, live);
            handover::give(context.client, &resolved.names, &desired, live).await?;
        }
        Child::VolumeClaim => return change_claim(context, resolved, desired, observed, applied).await,
        Child::Service => {
            if let Some(first) = balancer::without_balancer(&desired, live) {
                apply_child(context, child, &resolved.names, first, observed, applied).await?;
            }
        }
        _ => {}
    }
    apply_child(context, child, &resolved.names, desired, observed, applied).await
}

/// If the volume cannot grow, other changes are still applied, and the pod serves with the existing volume.
async fn change_claim(
    context: &ApplyContext<'_>,
    resolved: &Resolved,
    desired: Value,
    observed: &Observed,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let live = observed.children.get(&Child::VolumeClaim);
    let smaller = capacity::without_growth(&desired, live);
    let done = apply_child(context, Child::VolumeClaim, &resolved.names, desired, observed, applied).await;
    match (done, smaller, live) {
        (Err(error), Some(smaller), Some(live)) if !error.is_transient() => {
            applied.not_grown = Some(capacity::refusal(&error, live));
            apply_child(context, Child::VolumeClaim, &resolved.names, smaller, observed, applied).await
        }
        (done, ..) => done,
    }
}

/// Deletes the children that the spec no longer asks for. The autoscaler is deleted already.
async fn delete_dropped(
    context: &ApplyContext<'_>,
    wanted: &BTreeSet<Child>,
    observed: &Observed,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    let dropped = Child::iter().filter(|child| !wanted.contains(child) && !child.stays_when_dropped());
    for child in dropped.filter(|child| *child != Child::Autoscaler) {
        match succession::stays(child, applied, context.now).filter(|_| observed.children.contains_key(&child)) {
            Some(rest) => applied.leaves_in = Some(rest),
            None => delete(context.client, child, observed).await?,
        }
    }
    Ok(())
}

/// The kinds of the children that are not in the desired state.
pub fn pending(children: &Children, observed: &Observed) -> Vec<String> {
    let known = children.iter().filter(|(child, _)| !observed.unknown_kinds.contains(child));
    let pending = known.filter(|(child, desired)| !is_applied(desired, observed.children.get(child)));
    pending.map(|(child, _)| child.resource().kind).collect()
}

/// Applies one child, if the cluster has its kind.
async fn apply_child(
    context: &ApplyContext<'_>,
    child: Child,
    names: &Names,
    desired: Value,
    observed: &Observed,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    if observed.unknown_kinds.contains(&child) {
        applied.unknown_kinds.insert(child);
        return Ok(());
    }
    let live = observed.children.get(&child);
    let name = child.name(names);
    let resource = child.resource();
    let target = Target { api: child.api(context.client, &names.namespace), kind: &resource.kind, name: &name, live };
    match target.apply(context.cache, &names.scauth, desired).await {
        Err(error) if error.is_not_found() && child.definition().is_some() => {
            applied.unknown_kinds.insert(child);
        }
        stored => {
            applied.children.insert(child, stored?);
        }
    }
    Ok(())
}

/// Deletes what a ScAuth left in a namespace that belongs to another one, but no data.
///
/// # Errors
/// If the API server refuses it.
pub async fn delete_leftovers(client: &Client, uid: &str, observed: &Observed) -> Result<(), ApplyError> {
    let is_ours = |live: &DynamicObject| live.owner_references().iter().any(|owner| owner.uid == uid);
    for (child, _) in observed.children.iter().filter(|(child, live)| !child.stays_when_dropped() && is_ours(live)) {
        delete(client, *child, observed).await?;
    }
    Ok(())
}

async fn delete(client: &Client, child: Child, observed: &Observed) -> Result<(), ApplyError> {
    let Some(live) = observed.children.get(&child) else { return Ok(()) };
    let (resource, name) = (child.resource(), live.name_any());
    let api = child.api(client, &live.namespace().unwrap_or_default());
    Target { api, kind: &resource.kind, name: &name, live: Some(live) }.delete().await
}
