//! One operator reconciles a cluster. Two installations, such as two releases of the chart in two namespaces, each have
//! a Lease for their own replicas. The leader of each also needs a second Lease, which the cluster has once: two that
//! reconcile the same objects would undo each other's changes. The second waits, and says so.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::leader::{Candidate, Failure, Lost, Pace, Turn};
use super::metrics::Metrics;

/// A namespace that every cluster has and no platform locks, unlike kube-system.
const NAMESPACE: &str = "default";
/// Slower than between replicas: a successor of the same installation need not wait for it.
const PACE: Pace = Pace {
    lease: Duration::from_mins(1),
    deadline: Duration::from_secs(40),
    every: Duration::from_secs(5),
    patience: Duration::from_secs(5),
    is_released: false,
};
/// How long the claim of a leader that stops stays valid: much longer than another replica of its installation needs to
/// renew it.
const HANDOVER: Duration = Duration::from_secs(10);
/// An API server that has just started may refuse requests that it later allows.
const REFUSALS: u32 = 3;

/// Why this installation waits, for the probes; `None` while it does not.
pub type Waiting = watch::Receiver<Option<String>>;

/// One installation of the operator: each of its replicas has the same claim.
pub struct Installation {
    pub namespace: String,
    /// The Lease of its replicas.
    pub lease: String,
    /// The label selector of the Deployments of all installations.
    pub operators: &'static str,
}

/// The claim of one installation.
pub struct Claim {
    candidate: Candidate,
    lease: String,
    client: Client,
    installation: Installation,
    waiting: watch::Sender<Option<String>>,
    metrics: Metrics,
    /// Whether we may not use the Lease, and go on without it.
    is_forbidden: bool,
}

impl Claim {
    /// By the leader of that installation. `lease` is the name of the Lease.
    pub fn new(
        client: Client,
        lease: &str,
        installation: Installation,
        clock: fn() -> Timestamp,
        metrics: Metrics,
    ) -> (Self, Waiting) {
        let identity = format!("{}/{}", installation.namespace, installation.lease);
        let candidate = Candidate::at_pace(PACE, client.clone(), NAMESPACE, lease.to_owned(), identity, clock);
        let (waiting, receiver) = watch::channel(None);
        let lease = format!("{NAMESPACE}/{lease}");
        (Self { candidate, lease, client, installation, waiting, metrics, is_forbidden: false }, receiver)
    }

    /// Waits until no other installation has the claim, or until `stop`.
    pub async fn make(&mut self, stop: &CancellationToken) -> bool {
        let mut refusals = 0;
        loop {
            match self.candidate.attempt().await {
                Ok(Turn::Ours) => {
                    self.goes_without(false);
                    break;
                }
                Ok(Turn::Theirs { holder }) => self.wait_for(&holder),
                Ok(Turn::Conflict) => {}
                Err(error) if is_forbidden(&error) && refusals + 1 >= REFUSALS => {
                    if let Some(namespace) = self.other().await {
                        self.wait_without_permission(&namespace);
                    } else {
                        // As in releases without this Lease, whose ClusterRole does not allow it.
                        tracing::warn!(%error, lease = self.lease, "cannot tell whether another operator reconciles");
                        self.goes_without(true);
                        break;
                    }
                }
                Err(error) => {
                    refusals = if is_forbidden(&error) { refusals + 1 } else { 0 };
                    tracing::warn!(%error, lease = self.lease, "could not acquire the Lease");
                }
            }
            if !self.candidate.wait_for_next_attempt(stop).await {
                return false;
            }
        }
        self.waiting.send_replace(None);
        self.metrics.waits(false);
        true
    }

    fn goes_without(&mut self, is_forbidden: bool) {
        self.is_forbidden = is_forbidden;
        self.metrics.lacks_claim(is_forbidden);
    }

    /// The namespace of another installation. Each release of the operator can list Deployments; if that fails, none is
    /// known.
    async fn other(&self) -> Option<String> {
        let operators = ListParams::default().labels(self.installation.operators);
        let found = Api::<Deployment>::all(self.client.clone()).list(&operators).await;
        let found = found.inspect_err(|error| tracing::warn!(%error, "could not look for another operator")).ok()?;
        let runs = |one: &Deployment| one.spec.as_ref().is_none_or(|spec| spec.replicas != Some(0));
        let others = found.items.iter().filter(|one| runs(one)).filter_map(kube::ResourceExt::namespace);
        others.filter(|namespace| *namespace != self.installation.namespace).min()
    }

    fn wait_for(&self, holder: &str) {
        self.wait(format!(
            "another operator reconciles this cluster: {holder} holds the Lease {}; uninstall one of the two",
            self.lease
        ));
    }

    /// Which of the two reconciles cannot be agreed upon.
    fn wait_without_permission(&mut self, namespace: &str) {
        self.goes_without(true);
        self.wait(format!(
            "namespace {namespace} has another operator, and this one is not allowed to use the Lease {}, by which only one \
             of them reconciles: apply the ClusterRole of this release, or uninstall one of the two",
            self.lease
        ));
    }

    fn wait(&self, why: String) {
        self.waiting.send_if_modified(|waiting| {
            let is_news = waiting.as_ref() != Some(&why);
            if is_news {
                tracing::error!("{why}");
                self.metrics.waits(true);
                *waiting = Some(why);
            }
            is_news
        });
    }

    /// Renews the claim until it is lost. Without the permission, attempts to make it until it is allowed, or until another
    /// operator is installed.
    pub async fn keep(&mut self) -> Lost {
        while self.is_forbidden {
            self.candidate.pause().await;
            match self.candidate.attempt().await {
                Ok(Turn::Ours) => self.goes_without(false),
                Ok(Turn::Theirs { .. }) => return self.candidate.lost(),
                Ok(Turn::Conflict) => {}
                Err(error) => {
                    tracing::debug!(%error, lease = self.lease, "could not acquire the Lease");
                    if is_forbidden(&error) && self.other().await.is_some() {
                        return self.candidate.lost();
                    }
                }
            }
        }
        self.candidate.keep().await
    }

    /// Lets another replica of this installation inherit the claim, or after that time another installation take over.
    /// The Lease is not deleted: another installation could be the first to create it.
    pub async fn hand_over(&self) {
        self.candidate.shorten(HANDOVER).await;
    }
}

fn is_forbidden(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(kube::Error::Api(answer)) if answer.code == 403)
}

#[cfg(test)]
mod tests {
    use super::super::freshness::Freshness;
    use super::super::leader::tests::{candidate, held_by, refusal, server};
    use super::*;

    const FAST: Pace = Pace {
        lease: Duration::from_mins(3),
        deadline: Duration::from_mins(2),
        every: Duration::from_millis(1),
        patience: Duration::from_mins(1),
        is_released: false,
    };

    fn claim(client: Client) -> Claim {
        let (waiting, metrics) = (watch::channel(None).0, Metrics::new([]));
        Claim {
            candidate: candidate(client.clone(), FAST),
            lease: "default/lease".into(),
            client,
            installation: Installation { namespace: "ours".into(), lease: "lease".into(), operators: "a=b" },
            waiting,
            metrics,
            is_forbidden: false,
        }
    }

    fn shows(claim: &Claim, value: u8) -> bool {
        let line = format!("sc_auth_operator_lease_forbidden {value}");
        claim.metrics.encode(&Freshness::default()).unwrap().lines().any(|found| found == line)
    }

    #[tokio::test]
    async fn without_the_permission_it_goes_on_and_says_so_until_another_operator_is_seen() {
        let (client, _) = server(|before| match before {
            0..6 => refusal(403),
            // A conflict says nothing about who holds it.
            6 => held_by("we"),
            7 => refusal(409),
            _ => held_by("they"),
        });
        let mut claim = claim(client);
        assert!(claim.make(&CancellationToken::new()).await);
        assert!(shows(&claim, 1));
        let lost = tokio::time::timeout(Duration::from_mins(1), claim.keep()).await.unwrap();
        assert_eq!(lost.to_string(), "the Lease lease was lost");
    }

    #[tokio::test]
    async fn with_the_permission_it_makes_the_claim() {
        let (client, count) = server(|before| match before {
            0..4 => refusal(403),
            _ => held_by("we"),
        });
        let mut claim = claim(client);
        assert!(claim.make(&CancellationToken::new()).await);
        let renewed = async {
            while count.load(std::sync::atomic::Ordering::SeqCst) < 8 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = claim.keep() => panic!("it is ours"),
            () = renewed => {}
        }
        assert!(shows(&claim, 0));
    }

    fn deployments(namespace: &str) -> (u16, serde_json::Value) {
        let metadata = serde_json::json!({"name": "sc-auth-operator", "namespace": namespace});
        (200, serde_json::json!({"metadata": {}, "items": [{"metadata": metadata}]}))
    }

    #[tokio::test]
    async fn without_the_permission_it_waits_while_another_operator_is_installed() {
        let (client, _) = server(|before| match before {
            3 | 9 => deployments("theirs"),
            5 | 7 => deployments("ours"),
            _ => refusal(403),
        });
        let mut claim = claim(client);
        let mut waiting = claim.waiting.subscribe();
        let says_so = async {
            waiting.changed().await.unwrap();
            waiting.borrow().clone().unwrap()
        };
        let stop = CancellationToken::new();
        let (is_made, why) = tokio::join!(claim.make(&stop), says_so);
        assert!(is_made, "the other one was uninstalled");
        assert!(why.contains("namespace theirs has another operator"), "{why}");
        assert!(why.contains("default/lease"), "{why}");
        // It is installed again.
        let lost = tokio::time::timeout(Duration::from_mins(1), claim.keep()).await.unwrap();
        assert_eq!(lost.to_string(), "the Lease lease was lost");
    }
}
