//! The answer to an authorization request, which a browser carries to the application.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::RedirectUri;

use super::pages::{ErrorPage, FormPost, Policy, View, page, render_error};
use crate::auth::oidc::request::{OAuthProblem, ResponseMode, ResponseTarget};

/// Sends the browser to the application with a code.
pub fn code(view: View<'_>, issuer: &str, to: &ResponseTarget, code: &str) -> Response {
    deliver(view, issuer, to, &[("code", code)])
}

/// Sends the browser to the application with an error.
pub fn error(view: View<'_>, issuer: &str, to: &ResponseTarget, problem: OAuthProblem) -> Response {
    deliver(view, issuer, to, &[("error", problem.error), ("error_description", problem.description)])
}

/// `iss` tells the application which server answers (RFC 9207).
fn deliver(view: View<'_>, issuer: &str, to: &ResponseTarget, parameters: &[(&str, &str)]) -> Response {
    let state = to.state.as_deref().map(|state| ("state", state));
    let fields: Vec<_> = parameters.iter().copied().chain(state).chain([("iss", issuer)]).collect();
    match to.mode {
        ResponseMode::Query => redirect(view, &with_query(&to.redirect_uri, &fields)),
        ResponseMode::FormPost => {
            let source = source(&to.redirect_uri);
            page(view, StatusCode::OK, &FormPost::new(view, &to.redirect_uri, &fields), &Policy::Submit { to: &source })
        }
    }
}

/// What `form-action` names for a redirect URI: https and its own scheme. Browsers compare each address that a form leads
/// to, and the application may redirect to another host.
pub fn source(redirect_uri: &str) -> String {
    match RedirectUri::parse(redirect_uri).map(|uri| uri.scheme()) {
        None | Some("https") => "https:".to_owned(),
        Some(scheme) => format!("https: {scheme}:"),
    }
}

fn with_query(uri: &str, fields: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{query}")
}

/// 303, so that no browser sends a form with a password on (RFC 9700, 4.12).
pub fn redirect(view: View<'_>, location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return render_error(view, ErrorPage::UnknownApplication);
    };
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
