//! Inspects the tables of a database.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::schema::{OLD_TABLES, VERSIONS};
use crate::store::{Engine, StoreError, Tx};

/// The tables with their columns, and the names of all indexes.
#[derive(Debug, Default)]
pub struct Found {
    pub tables: BTreeMap<String, BTreeSet<String>>,
    pub indexes: BTreeSet<String>,
}

/// The service that a database belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Empty,
    Ours,
    /// The legacy service.
    OldService,
    Unknown,
}

impl Found {
    pub async fn inspect(tx: &mut Tx) -> Result<Self, StoreError> {
        let (columns, indexes) = match tx.engine() {
            Engine::Sqlite => (
                "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
                "SELECT name FROM sqlite_master WHERE type = 'index'",
            ),
            Engine::MySql => (
                "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = DATABASE()",
                "SELECT DISTINCT CAST(index_name AS CHAR) FROM information_schema.statistics \
                 WHERE table_schema = DATABASE()",
            ),
            Engine::Postgres => (
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 WHERE table_schema = current_schema()",
                "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema()",
            ),
        };
        let mut found = Self::default();
        for (table, column) in tx.raw_rows::<(String, String)>(columns).await? {
            found.tables.entry(table).or_default().insert(column);
        }
        found.indexes = tx.raw_rows::<(String,)>(indexes).await?.into_iter().map(|(name,)| name).collect();
        Ok(found)
    }

    pub fn has_table(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// Whether the database has the legacy service's tables, even if it was already taken over.
    pub fn has_old_tables(&self) -> bool {
        OLD_TABLES.iter().all(|(table, columns)| columns.iter().all(|column| self.has_column(table, column)))
    }

    pub fn origin(&self) -> Origin {
        if self.tables.is_empty() {
            Origin::Empty
        } else if self.has_table(VERSIONS.name) || self.has_table("token_parties") {
            Origin::Ours
        } else if self.has_old_tables() {
            Origin::OldService
        } else {
            Origin::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tables: &[(&str, &[&str])]) -> Found {
        let tables = tables
            .iter()
            .map(|(name, columns)| ((*name).to_owned(), columns.iter().map(ToString::to_string).collect()))
            .collect();
        Found { tables, indexes: BTreeSet::new() }
    }

    #[test]
    fn the_tables_determine_the_origin() {
        assert_eq!(found(&[]).origin(), Origin::Empty);
        assert_eq!(found(OLD_TABLES).origin(), Origin::OldService);
        assert_eq!(found(&[(VERSIONS.name, &["id"])]).origin(), Origin::Ours);
        assert_eq!(found(&[("users", &["id", "login"])]).origin(), Origin::Unknown);
        assert_eq!(found(&OLD_TABLES[..3]).origin(), Origin::Unknown, "alembic_version is missing");
    }
}
