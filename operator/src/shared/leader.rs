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
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(0, None)) };
            let sent = Instant::now();
            let created = self.api.create(&PostParams::default(), &lease).await;
            return self.won(sent, created);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        let is_free = holder.is_empty() || self.has_expired(&lease);
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
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let lasts =
            seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(self.pace.lease, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if seen == version => since.elapsed() > lasts,
            _ => {
                self.seen = Some((version.clone(), Instant::now()));
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
pub mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower::{BoxError, service_fn};

    use super::*;

    const PACE: Pace = Pace {
        lease: Duration::from_secs(1),
        deadline: Duration::from_millis(200),
        every: Duration::from_millis(10),
        patience: Duration::from_mins(1),
    };

    /// An API server whose answer depends on how many requests it has answered before, which it counts.
    pub fn server(answer: fn(usize) -> (u16, Value)) -> (Client, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let service = service_fn(move |_: Request<Body>| {
            let (code, body) = answer(counted.fetch_add(1, Ordering::SeqCst));
            let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            std::future::ready(answer.map_err(BoxError::from))
        });
        (Client::new(service, "default"), count)
    }

    pub fn refusal(code: u16) -> (u16, Value) {
        (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"}))
    }

    pub fn held_by(holder: &str) -> (u16, Value) {
        (200, json!({"metadata": {"name": "lease", "resourceVersion": "1"}, "spec": {"holderIdentity": holder}}))
    }

    pub fn candidate(client: Client, pace: Pace) -> Candidate {
        Candidate::at_pace(pace, client, "default", "lease".into(), "we".into(), || Timestamp::UNIX_EPOCH)
    }

    /// The first two requests get and renew it.
    #[tokio::test]
    async fn the_deadline_of_a_lease_counts_from_its_renewal_however_often_it_is_kept() {
        let (client, _) = server(|before| if before < 2 { held_by("we") } else { refusal(500) });
        let mut candidate = candidate(client, PACE);
        let began = Instant::now();
        assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
        let kept = async { while tokio::time::timeout(PACE.deadline / 4, candidate.keep()).await.is_err() {} };
        tokio::time::timeout(Duration::from_mins(1), kept).await.unwrap();
        assert!(began.elapsed() > PACE.deadline);
    }

    #[tokio::test]
    async fn the_deadline_counts_from_before_the_request() {
        let (client, count) = server(|before| {
            if before == 1 {
                std::thread::sleep(PACE.deadline * 2);
            }
            held_by("we")
        });
        let mut candidate = candidate(client, PACE);
        assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
        candidate.keep().await;
        assert_eq!(count.load(Ordering::SeqCst), 2, "it is lost before another request");
    }

    #[tokio::test]
    async fn a_conflict_is_not_yet_a_loss() {
        // Each conflict but the last is with an edit that leaves us the holder.
        let (client, count) = server(|before| match before {
            2 | 4 | 7 => refusal(409),
            0..8 => held_by("we"),
            _ => held_by("they"),
        });
        let mut candidate = candidate(client, Pace { deadline: Duration::from_mins(1), ..PACE });
        assert_eq!(candidate.attempt().await.unwrap(), Turn::Ours);
        candidate.keep().await;
        assert_eq!(count.load(Ordering::SeqCst), 9);
    }

    #[tokio::test]
    async fn a_lease_expires_after_the_time_that_its_holder_wrote() {
        let (client, _) = server(|_| refusal(500));
        for (seconds, expires) in [(json!(0), true), (json!(3600), false), (json!(null), false)] {
            let mut candidate = candidate(client.clone(), Pace { lease: Duration::from_hours(1), ..PACE });
            let lease = json!({"metadata": {"resourceVersion": "1"}, "spec": {"leaseDurationSeconds": seconds}});
            let lease = serde_json::from_value(lease).unwrap();
            assert!(!candidate.has_expired(&lease), "it was just observed");
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(candidate.has_expired(&lease), expires, "{seconds}");
        }
    }
}
