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
use sc_auth_contract::time::UnixTime;

use crate::recent::Recent;

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
    /// No such user, or wrong password.
    Refused,
    /// The right password of a disabled account.
    Disabled,
    /// Too many failures before.
    Delayed,
    /// The server failed to check the password.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogoutTokenLabels {
    outcome: LogoutTokenOutcome,
}

/// What became of a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum LogoutTokenOutcome {
    /// The application confirmed it.
    Sent,
    /// An attempt failed; another one follows.
    Failed,
    /// The application did not confirm it within a day.
    Expired,
    /// Too many waited, or too many applications were to be notified: it is not sent.
    Dropped,
}

/// The metrics of the hashing threads.
#[derive(Debug, Clone)]
pub struct HashMetrics {
    pub waiting: Gauge,
    pub refused: Counter,
    pub wait: Histogram,
}

impl Default for HashMetrics {
    fn default() -> Self {
        Self { waiting: Gauge::default(), refused: Counter::default(), wait: latency_buckets() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    purpose: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
    outcome: &'static str,
}

/// All metrics. Cheap to clone: each request has its own handle.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    families: Arc<Families>,
}

struct Families {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    logins: Family<LoginLabels, Counter>,
    events: Family<EventLabels, Counter>,
    sessions: Gauge,
    logout_tokens: Family<LogoutTokenLabels, Counter>,
    waiting_logout_tokens: Gauge,
    keys: Family<KeyLabels, Gauge>,
    key_since: Family<KeyLabels, Gauge>,
    keys_broken: Gauge,
    connections: Gauge,
    idle_connections: Gauge,
    hash: HashMetrics,
    server_errors: Recent,
}

fn latency_buckets() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Families {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("sc_auth");
        registry.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("http_requests", "Requests answered", self.requests.clone());
        registry.register("http_request_duration_seconds", "Time until the answer", self.durations.clone());
        registry.register("logins", "Logins by outcome", self.logins.clone());
        registry.register(
            "security_events",
            "Audit events: logins, revocations, changes of users",
            self.events.clone(),
        );
        registry.register("sessions", "Sessions that have not expired, counted once a minute", self.sessions.clone());
        registry.register("logout_tokens", "Logout tokens by outcome", self.logout_tokens.clone());
        registry.register(
            "logout_tokens_waiting",
            "Logout tokens to send, counted once a minute",
            self.waiting_logout_tokens.clone(),
        );
        registry.register("keys", "Signing keys in use", self.keys.clone());
        registry.register(
            "key_since_timestamp_seconds",
            "When the latest key entered the state",
            self.key_since.clone(),
        );
        registry.register("keys_broken", "1 while the keys file cannot be used", self.keys_broken.clone());
        registry.register("database_connections", "Open connections", self.connections.clone());
        registry.register("database_connections_idle", "Idle connections", self.idle_connections.clone());
        registry.register("hash_waiting", "Passwords waiting to be hashed", self.hash.waiting.clone());
        registry.register("hash_refused", "Passwords refused because too many waited", self.hash.refused.clone());
        registry.register("hash_wait_seconds", "Time that passwords waited to be hashed", self.hash.wait.clone());
        registry
    }
}

impl Metrics {
    pub fn new() -> Self {
        let families = Families {
            requests: Family::default(),
            durations: Family::new_with_constructor(latency_buckets as fn() -> Histogram),
            logins: Family::default(),
            events: Family::default(),
            sessions: Gauge::default(),
            logout_tokens: Family::default(),
            waiting_logout_tokens: Gauge::default(),
            keys: Family::default(),
            key_since: Family::default(),
            keys_broken: Gauge::default(),
            connections: Gauge::default(),
            idle_connections: Gauge::default(),
            hash: HashMetrics::default(),
            server_errors: Recent::default(),
        };
        Self { registry: Arc::new(families.registry()), families: Arc::new(families) }
    }

    /// The metrics of the hashing threads.
    pub fn hash(&self) -> HashMetrics {
        self.families.hash.clone()
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
        self.families.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route: route.to_owned() };
        self.families.durations.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// Answers with a 5xx status, except those that refuse a request because of too many at once.
    pub fn server_errors(&self) -> &Recent {
        &self.families.server_errors
    }

    pub fn count_login(&self, outcome: Outcome) {
        self.families.logins.get_or_create(&LoginLabels { outcome }).inc();
    }

    /// Both are names from `auth::audit`, so the number of labels is bounded.
    pub fn count_event(&self, event: &'static str, outcome: &'static str) {
        self.families.events.get_or_create(&EventLabels { event, outcome }).inc();
    }

    pub fn show_sessions(&self, count: i64) {
        self.families.sessions.set(count);
    }

    pub fn count_logout_tokens(&self, outcome: LogoutTokenOutcome, count: u64) {
        self.families.logout_tokens.get_or_create(&LogoutTokenLabels { outcome }).inc_by(count);
    }

    pub fn show_waiting_logout_tokens(&self, count: i64) {
        self.families.waiting_logout_tokens.set(count);
    }

    pub fn show_connections(&self, open: u32, idle: usize) {
        self.families.connections.set(i64::from(open));
        self.families.idle_connections.set(i64::try_from(idle).unwrap_or(i64::MAX));
    }

    /// Each key's purpose, its state, and when it entered that state.
    pub fn show_keys(&self, keys: &[(String, String, UnixTime)]) {
        self.families.keys.clear();
        self.families.key_since.clear();
        for (purpose, state, since) in keys {
            let labels = KeyLabels { purpose: purpose.clone(), state: state.clone() };
            self.families.keys.get_or_create(&labels).inc();
            let latest = self.families.key_since.get_or_create(&labels);
            latest.set(latest.get().max(since.seconds()));
        }
    }

    pub fn show_keys_broken(&self, are_broken: bool) {
        self.families.keys_broken.set(i64::from(are_broken));
    }

    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
