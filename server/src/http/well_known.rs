//! Public calls: the version, the keys that verify access tokens, and where verifiers find them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::envelope::{Data, Envelope};
use super::error::ApiError;
use super::openapi::answers::JwkSet;

/// A key is published 15 minutes before it signs: verifiers that fetch the keys every five minutes have it in time.
pub const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

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
    keys_answer(&headers, &keys.etag, &keys.published)
}

/// The keys, unless the client has them.
pub fn keys_answer(headers: &HeaderMap, tag: &str, published: &str) -> Response {
    let etag = HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""));
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
    });
    let common = [(header::ETAG, etag), (header::CACHE_CONTROL, CACHE)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (common, content_type, published.to_owned()).into_response()
}

/// What verifiers of the access tokens of `/api/v1` need to know about this issuer (RFC 8414). Those clients log in with
/// `POST /api/v1/accounts/login`, not with a flow of OAuth.
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    /// The claim `iss` of its tokens.
    #[schema(example = "https://auth.example.com")]
    issuer: String,
    /// The keys that verify access tokens. Each names its algorithm.
    #[schema(example = "https://auth.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    /// Required by RFC 8414; always empty.
    #[schema(example = json!([]))]
    response_types_supported: [&'static str; 0],
    /// Always empty. Without it, the default would be the grants of OAuth.
    #[schema(example = json!([]))]
    grant_types_supported: [&'static str; 0],
    /// The description of the API.
    #[schema(example = "https://auth.example.com/docs")]
    service_documentation: String,
}

impl Metadata {
    fn new(issuer: &str) -> Self {
        let base = issuer.trim_end_matches('/');
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            response_types_supported: [],
            grant_types_supported: [],
            service_documentation: format!("{base}/docs"),
        }
    }
}

/// Returns the issuer and the address of its keys (RFC 8414), without the envelope.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "service",
    responses((status = 200, description = "Authorization server metadata (RFC 8414)", body = Metadata)),
)]
pub async fn metadata(State(app): State<App>) -> Response {
    ([(header::CACHE_CONTROL, CACHE)], Json(Metadata::new(app.sessions.parties.issuer()))).into_response()
}

/// The same, where RFC 8414 puts it for an issuer with a path.
pub async fn metadata_of_path(state: State<App>, Path(path): Path<String>) -> Result<Response, ApiError> {
    if path.trim_end_matches('/') != path_of(state.sessions.parties.issuer()) {
        return Err(ApiError::text(StatusCode::NOT_FOUND, "not found"));
    }
    Ok(metadata(state).await)
}

/// The path of an issuer, without the slashes around it.
fn path_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_begin_with_the_issuer() {
        for (issuer, base, path) in [
            ("https://auth.test", "https://auth.test", ""),
            ("https://auth.test/", "https://auth.test", ""),
            ("http://localhost:8000/a/b", "http://localhost:8000/a/b", "a/b"),
            ("https://auth.test/tenant/", "https://auth.test/tenant", "tenant"),
        ] {
            let metadata = Metadata::new(issuer);
            assert_eq!(metadata.issuer, issuer, "verifiers compare it byte by byte");
            assert_eq!(metadata.jwks_uri, format!("{base}/.well-known/jwks.json"));
            assert_eq!(path_of(issuer), path);
        }
    }
}
