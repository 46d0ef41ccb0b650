//! Public calls: the version, and the keys that verify access tokens.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::envelope::{Data, Envelope};
use super::openapi::answers::JwkSet;

/// A key is published 15 minutes before it signs: verifiers that fetch the keys every five minutes have it in time.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "0.2.0")]
    version: &'static str,
}

/// Returns the version of the server.
#[utoipa::path(
    get,
    path = "/",
    tag = "service",
    responses((status = 200, description = "The version", body = Envelope<Version>)),
)]
pub async fn version() -> Data<Version> {
    Data(Version { version: env!("CARGO_PKG_VERSION") })
}

/// Returns the public keys that verify access tokens (RFC 7517), without the envelope.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "service",
    responses(
        (status = 200, description = "JSON Web Keys (RFC 7517)", body = JwkSet),
        (status = 304, description = "The keys have the ETag of If-None-Match"),
    )
)]
pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    let keys = app.sessions.keys.get();
    let etag = HeaderValue::from_str(&keys.etag).unwrap_or(HeaderValue::from_static("\"\""));
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == keys.etag)
    });
    let common = [(header::ETAG, etag), (header::CACHE_CONTROL, CACHE)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (common, content_type, keys.published.clone()).into_response()
}
