//! Security-relevant events: each is a row in the database and a line in the log.

use sc_auth_contract::time::UnixTime;

use super::client::Client;
use crate::store::{AuditEvent, Store, StoreError, User};

/// The kinds of something, and the names by which clients and the database know them.
macro_rules! named {
    ($(#[$about:meta])* $type:ident { $($(#[$note:meta])* $kind:ident => $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[$note])* $kind,)* }

        impl $type {
            /// All names.
            pub const NAMES: &'static [(&'static str, &'static str)] = &[$(($name, $name)),*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

named! {
    /// The kind of event.
    Event {
        Registered => "registered",
        Login => "login",
        Logout => "logout",
        /// Within the time in which a client may repeat a refresh whose answer it lost.
        RefreshRepeated => "refresh_repeated",
        RefreshReplayed => "refresh_replayed",
        SessionEnded => "session_ended",
        OtherSessionsEnded => "other_sessions_ended",
        AccountChanged => "account_changed",
        PasswordChanged => "password_changed",
        UserCreated => "user_created",
        UserChanged => "user_changed",
        UserDeleted => "user_deleted",
        LoginFailuresCleared => "login_failures_cleared",
        /// From the command line.
        AdminMade => "admin_made",
        /// From the command line.
        UsersImported => "users_imported",
    }
}

named! {
    /// How the event ended.
    AuditOutcome {
        Success => "success",
        /// The client failed to authenticate.
        Failure => "failure",
        /// The client was authenticated, but not allowed to do it.
        Denied => "denied",
    }
}

/// One event, before it has an id and the client's data.
#[derive(Debug)]
pub struct Entry<'a> {
    pub event: Event,
    pub outcome: AuditOutcome,
    /// Uuid and name of the user who did it.
    pub actor: Option<(&'a str, Option<&'a str>)>,
    /// Uuid and name of the affected user, if that is not the actor.
    pub subject: Option<(&'a str, Option<&'a str>)>,
    pub detail: Option<String>,
}

impl<'a> Entry<'a> {
    pub const fn new(event: Event, outcome: AuditOutcome) -> Self {
        Self { event, outcome, actor: None, subject: None, detail: None }
    }

    pub fn by(self, user: &'a User) -> Self {
        self.by_named(&user.uuid, user.username.as_deref())
    }

    pub const fn by_named(mut self, uuid: &'a str, name: Option<&'a str>) -> Self {
        self.actor = Some((uuid, name));
        self
    }

    pub const fn to(mut self, uuid: &'a str, name: Option<&'a str>) -> Self {
        self.subject = Some((uuid, name));
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Records an event. The log line is written even if the database is unavailable.
///
/// # Errors
/// If the row could not be written. The caller must then fail the request: an action without an audit row must not
/// look successful.
pub async fn note(store: &Store, client: &Client, entry: Entry<'_>, now: UnixTime) -> Result<(), StoreError> {
    let event = AuditEvent {
        id: 0,
        at: now,
        event: entry.event.name().into(),
        outcome: entry.outcome.name().into(),
        actor_uuid: entry.actor.map(|(uuid, _)| uuid.to_owned()),
        actor_name: entry.actor.and_then(|(_, name)| name).map(str::to_owned),
        subject_uuid: entry.subject.map(|(uuid, _)| shortened(uuid, 64)),
        subject_name: entry.subject.and_then(|(_, name)| name).map(|name| shortened(name, 64)),
        address: client.address_text(),
        user_agent: client.user_agent.as_deref().map(|agent| shortened(agent, 255)),
        request_id: client.request_id.clone(),
        detail: entry.detail.map(|detail| shortened(&detail, 255)),
    };
    tracing::info!(
        event = event.event,
        outcome = event.outcome,
        actor = event.actor_uuid,
        subject = event.subject_uuid,
        address = event.address,
        detail = event.detail,
        "audit"
    );
    store.add_audit_event(event).await
}

/// The first `length` characters: the rest does not fit the column.
fn shortened(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}
