//! `/oauth2/token`: exchanges a code or a refresh token (RFC 6749, 3.2).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::ClientType;
use serde::Serialize;

use super::client_auth::authenticate;
use super::error::OAuthError;
use super::ready::ready;
use crate::auth::client::Client;
use crate::auth::oidc::request::Parameters;
use crate::auth::oidc::{Exchange, Issued};
use crate::http::app::App;
use crate::http::body;
use crate::http::body::limits::TOKEN;
use crate::http::rate_limits::Limited;

/// The grants that this file exchanges.
pub const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];

/// RFC 6749, 5.1
#[derive(Serialize)]
struct Answer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Result<Response, OAuthError> {
    let (openid, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    let headers = request.headers().clone();
    let form = read_form(request).await?;
    let now = app.now();
    let declared = authenticate(&present.declared, &headers, &form, now)?;
    if declared.client_type == ClientType::Service {
        return Err(OAuthError::new("unauthorized_client", "a Service client cannot request tokens"));
    }
    if !declared.is_confidential() {
        // Anybody can be such a client.
        app.settings.check_rate(Limited::Refresh, &client)?;
    }
    let exchange =
        Exchange { openid: &openid, sessions: &app.sessions, present: &present, declared, client: &client, now };
    // Boxed, since they are large: the memory of a request that waits for its body includes the future.
    let issued = match form.one("grant_type") {
        Some("authorization_code") => Box::pin(exchange_code(&exchange, &form)).await?,
        Some("refresh_token") => {
            let token = form.one("refresh_token").ok_or(OAuthError::invalid_request("refresh_token is missing"))?;
            Box::pin(exchange.refresh(token, form.one("scope"), form.all("resource"))).await?
        }
        Some(_) => return Err(OAuthError::new("unsupported_grant_type", "this grant type is not supported")),
        None => return Err(OAuthError::invalid_request("grant_type is missing")),
    };
    Ok(answer(issued))
}

/// Reads the form of a client. No parameter may be repeated.
///
/// # Errors
/// If it is too large, late or not a form.
pub async fn read_form(request: Request) -> Result<Parameters, OAuthError> {
    Ok(Parameters::parse(&body::form(request, TOKEN).await?).once()?)
}

async fn exchange_code(exchange: &Exchange<'_>, form: &Parameters) -> Result<Issued, OAuthError> {
    let code = form.one("code").ok_or(OAuthError::invalid_request("code is missing"))?;
    let redirect_uri = form.one("redirect_uri").ok_or(OAuthError::invalid_request("redirect_uri is missing"))?;
    Ok(exchange.code(code, redirect_uri, form.one("code_verifier"), form.all("resource")).await?)
}

fn answer(issued: Issued) -> Response {
    let answer = Answer {
        access_token: issued.access_token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: issued.scope,
        id_token: issued.id_token,
        refresh_token: issued.refresh_token,
    };
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    (headers, Json(answer)).into_response()
}
