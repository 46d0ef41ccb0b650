//! A user's own sessions: `/api/v1/accounts/sessions`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::bearer::Bearer;
use super::envelope::{Data, Done, Envelope, Rfc3339};
use super::error::ApiError;
use super::openapi::answers::{Empty, Failure, QueryRefusals, Refusals};
use super::openapi::examples::failure;
use super::query::{Id, NoQuery};
use crate::account::uuid_forms;
use crate::auth::client::Client;
use crate::store::SessionInfo;

/// A session, as listed to its user.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    #[schema(example = "6f1d0d5c-2d6b-4c43-9a0c-6c7e1f6f8f0e")]
    id: String,
    created_at: Rfc3339,
    /// The last login or refresh.
    last_used_at: Rfc3339,
    expires_at: Rfc3339,
    #[schema(example = "203.0.113.7")]
    address: Option<String>,
    #[schema(example = "curl/8.14.1")]
    user_agent: Option<String>,
    /// Whether the request was made in this session.
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

/// Lists the user's own sessions.
#[utoipa::path(
    get,
    path = "/accounts/sessions",
    tag = "sessions",
    operation_id = "list_sessions",
    responses((status = 200, description = "The sessions, the oldest first", body = Envelope<Vec<SessionView>>), Refusals, QueryRefusals),
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

/// Ends one of the user's own sessions.
#[utoipa::path(
    delete,
    path = "/accounts/sessions/{id}",
    tag = "sessions",
    operation_id = "end_session",
    params(("id" = String, Path, description = "The id of the session", example = "6f1d0d5c-2d6b-4c43-9a0c-6c7e1f6f8f0e")),
    responses(
        (status = 200, description = "The session has ended", body = Empty),
        (
            status = 404,
            description = "The user does not have such a session.",
            body = Failure,
            example = json!(failure(404, "session not found"))
        ),
        Refusals,
    ),
    security(("bearer" = []))
)]
pub async fn end(State(app): State<App>, Bearer(bearer): Bearer, client: Client, Id(id): Id) -> Result<Done, ApiError> {
    for id in uuid_forms(&id) {
        if app.sessions.end(&bearer, &id, &client, app.now()).await? {
            return Ok(Done(StatusCode::OK));
        }
    }
    Err(ApiError::text(StatusCode::NOT_FOUND, "session not found"))
}

/// Ends all of the user's sessions but the one of the request.
#[utoipa::path(
    delete,
    path = "/accounts/sessions",
    tag = "sessions",
    operation_id = "end_other_sessions",
    responses((status = 200, description = "The other sessions have ended", body = Empty), Refusals, QueryRefusals),
    security(("bearer" = []))
)]
pub async fn end_others(
    State(app): State<App>,
    Bearer(bearer): Bearer,
    _: NoQuery,
    client: Client,
) -> Result<Done, ApiError> {
    app.sessions.end_others(&bearer, &client, app.now()).await?;
    Ok(Done(StatusCode::OK))
}
