//! Leader election by a Lease. Every write requires the resourceVersion that was read; a leader that cannot renew its
//! lease stops before the lease expires by its own clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

/// How long a lease lasts, and how often it is renewed.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Duration of a lease that is not renewed.
    pub lease: Duration,
    /// A holder that cannot renew its lease stops after this.
    pub deadline: Duration,
    pub every: Duration,
    /// Longest time of one attempt to renew it.
    pub patience: Duration,
}

/// Between the replicas of one operator.
const REPLICAS: Pace = Pace {
    lease: Duration::from_secs(15),
    deadline: Duration::from_secs(10),
    every: Duration::from_secs(2),
    patience: Duration::from_secs(2),
};

/// What an attempt to hold the lease found.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Ours,
    /// The holder's identity is empty if another candidate was faster.
    Theirs {
        holder: String,
    },
}

/// One candidate.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: fn() -> Timestamp,
    pace: Pace,
    /// The lease as we last wrote it, if nothing has failed since.
    held: Option<Lease>,
    /// The lease that was last observed, and when by our own clock: the holder's clock may be wrong.
    seen: Option<(Option<String>, Instant)>,
}

impl Candidate {
    /// One of several replicas.
    pub fn new(client: Client, namespace: &str, name: String, identity: String, clock: fn() -> Timestamp) -> Self {
        Self::at_pace(REPLICAS, client, namespace, name, identity, clock)
    }

    pub fn at_pace(
        pace: Pace,
        client: Client,
        namespace: &str,
        name: String,
        identity: String,
        clock: fn() -> Timestamp,
    ) -> Self {
        Self { api: Api::namespaced(client, namespace), name, identity, clock, pace, held: None, seen: None }
    }

    /// Waits until the lease is ours, or until `stop`.
    pub async fn lead(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.attempt().await {
                Ok(Turn::Ours) => return true,
                Ok(Turn::Theirs { .. }) => {}
                Err(error) => tracing::warn!(%error, lease = self.name, "could not acquire the Lease"),
            }
            if !self.pauses(stop).await {
                return false;
            }
        }
    }

    /// Waits until the next attempt is due. Returns false at `stop`.
    pub async fn pauses(&self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(self.pace.every) => true,
        }
    }

    /// Renews the lease until it is lost.
    pub async fn keep(&mut self) -> Lost {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(self.pace.every).await;
            match tokio::time::timeout(self.pace.patience, self.attempt()).await {
                Ok(Ok(Turn::Ours)) => renewed = Instant::now(),
                Ok(Ok(Turn::Theirs { .. })) => return self.lost(),
                Ok(Err(error)) => tracing::warn!(%error, lease = self.name, "could not renew the Lease"),
                Err(_) => tracing::warn!(lease = self.name, "could not renew the Lease in time"),
            }
            if renewed.elapsed() > self.pace.deadline {
                return self.lost();
            }
        }
    }

    pub fn lost(&self) -> Lost {
        Lost { lease: self.name.clone() }
    }

    /// Acquires or renews the lease if possible.
    pub async fn attempt(&mut self) -> kube::Result<Turn> {
        if let Some(held) = self.held.take()
            && self.renew(held).await? == Turn::Ours
        {
            return Ok(Turn::Ours);
        }
        // Nobody has it, or another client has changed it.
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(0, None)) };
            let created = self.api.create(&PostParams::default(), &lease).await;
            return self.won(created);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        let is_free = holder.is_empty() || self.has_ended(lease.metadata.resource_version.as_ref());
        if holder == self.identity || is_free { self.renew(lease).await } else { Ok(Turn::Theirs { holder }) }
    }

    /// Writes ourselves into that version of the lease.
    async fn renew(&mut self, mut lease: Lease) -> kube::Result<Turn> {
        let old = lease.spec.take().unwrap_or_default();
        let transitions = old.lease_transitions.unwrap_or(0);
        let is_ours = old.holder_identity.as_ref() == Some(&self.identity);
        lease.spec =
            Some(if is_ours { self.spec(transitions, old.acquire_time) } else { self.spec(transitions + 1, None) });
        let replaced = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        self.won(replaced)
    }

    /// A conflict means that another candidate was faster, or that somebody deleted the lease.
    fn won(&mut self, result: kube::Result<Lease>) -> kube::Result<Turn> {
        match result {
            Ok(stored) => {
                self.held = Some(stored);
                Ok(Turn::Ours)
            }
            Err(kube::Error::Api(answer)) if is_conflict(answer.code) => Ok(Turn::Theirs { holder: String::new() }),
            Err(error) => Err(error),
        }
    }

    /// Whether the lease has expired by our own clock.
    fn has_ended(&mut self, version: Option<&String>) -> bool {
        match &self.seen {
            Some((seen, since)) if seen.as_ref() == version => since.elapsed() > self.pace.lease,
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
            lease_duration_seconds: i32::try_from(self.pace.lease.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Lets a successor take over at once.
    pub async fn release(&self) {
        let Some(mut lease) = self.ours().await else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(%error, lease = self.name, "could not release the Lease");
        }
    }

    /// The same, and leaves no Lease behind.
    pub async fn withdraw(&self) {
        let Some(Lease { metadata, .. }) = self.ours().await else { return };
        let same = Preconditions { uid: metadata.uid, resource_version: metadata.resource_version };
        let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        if let Err(error) = self.api.delete(&self.name, &params).await {
            tracing::warn!(%error, lease = self.name, "could not delete the Lease");
        }
    }

    /// The lease, if we hold it.
    async fn ours(&self) -> Option<Lease> {
        let lease = self.api.get_opt(&self.name).await.ok().flatten()?;
        let is_ours = lease.spec.as_ref()?.holder_identity.as_ref() == Some(&self.identity);
        is_ours.then_some(lease)
    }
}

/// Another candidate holds the lease, or it could not be renewed.
#[derive(Debug, thiserror::Error)]
#[error("the Lease {lease} was lost")]
pub struct Lost {
    lease: String,
}

fn is_conflict(code: u16) -> bool {
    matches!(code, 404 | 409)
}

/// The start time distinguishes the restarts of a pod.
pub fn identity(pod: &str, now: Timestamp) -> String {
    let since = now.duration_since(Timestamp::UNIX_EPOCH).max(SignedDuration::ZERO);
    format!("{pod}_{}", since.as_micros())
}
