//! A user's own sessions: `/api/v1/accounts/sessions`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::bearer::Bearer;
use super::envelope::{Data, Done, Envelope, Rfc3339};
use super::error::ApiError;
use super::openapi::{Empty, Failure, Refusals};
use super::query::{Id, NoQuery};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::store::SessionInfo;

/// A session as its user sees it.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// To end it by.
    id: String,
    created_at: Rfc3339,
    /// The last login or refresh.
    last_used_at: Rfc3339,
    expires_at: Rfc3339,
    address: Option<String>,
    user_agent: Option<String>,
    /// Whether the request was made in this one.
    current: bool,
}

impl SessionView {
    fn new(session: SessionInfo, current: Option<&str>) -> Self {
        Self {
            created_at: Rfc3339(session.created_at),
            last_used_at: Rfc3339(session.last_used_at.unwrap_or(session.created_at)),
            expires_at: Rfc3339(session.expires_at),
            address: session.address,
            user_agent: session.user_agent,
            current: current == Some(session.sid.as_str()),
            id: session.sid,
        }
    }
}

/// The bearer's own sessions.
#[utoipa::path(
    get,
    path = "/accounts/sessions",
    tag = "sessions",
    operation_id = "list_sessions",
    responses((status = 200, description = "The oldest first", body = Envelope<Vec<SessionView>>), Refusals),
    security(("bearer" = []))
)]
pub async fn list(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    _: NoQuery,
) -> Result<Data<Vec<SessionView>>, ApiError> {
    let sessions = app.sessions.store.sessions(bearer.user.id, app.now()).await?;
    Ok(Data(sessions.into_iter().map(|session| SessionView::new(session, bearer.sid())).collect()))
}

/// Ends one of the bearer's own sessions.
#[utoipa::path(
    delete,
    path = "/accounts/sessions/{id}",
    tag = "sessions",
    operation_id = "end_session",
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "Ended", body = Empty),
        (status = 404, description = "The bearer has no such session.", body = Failure),
        Refusals,
    ),
    security(("bearer" = []))
)]
pub async fn end(State(app): State<App>, Bearer(bearer): Bearer, client: Client, Id(id): Id) -> Result<Done, ApiError> {
    if !app.sessions.end(&bearer, &id, app.now()).await? {
        return Err(ApiError::text(StatusCode::NOT_FOUND, "session not found"));
    }
    let entry = Entry::new(Event::SessionEnded, AuditOutcome::Success).by(&bearer.user).detail(id);
    app.sessions.note(&client, entry, app.now()).await?;
    Ok(Done(StatusCode::OK))
}

/// Ends all but the one that the request was made in.
#[utoipa::path(
    delete,
    path = "/accounts/sessions",
    tag = "sessions",
    operation_id = "end_other_sessions",
    responses((status = 200, description = "All but this one have ended", body = Empty), Refusals),
    security(("bearer" = []))
)]
pub async fn end_others(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    _: NoQuery,
    client: Client,
) -> Result<Done, ApiError> {
    let count = app.sessions.end_others(&bearer, app.now()).await?;
    let entry = Entry::new(Event::OtherSessionsEnded, AuditOutcome::Success).by(&bearer.user);
    app.sessions.note(&client, entry.detail(format!("{count} sessions")), app.now()).await?;
    Ok(Done(StatusCode::OK))
}
