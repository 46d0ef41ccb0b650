//! The answer of `/status` on port 8001: the server writes it, the operator reads it. A server of another release may
//! have fewer or more members, or other words for a reason or a state; missing members have their defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::declared::Refused;
use crate::keys::{Purpose, State};
use crate::time::UnixTime;

/// The status of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The database that it uses, or that it refuses to use.
    pub database: DatabaseStatus,
    /// Why it serves no requests; `None` if it does.
    pub hold: Option<Hold>,
    /// The first Admin.
    pub admin: AdminStatus,
    /// Whether there are live sessions whose refresh tokens were signed with lost keys.
    pub keys_lost: bool,
    /// Other ScAuths whose servers used the same database within the last five minutes.
    pub others: Vec<Other>,
    /// The number of requests that were answered with a 5xx status within the last minute, except those that were
    /// refused because of too many at once.
    pub server_errors: u64,
    /// The signing keys, without their secrets.
    pub keys: Vec<KeyStatus>,
    /// The keys that sign for applications, without their secrets.
    pub oidc_keys: Vec<OidcKeyStatus>,
    /// The file of declared clients; `None` if the server has none.
    pub declared: Option<DeclaredStatus>,
    /// Whether it is about to stop.
    pub draining: bool,
    /// Settings that it accepts although they have no effect, or not the expected one.
    pub warnings: Vec<String>,
}

/// The declared clients that a server serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeclaredStatus {
    /// The counter of the file that it uses; `None` if it could not read one yet.
    pub counter: Option<u64>,
    /// The number of clients that it serves.
    pub clients: usize,
    /// The counter of each of them, by the key of its declaration: namespace, name and identifier.
    pub revisions: BTreeMap<String, u64>,
    /// The clients that it refuses, the first 20.
    pub refused: Vec<Refused>,
    /// The number of refused clients after them.
    pub more_refused: usize,
    /// Why it cannot use the present file. It goes on with the one before.
    pub problem: Option<String>,
}

/// The state of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseStatus {
    /// The official name of the engine.
    pub engine: String,
    /// Whether its tables can be read and written and this server supports the schema.
    pub reachable: bool,
    /// Why not, as the last statement that failed has found out.
    pub trouble: Option<Trouble>,
    /// Whether it was taken over from the legacy service.
    pub taken_over: bool,
    /// The version of the schema.
    pub schema: Option<i32>,
    /// The database's identity.
    pub identity: Option<String>,
    /// The name that it was accepted under while it was empty, or had only the legacy service's tables.
    pub accepted_as: Option<String>,
    /// Another database that the settings now lead to, and that is not used.
    pub offered: Option<Offered>,
}

/// Why a database cannot be used at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The kind of trouble.
    pub reason: TroubleReason,
    /// What the database or the connection to it says; without secrets.
    pub message: String,
}

/// The kind of a database's trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TroubleReason {
    /// It does not answer, or aborts connections.
    Unreachable,
    /// It accepts no writes, as a standby or after a failover.
    ReadOnly,
    /// Its disk or its volume is full.
    DiskFull,
    /// It cannot read or write its files.
    DiskError,
    /// Its files are damaged.
    Corrupt,
    /// It has no connection left for this server.
    TooManyConnections,
    /// Memory or another resource, or the quota of the database's user, is used up.
    LimitReached,
    /// Another client holds a lock on it for long.
    Locked,
    /// All connections of this server are in use.
    Busy,
    /// It refuses the user, the password or what the user wants to do.
    AccessDenied,
    /// A reason that a server of a later release has.
    #[serde(other)]
    Unknown,
}

/// A database that is not used although the settings name it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Offered {
    /// Its identity, or the name that an empty one is accepted under.
    pub identity: Option<String>,
    /// Why it cannot be inspected; without secrets.
    pub error: Option<String>,
}

/// The beginning of the name that an empty database is accepted under.
pub const EMPTY_DATABASE: &str = "empty-";

/// Why a server serves no requests: it was started with another database than its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The kind of database that it found.
    pub reason: HoldReason,
    /// The identity that it expected.
    pub expected: String,
    /// The identity that it found, or the name that an empty database is accepted under.
    pub found: String,
}

/// The kind of database that a server found instead of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// A database with another identity, or one with only the legacy service's tables.
    AnotherDatabase,
    /// A database without tables, or none.
    EmptyDatabase,
    /// A reason that a server of a later release has.
    #[serde(other)]
    Unknown,
}

/// Whether the password in the Secret belongs to an Admin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminStatus {
    /// The `id` in the mounted Secret.
    pub secret_id: Option<String>,
    /// Whether this database's first Admin was created from that Secret; `None` if it has no `id`, is not mounted, or
    /// the database is unavailable.
    pub made: Option<bool>,
}

/// Another ScAuth on the same database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The name of the ScAuth.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// When it was created.
    pub created: UnixTime,
}

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its identifier.
    pub kid: String,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Its state.
    pub state: KeyState,
    /// When it entered that state.
    pub since: UnixTime,
}

/// A key that signs for applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcKeyStatus {
    /// Its identifier.
    pub kid: String,
    /// The name of its algorithm, such as `RS256`.
    pub algorithm: String,
    /// Its state.
    pub state: KeyState,
    /// When it entered that state.
    pub since: UnixTime,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPurpose {
    /// Access tokens.
    Access,
    /// Refresh tokens.
    Refresh,
    /// A purpose that a server of a later release has.
    #[serde(other)]
    Unknown,
}

impl From<Purpose> for KeyPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Access => Self::Access,
            Purpose::Refresh => Self::Refresh,
        }
    }
}

/// The state of a key in a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, but does not sign yet.
    Next,
    /// Signs.
    Current,
    /// Only verifies.
    Retired,
    /// A state that a server of a later release has.
    #[serde(other)]
    Unknown,
}

impl From<State> for KeyState {
    fn from(state: State) -> Self {
        match state {
            State::Next => Self::Next,
            State::Current => Self::Current,
            State::Retired => Self::Retired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_release_0_2_can_be_read() {
        let text = r#"{"version":"0.2.0","database":{"engine":"SQLite","reachable":true,"taken_over":false},
            "keys":[{"kid":"k","purpose":"access","state":"current","since":7}],"draining":false,"later":[]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert!(status.database.reachable && status.hold.is_none() && status.database.identity.is_none());
        assert_eq!((status.keys.len(), status.oidc_keys.len(), status.server_errors), (1, 0, 0));
        assert!(status.admin.made.is_none());
        let key = &status.keys[0];
        assert_eq!((key.purpose, key.state), (KeyPurpose::Access, KeyState::Current));
    }

    #[test]
    fn an_answer_of_a_later_release_can_be_read() {
        let text = r#"{"version":"9.0.0","hold":{"reason":"Later","expected":"a","found":"b"},"later":{},
            "database":{"trouble":{"reason":"Later","message":"m","later":1}},
            "keys":[{"kid":"k","purpose":"later","state":"later","since":7,"later":1}],"server_errors":3}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!(status.hold.unwrap().reason, HoldReason::Unknown);
        assert_eq!(status.database.trouble.unwrap().reason, TroubleReason::Unknown);
        let key = &status.keys[0];
        assert_eq!((key.purpose, key.state), (KeyPurpose::Unknown, KeyState::Unknown));
        assert_eq!(status.server_errors, 3);
    }

    #[test]
    fn a_key_has_the_words_of_the_keys_file() {
        for purpose in [Purpose::Access, Purpose::Refresh] {
            let written = serde_json::to_string(&KeyPurpose::from(purpose)).unwrap();
            assert_eq!(written, serde_json::to_string(&purpose).unwrap());
        }
        for state in [State::Next, State::Current, State::Retired] {
            let written = serde_json::to_string(&KeyState::from(state)).unwrap();
            assert_eq!(written, serde_json::to_string(&state).unwrap());
        }
    }

    #[test]
    fn a_written_status_can_be_read() {
        let hold = Hold { reason: HoldReason::EmptyDatabase, expected: "a".into(), found: "empty-b".into() };
        let status = Status { hold: Some(hold), ..Status::default() };
        let text = serde_json::to_string(&status).unwrap();
        assert!(text.contains(r#""reason":"EmptyDatabase""#), "{text}");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }
}
