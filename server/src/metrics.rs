//! Prometheus metrics, in OpenMetrics text. Labels have a bounded number of values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: Outcome,
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// With tokens.
    Accepted,
    /// No such user, or another password.
    Refused,
    /// The server could not tell.
    Failed,
}

/// What the hashing threads count.
#[derive(Debug, Clone, Default)]
pub struct HashMetrics {
    pub waiting: Gauge,
    pub refused: Counter,
}

#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    logins: Family<LoginLabels, Counter>,
    pub hash: HashMetrics,
}

fn latency_buckets() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sc_auth");
        let requests = Family::default();
        let durations = Family::new_with_constructor(latency_buckets as fn() -> Histogram);
        let logins = Family::default();
        let hash = HashMetrics::default();
        registry.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time until the answer", durations.clone());
        registry.register("logins", "Logins by how they ended", logins.clone());
        registry.register("hash_waiting", "Passwords waiting to be hashed", hash.waiting.clone());
        registry.register("hash_refused", "Passwords refused because too many waited", hash.refused.clone());
        Self { registry: Arc::new(registry), requests, durations, logins, hash }
    }

    pub fn count_request(&self, method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
        // A client may send any word as the method.
        let method = match *method {
            Method::GET | Method::POST | Method::PATCH | Method::DELETE | Method::HEAD | Method::OPTIONS => {
                method.to_string()
            }
            _ => "other".to_owned(),
        };
        let labels = RequestLabels { method: method.clone(), route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route: route.to_owned() };
        self.durations.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    pub fn count_login(&self, outcome: Outcome) {
        self.logins.get_or_create(&LoginLabels { outcome }).inc();
    }

    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
