//! `/oauth2/revoke`: an application gives back a token (RFC 7009).

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::client_auth::authenticate;
use super::error::OAuthError;
use super::ready::ready;
use super::token::read_form;
use crate::auth::client::Client;
use crate::auth::oidc::Exchange;
use crate::http::app::App;
use crate::http::rate_limits::Limited;

pub async fn post(State(app): State<App>, client: Client, request: Request) -> Result<Response, OAuthError> {
    let (openid, present) = ready(&app).ok_or(OAuthError::not_ready())?;
    let headers = request.headers().clone();
    let form = read_form(request).await?;
    let now = app.now();
    let declared = authenticate(&present.declared, &headers, &form, now)?;
    if !declared.is_confidential() {
        // Anybody can be such a client.
        app.settings.check_rate(Limited::Refresh, &client)?;
    }
    let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
    let exchange =
        Exchange { openid: &openid, sessions: &app.sessions, present: &present, declared, client: &client, now };
    // Boxed, since it is large: the memory of a request that waits for its body includes the future.
    Box::pin(exchange.revoke(token)).await?;
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response())
}
