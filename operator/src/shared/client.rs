//! The client, with metrics of each call and the time of a watch's last activity. A watch whose connection broke
//! silently looks like one without events; but the API server sends a bookmark every minute, so the client detects the
//! silence and closes the connection.

use std::time::{Duration, Instant};

use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::{Client, Config};
use tower::{BoxError, service_fn};

use super::freshness::Freshness;
use super::metrics::Metrics;

/// A client that drops connections idle for `silence` and never retries on its own.
///
/// # Errors
/// If the configuration is invalid.
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

/// The verb in Kubernetes' terms, derived from the request as far as possible.
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
