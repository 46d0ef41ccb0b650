//! What a user allows an application, and its form in tables.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::FromRow;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    pub scopes: BTreeSet<String>,
    pub audiences: BTreeSet<String>,
}

impl Permissions {
    pub fn includes(&self, other: &Self) -> bool {
        self.scopes.is_superset(&other.scopes) && self.audiences.is_superset(&other.audiences)
    }

    pub fn add(&mut self, other: Self) {
        self.scopes.extend(other.scopes);
        self.audiences.extend(other.audiences);
    }

    pub(super) fn columns(&self) -> Columns {
        let scopes = self.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        Columns { scopes, audiences: Some(json!(self.audiences).to_string()) }
    }
}

/// The columns of consents and grants.
#[derive(Debug, FromRow)]
pub(super) struct Columns {
    /// Separated by spaces.
    pub scopes: String,
    /// A JSON array.
    pub audiences: Option<String>,
}

impl From<Columns> for Permissions {
    /// Audiences that cannot be read are not allowed.
    fn from(columns: Columns) -> Self {
        let scopes = columns.scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let audiences = columns.audiences.and_then(|text| serde_json::from_str(&text).ok());
        Self { scopes, audiences: audiences.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_survive_their_columns() {
        let read = |scopes: &str, audiences: Option<&str>| {
            Permissions::from(Columns { scopes: scopes.to_owned(), audiences: audiences.map(str::to_owned) })
        };
        let full = read("profile openid", Some(r#"["orders, all","api"]"#));
        let columns = full.columns();
        assert_eq!(columns.scopes, "openid profile");
        assert_eq!(columns.audiences.as_deref(), Some(r#"["api","orders, all"]"#));
        assert_eq!(Permissions::from(columns), full);
        assert_eq!(Permissions::from(Permissions::default().columns()), Permissions::default());
        for unreadable in [None, Some(""), Some("{"), Some("[7]")] {
            assert_eq!(read("", unreadable), Permissions::default(), "{unreadable:?}");
        }
        assert!(full.includes(&read("openid", Some(r#"["api"]"#))) && full.includes(&Permissions::default()));
        assert!(!full.includes(&read("email", None)) && !full.includes(&read("", Some(r#"["more"]"#))));
    }
}
