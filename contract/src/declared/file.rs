//! The file as a whole.

use std::collections::BTreeSet;

use serde_json::Value;

use super::node::Node;

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
    /// A member of the file that is written twice: which one is meant?
    #[error("it has a member more than once")]
    Repeated,
    /// More entries than any server serves.
    #[error("it has {0} clients; a server serves at most {CLIENTS_MAX}")]
    TooMany(usize),
}

/// A file, as it is written.
pub(super) struct File {
    pub counter: u64,
    pub clients: Vec<Entry>,
    /// The names of all other members.
    pub unknown: Vec<String>,
}

/// A client, as it is written.
pub(super) struct Entry {
    pub value: Value,
    /// A name that an object in it has twice.
    pub repeated: Option<String>,
    /// Its identifier; several if that is repeated.
    pub ids: Vec<String>,
}

impl From<Node> for Entry {
    fn from(node: Node) -> Self {
        let ids = node.texts("clientId");
        let (value, repeated) = node.into_value();
        Self { value, repeated, ids }
    }
}

impl File {
    /// # Errors
    /// The first problem of the file as a whole.
    pub fn parse(content: &str) -> Result<Self, DeclaredError> {
        let node = serde_json::from_str(content);
        let node = node.map_err(|error| DeclaredError::NotJson(error.line(), error.column()))?;
        let Node::Object(mut members) = node else { return Err(DeclaredError::Member("it is not a JSON object")) };
        let names: BTreeSet<_> = members.iter().map(|(name, _)| name).collect();
        if names.len() < members.len() {
            return Err(DeclaredError::Repeated);
        }
        // The version first: another one may have other members.
        check_version(&mut members)?;
        let counter = take(&mut members, "counter").map_or(Some(0), |counter| counter.into_value().0.as_u64());
        let counter = counter.ok_or(DeclaredError::Member("counter must be a whole number that is not negative"))?;
        let clients = match take(&mut members, "clients") {
            Some(Node::List(clients)) => clients,
            Some(_) => return Err(DeclaredError::Member("clients must be an array")),
            None => return Err(DeclaredError::Member("clients is missing")),
        };
        if clients.len() > 2 * CLIENTS_MAX {
            return Err(DeclaredError::TooMany(clients.len()));
        }
        let clients = clients.into_iter().map(Entry::from).collect();
        Ok(Self { counter, clients, unknown: members.into_iter().map(|(name, _)| name).collect() })
    }
}

/// Removes a member.
fn take(members: &mut Vec<(String, Node)>, name: &str) -> Option<Node> {
    let place = members.iter().position(|(own, _)| own == name)?;
    Some(members.remove(place).1)
}

fn check_version(members: &mut Vec<(String, Node)>) -> Result<(), DeclaredError> {
    let version = take(members, "version").ok_or(DeclaredError::Member("version is missing"))?;
    match version.into_value().0.as_u64() {
        Some(version) if version == u64::from(FORMAT) => Ok(()),
        Some(version) => Err(DeclaredError::OtherVersion(version)),
        None => Err(DeclaredError::Member("version must be a whole number")),
    }
}
