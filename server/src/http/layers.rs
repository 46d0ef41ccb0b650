//! The layers that apply to every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::client::RequestId;
use super::error::{ApiError, Expected};
use crate::auth::session::random_uuid;
use crate::metrics::Metrics;

/// How long a request may take, including its body. Hashing waits about two seconds at most.
const TIME_LIMIT: Duration = Duration::from_secs(15);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether the server is about to stop.
#[derive(Clone, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    pub fn start(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// While draining, each answer closes its connection, so that the client connects to another replica.
pub async fn close_while_draining(State(draining): State<Draining>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if draining.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Forbids caching: answers are for one client only, and some contain tokens.
pub async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

pub async fn time_limit(request: Request, next: Next) -> Response {
    match tokio::time::timeout(TIME_LIMIT, next.run(request)).await {
        Ok(response) => response,
        // A body has a shorter limit of its own: it is the database that took so long.
        Err(_) => ApiError::Unavailable("the request took too long, try again in a moment").into_response(),
    }
}

/// Counts and times the request, and adds an id to the answer and to each of its log lines.
pub async fn observe(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let id_text = id.to_str().unwrap_or_default().to_owned();
    request.extensions_mut().insert(RequestId(id_text.clone()));
    let method = request.method().clone();
    // The route, not the path: clients choose paths, and the number of a label's values must be bounded.
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = id_text);
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    metrics.count_request(&method, &route, response.status(), elapsed);
    if response.status().is_server_error() && response.extensions().get::<Expected>().is_none() {
        metrics.server_errors().count(Instant::now());
    }
    span.in_scope(|| {
        tracing::info!(%method, route, status = response.status().as_u16(), elapsed_us = micros(elapsed), "answered");
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The id that a proxy has set, if it is short and plain; otherwise a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        id.len() <= 64
            && !id.is_empty()
            && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    });
    given.cloned().unwrap_or_else(|| {
        let id = random_uuid(&mut rand::rng()).to_string();
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}
