//! Audit events, for Admins: `GET /api/v1/audit`.

use axum::extract::State;
use sc_auth_contract::time::UnixTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::bearer::AdminBearer;
use super::envelope::{Data, Envelope, Rfc3339};
use super::error::ApiError;
use super::openapi::answers::{AdminRefusals, QueryRefusals, Refusals};
use super::openapi::parameters::AuditParameters;
use super::query::Query;
use crate::auth::audit::{AuditOutcome, Event};
use crate::clock::from_rfc3339;
use crate::store::{AuditEvent, AuditFilter};

const PAGE: u64 = 100;
const MAX_PAGE: u64 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// Increases with each event. To get the next page, send the last id as `before`.
    id: i64,
    at: Rfc3339,
    #[schema(example = "login")]
    event: String,
    #[schema(example = "success")]
    outcome: String,
    actor: Option<Person>,
    subject: Option<Person>,
    #[schema(example = "203.0.113.7")]
    address: Option<String>,
    #[schema(example = "curl/8.14.1")]
    user_agent: Option<String>,
    #[schema(example = "6f1d0d5c-2d6b-4c43-9a0c-6c7e1f6f8f0e")]
    request_id: Option<String>,
    #[schema(example = "disabled")]
    detail: Option<String>,
    /// How often it happened: a minute's refusals of one client are one event, and so is what a user repeats.
    #[schema(example = 1)]
    count: i32,
}

/// A user, with the name at that time.
#[derive(Serialize, ToSchema)]
struct Person {
    #[schema(example = "0123456789abcdef0123456789abcdef")]
    uuid: String,
    #[schema(example = "alice")]
    username: Option<String>,
}

impl From<AuditEvent> for AuditView {
    fn from(event: AuditEvent) -> Self {
        let person = |uuid: Option<String>, username| uuid.map(|uuid| Person { uuid, username });
        Self {
            id: event.id,
            at: Rfc3339(event.at),
            event: event.event,
            outcome: event.outcome,
            actor: person(event.actor_uuid, event.actor_name),
            subject: person(event.subject_uuid, event.subject_name),
            address: event.address,
            user_agent: event.user_agent,
            request_id: event.request_id,
            detail: event.detail,
            count: event.count,
        }
    }
}

/// Lists audit events, the latest first.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    operation_id = "list_audit_events",
    params(AuditParameters),
    responses((status = 200, description = "The events, the latest first", body = Envelope<Vec<AuditView>>), Refusals, QueryRefusals, AdminRefusals),
    security(("bearer" = ["Admin"]))
)]
pub async fn list(State(app): State<App>, _: AdminBearer, mut query: Query) -> Result<Data<Vec<AuditView>>, ApiError> {
    let limit = query.number("limit", 1, MAX_PAGE).unwrap_or(PAGE);
    let filter = AuditFilter {
        before: query.number("before", 1, i64::MAX),
        event: query.one_of("event", Event::NAMES).map(str::to_owned),
        outcome: query.one_of("outcome", AuditOutcome::NAMES).map(str::to_owned),
        user: user(&mut query, &app).await?,
        since: time(&mut query, "since"),
        until: time(&mut query, "until"),
    };
    query.finish()?;
    let events = app.sessions.store.audit_events(filter, limit).await?;
    Ok(Data(events.into_iter().map(AuditView::from).collect()))
}

/// A uuid. Of a deleted user there are only events; anything else must be the id of a user.
async fn user(query: &mut Query, app: &App) -> Result<Option<String>, ApiError> {
    let Some(text) = query.text("user") else { return Ok(None) };
    let is_uuid = uuid::Uuid::try_parse(&text).is_ok();
    if !is_uuid && !query.has_failed("user") && app.sessions.store.user_by_uuid(&text).await?.is_none() {
        query.fail("user", "Must be the uuid of a user.");
    }
    Ok(Some(text))
}

fn time(query: &mut Query, name: &str) -> Option<UnixTime> {
    let text = with_plus(&query.text(name)?);
    let time = from_rfc3339(&text);
    if time.is_none() {
        query.fail(name, "Must be a time such as 2026-01-31T00:00:00Z.");
    }
    time
}

/// The time with a `+` before its zone: in a query, it means a blank unless it is written as %2B.
fn with_plus(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((time, zone)) if zone.len() == "00:00".len() && time.contains(['T', 't', ' ']) => format!("{time}+{zone}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_before_the_zone_may_have_become_a_blank() {
        for (text, wanted) in [
            ("2026-01-01T00:00:00 02:00", "2026-01-01T00:00:00+02:00"),
            ("2026-01-01 00:00:00 02:00", "2026-01-01 00:00:00+02:00"),
            ("2026-01-01T00:00:00.5 00:00", "2026-01-01T00:00:00.5+00:00"),
            ("2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00+02:00"),
            ("2026-01-01 00:00:00Z", "2026-01-01 00:00:00Z"),
        ] {
            assert_eq!(with_plus(text), wanted);
            assert!(from_rfc3339(wanted).is_some(), "{wanted}");
        }
        for bad in ["2026-01-01 00:00", "2026-01-01T00:00:00  02:00", " 02:00", "soon"] {
            assert_eq!(from_rfc3339(&with_plus(bad)), None, "{bad}");
        }
    }
}
