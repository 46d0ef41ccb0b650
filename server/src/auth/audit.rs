//! Security-relevant events: each is a row in the database and a line in the log. A change writes its row in its own
//! transaction. What one client repeats within a minute shares a row, so that it cannot fill the table.

mod repeats;

use sc_auth_contract::time::UnixTime;

use super::client::Client;
use crate::store::{NewEvent, Role, Tier, User};
pub use repeats::EventLimiter;

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

            fn find(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$kind),)*
                    _ => None,
                }
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
        /// A user consented to an application's request.
        ConsentGiven => "consent_given",
        /// A used code was sent again; its grant has ended.
        CodeReplayed => "code_replayed",
        /// A user exceeded the limit of grants for an application; the oldest have ended.
        GrantsEnded => "grants_ended",
        /// An application gave back a token, or a user revoked its access.
        AccessRevoked => "access_revoked",
        SessionEnded => "session_ended",
        OtherSessionsEnded => "other_sessions_ended",
        AccountChanged => "account_changed",
        PasswordChanged => "password_changed",
        UserCreated => "user_created",
        UserChanged => "user_changed",
        UserDeleted => "user_deleted",
        LoginFailuresCleared => "login_failures_cleared",
        /// A call that was answered with 403, or many that were answered with 401 or 429.
        RequestRefused => "request_refused",
        /// From the command line.
        AdminMade => "admin_made",
        /// From the command line.
        UsersImported => "users_imported",
    }
}

impl Event {
    const fn is_for_admins(self) -> bool {
        match self {
            Self::UserCreated
            | Self::UserChanged
            | Self::UserDeleted
            | Self::LoginFailuresCleared
            | Self::AdminMade
            | Self::UsersImported => true,
            Self::Registered
            | Self::Login
            | Self::Logout
            | Self::RefreshRepeated
            | Self::RefreshReplayed
            | Self::ConsentGiven
            | Self::CodeReplayed
            | Self::GrantsEnded
            | Self::AccessRevoked
            | Self::SessionEnded
            | Self::OtherSessionsEnded
            | Self::AccountChanged
            | Self::PasswordChanged
            | Self::RequestRefused => false,
        }
    }

    /// Whether the event changes nothing unless it succeeds.
    const fn is_attempt(self) -> bool {
        matches!(self, Self::Login | Self::AccountChanged | Self::PasswordChanged | Self::RequestRefused)
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
    /// Whether the actor is an Admin.
    is_by_admin: bool,
}

impl<'a> Entry<'a> {
    pub const fn new(event: Event, outcome: AuditOutcome) -> Self {
        Self { event, outcome, actor: None, subject: None, detail: None, is_by_admin: false }
    }

    pub fn by(self, user: &'a User) -> Self {
        let is_by_admin = user.role() == Role::Admin;
        Self { is_by_admin, ..self.by_named(&user.uuid, user.username.as_deref()) }
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

    /// The event of this client, to be added by the transaction that makes the change.
    pub fn event(self, client: &Client, now: UnixTime) -> NewEvent {
        NewEvent {
            at: now,
            event: self.event.name(),
            outcome: self.outcome.name(),
            tier: self.tier(),
            repeat_key: self.is_refusal().then(|| self.key_of_refusal(client, now)),
            actor_uuid: self.actor.map(|(uuid, _)| uuid.to_owned()),
            actor_name: self.actor.and_then(|(_, name)| name).map(str::to_owned),
            subject_uuid: self.subject.map(|(uuid, _)| shortened(uuid, 64)),
            subject_name: self.subject.and_then(|(_, name)| name).map(|name| shortened(name, 64)),
            address: client.address_text(),
            user_agent: client.user_agent.as_deref().map(|agent| shortened(agent, 255)),
            request_id: client.request_id.clone(),
            detail: self.detail.map(|detail| shortened(&detail, 255)),
            count: 1,
        }
    }

    fn is_refusal(&self) -> bool {
        self.outcome != AuditOutcome::Success && self.event.is_attempt()
    }

    /// Whether a user did it with the own account.
    pub const fn is_own(&self) -> bool {
        self.actor.is_some() && !self.event.is_for_admins()
    }

    fn key_of_refusal(&self, client: &Client, now: UnixTime) -> String {
        let uuid = |person: Option<(&'a str, Option<&'a str>)>| person.map_or("", |(uuid, _)| uuid);
        let (event, outcome) = (self.event.name(), self.outcome.name());
        let what = [event, outcome, uuid(self.actor), uuid(self.subject), self.detail.as_deref().unwrap_or_default()];
        repeats::key_of_event(&what, client, now)
    }

    fn tier(&self) -> Tier {
        if self.is_refusal() {
            Tier::Refusal
        } else if self.event.is_for_admins() || self.is_by_admin {
            Tier::Administration
        } else {
            Tier::Own
        }
    }
}

/// The tier of an event of an earlier release, which recorded none.
pub fn tier(event: &str, outcome: &str) -> Tier {
    let is_refused = AuditOutcome::find(outcome) != Some(AuditOutcome::Success);
    match Event::find(event) {
        Some(event) if event.is_for_admins() => Tier::Administration,
        Some(event) if is_refused && event.is_attempt() => Tier::Refusal,
        Some(_) => Tier::Own,
        // Of a later release.
        None => Tier::Administration,
    }
}

/// Writes the log line of an event.
pub fn log(event: &NewEvent) {
    tracing::info!(
        event = event.event,
        outcome = event.outcome,
        actor = event.actor_uuid,
        subject = event.subject_uuid,
        address = event.address,
        detail = event.detail,
        "audit"
    );
}

/// The first `length` characters: the rest does not fit the column.
fn shortened(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}
