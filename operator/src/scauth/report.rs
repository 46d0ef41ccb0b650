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
use super::exposure::{self, url};
use super::hosts;
use super::identity::{self, Expectation};
use super::observe::Observed;
use super::resolved::Resolved;
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
    let mut status = match &input {
        Some(input) => of_input(input, outcome),
        // Keep what this reconcile could not observe.
        None => old.clone(),
    };
    if matches!(outcome, Outcome::Paused { .. }) {
        // The address of the last spec that was applied.
        status.url = old.url.clone().or(status.url);
        if observed.secret.is_none() {
            // Nothing is created while it is paused, and if the Secret is deleted, only the status still has them.
            (status.database, status.keys) = (old.database.clone(), old.keys.clone());
        }
    }
    if status.keys.is_empty() {
        // That there are keys is how the API server knows that the first Admin can no longer change.
        status.keys = made_keys(scauth, observed).unwrap_or_else(|| old.keys.clone());
    }
    let kept = old.conditions.iter().filter(|_| input.is_none());
    let kept = kept.filter(|old| !updates.iter().any(|update| old.type_ == update.kind)).cloned();
    let kept: Vec<_> = kept.collect();
    status.exposure = match present(observed, outcome) {
        Some(children) => hosts::exposure(scauth, children, address),
        None => old.exposure,
    };
    status.volume = match present(observed, outcome) {
        Some(children) => children.get(&Child::VolumeClaim).map(capacity::status),
        None => old.volume,
    };
    if matches!(outcome, Outcome::Failed(_)) && !observed.children.is_empty() {
        // Objects may exist already: the namespace can no longer change.
        status.url.get_or_insert_with(|| url(&scauth.spec, &Names::of(scauth)));
    }
    status.observed_generation = generation;
    status.conditions =
        updates.iter().map(|update| update.condition(&old.conditions, generation, now)).chain(kept).collect();
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
        Outcome::Paused { .. } => Some(&observed.children),
        Outcome::Failed(_) => Some(&observed.children).filter(|children| !children.is_empty()),
        Outcome::Refused(_) => None,
    }
}

fn of_input(input: &ConditionInput<'_>, outcome: &Outcome) -> ScAuthStatus {
    let resolved = input.resolved;
    let keys = if let Outcome::Applied { applied, .. } = outcome {
        applied.keys.status.clone()
    } else {
        stored_keys(input.observed)
    };
    // While a volume would be lost with its pod, the Deployment is not changed.
    let noted = input.children.get(&Child::Deployment).and_then(release::noted);
    let (revision, image) = noted.unwrap_or_else(|| (resolved.release.revision, resolved.release.image.clone()));
    let selector: Vec<_> = children::selector(resolved).iter().map(|(name, value)| format!("{name}={value}")).collect();
    ScAuthStatus {
        url: Some(resolved.url()),
        image: Some(image),
        template_revision: Some(revision),
        available_update: resolved.release.available.clone(),
        replicas: Some(input.rollout.replicas),
        ready_replicas: Some(input.rollout.ready),
        selector: Some(selector.join(",")),
        database: database(resolved, outcome, input),
        keys,
        ..ScAuthStatus::default()
    }
}

/// The expected database: while paused, the one in the Secret.
fn database(resolved: &Resolved, outcome: &Outcome, input: &ConditionInput<'_>) -> Option<DatabaseStatus> {
    if matches!(outcome, Outcome::Paused { .. }) {
        let secret = input.observed.secret.as_ref()?;
        let (identity, accepted) = (identity::record(secret).and_then(|file| file.database), identity::note(secret));
        return (identity.is_some() || accepted.is_some()).then_some(DatabaseStatus { identity, accepted });
    }
    let Expectation { database, accepted, .. } = resolved.expectation.clone();
    (database.is_some() || accepted.is_some()).then_some(DatabaseStatus { identity: database, accepted })
}

/// An event for an unknown upgrade, unless Ready's message had it already.
fn new_upgrade_note(old: &[Condition], outcome: &Outcome) -> Option<News> {
    let (Outcome::Applied { resolved, .. } | Outcome::Paused { resolved, .. }) = outcome else { return None };
    let note = resolved.unknown_upgrade.as_ref()?;
    let is_known = find(old, ConditionType::Ready).is_some_and(|ready| ready.message.ends_with(note.as_str()));
    (!is_known).then(|| News::of(Reason::UpgradeUnknown, note.clone()))
}

/// An event for a volume on a network file system, unless the message of DatabaseReady had it already.
fn new_network_note(old: &[Condition], observed: &Observed, outcome: &Outcome) -> Option<News> {
    // Otherwise that condition is not written, and the event would repeat.
    if matches!(outcome, Outcome::Refused(_) | Outcome::Failed(_)) {
        return None;
    }
    let note = volume::on_network(observed.storage.network.as_ref()?);
    let is_known = find(old, ConditionType::DatabaseReady).is_some_and(|database| database.message.contains(&note));
    (!is_known).then(|| News::of(Reason::VolumeOnNetwork, note))
}

/// An event for each change of a condition, and for each step of a rotation.
pub fn news(scauth: &ScAuth, new: &ScAuthStatus, observed: &Observed, outcome: &Outcome) -> Vec<News> {
    let old = scauth.status.as_ref().map_or(&[][..], |status| &status.conditions);
    if let Outcome::Paused { why: Pause::Terminating { fate }, .. } = outcome {
        let is_new =
            find(old, ConditionType::Ready).is_none_or(|ready| ready.reason != Reason::Terminating.to_string());
        // Events of one reason are counted as one: this one says more than those of the conditions.
        return is_new.then(|| News::of(Reason::Terminating, fate.clone())).into_iter().collect();
    }
    let mut news = events::changes(old, &new.conditions);
    news.extend(new_upgrade_note(old, outcome));
    news.extend(new_network_note(old, observed, outcome));
    if let Outcome::Applied { applied, .. } = outcome {
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
