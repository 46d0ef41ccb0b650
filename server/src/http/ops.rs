//! Health, status and metrics, on port 8001, which is not exposed by the ingress.

mod state;
mod status;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::store::Engine;
pub use state::Ops;

/// These routes are served once the database has answered; the server is then ready until it drains. If readiness
/// depended on the database, an outage would remove all replicas from the ingress, and clients would see its error page
/// instead of our 503.
pub fn router(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/status", get(status::status))
        .route("/metrics", get(show))
        .with_state(ops)
}

/// The routes while another server still uses the embedded database: alive, but not ready.
pub fn waiting_router() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route(
        "/readyz",
        get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "waiting for another server on this database to end\n") }),
    )
}

async fn ready(State(ops): State<Ops>) -> Response {
    if ops.draining.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match ops.report.held() {
        // The only pod of an embedded database: its own 503 is better than the ingress's error page.
        Some(held) if held.engine == Engine::Sqlite => "held\n".into_response(),
        // The previous pods still serve: a rollout must not replace them.
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "held\n").into_response(),
        None => "ok\n".into_response(),
    }
}

async fn show(State(ops): State<Ops>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    if let Some(sessions) = ops.sessions.get() {
        let (open, idle) = sessions.store.connections();
        ops.metrics.show_connections(open, idle);
    }
    match ops.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
