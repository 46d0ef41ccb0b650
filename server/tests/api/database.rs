//! A database of its own for each test, on one of three engines.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, SqliteConnection};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    MariaDb,
    Postgres,
}

/// An empty database, and a folder for files, that go with the value.
pub struct Database {
    pub url: String,
    pub folder: TempDir,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where a server for tests is, as `dev/databases env` says.
pub fn server_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set. Run `dev/databases up` and `eval \"$(dev/databases env)\"`, or `make test`.")
    })
}

pub fn authority_file() -> PathBuf {
    server_url("SCDEV_DB_CA").into()
}

impl Database {
    /// Runs statements of the engine's own.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let url = format!("{}?mode=rwc", self.url);
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else if self.url.starts_with("mysql") {
            let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// One column of text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        } else if self.url.starts_with("mysql") {
            let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
    }

    pub async fn create(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        let url = match engine {
            Engine::Sqlite => format!("sqlite:{}/sc-auth.db", folder.path().display()),
            Engine::MariaDb => {
                let server = server_url("SCDEV_MARIADB_URL");
                let mut connection = MySqlConnection::connect(&server).await.unwrap();
                sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
                format!("{server}/{name}")
            }
            Engine::Postgres => {
                let server = server_url("SCDEV_POSTGRES_URL");
                let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
                sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
                format!("{server}/{name}")
            }
        };
        Self { url, folder }
    }
}
