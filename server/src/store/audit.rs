//! Audit events.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, InsertStatement, Order, Query};
use sqlx::FromRow;

use super::{Store, StoreError};
use crate::account::uuid_forms;

#[derive(Iden, Clone, Copy)]
pub(super) enum AuditEvents {
    Table,
    Id,
    At,
    Event,
    Outcome,
    ActorUuid,
    ActorName,
    SubjectUuid,
    SubjectName,
    Address,
    UserAgent,
    RequestId,
    Detail,
}

/// One event. `id` counts upwards.
#[derive(Debug, Clone, Default, FromRow)]
pub struct AuditEvent {
    pub id: i64,
    #[sqlx(try_from = "i64")]
    pub at: UnixTime,
    pub event: String,
    pub outcome: String,
    pub actor_uuid: Option<String>,
    pub actor_name: Option<String>,
    pub subject_uuid: Option<String>,
    pub subject_name: Option<String>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub detail: Option<String>,
}

/// The events to list.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// Only those with a smaller id.
    pub before: Option<i64>,
    pub event: Option<String>,
    pub outcome: Option<String>,
    /// The uuid of the actor or the subject.
    pub user: Option<String>,
    /// Not earlier and not later.
    pub since: Option<UnixTime>,
    pub until: Option<UnixTime>,
}

const COLUMNS: [AuditEvents; 11] = [
    AuditEvents::At,
    AuditEvents::Event,
    AuditEvents::Outcome,
    AuditEvents::ActorUuid,
    AuditEvents::ActorName,
    AuditEvents::SubjectUuid,
    AuditEvents::SubjectName,
    AuditEvents::Address,
    AuditEvents::UserAgent,
    AuditEvents::RequestId,
    AuditEvents::Detail,
];

impl Store {
    /// Adds an event; the database assigns its `id`. A character that the database cannot store becomes a question mark:
    /// anybody may send one, and no failed login may go unrecorded.
    pub async fn add_audit_event(&self, event: AuditEvent) -> Result<(), StoreError> {
        match self.execute(&insertion(event.clone())).await {
            Err(StoreError::Unstorable(_)) => self.execute(&insertion(in_ascii(event))).await.map(|_| ()),
            result => result.map(|_| ()),
        }
    }

    /// Events, the latest first.
    pub async fn audit_events(&self, filter: AuditFilter, limit: u64) -> Result<Vec<AuditEvent>, StoreError> {
        let mut select = Query::select();
        select.column(AuditEvents::Id).columns(COLUMNS).from(AuditEvents::Table);
        if let Some(before) = filter.before {
            select.and_where(Expr::col(AuditEvents::Id).lt(before));
        }
        if let Some(since) = filter.since {
            select.and_where(Expr::col(AuditEvents::At).gte(since.seconds()));
        }
        if let Some(until) = filter.until {
            select.and_where(Expr::col(AuditEvents::At).lte(until.seconds()));
        }
        if let Some(event) = filter.event {
            select.and_where(Expr::col(AuditEvents::Event).eq(event));
        }
        if let Some(outcome) = filter.outcome {
            select.and_where(Expr::col(AuditEvents::Outcome).eq(outcome));
        }
        if let Some(user) = filter.user {
            let forms = uuid_forms(&user);
            let is_actor = Expr::col(AuditEvents::ActorUuid).is_in(forms.clone());
            select.and_where(is_actor.or(Expr::col(AuditEvents::SubjectUuid).is_in(forms)));
        }
        select.order_by(AuditEvents::Id, Order::Desc).limit(limit);
        self.fetch_varying(&select).await
    }
}

fn insertion(event: AuditEvent) -> InsertStatement {
    Query::insert()
        .into_table(AuditEvents::Table)
        .columns(COLUMNS)
        .values_panic([
            event.at.seconds().into(),
            event.event.into(),
            event.outcome.into(),
            event.actor_uuid.into(),
            event.actor_name.into(),
            event.subject_uuid.into(),
            event.subject_name.into(),
            event.address.into(),
            event.user_agent.into(),
            event.request_id.into(),
            event.detail.into(),
        ])
        .to_owned()
}

fn in_ascii(mut event: AuditEvent) -> AuditEvent {
    let texts = [
        &mut event.actor_uuid,
        &mut event.actor_name,
        &mut event.subject_uuid,
        &mut event.subject_name,
        &mut event.address,
        &mut event.user_agent,
        &mut event.request_id,
        &mut event.detail,
    ];
    for text in texts.into_iter().flatten() {
        *text = text.chars().map(|character| if character.is_ascii() { character } else { '?' }).collect();
    }
    event
}
