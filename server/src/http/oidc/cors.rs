//! Which pages of other origins may read answers (Fetch Standard): everybody's the metadata and the keys, those of browser
//! applications what these call. Credentials are never allowed: no endpoint here reads cookies.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::paths::{ALL_KEYS, CONFIGURATION, JWKS, OAUTH_METADATA, REVOKE, TOKEN};
use crate::auth::oidc::USERINFO;
use crate::http::app::App;

/// The same for all.
const PUBLIC: [&str; 4] = [CONFIGURATION, OAUTH_METADATA, JWKS, ALL_KEYS];
/// What browser applications call.
const OF_SPAS: [&str; 3] = [TOKEN, REVOKE, USERINFO];

/// Allows pages of other origins to read the answer, and answers their browsers' questions.
pub async fn allow(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_public = PUBLIC.contains(&path);
    if !is_public && !OF_SPAS.contains(&path) {
        return next.run(request).await;
    }
    let headers = request.headers();
    let allowed = if is_public {
        Some(HeaderValue::from_static("*"))
    } else {
        headers.get(header::ORIGIN).filter(|origin| is_of_spa(&app, origin)).cloned()
    };
    let is_question =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_question && allowed.is_some() { preflight() } else { next.run(request).await };
    let headers = response.headers_mut();
    if !is_public {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(allowed) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = HeaderValue::from_static("www-authenticate, retry-after, x-request-id");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

fn is_of_spa(app: &App, origin: &HeaderValue) -> bool {
    let declared = app.openid.as_ref().and_then(|openid| openid.declared.get());
    declared.zip(origin.to_str().ok()).is_some_and(|(declared, origin)| declared.has_spa_at(origin))
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, x-request-id, traceparent, tracestate"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
