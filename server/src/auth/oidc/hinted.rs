//! The user of an `id_token_hint` at the authorization endpoint.

use serde::{Deserialize, Serialize};

use super::keys::OidcKeys;
use super::tokens;

/// Whom the hint names, expired or not. Forms of pages contain this, and not the token, which is long if the user has many
/// groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hinted {
    /// There is no hint.
    #[default]
    Nobody,
    /// This server has not signed the hint.
    Unknown,
    User(String),
}

impl Hinted {
    pub fn of(keys: &OidcKeys, hint: Option<&str>) -> Self {
        match hint.map(|hint| tokens::read_hint(keys, hint)) {
            None => Self::Nobody,
            Some(Err(_)) => Self::Unknown,
            Some(Ok(hint)) => Self::User(hint.sub),
        }
    }
}
