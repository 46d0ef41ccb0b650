//! Health and metrics, on port 8001, which the ingress does not reach.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::layers::Draining;
use crate::metrics::Metrics;

#[derive(Clone)]
struct Ops {
    metrics: Metrics,
    draining: Draining,
}

/// Served only once the database has answered: from then on it is ready until it drains. If the database goes away
/// later, all replicas would leave the ingress together, and clients would see its error page instead of our 503.
pub fn router(metrics: Metrics, draining: Draining) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show))
        .with_state(Ops { metrics, draining })
}

async fn ready(State(ops): State<Ops>) -> Response {
    if ops.draining.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

async fn show(State(ops): State<Ops>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match ops.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
