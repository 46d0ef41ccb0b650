//! Prometheus metrics, in OpenMetrics text. Labels have a bounded number of values.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube_runtime::reflector::Store;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::api::ScAuth;
use crate::shared::freshness::Freshness;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    condition: String,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    resource: String,
}

/// What the operator counts. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<OutcomeLabels, Counter>,
    reconcile_time: Histogram,
    running: Gauge,
    waiting: Gauge,
    queue: Arc<Mutex<HashSet<String>>>,
    objects: Family<ConditionLabels, Gauge>,
    calls: Family<CallLabels, Counter>,
    call_time: Family<VerbLabels, Histogram>,
    leader: Gauge,
    watch_age: Family<ResourceLabels, Gauge>,
}

fn buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            reconciles: Family::default(),
            reconcile_time: buckets(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            queue: Arc::default(),
            objects: Family::default(),
            calls: Family::default(),
            call_time: Family::new_with_constructor(buckets),
            leader: Gauge::default(),
            watch_age: Family::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }
}

impl Metrics {
    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("sc_auth_operator");
        registry.register("build", "The release", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("reconciles", "Reconciles by how they ended", self.reconciles.clone());
        registry.register("reconcile_duration_seconds", "How long a reconcile took", self.reconcile_time.clone());
        registry.register("reconciles_running", "Reconciles under way", self.running.clone());
        registry.register(
            "queue",
            "Objects whose change was seen and whose reconcile has not begun",
            self.waiting.clone(),
        );
        registry.register("scauths", "Objects by condition", self.objects.clone());
        registry.register(
            "api_requests",
            "Calls of the API server by verb and code, 0 where it did not answer",
            self.calls.clone(),
        );
        registry.register("api_request_duration_seconds", "How long it took to answer", self.call_time.clone());
        registry.register("leader", "Whether this instance leads", self.leader.clone());
        registry.register(
            "watch_silence_seconds",
            "Since a watch last asked or heard something",
            self.watch_age.clone(),
        );
        registry
    }

    /// A call of the API server was answered, or was not (0).
    pub fn called(&self, verb: &'static str, code: u16, took: Duration) {
        self.calls.get_or_create(&CallLabels { verb, code }).inc();
        self.call_time.get_or_create(&VerbLabels { verb }).observe(took.as_secs_f64());
    }

    /// Something of this ScAuth has changed.
    pub fn seen(&self, name: &str) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Its reconcile begins.
    pub fn begun(&self, name: &str) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.running.inc();
    }

    /// Its reconcile has ended so.
    pub fn ended(&self, outcome: &'static str, took: Duration) {
        self.running.dec();
        self.reconciles.get_or_create(&OutcomeLabels { outcome }).inc();
        self.reconcile_time.observe(took.as_secs_f64());
    }

    /// Children outlive their ScAuth for a moment: of one that is gone nothing waits.
    fn waiting(&self, fleet: &[Arc<ScAuth>]) -> usize {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.retain(|name| fleet.iter().any(|scauth| scauth.metadata.name.as_ref() == Some(name)));
        queue.len()
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// Where a label cannot be written.
    pub fn encode(&self, fleet: Option<&Store<ScAuth>>, freshness: &Freshness) -> Result<String, fmt::Error> {
        self.objects.clear();
        let all = fleet.map(Store::state).unwrap_or_default();
        for condition in all.iter().flat_map(|scauth| scauth.status.iter().flat_map(|status| &status.conditions)) {
            let labels = ConditionLabels { condition: condition.type_.clone(), status: condition.status.clone() };
            self.objects.get_or_create(&labels).inc();
        }
        self.watch_age.clear();
        for (resource, age) in freshness.ages() {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            self.watch_age.get_or_create(&ResourceLabels { resource }).set(seconds);
        }
        self.waiting.set(i64::try_from(self.waiting(&all)).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
