//! Health, status and metrics, on port 8001, which the ingress does not reach.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::layers::Draining;
use crate::auth::session::Sessions;
use crate::metrics::Metrics;

/// How long the database may take to answer.
const DATABASE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Ops {
    sessions: Arc<Sessions>,
    metrics: Metrics,
    draining: Draining,
}

/// Served only once the database has answered: from then on it is ready until it drains. If the database goes away
/// later, all replicas would leave the ingress together, and clients would see its error page instead of our 503.
pub fn router(sessions: Arc<Sessions>, metrics: Metrics, draining: Draining) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(show))
        .with_state(Ops { sessions, metrics, draining })
}

/// While another server still works on the embedded database: alive, and not ready.
pub fn waiting_router() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route(
        "/readyz",
        get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "waiting for another server on this database to end\n") }),
    )
}

async fn ready(State(ops): State<Ops>) -> Response {
    if ops.draining.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

/// How the database is, and which keys are in use: for whoever watches over the server. Always 200: it is the server
/// that is asked.
async fn status(State(ops): State<Ops>) -> Json<Value> {
    let store = &ops.sessions.store;
    let is_reachable = matches!(tokio::time::timeout(DATABASE_LIMIT, store.ping()).await, Ok(Ok(())));
    let keys = ops.sessions.keys.get();
    let keys: Vec<_> = keys
        .all()
        .iter()
        .map(|key| json!({"kid": key.kid, "purpose": key.purpose, "state": key.state, "since": key.since}))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "database": {"engine": store.engine().name(), "reachable": is_reachable, "taken_over": store.has_old_tables()},
        "keys": keys,
        "draining": ops.draining.is_draining(),
    }))
}

async fn show(State(ops): State<Ops>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let (open, idle) = ops.sessions.store.connections();
    ops.metrics.show_connections(open, idle);
    match ops.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
