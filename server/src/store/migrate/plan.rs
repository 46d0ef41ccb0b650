//! Plans the steps from the present schema to the desired one. Each attempt plans again from the present schema, so an
//! interrupted migration continues where it stopped.

use super::inspect::Found;
use crate::store::Engine;
use crate::store::schema::TABLES;

/// The missing statements, in order.
pub fn statements(engine: Engine, found: &Found) -> Vec<String> {
    let mut statements = Vec::new();
    for table in TABLES {
        if found.has_table(table.name) {
            let missing = table.columns.iter().filter(|column| !found.has_column(table.name, column.name));
            statements.extend(missing.map(|column| engine.add_column(table, column)));
        } else {
            statements.push(engine.create_table(table));
        }
        let missing = table.indexes.iter().filter(|index| !found.indexes.contains(index.name));
        statements.extend(missing.map(|index| Engine::create_index(table, index)));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::OLD_TABLES;

    fn old_service() -> Found {
        let mut found = Found::default();
        for (name, columns) in OLD_TABLES {
            found.tables.insert((*name).into(), columns.iter().map(ToString::to_string).collect());
        }
        found
    }

    #[test]
    fn an_empty_database_gets_every_table() {
        let statements = statements(Engine::Postgres, &Found::default());
        assert!(
            statements[0].starts_with("CREATE TABLE sc_auth_schema"),
            "the table that marks the database as ours comes first"
        );
        let tables = statements.iter().filter(|statement| statement.starts_with("CREATE TABLE")).count();
        assert_eq!(tables, TABLES.len());
    }

    #[test]
    fn the_legacy_service_s_tables_only_get_additions() {
        let statements = statements(Engine::MySql, &old_service());
        let touching: Vec<_> = statements
            .iter()
            .filter(|statement| statement.contains("users") && !statement.starts_with("CREATE TABLE"))
            .collect();
        assert_eq!(
            touching,
            [
                "ALTER TABLE users ADD COLUMN username_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "ALTER TABLE users ADD COLUMN email_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "ALTER TABLE users ADD COLUMN username_fold VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "ALTER TABLE users ADD COLUMN email_fold VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "ALTER TABLE users ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT 0",
                "ALTER TABLE users ADD COLUMN verified_email VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "ALTER TABLE users ADD COLUMN login_epoch BIGINT NOT NULL DEFAULT 0",
                "CREATE UNIQUE INDEX uq_users_uuid ON users (uuid)",
                "CREATE UNIQUE INDEX uq_users_username_key ON users (username_key)",
                "CREATE UNIQUE INDEX uq_users_email_key ON users (email_key)",
                "CREATE INDEX ix_users_username_fold ON users (username_fold)",
                "CREATE INDEX ix_users_email_fold ON users (email_fold)",
                "CREATE INDEX ix_users_role_id ON users (role_id)",
            ]
        );
        assert!(statements.iter().all(|statement| !statement.contains("alembic") && !statement.contains("tokens ")));
    }

    #[test]
    fn a_complete_schema_needs_no_statements() {
        let mut found = Found::default();
        for table in TABLES {
            let columns = table.columns.iter().map(|column| column.name.to_owned()).collect();
            found.tables.insert(table.name.into(), columns);
            found.indexes.extend(table.indexes.iter().map(|index| index.name.to_owned()));
        }
        assert_eq!(statements(Engine::Sqlite, &found), Vec::<String>::new());
    }
}
