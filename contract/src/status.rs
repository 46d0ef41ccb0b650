//! What `/status` on port 8001 answers: the server writes it, the operator reads it. A server of another release may
//! answer less or more; what it does not say has its default.

use serde::{Deserialize, Serialize};

use crate::keys::{Purpose, State};
use crate::time::UnixTime;

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The database that it works on, or would.
    pub database: DatabaseStatus,
    /// Why it serves nobody; `None` where it serves.
    pub hold: Option<Hold>,
    /// The first Admin.
    pub admin: AdminStatus,
    /// Whether sessions live whose refresh tokens were signed with keys that are gone.
    pub keys_lost: bool,
    /// Other ScAuths whose servers worked on the same database within the last five minutes.
    pub others: Vec<Other>,
    /// How many requests were answered with a 5xx status within the last minute, other than those that were turned
    /// away because too many came at once.
    pub server_errors: u64,
    /// The signing keys, without their secrets.
    pub keys: Vec<KeyStatus>,
    /// Whether it is about to stop.
    pub draining: bool,
}

/// How the database is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseStatus {
    /// As its makers write it.
    pub engine: String,
    /// Whether its tables can be read and the schema is one that this server can work on.
    pub reachable: bool,
    /// Whether it was taken over from the service before this one.
    pub taken_over: bool,
    /// The version of the schema that was found.
    pub schema: Option<i32>,
    /// The database's identity.
    pub identity: Option<String>,
    /// The name that it was accepted under while it was empty, or only the old service's.
    pub accepted_as: Option<String>,
    /// Where the settings now lead to another database, which is not used.
    pub offered: Option<Offered>,
}

/// A database that is not used although the settings name it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Offered {
    /// Its identity, or the name that an empty one is accepted under.
    pub identity: Option<String>,
    /// Why it cannot be looked at; never with a secret in it.
    pub error: Option<String>,
}

/// Why a server serves nobody: it was started on another database than the one that holds its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What kind of database it found.
    pub reason: HoldReason,
    /// The identity that it was to find.
    pub expected: String,
    /// The identity that it found, or the name that an empty database is accepted under.
    pub found: String,
}

/// What kind of database a server found in place of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// One with another identity, or one that only the old service has written to.
    AnotherDatabase,
    /// One with no tables, or none at all.
    EmptyDatabase,
}

/// Whether the password in the Secret is somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AdminStatus {
    /// The `id` in the mounted Secret.
    pub secret_id: Option<String>,
    /// Whether this database's first Admin was made with that Secret; `None` where it has no `id`, is not mounted, or
    /// the database cannot be asked.
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
    pub purpose: Purpose,
    /// Where it is in its life.
    pub state: State,
    /// When it came into that state.
    pub since: UnixTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_release_0_2_is_read() {
        let text = r#"{"version":"0.2.0","database":{"engine":"SQLite","reachable":true,"taken_over":false},
            "keys":[{"kid":"k","purpose":"access","state":"current","since":7}],"draining":false,"later":[]}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert!(status.database.reachable && status.hold.is_none() && status.database.identity.is_none());
        assert_eq!((status.keys.len(), status.admin.made, status.server_errors), (1, None, 0));
    }

    #[test]
    fn what_is_written_is_read() {
        let hold = Hold { reason: HoldReason::EmptyDatabase, expected: "a".into(), found: "empty-b".into() };
        let status = Status { hold: Some(hold), ..Status::default() };
        let text = serde_json::to_string(&status).unwrap();
        assert!(text.contains(r#""reason":"EmptyDatabase""#), "{text}");
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }
}
