//! What all reconciles of ScAuths share.

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube_runtime::events::Recorder;
use kube_runtime::reflector::{ObjectRef, Store};
use tokio::sync::Semaphore;

use super::health::HealthCache;
use super::validate::Environment;
use crate::api::ScAuth;
use crate::shared::attempts::Attempts;
use crate::shared::cache::ApplyCache;
use crate::shared::changes::Changes;
use crate::shared::locks::Locks;

/// The context that all reconciles share.
pub struct Context {
    pub client: Client,
    pub environment: Environment,
    pub recorder: Recorder,
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// How often a healthy ScAuth is reconciled; its Secrets are not watched.
    pub resync: Duration,
    /// Time limit of a reconcile, without the report.
    pub patience: Duration,
    /// All ScAuths, from the watch's store.
    pub fleet: Store<ScAuth>,
    /// The reports of their pods.
    pub health_cache: HealthCache,
    pub attempts: Attempts,
    /// What the next reconcile of each is for.
    pub changes: Changes,
    pub apply_cache: ApplyCache,
    /// One reconcile of a namespace at a time: all that is applied has one field manager, so that the API server reports
    /// no conflict between two ScAuths.
    pub namespaces: Locks,
    /// The right to generate keys of OpenID Connect, for one ScAuth at a time.
    pub oidc_keys: Semaphore,
}

impl Context {
    /// Forgets deleted ScAuths. Each reconcile calls this, but it looks at all of them only while changes of more names are
    /// known than there are ScAuths.
    pub fn forget_deleted(&self) {
        if self.changes.count() <= self.fleet.len() {
            return;
        }
        let exists = |name: &str| self.fleet.get(&ObjectRef::new(name)).is_some();
        let fleet = self.fleet.state();
        let uids: HashSet<_> = fleet.iter().filter_map(|scauth| scauth.metadata.uid.as_deref()).collect();
        self.attempts.keep_only(|uid| uids.contains(uid));
        self.changes.keep_only(exists);
        self.apply_cache.keep_only(exists);
    }
}
