//! The file as a whole.

use serde_json::{Map, Value};

use super::{CLIENTS_MAX, DeclaredError, FORMAT};

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
