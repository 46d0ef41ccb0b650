//! The live state after an apply.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::core::DynamicObject;
use sc_auth_contract::time::UnixTime;

use crate::api::KeyStatus;
use crate::scauth::child::Child;
use crate::scauth::observe::Observed;
use crate::shared::reasons::Reason;

/// The live state after the apply; the status is computed from it alone.
#[derive(Debug, Default)]
pub struct Applied {
    pub children: BTreeMap<Child, DynamicObject>,
    /// Desired kinds that the cluster does not have.
    pub unknown_kinds: BTreeSet<Child>,
    /// How long until a replaced Ingress or HTTPRoute may be deleted.
    pub leaves_in: Option<Duration>,
    /// Why the volume of the embedded database does not grow: a reason and a message.
    pub not_grown: Option<(Reason, String)>,
    pub keys: Keys,
}

impl Applied {
    /// Adds what was not applied, as it was before.
    pub fn complete(&mut self, observed: &Observed) {
        for (child, live) in &observed.children {
            self.children.entry(*child).or_insert_with(|| live.clone());
        }
        self.unknown_kinds.extend(&observed.unknown_kinds);
    }
}

/// The state of the generated keys.
#[derive(Debug, Default)]
pub struct Keys {
    pub status: Vec<KeyStatus>,
    /// When a rotation's next step is due.
    pub next_step: Option<UnixTime>,
    /// Why the Secret is unusable.
    pub broken: Option<String>,
    /// Why the keys of OpenID Connect are unusable, if they exist.
    pub oidc_broken: Option<String>,
    /// When to look again whether keys of OpenID Connect can be created.
    pub retry_in: Option<Duration>,
    /// Whether the Secret had been deleted, which invalidated every token.
    pub were_lost: bool,
    /// The completed steps: reasons and messages.
    pub notes: Vec<(Reason, String)>,
}
