//! The file as a whole.

use serde_json::{Map, Value};

/// The version of the format. A file of another version is refused.
pub const FORMAT: u32 = 1;
/// The most clients of a file; those after them are refused.
pub const CLIENTS_MAX: usize = 1_000;

/// Why a file as a whole cannot be used. No message quotes the file.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// No JSON, from this line and column on.
    #[error("it is not JSON (line {0}, column {1})")]
    NotJson(usize, usize),
    /// A member that is missing or has the wrong type.
    #[error("{0}")]
    Member(&'static str),
    /// A version that this release does not know.
    #[error("its version is {0}, this release reads version {FORMAT}")]
    OtherVersion(u64),
    /// More entries than any server serves.
    #[error("it has {0} clients; a server serves at most {CLIENTS_MAX}")]
    TooMany(usize),
}

/// A file, as it is written.
pub(super) struct File {
    pub counter: u64,
    pub clients: Vec<Value>,
    /// The names of all other members.
    pub unknown: Vec<String>,
}

impl File {
    /// # Errors
    /// The first problem of the file as a whole.
    pub fn parse(content: &str) -> Result<Self, DeclaredError> {
        let value = serde_json::from_str(content);
        let value = value.map_err(|error| DeclaredError::NotJson(error.line(), error.column()))?;
        let Value::Object(mut members) = value else { return Err(DeclaredError::Member("it is not a JSON object")) };
        // The version first: another one may have other members.
        check_version(&mut members)?;
        let counter = members.remove("counter").unwrap_or_else(|| 0.into()).as_u64();
        let counter = counter.ok_or(DeclaredError::Member("counter must be a whole number that is not negative"))?;
        let clients = match members.remove("clients") {
            Some(Value::Array(clients)) => clients,
            Some(_) => return Err(DeclaredError::Member("clients must be an array")),
            None => return Err(DeclaredError::Member("clients is missing")),
        };
        if clients.len() > 2 * CLIENTS_MAX {
            return Err(DeclaredError::TooMany(clients.len()));
        }
        Ok(Self { counter, clients, unknown: members.into_iter().map(|(name, _)| name).collect() })
    }
}

fn check_version(members: &mut Map<String, Value>) -> Result<(), DeclaredError> {
    let version = members.remove("version").ok_or(DeclaredError::Member("version is missing"))?;
    match version.as_u64() {
        Some(version) if version == u64::from(FORMAT) => Ok(()),
        Some(version) => Err(DeclaredError::OtherVersion(version)),
        None => Err(DeclaredError::Member("version must be a whole number")),
    }
}
