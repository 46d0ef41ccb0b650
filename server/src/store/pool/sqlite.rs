//! Opens embedded databases.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Sqlite};

use super::driver::{Driver, statements};

impl Driver for Sqlite {
    type Target = Box<SqliteConnectOptions>;

    async fn connect(target: &Self::Target) -> Result<(SqliteConnection, bool), sqlx::Error> {
        Ok((target.as_ref().connect().await?, true))
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
