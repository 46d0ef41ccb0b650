//! Opens embedded databases.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Sqlite};

use super::driver::{Driver, Link, statements};

impl Driver for Sqlite {
    type Target = Box<SqliteConnectOptions>;

    async fn link(target: &Self::Target) -> Result<Link<Self>, sqlx::Error> {
        Ok(Link::new(target.connect().await?, true))
    }

    async fn roll_back(connection: &mut Self::Connection) -> Result<(), sqlx::Error> {
        match Self::run(connection, "ROLLBACK").await {
            // SQLite itself rolls back after a full disk or a read error.
            Err(sqlx::Error::Database(error)) if error.message().contains("no transaction is active") => Ok(()),
            result => result,
        }
    }

    statements!();
}
