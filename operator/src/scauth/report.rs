//! The status and events, from the applied and the live objects. Only `report` uses a client; the rest is pure.

mod conditions;
mod fate;
mod input;
mod outcome;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::Resource as _;
use kube::core::DynamicObject;

use super::capacity;
use super::children;
use super::context::Context;
use super::exposure::{self, Exposure, url};
use super::hosts;
use super::identity::{self, Expectation};
use super::observe::Observed;
use super::volume;
use crate::api::{DatabaseStatus, IngressAddress, KeyStatus, ScAuth, ScAuthStatus};
use crate::scauth::child::Child;
use crate::scauth::names::Names;
use crate::scauth::release::{self, UpgradeTurn};
use crate::scauth::retention::ownership;
use crate::shared::changes::Version;
use crate::shared::conditions::{ConditionType, find};
use crate::shared::events::{self, News};
use crate::shared::ownership::Ownership;
use crate::shared::reasons::Reason;
use crate::shared::status::write;
pub use fate::fate;
use input::{Before, ConditionInput, stored_keys};
pub use outcome::{Outcome, Pause};

/// Publishes events, then writes the status: events depend on what the old status lacks. Returns the version of the
/// ScAuth with that status, if it was written.
pub async fn report(
    scauth: &ScAuth,
    observed: &Observed,
    outcome: &Outcome,
    turn: &UpgradeTurn,
    context: &Context,
) -> kube::Result<Option<Version>> {
    let status = status(scauth, observed, outcome, turn, (context.clock)());
    let news = news(scauth, &status, observed, outcome);
    events::publish(&context.recorder, &scauth.object_ref(&()), news).await;
    if scauth.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    write(&context.client, scauth, &status).await
}

/// The desired status of a ScAuth.
pub fn status(
    scauth: &ScAuth,
    observed: &Observed,
    outcome: &Outcome,
    turn: &UpgradeTurn,
    now: Timestamp,
) -> ScAuthStatus {
    let old = scauth.status.clone().unwrap_or_default();
    let generation = scauth.metadata.generation;
    let address = address(&old, observed, outcome);
    let written = address.as_ref().filter(|address| !address.value.is_empty());
    let before = Before { conditions: &old.conditions, address: written, now };
    let input = ConditionInput::of(outcome, observed, before);
    let updates = conditions::updates(outcome, input.as_ref(), turn);
    let kept = old.conditions.iter().filter(|_| input.is_none());
    let kept = kept.filter(|old| !updates.iter().any(|update| old.type_ == update.kind)).cloned();
    let new = updates.iter().map(|update| update.condition(&old.conditions, generation, now));
    let conditions = new.chain(kept).collect();
    let mut status = match &input {
        Some(input) => of_input(input, outcome, &old),
        // Keep what this reconcile could not observe.
        None => old.clone(),
    };
    if !matches!(outcome, Outcome::Refused { .. })
        && let Some(children) = present(observed, outcome)
    {
        status.exposure = hosts::exposure(scauth, children, address);
        status.volume = children.get(&Child::VolumeClaim).map(capacity::status);
    }
    if status.keys.is_empty() {
        // That there are keys is how the API server knows that the first Admin can no longer change.
        status.keys = made_keys(scauth, observed).unwrap_or_else(|| old.keys.clone());
    }
    if matches!(outcome, Outcome::Failed(_)) && !observed.children.is_empty() {
        // Objects may exist already: the namespace can no longer change.
        status.url.get_or_insert_with(|| url(&scauth.spec, &Names::of(scauth)));
    }
    status.observed_generation = generation;
    status.conditions = conditions;
    status
}

/// The keys in a Secret of ours, if it has any.
fn made_keys(scauth: &ScAuth, observed: &Observed) -> Option<Vec<KeyStatus>> {
    let owner = scauth.controller_owner_ref(&())?;
    let metadata = &observed.secret.as_ref()?.metadata;
    let keys = (ownership(metadata, &owner) == Ownership::Ours).then(|| stored_keys(observed))?;
    (!keys.is_empty()).then_some(keys)
}

/// The address in the Ingress, with the class that it was written for. Release 0.2 recorded none, so that the Ingress
/// before this reconcile counts too. An Ingress without an address has a record only once its class has changed: the
/// controller of the class before may still write.
fn address<'a>(old: &ScAuthStatus, observed: &'a Observed, outcome: &'a Outcome) -> Option<IngressAddress> {
    let recorded = old.exposure.as_ref().and_then(|exposure| exposure.address.clone());
    let ingress = |children: &'a BTreeMap<Child, DynamicObject>, before: Option<IngressAddress>| {
        let live = children.get(&Child::Ingress)?;
        let classes = observed.ingress_classes.as_ref();
        Some((exposure::address(live, before.as_ref(), classes, &observed.writers), live))
    };
    let before = ingress(&observed.children, recorded).map(|(address, _)| address);
    let (address, live) = present(observed, outcome).and_then(|children| ingress(children, before))?;
    let has_changed_class = address.class != exposure::class_of(live).unwrap_or_default();
    (!address.value.is_empty() || has_changed_class).then_some(address)
}

/// The existing children; `None` if they were not read.
fn present<'a>(observed: &'a Observed, outcome: &'a Outcome) -> Option<&'a BTreeMap<Child, DynamicObject>> {
    match outcome {
        Outcome::Applied { applied, .. } => Some(&applied.children),
        Outcome::Blocked { applied, .. } => Some(&applied.children).filter(|children| !children.is_empty()),
        Outcome::Paused { .. } | Outcome::Refused { resolved: Some(_), .. } => Some(&observed.children),
        Outcome::Failed(_) => Some(&observed.children).filter(|children| !children.is_empty()),
        Outcome::Refused { resolved: None, .. } => None,
    }
}

fn of_input(input: &ConditionInput<'_>, outcome: &Outcome, old: &ScAuthStatus) -> ScAuthStatus {
    let (replicas, ready_replicas) = (Some(input.rollout.replicas), Some(input.rollout.ready));
    if let Outcome::Refused { .. } = outcome {
        return ScAuthStatus { replicas, ready_replicas, ..old.clone() };
    }
    let resolved = input.resolved;
    let (database, keys) = stored(input, outcome, old);
    let (template_revision, image) = running(input, old);
    let selector: Vec<_> = children::selector(resolved).iter().map(|(name, value)| format!("{name}={value}")).collect();
    ScAuthStatus {
        url: address_of_api(input, old),
        image,
        template_revision,
        available_update: resolved.release.available.clone(),
        replicas,
        ready_replicas,
        selector: Some(selector.join(",")),
        database,
        keys,
        exposure: old.exposure.clone(),
        volume: old.volume.clone(),
        ..ScAuthStatus::default()
    }
}

/// The template and the image of the pods. While a volume would be lost with its pod, the Deployment is not changed; if it
/// is refused, those of the spec run nowhere.
fn running(input: &ConditionInput<'_>, old: &ScAuthStatus) -> (Option<i32>, Option<String>) {
    let release = &input.resolved.release;
    match input.children.get(&Child::Deployment).and_then(release::noted) {
        Some((revision, image)) => (Some(revision), Some(image)),
        None if input.is_applied || input.is_paused => (Some(release.revision), Some(release.image.clone())),
        None => (old.template_revision, old.image.clone()),
    }
}

/// While paused, the address of the last spec that was applied; while a part of the spec is refused, what exists counts.
fn address_of_api(input: &ConditionInput<'_>, old: &ScAuthStatus) -> Option<String> {
    let resolved = input.resolved;
    if input.is_applied {
        return Some(resolved.url());
    }
    let live = Exposure::live(input.children, &resolved.exposure);
    if input.is_paused || matches!(live, Exposure::None) && !matches!(resolved.exposure, Exposure::None) {
        return old.url.clone().or_else(|| Some(resolved.url()));
    }
    Some(live.url(&resolved.names, Some(&resolved.issuer)))
}

/// The expected database and the keys. Unless all is applied, those in the Secret that was read count; if it is deleted,
/// only the status still has them.
fn stored(
    input: &ConditionInput<'_>,
    outcome: &Outcome,
    old: &ScAuthStatus,
) -> (Option<DatabaseStatus>, Vec<KeyStatus>) {
    if let Outcome::Applied { applied, .. } = outcome {
        let Expectation { database, accepted, .. } = input.resolved.expectation.clone();
        let is_known = database.is_some() || accepted.is_some();
        let database = is_known.then_some(DatabaseStatus { identity: database, accepted });
        return (database, applied.keys.status.clone());
    }
    let Some(secret) = &input.observed.secret else { return (old.database.clone(), old.keys.clone()) };
    let (identity, accepted) = (identity::record(secret).and_then(|file| file.database), identity::note(secret));
    let database = (identity.is_some() || accepted.is_some()).then_some(DatabaseStatus { identity, accepted });
    let database = if input.is_paused { database } else { database.or_else(|| old.database.clone()) };
    (database, stored_keys(input.observed))
}

/// An event for an unknown upgrade, unless Ready's message had it already.
fn new_upgrade_note(old: &[Condition], outcome: &Outcome) -> Option<News> {
    let (Outcome::Applied { resolved, .. } | Outcome::Paused { resolved, .. }) = outcome else { return None };
    let note = resolved.unknown_upgrade.as_ref()?;
    let is_known = find(old, ConditionType::Ready).is_some_and(|ready| ready.message.ends_with(note.as_str()));
    (!is_known).then(|| News::of(Reason::UpgradeUnknown, note.clone()))
}

/// An event for a volume on a network file system, unless the message of DatabaseReady had it already.
fn new_network_note(old: &[Condition], new: &[Condition], observed: &Observed) -> Option<News> {
    let note = volume::on_network(observed.storage.network.as_ref()?);
    let has = |conditions| {
        find(conditions, ConditionType::DatabaseReady).is_some_and(|database| database.message.contains(&note))
    };
    // If that condition is not written, the event would repeat.
    (has(new) && !has(old)).then(|| News::of(Reason::VolumeOnNetwork, note))
}

/// An event for each change of a condition, and for each step of a rotation.
pub fn news(scauth: &ScAuth, new: &ScAuthStatus, observed: &Observed, outcome: &Outcome) -> Vec<News> {
    let old = scauth.status.as_ref().map_or(&[][..], |status| &status.conditions);
    if let Outcome::Paused { why: Pause::Terminating { fate }, .. } = outcome {
        // Before, it may have been refused for another reason, or by a release that did not tell its fate.
        let is_new = find(old, ConditionType::Reconciling).is_none_or(|reconciling| reconciling.message != *fate);
        // Events of one reason are counted as one: this one says more than those of the conditions.
        return is_new.then(|| News::of(Reason::Terminating, fate.clone())).into_iter().collect();
    }
    let mut news = events::changes(old, &new.conditions);
    news.extend(new_upgrade_note(old, outcome));
    news.extend(new_network_note(old, &new.conditions, observed));
    if let Outcome::Applied { applied, .. } | Outcome::Blocked { applied, .. } = outcome {
        let keys = &applied.keys;
        if keys.were_lost {
            let message =
                "the Secret with the signing keys was missing and was created with new keys: every token is invalid";
            news.push(News::of(Reason::KeysLost, message.to_owned()));
        }
        news.extend(keys.notes.iter().map(|(reason, note)| News::of(*reason, note.clone())));
    }
    news
}
