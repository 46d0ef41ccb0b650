//! One operator reconciles a cluster. Two installations, such as two releases of the chart in two namespaces, each have
//! a Lease for their own replicas. The leader of each also needs a second Lease, which the cluster has once: two that
//! reconcile the same objects would undo each other's changes. The second waits, and says so.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::leader::{Candidate, Lost, Pace, Turn};
use super::metrics::Metrics;

/// A namespace that each cluster has, and that no platform closes to others, as some close kube-system.
const NAMESPACE: &str = "default";
/// Slower than between replicas: a successor of the same installation need not wait for it.
const PACE: Pace = Pace {
    lease: Duration::from_mins(1),
    deadline: Duration::from_secs(40),
    every: Duration::from_secs(5),
    patience: Duration::from_secs(5),
};
/// An API server that has just started may refuse requests that it later allows.
const REFUSALS: u32 = 3;

/// Why this installation waits, for the probes; `None` while it does not.
pub type Waiting = watch::Receiver<Option<String>>;

/// The claim of one installation.
pub struct Claim {
    candidate: Candidate,
    lease: String,
    waiting: watch::Sender<Option<String>>,
    metrics: Metrics,
    /// Whether we may not use the Lease, and go on without it.
    is_forbidden: bool,
}

impl Claim {
    /// By the leader of the installation that `installation` names: each leader of it has the same claim. `lease` is the
    /// name of the Lease.
    pub fn new(
        client: Client,
        lease: &str,
        installation: String,
        clock: fn() -> Timestamp,
        metrics: Metrics,
    ) -> (Self, Waiting) {
        let candidate = Candidate::at_pace(PACE, client, NAMESPACE, lease.to_owned(), installation, clock);
        let (waiting, receiver) = watch::channel(None);
        let lease = format!("{NAMESPACE}/{lease}");
        (Self { candidate, lease, waiting, metrics, is_forbidden: false }, receiver)
    }

    /// Waits until no other installation has the claim, or until `stop`.
    pub async fn make(&mut self, stop: &CancellationToken) -> bool {
        let mut refusals = 0;
        loop {
            match self.candidate.attempt().await {
                Ok(Turn::Ours) => break,
                Ok(Turn::Theirs { holder }) => self.wait_for(&holder),
                Err(error) if is_forbidden(&error) && refusals + 1 >= REFUSALS => {
                    // As in releases without this Lease, whose ClusterRole does not allow it.
                    tracing::warn!(%error, lease = self.lease, "cannot tell whether another operator reconciles");
                    self.is_forbidden = true;
                    break;
                }
                Err(error) => {
                    refusals = if is_forbidden(&error) { refusals + 1 } else { 0 };
                    tracing::warn!(%error, lease = self.lease, "could not acquire the Lease");
                }
            }
            if !self.candidate.pauses(stop).await {
                return false;
            }
        }
        self.waiting.send_replace(None);
        self.metrics.waits(false);
        true
    }

    fn wait_for(&self, holder: &str) {
        if holder.is_empty() {
            return;
        }
        let why = format!(
            "another operator reconciles this cluster: {holder} holds the Lease {}; uninstall one of the two",
            self.lease
        );
        self.waiting.send_if_modified(|waiting| {
            let is_news = waiting.as_ref() != Some(&why);
            if is_news {
                tracing::error!(holder, lease = self.lease, "another operator reconciles this cluster; waiting");
                self.metrics.waits(true);
                *waiting = Some(why);
            }
            is_news
        });
    }

    /// Renews the claim until it is lost.
    pub async fn keep(&mut self) -> Lost {
        while self.is_forbidden {
            tokio::time::sleep(PACE.lease).await;
            match self.candidate.attempt().await {
                Ok(Turn::Ours) => self.is_forbidden = false,
                Ok(Turn::Theirs { .. }) => return self.candidate.lost(),
                Err(error) => tracing::debug!(%error, lease = self.lease, "could not acquire the Lease"),
            }
        }
        self.candidate.keep().await
    }

    /// Lets another installation take over at once.
    pub async fn withdraw(&self) {
        self.candidate.withdraw().await;
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 403)
}
