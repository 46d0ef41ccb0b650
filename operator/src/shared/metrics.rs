//! Prometheus metrics, in OpenMetrics text. Labels have a bounded number of values.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::ClusterResourceScope;
use kube_runtime::reflector::{ObjectRef, Store};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::freshness::Freshness;

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

/// All objects of one kind, from the watch's store.
#[derive(Clone)]
pub struct Fleet {
    /// The plural of the kind, which names the metric.
    plural: &'static str,
    count: Arc<dyn Fn() -> Counts + Send + Sync>,
    /// Whether an object with this name exists.
    has: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// How many objects have each condition with each status.
#[derive(Default)]
struct Counts(Vec<(ConditionLabels, i64)>);

impl Counts {
    /// There are some dozens of pairs of a type and a status at most: to search them is cheaper than to copy the strings of
    /// each condition.
    fn add(&mut self, condition: &Condition) {
        let is_it = |labels: &ConditionLabels| labels.condition == condition.type_ && labels.status == condition.status;
        if let Some((_, count)) = self.0.iter_mut().find(|(labels, _)| is_it(labels)) {
            *count += 1;
        } else {
            let (condition, status) = (condition.type_.clone(), condition.status.clone());
            self.0.push((ConditionLabels { condition, status }, 1));
        }
    }
}

impl Fleet {
    /// The objects in `store`. The kind is cluster-scoped, so that a name is enough to find one.
    pub fn of<K>(plural: &'static str, store: Store<K>, conditions: fn(&K) -> &[Condition]) -> Self
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Send + Sync + 'static,
    {
        let objects = store.clone();
        let count = move || {
            let mut counts = Counts::default();
            for object in objects.state() {
                for condition in conditions(&object) {
                    counts.add(condition);
                }
            }
            counts
        };
        let has = move |name: &str| store.get(&ObjectRef::new(name)).is_some();
        Self { plural, count: Arc::new(count), has: Arc::new(has) }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Fleet").field(&self.plural).finish()
    }
}

/// The operator's metrics. Clones share their values.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<OutcomeLabels, Counter>,
    reconcile_time: Histogram,
    running: Gauge,
    waiting: Gauge,
    /// By the plural of the kind, and the object's name.
    queue: Arc<Mutex<HashSet<(&'static str, String)>>>,
    fleets: Vec<(Fleet, Family<ConditionLabels, Gauge>)>,
    calls: Family<CallLabels, Counter>,
    call_time: Family<VerbLabels, Histogram>,
    leader: Gauge,
    other_operator: Gauge,
    lease_forbidden: Gauge,
    watch_age: Family<ResourceLabels, Gauge>,
}

fn buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
    /// Creates the metrics for kinds with these objects.
    pub fn new(fleets: impl IntoIterator<Item = Fleet>) -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            reconciles: Family::default(),
            reconcile_time: buckets(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            queue: Arc::default(),
            fleets: fleets.into_iter().map(|fleet| (fleet, Family::default())).collect(),
            calls: Family::default(),
            call_time: Family::new_with_constructor(buckets),
            leader: Gauge::default(),
            other_operator: Gauge::default(),
            lease_forbidden: Gauge::default(),
            watch_age: Family::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("sc_auth_operator");
        registry.register("build", "The release", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("reconciles", "Reconciles by outcome", self.reconciles.clone());
        registry.register("reconcile_duration_seconds", "Duration of reconciles", self.reconcile_time.clone());
        registry.register("reconciles_running", "Reconciles in progress", self.running.clone());
        registry.register("queue", "Objects waiting to be reconciled", self.waiting.clone());
        for (fleet, objects) in &self.fleets {
            registry.register(fleet.plural, "Objects by condition", objects.clone());
        }
        registry.register(
            "api_requests",
            "Requests to the API server by verb and code; code 0 means no response",
            self.calls.clone(),
        );
        registry.register(
            "api_request_duration_seconds",
            "Duration of requests to the API server",
            self.call_time.clone(),
        );
        registry.register("leader", "Whether this instance leads", self.leader.clone());
        registry.register(
            "other_operator",
            "Whether this instance waits because another operator reconciles the cluster",
            self.other_operator.clone(),
        );
        registry.register(
            "lease_forbidden",
            "Whether this instance reconciles without the Lease of the cluster, which it may not use",
            self.lease_forbidden.clone(),
        );
        registry.register(
            "watch_silence_seconds",
            "Seconds since the last activity of a watch",
            self.watch_age.clone(),
        );
        registry
    }

    /// Counts a response of the API server, or 0 if there was no response.
    pub fn called(&self, verb: &'static str, code: u16, took: Duration) {
        self.calls.get_or_create(&CallLabels { verb, code }).inc();
        self.call_time.get_or_create(&VerbLabels { verb }).observe(took.as_secs_f64());
    }

    /// Records that the object, or a child of it, has changed.
    pub fn seen(&self, plural: &'static str, name: &str) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).insert((plural, name.to_owned()));
    }

    /// Records that the object needs no reconcile.
    pub fn skipped(&self, plural: &'static str, name: &str) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).remove(&(plural, name.to_owned()));
    }

    /// Records the start of a reconcile.
    pub fn begun(&self, plural: &'static str, name: &str) {
        self.skipped(plural, name);
        self.running.inc();
    }

    /// Records the end and the outcome of a reconcile.
    pub fn ended(&self, outcome: &'static str, took: Duration) {
        self.running.dec();
        self.reconciles.get_or_create(&OutcomeLabels { outcome }).inc();
        self.reconcile_time.observe(took.as_secs_f64());
    }

    /// Children exist slightly longer than their owner: a deleted object is not waiting.
    fn waiting(&self) -> usize {
        let exists = |(plural, name): &(&'static str, String)| {
            self.fleets.iter().any(|(fleet, _)| fleet.plural == *plural && (fleet.has)(name))
        };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.retain(exists);
        queue.len()
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub fn waits(&self, waits: bool) {
        self.other_operator.set(waits.into());
    }

    pub fn lacks_claim(&self, lacks: bool) {
        self.lease_forbidden.set(lacks.into());
    }

    /// The metrics in the format of Prometheus.
    ///
    /// # Errors
    /// If a label cannot be encoded.
    pub fn encode(&self, freshness: &Freshness) -> Result<String, fmt::Error> {
        for (fleet, objects) in &self.fleets {
            objects.clear();
            for (labels, count) in (fleet.count)().0 {
                objects.get_or_create(&labels).set(count);
            }
        }
        self.watch_age.clear();
        for (resource, age) in freshness.ages() {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            self.watch_age.get_or_create(&ResourceLabels { resource }).set(seconds);
        }
        self.waiting.set(i64::try_from(self.waiting()).unwrap_or(i64::MAX));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use k8s_openapi::api::core::v1::Namespace;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use kube_runtime::reflector;
    use kube_runtime::watcher::Event;

    use super::*;

    static READY: LazyLock<Vec<Condition>> = LazyLock::new(|| {
        let condition = serde_json::json!({"type": "Ready", "status": "True", "reason": "Serving", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        vec![serde_json::from_value(condition).unwrap()]
    });

    fn fleet(plural: &'static str, names: &[&str]) -> Fleet {
        let (store, mut writer) = reflector::store::<Namespace>();
        for name in names {
            let metadata = ObjectMeta { name: Some((*name).to_owned()), ..ObjectMeta::default() };
            writer.apply_watcher_event(&Event::Apply(Namespace { metadata, ..Namespace::default() }));
        }
        Fleet::of(plural, store, |_| &READY)
    }

    #[test]
    fn each_kind_has_its_own_metric_and_all_have_one_queue() {
        let metrics = Metrics::new([fleet("scauths", &["a", "b"]), fleet("scauthclients", &["a"])]);
        for name in ["a", "b", "gone"] {
            metrics.seen("scauths", name);
            metrics.seen("scauthclients", name);
        }
        metrics.begun("scauths", "b");
        metrics.ended("done", Duration::from_millis(1));
        let text = metrics.encode(&Freshness::default()).unwrap();
        for line in [
            "sc_auth_operator_scauths{condition=\"Ready\",status=\"True\"} 2",
            "sc_auth_operator_scauthclients{condition=\"Ready\",status=\"True\"} 1",
            "sc_auth_operator_queue 2",
            "sc_auth_operator_reconciles_total{outcome=\"done\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
