//! `/oauth2/revoke`: an application gives back a token (RFC 7009). It ends the whole grant, whichever of its tokens it is.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;

use super::client_auth::authenticate;
use super::error::OAuthError;
use super::ready::ready;
use super::token::read_form;
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::oidc::{OpenId, Present, tokens};
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
    // A token that is unknown or expired has nothing to end (RFC 7009, 2.2).
    if let Some(grant_id) = grant_of(&app, &openid, &present, token, now) {
        Box::pin(revoke(&app, &grant_id, declared, &client, now)).await?;
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response())
}

/// The hint at the kind of token is not needed: each kind is known by its type.
fn grant_of(app: &App, openid: &OpenId, present: &Present, token: &str, now: UnixTime) -> Option<String> {
    let leeway = app.sessions.leeway;
    let refresh = tokens::verify_refresh(&app.sessions.keys.get(), token, now, leeway);
    if let Ok(claims) = refresh {
        return Some(claims.grant_id);
    }
    tokens::verify_access(&present.keys, &openid.issuer, token, now, leeway).ok().map(|claims| claims.grant_id)
}

async fn revoke(
    app: &App,
    grant_id: &str,
    declared: &DeclaredClient,
    client: &Client,
    now: UnixTime,
) -> Result<(), OAuthError> {
    let sessions = &app.sessions;
    let Some(grant) = sessions.store.grant(grant_id).await? else { return Ok(()) };
    if grant.client != declared.key() {
        return Err(OAuthError::new("invalid_grant", "the token was issued to another client"));
    }
    let entry = Entry::new(Event::AccessRevoked, AuditOutcome::Success).by(&grant.user);
    let event = sessions.event(client, entry.detail(&declared.client_id), now);
    if sessions.store.end_grant(grant_id, &event).await? {
        sessions.done(&event);
    }
    Ok(())
}
