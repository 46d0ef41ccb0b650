//! Leader election by a Lease. Every write requires the resourceVersion that was read; a leader that cannot renew its
//! lease stops before the lease expires by its own clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

/// Duration of a lease that is not renewed.
const LEASE: Duration = Duration::from_secs(15);
/// A leader that cannot renew its lease stops after this.
const DEADLINE: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(2);

/// One candidate.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: fn() -> Timestamp,
    /// The lease that was last observed, and when by our own clock: the holder's clock may be wrong.
    seen: Option<(Option<String>, Instant)>,
}

impl Candidate {
    pub fn new(client: Client, namespace: &str, name: String, identity: String, clock: fn() -> Timestamp) -> Self {
        Self { api: Api::namespaced(client, namespace), name, identity, clock, seen: None }
    }

    /// Waits until the lease is ours, or until `stop`.
    pub async fn lead(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.attempt().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "could not acquire the Lease"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Renews the lease until it is lost.
    pub async fn keep(&mut self) -> Lost {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(EVERY).await;
            match tokio::time::timeout(EVERY, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return Lost,
                Ok(Err(error)) => tracing::warn!(%error, "could not renew the Lease"),
                Err(_) => tracing::warn!("could not renew the Lease in time"),
            }
            if renewed.elapsed() > DEADLINE {
                return Lost;
            }
        }
    }

    /// Acquires or renews the lease if possible. Returns whether we hold it.
    async fn attempt(&mut self) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(0, None)) };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        let old = lease.spec.clone().unwrap_or_default();
        let holder = old.holder_identity.clone().filter(|holder| !holder.is_empty());
        let transitions = old.lease_transitions.unwrap_or(0);
        if holder.as_ref() == Some(&self.identity) {
            lease.spec = Some(self.spec(transitions, old.acquire_time));
        } else if holder.is_none() || self.has_ended(lease.metadata.resource_version.as_ref()) {
            lease.spec = Some(self.spec(transitions + 1, None));
        } else {
            return Ok(false);
        }
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    /// Whether the lease has expired by our own clock.
    fn has_ended(&mut self, version: Option<&String>) -> bool {
        match &self.seen {
            Some((seen, since)) if seen.as_ref() == version => since.elapsed() > LEASE,
            _ => {
                self.seen = Some((version.cloned(), Instant::now()));
                false
            }
        }
    }

    fn spec(&self, transitions: i32, acquired: Option<MicroTime>) -> LeaseSpec {
        let now = (self.clock)();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Lets a successor take over at once.
    pub async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let mut spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.identity) {
            return;
        }
        spec.holder_identity = None;
        lease.spec = Some(spec);
        if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(%error, "could not release the Lease");
        }
    }
}

/// Another candidate holds the lease, or it could not be renewed.
#[derive(Debug, thiserror::Error)]
#[error("the Lease was lost")]
pub struct Lost;

/// A conflict means that another candidate was faster.
fn won(result: kube::Result<Lease>) -> kube::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(answer)) if answer.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// The start time distinguishes the restarts of a pod.
pub fn identity(pod: &str, now: Timestamp) -> String {
    let since = now.duration_since(Timestamp::UNIX_EPOCH).max(SignedDuration::ZERO);
    format!("{pod}_{}", since.as_micros())
}
