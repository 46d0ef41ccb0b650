//! What the conditions are found from.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;

use super::outcome::Outcome;
use crate::api::{IngressAddress, KeyStatus};
use crate::scauth::apply::Keys;
use crate::scauth::child::Child;
use crate::scauth::observe::Observed;
use crate::scauth::resolved::Resolved;
use crate::scauth::rollout::{Cause, Rollout, Trouble};
use crate::scauth::rotation::{OPENID, Stored};
use crate::scauth::secret_problems;
use crate::scauth::volume;
use crate::shared::conditions::{ConditionType, find};
use crate::shared::reasons::Reason;

/// The input of the conditions, if the spec could be built.
pub struct ConditionInput<'a> {
    pub resolved: &'a Resolved,
    pub observed: &'a Observed,
    pub children: &'a BTreeMap<Child, DynamicObject>,
    pub unknown_kinds: &'a BTreeSet<Child>,
    /// Whether all of the spec is applied; otherwise what exists counts.
    pub is_applied: bool,
    /// Whether the operator changes nothing.
    pub is_paused: bool,
    pub keys: KeyInput<'a>,
    /// Why the volume does not grow.
    pub not_grown: Option<&'a (Reason, String)>,
    pub rollout: Rollout,
    /// The previous conditions: the pods' reports are kept until the next poll.
    pub before: &'a [Condition],
    /// The address in the Ingress, with the class that it was written for.
    pub address: Option<&'a IngressAddress>,
    pub now: Timestamp,
}

/// What counts beside the live objects.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub conditions: &'a [Condition],
    pub address: Option<&'a IngressAddress>,
    pub now: Timestamp,
}

/// The state of the generated keys.
#[derive(Default)]
pub struct KeyInput<'a> {
    pub broken: Option<&'a str>,
    /// Why the keys of OpenID Connect cannot be used.
    pub oidc_broken: Option<String>,
    /// Whether the Secret had been deleted and was recreated with new keys.
    pub were_lost: bool,
    /// The identifiers of the keys in keys.json, if they are valid.
    pub kids: BTreeSet<String>,
}

impl<'a> ConditionInput<'a> {
    pub fn of(outcome: &'a Outcome, observed: &'a Observed, before: Before<'a>) -> Option<Self> {
        let (resolved, children, unknown_kinds, keys) = match outcome {
            Outcome::Applied { resolved, applied } => {
                (resolved, &applied.children, &applied.unknown_kinds, KeyInput::applied(&applied.keys))
            }
            Outcome::Blocked { resolved, applied, .. } if !applied.children.is_empty() => {
                let Keys { broken, were_lost, .. } = &applied.keys;
                let keys = KeyInput { broken: broken.as_deref(), were_lost: *were_lost, ..KeyInput::stored(observed) };
                (resolved, &applied.children, &applied.unknown_kinds, keys)
            }
            Outcome::Refused { resolved: Some(resolved), .. } if is_known(observed, before) => {
                (resolved, &observed.children, &observed.unknown_kinds, KeyInput::stored(observed))
            }
            Outcome::Paused { resolved, .. } => {
                (resolved, &observed.children, &observed.unknown_kinds, KeyInput::stored(observed))
            }
            Outcome::Refused { .. } | Outcome::Blocked { .. } | Outcome::Failed(_) => return None,
        };
        let not_grown = match outcome {
            Outcome::Applied { applied, .. } => applied.not_grown.as_ref(),
            _ => None,
        };
        let is_applied = matches!(outcome, Outcome::Applied { .. });
        let is_paused = matches!(outcome, Outcome::Paused { .. } | Outcome::Refused { .. });
        let rollout = children.get(&Child::Deployment).map(Rollout::of).unwrap_or_default();
        let Before { conditions: before, address, now } = before;
        Some(Self {
            resolved,
            observed,
            children,
            unknown_kinds,
            is_applied,
            is_paused,
            keys,
            not_grown,
            rollout,
            before,
            address,
            now,
        })
    }

    /// Why the pods do not run, the most specific reason.
    pub fn trouble(&self) -> Option<Trouble> {
        let class = self.missing_class();
        let first = self.observed.troubles.iter().chain(&self.rollout.trouble).chain(&class).min()?;
        let mut message = secret_problems::explain(self.resolved, &first.message);
        if first.cause == Cause::Scheduling {
            message.extend(self.unbound().map(|unbound| format!("; {unbound}")));
        }
        Some(Trouble { cause: first.cause, message })
    }

    /// The claim waits for a StorageClass that does not exist.
    fn missing_class(&self) -> Option<Trouble> {
        let class = self.observed.storage.missing_class.as_ref()?;
        let message = volume::without_class(class, &self.resolved.names);
        Some(Trouble { cause: Cause::StorageClass, message })
    }

    /// Why the pod waits, if its claim has no volume.
    fn unbound(&self) -> Option<String> {
        volume::unbound(self.children.get(&Child::VolumeClaim)?, &self.resolved.names)
    }
}

impl<'a> KeyInput<'a> {
    fn applied(keys: &'a Keys) -> Self {
        let Keys { broken, were_lost, oidc_broken, status, .. } = keys;
        let (broken, oidc_broken) = (broken.as_deref(), oidc_broken.clone());
        Self { broken, oidc_broken, were_lost: *were_lost, kids: kids(status) }
    }

    /// Those that were read.
    fn stored(observed: &Observed) -> Self {
        let stored = stored(observed);
        let oidc_broken = stored.as_ref().and_then(|stored| stored.oidc.problem().map(str::to_owned));
        let kids = kids(&stored.map(|stored| stored.status()).unwrap_or_default());
        Self { oidc_broken, kids, ..Self::default() }
    }
}

/// Whether a ScAuth that was refused has, or had, something that conditions are about.
fn is_known(observed: &Observed, before: Before<'_>) -> bool {
    observed.owned().next().is_some() || find(before.conditions, ConditionType::DatabaseReady).is_some()
}

fn stored(observed: &Observed) -> Option<Stored> {
    observed.secret.as_ref().and_then(|secret| Stored::read(secret).ok())
}

/// The keys in the Secret that was read, without their private parts.
pub fn stored_keys(observed: &Observed) -> Vec<KeyStatus> {
    stored(observed).map(|stored| stored.status()).unwrap_or_default()
}

/// The pods report those of keys.json.
fn kids(keys: &[KeyStatus]) -> BTreeSet<String> {
    keys.iter().filter(|key| key.purpose != OPENID).map(|key| key.kid.clone()).collect()
}
