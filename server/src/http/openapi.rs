//! The description of the API, for machines (OpenAPI 3.1) and for people. Each handler has its own description, and the
//! router is built from the same list, so that each route has a description and vice versa.

pub mod answers;
pub mod examples;
mod page;
pub mod parameters;
mod reference;

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::get;
use axum::{Extension, Router};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::listener::Kept;
use answers::{AnyFailure, Failure, FailureData, Reason, TokenFailure};

/// What each tag is about.
#[derive(OpenApi)]
#[openapi(
    info(title = "sc-auth", description = "Accounts, sessions, roles and tokens over HTTP."),
    components(schemas(AnyFailure, Failure, FailureData, Reason, TokenFailure)),
    modifiers(&Bearer),
    tags(
        (name = "accounts", description = "A user's own account"),
        (name = "sessions", description = "A user's own sessions"),
        (name = "verify", description = "Verification of access tokens, for ingress controllers"),
        (name = "users", description = "All users, for Admins"),
        (name = "audit", description = "Audit events, for Admins"),
        (name = "service", description = "Public keys and version"),
    )
)]
pub struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, token) in [("bearer", "An access token"), ("refresh", "A refresh token")] {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
            let scheme = scheme.description(Some(token)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// The calls in the order of the documentation: by tag, then as in the router.
fn in_order(openapi: &mut utoipa::openapi::OpenApi) -> Vec<(String, &'static str)> {
    let tags: Vec<_> = openapi.tags.iter().flatten().map(|tag| tag.name.clone()).collect();
    let place = |item: &PathItem| {
        let tag = methods(item).find_map(|(_, operation)| operation.tags.as_ref()?.first().cloned());
        tags.iter().position(|name| Some(name) == tag.as_ref())
    };
    openapi.paths.paths.sort_by(|_, one, _, other| place(one).cmp(&place(other)));
    let paths = openapi.paths.paths.iter();
    paths.flat_map(|(path, item)| methods(item).map(|(method, _)| (path.clone(), method))).collect()
}

fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let methods = [("get", &item.get), ("post", &item.post), ("delete", &item.delete), ("patch", &item.patch)];
    methods.into_iter().filter_map(|(name, operation)| Some((name, operation.as_ref()?)))
}

/// `/openapi.json`, and a page for people at `/docs`, which loads no other resources. `describe` is called at the first
/// request: most servers never receive one.
pub fn router<S: Clone + Send + Sync + 'static>(describe: fn() -> utoipa::openapi::OpenApi) -> Router<S> {
    let documents = Arc::new(LazyLock::new(move || {
        let mut openapi = describe();
        examples::add(&mut openapi);
        let calls = in_order(&mut openapi);
        let html = page::render(&serde_json::to_value(&openapi).unwrap_or_default(), &calls);
        (Bytes::from(openapi.to_json().unwrap_or_default()), Bytes::from(html))
    }));
    let kept = Extension(Kept);
    let content_type = |value: &'static str| (header::CONTENT_TYPE, HeaderValue::from_static(value));
    let policy = (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    let json = Arc::clone(&documents);
    Router::new()
        .route("/openapi.json", get(async move || (kept, [content_type("application/json")], json.0.clone())))
        .route(
            "/docs",
            get(async move || (kept, [content_type("text/html; charset=utf-8"), policy], documents.1.clone())),
        )
}
