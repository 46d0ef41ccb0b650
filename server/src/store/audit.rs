//! Audit events. A change adds its event in the same transaction: neither exists without the other.

use sc_auth_contract::time::UnixTime;
use sea_query::{Expr, ExprTrait as _, Iden, InsertStatement, OnConflict, Order, Query};
use sqlx::FromRow;

use super::{Store, StoreError, Tx};
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
    Tier,
    RepeatKey,
    Count,
}

/// What an event is worth: if there are too many, those of the lowest tier are deleted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// What was refused: anybody can cause it.
    Refusal = 0,
    /// What users do with their own accounts.
    Own = 1,
    /// What Admins and commands do, also with their own accounts. It is kept for the whole retention.
    Administration = 2,
}

impl Tier {
    pub(super) const ALL: [Self; 3] = [Self::Refusal, Self::Own, Self::Administration];

    pub(super) const fn number(self) -> i32 {
        self as i32
    }
}

/// An event to add.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub at: UnixTime,
    pub event: &'static str,
    pub outcome: &'static str,
    pub actor_uuid: Option<String>,
    pub actor_name: Option<String>,
    pub subject_uuid: Option<String>,
    pub subject_name: Option<String>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub detail: Option<String>,
    pub tier: Tier,
    /// Events with the same key share one row, which counts them.
    pub repeat_key: Option<String>,
    pub count: i32,
}

impl NewEvent {
    /// The same event, about so many things, such as "2 grants".
    pub fn about(&self, count: u64, thing: &str) -> Self {
        Self { detail: Some(quantity(count, thing)), ..self.clone() }
    }
}

/// A number of things, such as "1 grant" or "2 grants".
pub fn quantity(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
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
    /// How often it happened within a minute.
    pub count: i32,
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

const COLUMNS: [AuditEvents; 12] = [
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
    AuditEvents::Count,
];

impl Store {
    /// Adds an event that belongs to no change. A character that the database cannot store becomes a question mark: anybody
    /// may send one, and no failed login may go unrecorded.
    pub async fn add_audit_event(&self, event: NewEvent) -> Result<(), StoreError> {
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

impl Tx {
    /// Adds the event of this transaction's change.
    pub(super) async fn add_audit_event(&mut self, event: &NewEvent) -> Result<(), StoreError> {
        self.execute_prepared(&insertion(event.clone())).await.map(|_| ())
    }
}

/// The database assigns the `id`. If an event with the same key exists, that row counts this one too.
fn insertion(event: NewEvent) -> InsertStatement {
    let count = Expr::col((AuditEvents::Table, AuditEvents::Count)).add(event.count);
    let row: [(AuditEvents, Expr); 14] = [
        (AuditEvents::At, event.at.seconds().into()),
        (AuditEvents::Event, event.event.into()),
        (AuditEvents::Outcome, event.outcome.into()),
        (AuditEvents::ActorUuid, event.actor_uuid.into()),
        (AuditEvents::ActorName, event.actor_name.into()),
        (AuditEvents::SubjectUuid, event.subject_uuid.into()),
        (AuditEvents::SubjectName, event.subject_name.into()),
        (AuditEvents::Address, event.address.into()),
        (AuditEvents::UserAgent, event.user_agent.into()),
        (AuditEvents::RequestId, event.request_id.into()),
        (AuditEvents::Detail, event.detail.into()),
        (AuditEvents::Tier, event.tier.number().into()),
        (AuditEvents::RepeatKey, event.repeat_key.into()),
        (AuditEvents::Count, event.count.into()),
    ];
    Query::insert()
        .into_table(AuditEvents::Table)
        .columns(row.each_ref().map(|(column, _)| *column))
        .values_panic(row.map(|(_, value)| value))
        .on_conflict(OnConflict::column(AuditEvents::RepeatKey).value(AuditEvents::Count, count).to_owned())
        .to_owned()
}

fn in_ascii(mut event: NewEvent) -> NewEvent {
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
