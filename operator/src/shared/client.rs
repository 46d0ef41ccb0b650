//! The client, with what we want to know of each call: metrics, and when a watch was last heard of. A watch whose
//! connection died without a word looks like one where nothing happens; but the API server sends something every
//! minute, so silence is noticed and the connection given up.

use std::time::{Duration, Instant};

use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::{Client, Config};
use tower::{BoxError, service_fn};

use super::freshness::Freshness;
use super::metrics::Metrics;

/// A client that gives a connection up on which nothing was heard for `silence`, and never tries a call again by itself:
/// each object has delays of its own.
///
/// # Errors
/// Where the configuration cannot be used.
pub fn client(mut config: Config, silence: Duration, metrics: &Metrics, freshness: &Freshness) -> kube::Result<Client> {
    config.read_timeout = Some(silence);
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let inner = Client::try_from(config)?;
    let (metrics, freshness) = (metrics.clone(), freshness.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (inner, metrics, freshness) = (inner.clone(), metrics.clone(), freshness.clone());
        async move {
            let (verb, watched) = (verb(&request), watched(&request));
            if let Some(resource) = &watched {
                freshness.touch(resource);
            }
            let started = Instant::now();
            let answer = inner.send(request).await;
            let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
            metrics.called(verb, code, started.elapsed());
            let answer: Response<Body> = answer.map_err(BoxError::from)?;
            Ok::<_, BoxError>(answer.map(|body| {
                body.map_frame(move |frame| {
                    if let Some(resource) = &watched {
                        freshness.touch(resource);
                    }
                    frame
                })
            }))
        }
    });
    Ok(Client::new(service, namespace))
}

/// As Kubernetes calls it; told from the request as far as it can be.
fn verb(request: &Request<Body>) -> &'static str {
    match request.method().as_str() {
        "GET" if is_watch(request) => "watch",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "other",
    }
}

fn is_watch(request: &Request<Body>) -> bool {
    request.uri().query().is_some_and(|query| query.contains("watch=true"))
}

fn watched(request: &Request<Body>) -> Option<String> {
    let resource = request.uri().path().rsplit('/').next()?;
    is_watch(request).then(|| resource.to_owned())
}
