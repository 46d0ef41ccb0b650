//! Health, readiness and metrics over HTTP.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use kube_runtime::reflector::Store;
use tokio::sync::watch;

use crate::api::ScAuth;
use crate::metrics::Metrics;
use crate::scauth::DEFINITION;
use crate::shared::definitions::Definitions;
use crate::shared::freshness::Freshness;

/// What the answers are made of.
#[derive(Clone)]
pub struct Probes {
    pub freshness: Freshness,
    /// A watch that has neither asked nor heard for this long is dead.
    pub longest_silence: Duration,
    pub definitions: watch::Receiver<Definitions>,
    pub metrics: Metrics,
    pub fleet: Store<ScAuth>,
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
        (StatusCode::SERVICE_UNAVAILABLE, format!("nothing was heard from these watches: {dead:?}\n"))
    }
}

async fn readyz(State(probes): State<Probes>) -> (StatusCode, &'static str) {
    if probes.definitions.borrow().contains(DEFINITION) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the CustomResourceDefinition scauths.sc-auth.io is missing: apply crds/\n")
    }
}

async fn metrics(State(probes): State<Probes>) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let kind = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match probes.metrics.encode(Some(&probes.fleet), &probes.freshness) {
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

    #[tokio::test]
    async fn a_watch_that_is_silent_for_too_long_fails_the_liveness() {
        let probes = |longest_silence| {
            let freshness = Freshness::default();
            freshness.touch("deployments");
            Probes {
                freshness,
                longest_silence,
                definitions: watch::channel(Definitions::new()).1,
                metrics: Metrics::default(),
                fleet: kube_runtime::reflector::store().0,
            }
        };
        assert_eq!(healthz(State(probes(Duration::from_mins(5)))).await.0, StatusCode::OK);
        let (status, text) = healthz(State(probes(Duration::ZERO))).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("deployments"), "{text}");
    }
}
