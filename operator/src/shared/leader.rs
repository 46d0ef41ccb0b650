//! Leader election by a Lease. Every write requires the resourceVersion that was read; a leader that cannot renew its
//! lease stops before the lease expires by its own clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::PostParams;
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
    /// Whether a holder that stops removes its name from the lease. Otherwise a lease without a name was edited by a person,
    /// while its holder runs.
    pub is_released: bool,
}

/// Between the replicas of one operator.
const REPLICAS: Pace = Pace {
    lease: Duration::from_secs(15),
    deadline: Duration::from_secs(10),
    every: Duration::from_secs(2),
    patience: Duration::from_secs(2),
    is_released: true,
};

/// What an attempt to hold the lease found.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    Ours,
    Theirs {
        holder: String,
    },
    /// Another client wrote or deleted the lease at the same time.
    Conflict,
}

/// Why an attempt found nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Late,
}

/// The lease of another candidate, or that somebody has deleted it.
struct Seen {
    /// Its version; `None` since it is deleted.
    version: Option<String>,
    /// Since when it has that version, by our own clock: the holder's clock may be wrong.
    since: Instant,
    holder: String,
    lasts: Duration,
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
    /// When we sent the request by which it last became or stayed ours.
    renewed: Option<Instant>,
    /// The lease of another candidate that was last observed.
    seen: Option<Seen>,
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
        Self {
            api: Api::namespaced(client, namespace),
            name,
            identity,
            clock,
            pace,
            held: None,
            renewed: None,
            seen: None,
        }
    }

    /// Waits until the lease is ours, or until `stop`.
    pub async fn lead(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.attempt().await {
                Ok(Turn::Ours) => return true,
                Ok(Turn::Theirs { .. } | Turn::Conflict) => {}
                Err(error) => tracing::warn!(%error, lease = self.name, "could not acquire the Lease"),
            }
            if !self.wait_for_next_attempt(stop).await {
                return false;
            }
        }
    }

    /// Waits until the next attempt is due. Returns false at `stop`.
    pub async fn wait_for_next_attempt(&self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => false,
            () = self.pause() => true,
        }
    }

    /// The time between two attempts.
    pub async fn pause(&self) {
        tokio::time::sleep(self.pace.every).await;
    }

    /// Renews the lease until it is lost. A caller may drop this and call it again: the deadline stays.
    pub async fn keep(&mut self) -> Lost {
        while !self.is_overdue() {
            self.pause().await;
            match self.attempt().await {
                Ok(Turn::Ours) => {}
                Ok(Turn::Theirs { .. }) => return self.lost(),
                Ok(Turn::Conflict) => tracing::warn!(lease = self.name, "another client has changed the Lease"),
                Err(error) => tracing::warn!(%error, lease = self.name, "could not renew the Lease"),
            }
        }
        self.lost()
    }

    /// Whether we must act as if the lease had expired.
    fn is_overdue(&self) -> bool {
        self.renewed.is_none_or(|renewed| renewed.elapsed() > self.pace.deadline)
    }

    pub fn lost(&self) -> Lost {
        Lost { lease: self.name.clone() }
    }

    /// Acquires or renews the lease if possible.
    pub async fn attempt(&mut self) -> Result<Turn, Failure> {
        let patience = self.pace.patience;
        Ok(tokio::time::timeout(patience, self.acquire()).await.map_err(|_| Failure::Late)??)
    }

    async fn acquire(&mut self) -> kube::Result<Turn> {
        if let Some(held) = self.held.take()
            && self.renew(held).await? == Turn::Ours
        {
            return Ok(Turn::Ours);
        }
        // Nobody has it, or another client has changed it.
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            if let Some(holder) = self.may_still_run() {
                return Ok(Turn::Theirs { holder });
            }
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(0, None)) };
            let sent = Instant::now();
            let created = self.api.create(&PostParams::default(), &lease).await;
            return self.won(sent, created);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        let is_free = (holder.is_empty() && self.pace.is_released) || self.has_expired(&lease);
        if holder == self.identity || is_free { self.renew(lease).await } else { Ok(Turn::Theirs { holder }) }
    }

    /// Writes ourselves into that version of the lease.
    async fn renew(&mut self, mut lease: Lease) -> kube::Result<Turn> {
        let old = lease.spec.take().unwrap_or_default();
        let transitions = old.lease_transitions.unwrap_or(0);
        let is_ours = old.holder_identity.as_ref() == Some(&self.identity);
        lease.spec =
            Some(if is_ours { self.spec(transitions, old.acquire_time) } else { self.spec(transitions + 1, None) });
        let sent = Instant::now();
        let replaced = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        self.won(sent, replaced)
    }

    /// A conflict means that another candidate was faster, or that somebody deleted the lease.
    fn won(&mut self, sent: Instant, result: kube::Result<Lease>) -> kube::Result<Turn> {
        match result {
            Ok(stored) => {
                self.held = Some(stored);
                self.renewed = Some(sent);
                Ok(Turn::Ours)
            }
            Err(kube::Error::Api(answer)) if is_conflict(answer.code) => Ok(Turn::Conflict),
            Err(error) => Err(error),
        }
    }

    /// Whether the lease has expired by our own clock, after the time that its holder wrote into it.
    fn has_expired(&mut self, lease: &Lease) -> bool {
        let version = &lease.metadata.resource_version;
        let spec = lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let lasts =
            seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(self.pace.lease, Duration::from_secs);
        let holder = spec.and_then(|spec| spec.holder_identity.clone());
        match &self.seen {
            Some(seen) if seen.version == *version => seen.since.elapsed() > lasts,
            before => {
                let before = before.as_ref().map(|seen| seen.holder.clone());
                let holder = holder.or(before).unwrap_or_default();
                self.seen = Some(Seen { version: version.clone(), since: Instant::now(), holder, lasts });
                false
            }
        }
    }

    /// The holder of a lease that somebody has deleted: it creates the lease again at its next renewal, if it still runs.
    fn may_still_run(&mut self) -> Option<String> {
        let seen = self.seen.as_mut()?;
        if seen.version.take().is_some() {
            seen.since = Instant::now();
        }
        (seen.since.elapsed() <= seen.lasts).then(|| seen.holder.clone())
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

    /// Keeps the lease for this time only, unless a successor with our identity renews it.
    pub async fn shorten(&self, lasts: Duration) {
        let Some(mut lease) = self.ours().await else { return };
        if let Some(spec) = &mut lease.spec {
            spec.lease_duration_seconds = i32::try_from(lasts.as_secs()).ok();
        }
        if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(%error, lease = self.name, "could not shorten the Lease");
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

#[cfg(test)]
pub mod tests;
