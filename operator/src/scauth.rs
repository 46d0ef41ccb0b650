//! The reconcile of a ScAuth on one screen: observe, validate, build the children, apply, report. Each run starts from
//! the cluster's state and may be interrupted at any point.

pub mod apply;
pub mod capacity;
mod certificate;
pub mod child;
pub mod children;
pub mod classes;
mod clients;
mod context;
pub mod controller;
pub mod exposure;
pub mod health;
pub mod hosts;
pub mod identity;
mod mounts;
pub mod names;
pub mod observe;
mod ownership;
pub mod poll;
pub mod references;
pub mod release;
pub mod report;
pub mod resolved;
mod resources;
mod retention;
pub mod rivals;
pub mod rollout;
pub mod rotation;
pub mod scale;
mod secret_problems;
mod settings;
mod storage;
pub mod validate;
pub mod volume;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use kube_runtime::reflector::Store;
use sc_auth_contract::time::UnixTime;
use strum::IntoEnumIterator as _;

use crate::api::ScAuth;
use crate::shared::changes::Version;
pub use crate::shared::error::{ApplyError, Error};
use crate::shared::jitter::jittered;
use crate::shared::metrics::Fleet;
use crate::shared::ownership::Ownership;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;
use apply::{Applied, ApplyContext, pending};
use child::Child;
pub use context::Context;
use names::Names;
use observe::Observed;
use release::UpgradeTurn;
use report::{Outcome, Pause};
use resolved::Resolved;
use rollout::Rollout;
use scale::Scale;

/// The CustomResourceDefinition.
pub const DEFINITION: &str = "scauths.sc-auth.io";

/// The plural of the kind, which distinguishes its metrics.
pub const PLURAL: &str = "scauths";

/// All ScAuths, for the metrics.
pub fn fleet(store: Store<ScAuth>) -> Fleet {
    Fleet::of(PLURAL, store, |scauth| scauth.status.as_ref().map_or(&[], |status| &status.conditions))
}

/// Whether this kind depends on a CustomResourceDefinition.
pub fn needs_definition(name: &str) -> bool {
    name == DEFINITION || Child::iter().any(|child| child.definition().as_deref() == Some(name))
}

/// How often to check for a Secret that pods wait for, a missing kind, a quota, or why a pod does not start.
const SOON: Duration = Duration::from_secs(10);
/// Time limit of the report.
const REPORT_LIMIT: Duration = Duration::from_secs(5);

pub async fn reconcile(scauth: Arc<ScAuth>, context: Arc<Context>) -> Result<Action, Error> {
    let result = Box::pin(run(&scauth, &context)).await;
    if result.is_ok() {
        context.attempts.forget(&uid(&scauth));
    }
    result
}

/// The requeue after a failure: each object has its own delays, which grow.
#[expect(clippy::needless_pass_by_value, reason = "the Controller's signature")]
pub fn retry(scauth: Arc<ScAuth>, error: &Error, context: Arc<Context>) -> Action {
    context.attempts.retry(&scauth.name_any(), &uid(&scauth), error)
}

fn uid(scauth: &ScAuth) -> String {
    scauth.uid().unwrap_or_default()
}

async fn run(scauth: &ScAuth, context: &Context) -> Result<Action, Error> {
    let fleet = context.fleet.state();
    let turn = release::turn(scauth, fleet.iter().map(AsRef::as_ref), &context.environment.defaults);
    // A connection without data could block it for minutes.
    let acted = tokio::time::timeout(context.patience, observe_and_apply(scauth, &turn, context)).await;
    let (observed, outcome) = acted.unwrap_or_else(|_| failed(ApplyError::TimedOut));
    let may_pass = outcome.error().is_some_and(ApplyError::is_transient);
    let mut written = None;
    if !(may_pass && context.attempts.is_below_threshold(&uid(scauth))) {
        let report = report::report(scauth, &observed, &outcome, &turn, context);
        let reported = tokio::time::timeout(REPORT_LIMIT, report).await.map_err(|_| Error::TimedOut)?;
        written = reported.map_err(Error::Report)?;
    }
    if let Outcome::Failed(error) | Outcome::Blocked { error, .. } = outcome {
        return Err(error.into());
    }
    let delay = jittered(next_look(&outcome, &observed, &turn, context));
    let known = seen(&observed, &outcome).chain([&scauth.metadata]).filter_map(Version::of);
    context.changes.end(&scauth.name_any(), known, written, Instant::now(), delay);
    Ok(Action::requeue(delay))
}

/// The objects in the versions that a reconcile has looked at: those that it read, and those that it created. One that it
/// changed is looked at again, and so is a Deployment that was created with a number of replicas for an autoscaler.
fn seen<'a>(observed: &'a Observed, outcome: &'a Outcome) -> impl Iterator<Item = &'a ObjectMeta> {
    let applied = match outcome {
        Outcome::Applied { applied, resolved } => Some((applied, matches!(resolved.scale, Scale::Fixed(_)))),
        _ => None,
    };
    let created = applied.into_iter().flat_map(move |(applied, is_whole)| {
        let new = applied.children.iter().filter(|(child, _)| !observed.children.contains_key(child));
        new.filter(move |(child, _)| **child != Child::Deployment || is_whole)
    });
    observed.children.iter().chain(created).map(|(_, live)| &live.metadata)
}

async fn observe_and_apply(scauth: &ScAuth, turn: &UpgradeTurn, context: &Context) -> (Observed, Outcome) {
    let _alone = context.namespaces.lock(names::namespace(scauth)).await;
    let mut observed = match observe::observe(&context.client, scauth, (context.clock)()).await {
        Ok(observed) => observed,
        Err(error) => return failed(error.into()),
    };
    let rollout = observed.children.get(&Child::Deployment).map(Rollout::of).unwrap_or_default();
    observed.reports = context.health_cache.of(&scauth.name_any(), &rollout);
    if let Err(error) = observe_others(scauth, &mut observed, context).await {
        return (observed, Outcome::Failed(error.into()));
    }
    if let Some(owner) = scauth.controller_owner_ref(&()).filter(|_| is_terminating(scauth)) {
        observed.keep_own(&owner);
    }
    let outcome = match validate::validate(scauth, &observed, &context.environment, turn) {
        Err(refusal) => refuse(scauth, refusal, &mut observed, turn, context).await,
        Ok(resolved) if is_terminating(scauth) => {
            let why = Pause::Terminating { fate: report::fate(scauth, &resolved, &observed) };
            Outcome::Paused { resolved: Box::new(resolved), why }
        }
        Ok(resolved) => apply_validated(scauth, resolved, &observed, context).await,
    };
    if outcome.error().is_some()
        && observed.secret.is_none()
        && let Some(owner) = scauth.controller_owner_ref(&())
    {
        // It may have been created before the failure, and the first Admin with it; or by somebody else meanwhile.
        let secret = observe::secret(&context.client, &Names::of(scauth)).await.unwrap_or_default();
        observed.secret = secret.filter(|secret| retention::ownership(&secret.metadata, &owner) == Ownership::Ours);
    }
    match look_at_new_claim(&mut observed, &outcome, context).await {
        Ok(()) => (observed, outcome),
        Err(error) => (observed, Outcome::Failed(error.into())),
    }
}

/// The class of a claim is known once it exists, its driver then or later. Without this, each claim that was created would
/// be looked at by another reconcile.
async fn look_at_new_claim(observed: &mut Observed, outcome: &Outcome, context: &Context) -> kube::Result<()> {
    let Outcome::Applied { applied, .. } = outcome else { return Ok(()) };
    if let Some(claim) = applied.children.get(&Child::VolumeClaim)
        && !observed.children.contains_key(&Child::VolumeClaim)
    {
        observed.storage = storage::look(&context.client, claim).await?;
    }
    Ok(())
}

fn is_terminating(scauth: &ScAuth) -> bool {
    scauth.metadata.deletion_timestamp.is_some()
}

async fn refuse(
    scauth: &ScAuth,
    refusal: Refusal,
    observed: &mut Observed,
    turn: &UpgradeTurn,
    context: &Context,
) -> Outcome {
    let Some(owner) = scauth.controller_owner_ref(&()) else { return Outcome::Refused { refusal, resolved: None } };
    if refusal.reason == Reason::NamespaceNotAllowed
        && let Some(namespace) = observed.children.get(&Child::Namespace)
        && retention::is_of_another(&namespace.metadata, &owner)
        && let Err(error) = apply::delete_leftovers(&context.client, &owner.uid, observed).await
    {
        return Outcome::Failed(error);
    }
    observed.keep_own(&owner);
    let resolved = validate::resolve(scauth, owner, observed, &context.environment, turn);
    Outcome::Refused { refusal, resolved: Some(Box::new(resolved)) }
}

/// Adds what other ScAuths have or ask for.
async fn observe_others(scauth: &ScAuth, observed: &mut Observed, context: &Context) -> kube::Result<()> {
    let fleet = context.fleet.state();
    let fleet: Vec<_> = fleet.iter().map(AsRef::as_ref).collect();
    let named = observed.children.get(&Child::Ingress).and_then(exposure::class_field);
    let names_class = named.is_some() || scauth.spec.ingress().is_some_and(|ingress| ingress.class_name.is_some());
    let needs_classes = names_class || hosts::needs_default_class(scauth, &fleet);
    let classes = if needs_classes { classes::list(&context.client).await? } else { None };
    let default_class = classes.as_ref().and_then(|classes| classes.default.as_deref());
    observed.hosts = hosts::hosts(scauth, &fleet, default_class);
    observed.ingress_classes = classes.map(|classes| classes.controllers);
    if has_changed_class(scauth, observed) {
        observed.writers = exposure::writers(fleet.iter().copied());
    }
    if !observed.children.contains_key(&Child::Namespace) {
        observed.rival = rivals::older_rival(scauth, &fleet);
    }
    Ok(())
}

/// Whether the Ingress has another class than the one that its address, or the lack of one, was recorded with.
fn has_changed_class(scauth: &ScAuth, observed: &Observed) -> bool {
    let status = scauth.status.as_ref().and_then(|status| status.exposure.as_ref());
    let recorded = status.and_then(|exposure| exposure.address.as_ref());
    let live = observed.children.get(&Child::Ingress).and_then(exposure::class_of);
    recorded.is_some_and(|address| address.class != live.unwrap_or_default())
}

fn failed(error: ApplyError) -> (Observed, Outcome) {
    (Observed::default(), Outcome::Failed(error))
}

async fn apply_validated(scauth: &ScAuth, resolved: Resolved, observed: &Observed, context: &Context) -> Outcome {
    let children = match children::build(&resolved) {
        Ok(children) => children,
        Err(error) => return Outcome::Failed(error.into()),
    };
    if scauth.spec.suspend == Some(true) {
        let why = Pause::Suspended { pending: pending(&children, observed) };
        return Outcome::Paused { resolved: Box::new(resolved), why };
    }
    let apply_context = ApplyContext {
        client: &context.client,
        cache: &context.apply_cache,
        oidc_keys: &context.oidc_keys,
        now: (context.clock)(),
        interval: SOON,
    };
    match Box::pin(apply::apply(&apply_context, &resolved, children, observed)).await {
        (applied, Ok(())) => Outcome::Applied { resolved: Box::new(resolved), applied: Box::new(applied) },
        (applied, Err(error)) => Outcome::Blocked { resolved: Box::new(resolved), applied: Box::new(applied), error },
    }
}

/// Whether something that is not watched, and that may change at any time, keeps the pods or the volume from the spec.
/// Pods that a policy refuses are retried by Kubernetes alone, and its success is watched.
fn is_waiting(applied: &Applied, observed: &Observed) -> bool {
    let rollout = applied.children.get(&Child::Deployment).map(Rollout::of).unwrap_or_default();
    let waits_for_secret = !rollout.is_done() && observed.missing.iter().any(|one| one.role.blocks_pods());
    waits_for_secret
        || !applied.unknown_kinds.is_empty()
        || !observed.troubles.is_empty()
        || observed.is_mounting
        || observed.storage.missing_class.is_some()
        || matches!(applied.not_grown, Some((Reason::QuotaExceeded, _)))
        || rollout.trouble.is_some_and(|trouble| trouble.is_quota())
}

/// When to reconcile again although nothing changes.
fn next_look(outcome: &Outcome, observed: &Observed, turn: &UpgradeTurn, context: &Context) -> Duration {
    let Outcome::Applied { applied, .. } = outcome else {
        return if matches!(outcome, Outcome::Refused { .. }) { SOON } else { context.resync };
    };
    if is_waiting(applied, observed) || matches!(turn, UpgradeTurn::After { .. }) {
        return SOON;
    }
    let now = UnixTime::from_seconds((context.clock)().as_second());
    let until_step = applied.keys.next_step.map(|step| (step - now).max(Duration::from_secs(1)));
    // Autoscalers of others, Secrets and ConfigMaps are not watched.
    let is_unwatched =
        observed.foreign_autoscaler.is_some() || !observed.missing.is_empty() || observed.bad_certificate.is_some();
    let while_unwatched = is_unwatched.then(|| Duration::from_mins(1));
    [until_step, applied.leaves_in, while_unwatched, applied.keys.retry_in]
        .into_iter()
        .flatten()
        .fold(context.resync, Duration::min)
}
