//! The status and events, from the applied and the live objects. Only `report`, with the two functions at the end, uses
//! a client; the rest is pure.

mod conditions;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Client, Resource as _, ResourceExt as _};
use kube_runtime::events::{Event, EventType};
use serde_json::json;

pub use conditions::ConditionUpdate;

use super::Context;
use super::apply::Applied;
use super::capacity;
use super::children;
use super::exposure::url;
use super::hosts;
use super::identity::{self, Expectation};
use super::observe::Observed;
use super::resolved::Resolved;
use super::rotation::Stored;
use super::validate::Refusal;
use crate::api::{DatabaseStatus, KeyStatus, ScAuth, ScAuthStatus};
use crate::scauth::child::Child;
use crate::scauth::names::{FIELD_MANAGER, Names};
use crate::scauth::release::{self, UpgradeTurn};
use crate::scauth::rollout::Rollout;
use crate::shared::conditions::{ConditionStatus, ConditionType, find};
use crate::shared::error::ApplyError;
use crate::shared::reasons::Reason;

/// The outcome of a reconcile.
#[derive(Debug)]
pub enum Outcome {
    Applied {
        resolved: Box<Resolved>,
        applied: Box<Applied>,
    },
    /// Nothing was applied, because the spec suspends it.
    Suspended {
        resolved: Box<Resolved>,
        /// The kinds of the children that are not in the desired state.
        pending: Vec<String>,
    },
    Refused(Refusal),
    Failed(ApplyError),
}

/// The input of the conditions, if the spec could be built.
pub struct ConditionInput<'a> {
    pub resolved: &'a Resolved,
    pub observed: &'a Observed,
    pub children: &'a BTreeMap<Child, DynamicObject>,
    pub unknown_kinds: &'a BTreeSet<Child>,
    pub keys: KeyInput<'a>,
    /// Why the volume does not grow.
    pub not_grown: Option<&'a (Reason, String)>,
    pub rollout: Rollout,
    /// The previous conditions: the pods' reports are kept until the next poll.
    pub before: &'a [Condition],
}

/// The state of the generated keys.
#[derive(Default)]
pub struct KeyInput<'a> {
    pub broken: Option<&'a str>,
    /// Whether the Secret had been deleted and was recreated with new keys.
    pub were_lost: bool,
    /// The identifiers of the keys in the Secret, if they are valid.
    pub kids: BTreeSet<String>,
}

impl<'a> ConditionInput<'a> {
    fn of(outcome: &'a Outcome, observed: &'a Observed, before: &'a [Condition]) -> Option<Self> {
        let (resolved, children, unknown_kinds, keys) = match outcome {
            Outcome::Applied { resolved, applied } => {
                let kids = applied.keys.status.iter().map(|key| key.kid.clone()).collect();
                let (broken, were_lost) = (applied.keys.broken.as_deref(), applied.keys.were_lost);
                let keys = KeyInput { broken, were_lost, kids };
                (resolved.as_ref(), &applied.children, &applied.unknown_kinds, keys)
            }
            Outcome::Suspended { resolved, .. } => {
                let kids = stored_keys(observed).into_iter().map(|key| key.kid).collect();
                let keys = KeyInput { kids, ..KeyInput::default() };
                (resolved.as_ref(), &observed.children, &observed.unknown_kinds, keys)
            }
            Outcome::Refused(_) | Outcome::Failed(_) => return None,
        };
        let not_grown = match outcome {
            Outcome::Applied { applied, .. } => applied.not_grown.as_ref(),
            _ => None,
        };
        let rollout = children.get(&Child::Deployment).map(Rollout::of).unwrap_or_default();
        Some(Self { resolved, observed, children, unknown_kinds, keys, not_grown, rollout, before })
    }
}

/// Publishes events, then writes the status: events depend on what the old status lacks.
pub async fn report(
    scauth: &ScAuth,
    observed: &Observed,
    outcome: &Outcome,
    turn: &UpgradeTurn,
    context: &Context,
) -> kube::Result<()> {
    let status = status(scauth, observed, outcome, turn, (context.clock)());
    publish(scauth, &status, outcome, context).await;
    write(scauth, status, &context.client).await
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
    let input = ConditionInput::of(outcome, observed, &old.conditions);
    let updates = conditions::updates(outcome, input.as_ref(), turn);
    let mut status = match &input {
        Some(input) => of_input(input, outcome),
        // Keep what this reconcile could not observe.
        None => old.clone(),
    };
    if matches!(outcome, Outcome::Suspended { .. }) && observed.secret.is_none() {
        // Nothing is created while it is suspended, and if the Secret is deleted, only the status still has them.
        (status.database, status.keys) = (old.database.clone(), old.keys.clone());
    }
    let kept = old.conditions.iter().filter(|_| input.is_none());
    let kept = kept.filter(|old| !updates.iter().any(|update| old.type_ == update.kind)).cloned();
    let kept: Vec<_> = kept.collect();
    status.exposure = match present(observed, outcome) {
        Some(children) => hosts::exposure(scauth, children),
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
        updates.iter().map(|update| condition(update, &old.conditions, generation, now)).chain(kept).collect();
    status
}

/// The existing children; `None` if they were not read.
fn present<'a>(observed: &'a Observed, outcome: &'a Outcome) -> Option<&'a BTreeMap<Child, DynamicObject>> {
    match outcome {
        Outcome::Applied { applied, .. } => Some(&applied.children),
        Outcome::Suspended { .. } => Some(&observed.children),
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

/// The keys in the Secret that was read, without their private parts.
fn stored_keys(observed: &Observed) -> Vec<KeyStatus> {
    let stored = observed.secret.as_ref().and_then(|secret| Stored::read(secret).ok());
    stored.map(|stored| stored.status()).unwrap_or_default()
}

/// The expected database: while suspended, the one in the Secret.
fn database(resolved: &Resolved, outcome: &Outcome, input: &ConditionInput<'_>) -> Option<DatabaseStatus> {
    if matches!(outcome, Outcome::Suspended { .. }) {
        let secret = input.observed.secret.as_ref()?;
        let (identity, accepted) =
            (identity::deployment(secret).and_then(|file| file.database), identity::note(secret));
        return (identity.is_some() || accepted.is_some()).then_some(DatabaseStatus { identity, accepted });
    }
    let Expectation { database, accepted, .. } = resolved.expectation.clone();
    (database.is_some() || accepted.is_some()).then_some(DatabaseStatus { identity: database, accepted })
}

/// The time of a condition's last transition is kept if nothing changed.
fn condition(update: &ConditionUpdate, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let before = old.iter().find(|old| old.type_ == update.kind && old.status == update.status);
    Condition {
        type_: update.kind.to_string(),
        status: update.status.to_string(),
        reason: update.reason.to_string(),
        // Truncated to the maximum of the conditions' schema.
        message: update.message.chars().take(8_000).collect(),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
    }
}

async fn write(scauth: &ScAuth, status: ScAuthStatus, client: &Client) -> kube::Result<()> {
    if scauth.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": ScAuth::api_version(&()), "kind": ScAuth::kind(&()),
        "metadata": {"name": scauth.name_any(), "uid": scauth.uid()}, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let api: Api<ScAuth> = Api::all(client.clone());
    match api.patch_status(&scauth.name_any(), &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // The ScAuth was deleted meanwhile.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// An event for an unknown upgrade, unless Ready's message had it already.
fn new_upgrade_note(old: &[Condition], outcome: &Outcome) -> Option<(EventType, String, String)> {
    let (Outcome::Applied { resolved, .. } | Outcome::Suspended { resolved, .. }) = outcome else { return None };
    let note = resolved.unknown_upgrade.as_ref()?;
    let is_known = find(old, ConditionType::Ready).is_some_and(|ready| ready.message.ends_with(note.as_str()));
    (!is_known).then(|| (EventType::Warning, Reason::UpgradeUnknown.to_string(), note.clone()))
}

/// An event for each condition whose status or reason has changed, and for each step of a rotation.
async fn publish(scauth: &ScAuth, new: &ScAuthStatus, outcome: &Outcome, context: &Context) {
    let old = scauth.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let is_known = |new: &&Condition| {
        old.iter().any(|old| old.type_ == new.type_ && old.status == new.status && old.reason == new.reason)
    };
    let ready = find(&new.conditions, ConditionType::Ready).map(|ready| ready.reason.as_str());
    // The reason of these two is usually that of Ready.
    let repeats = [ConditionType::Reconciling, ConditionType::Stalled];
    let is_news = |new: &Condition| new.status == ConditionStatus::True && Some(new.reason.as_str()) != ready;
    let conditions =
        new.conditions.iter().filter(|new| !repeats.iter().any(|type_| new.type_ == *type_) || is_news(new));
    let mut events: Vec<_> = conditions
        .filter(|new| !is_known(new))
        .map(|new| {
            let type_ = if conditions::is_informational(new) { EventType::Normal } else { EventType::Warning };
            (type_, new.reason.clone(), format!("{}={}: {}", new.type_, new.status, new.message))
        })
        .collect();
    events.extend(new_upgrade_note(old, outcome));
    if let Outcome::Applied { applied, .. } = outcome {
        let keys = &applied.keys;
        if keys.were_lost {
            let message =
                "the Secret with the signing keys was missing and was created with new keys: every token is invalid";
            events.push((EventType::Warning, Reason::KeysLost.to_string(), message.to_owned()));
        }
        events.extend(keys.notes.iter().map(|(reason, note)| {
            let type_ = if reason.is_informational() { EventType::Normal } else { EventType::Warning };
            (type_, reason.to_string(), note.clone())
        }));
    }
    for (type_, reason, note) in events {
        let note = Some(note.chars().take(1_000).collect());
        let event = Event { type_, reason, note, action: "Reconcile".to_owned(), secondary: None };
        if let Err(error) = context.recorder.publish(&event, &scauth.object_ref(&())).await {
            tracing::warn!(%error, "could not publish an event");
        }
    }
}
