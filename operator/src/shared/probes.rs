//! Health, readiness and metrics over HTTP.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;

use super::claim::Waiting;
use super::definitions::Definitions;
use super::freshness::Freshness;
use super::metrics::Metrics;

/// The state behind the endpoints.
#[derive(Clone)]
pub struct Probes {
    pub freshness: Freshness,
    /// A watch without any activity for longer than this is dead.
    pub longest_silence: Duration,
    pub definitions: watch::Receiver<Definitions>,
    /// The CustomResourceDefinitions that the operator cannot work without.
    pub needed: &'static [&'static str],
    /// Whether another operator reconciles the cluster.
    pub waiting: Waiting,
    pub metrics: Metrics,
}

pub fn router(probes: Probes) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

async fn healthz(State(probes): State<Probes>) -> (StatusCode, String) {
    let ages = probes.freshness.ages();
    let dead: Vec<_> = ages.iter().filter(|(_, age)| **age > probes.longest_silence).map(|(name, _)| name).collect();
    if dead.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("no data from these watches: {dead:?}\n"))
    }
}

async fn readyz(State(probes): State<Probes>) -> (StatusCode, String) {
    let missing = probes.needed.iter().find(|needed| !probes.definitions.borrow().contains(**needed));
    let missing = missing.map(|missing| format!("the CustomResourceDefinition {missing} is missing: apply crds/"));
    match missing.or_else(|| probes.waiting.borrow().clone()) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
    }
}

async fn metrics(State(probes): State<Probes>) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let kind = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match probes.metrics.encode(&probes.freshness) {
        Ok(text) => Ok((kind, text)),
        Err(error) => {
            tracing::error!(%error, "could not encode the metrics");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(longest_silence: Duration) -> Probes {
        let freshness = Freshness::default();
        freshness.touch("deployments");
        Probes {
            freshness,
            longest_silence,
            definitions: watch::channel(Definitions::from(["scauths.sc-auth.io".to_owned()])).1,
            needed: &["scauths.sc-auth.io"],
            waiting: watch::channel(None).1,
            metrics: Metrics::new([]),
        }
    }

    #[tokio::test]
    async fn it_is_ready_with_all_definitions_that_it_needs() {
        let mut probes = probes(Duration::ZERO);
        assert_eq!(readyz(State(probes.clone())).await, (StatusCode::OK, "ok\n".to_owned()));
        probes.needed = &["scauths.sc-auth.io", "others.sc-auth.io"];
        let (status, text) = readyz(State(probes)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "the CustomResourceDefinition others.sc-auth.io is missing: apply crds/\n");
    }

    #[tokio::test]
    async fn it_is_not_ready_while_another_operator_reconciles_the_cluster() {
        let mut probes = probes(Duration::ZERO);
        let (sender, waiting) = watch::channel(Some("another operator".to_owned()));
        probes.waiting = waiting;
        let answer = (StatusCode::SERVICE_UNAVAILABLE, "another operator\n".to_owned());
        assert_eq!(readyz(State(probes.clone())).await, answer);
        sender.send_replace(None);
        assert_eq!(readyz(State(probes)).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_watch_that_is_silent_for_too_long_fails_the_liveness() {
        assert_eq!(healthz(State(probes(Duration::from_mins(5)))).await.0, StatusCode::OK);
        let (status, text) = healthz(State(probes(Duration::ZERO))).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("deployments"), "{text}");
    }
}
