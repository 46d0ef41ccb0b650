//! A separate database for each test, on one of four engines.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, SqliteConnection};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    MariaDb,
    MySql,
    Postgres,
}

impl Engine {
    /// Whether it uses MySQL's protocol and dialect.
    pub fn is_mysql(self) -> bool {
        matches!(self, Self::MariaDb | Self::MySql)
    }

    /// The address of its server, and for PostgreSQL also a database.
    pub fn server(self) -> String {
        match self {
            Self::Sqlite => panic!("SQLite has no server"),
            Self::MariaDb => server_url("SCDEV_MARIADB_URL"),
            Self::MySql => server_url("SCDEV_MYSQL_URL"),
            Self::Postgres => server_url("SCDEV_POSTGRES_URL"),
        }
    }

    /// The CA certificate of its server.
    pub fn authority_file(self) -> PathBuf {
        server_url(if self == Self::MySql { "SCDEV_MYSQL_CA" } else { "SCDEV_DB_CA" }).into()
    }

    /// Runs statements in the engine's dialect, as the owner of its server.
    pub async fn execute(self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_mysql() {
            let mut connection = MySqlConnection::connect(&self.server()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&format!("{}/postgres", self.server())).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }

    /// Ends all connections of a user.
    pub async fn end_connections(self, user: &str) {
        if self == Self::Postgres {
            let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'");
            return self.execute(&end).await;
        }
        let mut connection = MySqlConnection::connect(&self.server()).await.unwrap();
        let kill = "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE user = ?";
        let kill: Vec<String> = sqlx::query_scalar(kill).bind(user).fetch_all(&mut connection).await.unwrap();
        assert!(!kill.is_empty());
        self.execute(&kill.join("; ")).await;
    }
}

/// An empty database, and a folder for files; both are removed when the value is dropped.
pub struct Database {
    pub url: String,
    pub folder: TempDir,
    _created: Option<Created>,
}

/// A database that this test created on a server.
struct Created {
    engine: Engine,
    name: String,
}

impl Drop for Created {
    /// In a thread of its own, since a runtime cannot wait in `drop`; nothing depends on when it ends.
    fn drop(&mut self) {
        let (engine, force) = (self.engine, if self.engine == Engine::Postgres { "WITH (FORCE)" } else { "" });
        let sql = format!("DROP DATABASE {} {force}", self.name);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(engine.execute(&sql));
        });
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The address of a test server, from `dev/databases env`.
fn server_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set. Run `dev/databases up` and `eval \"$(dev/databases env)\"`, or `make test`.")
    })
}

impl Database {
    /// Runs statements in the engine's dialect.
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

    /// Keeps a database server from changing the table `users` until the value is dropped.
    pub async fn lock_users(&self) -> Box<dyn Send> {
        self.hold("SELECT COUNT(*) FROM users").await
    }

    /// Keeps the locks of a statement of a database server until the value is dropped.
    pub async fn hold(&self, sql: &str) -> Box<dyn Send> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("mysql") {
            let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql("START TRANSACTION").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            Box::new(connection)
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            Box::new(connection)
        }
    }

    /// Keeps other processes from migrating the database until the value is dropped.
    pub async fn lock_migrations(&self) -> Box<dyn Send> {
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            Box::new(connection)
        } else if self.url.starts_with("mysql") {
            let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
            let name: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&mut connection).await.unwrap();
            // Not in SQL: MySQL 9.6 and later have no SHA1 function.
            let digest = format!("printf %s '{name}' | sha1sum | cut -c 1-40");
            let digest = std::process::Command::new("sh").args(["-c", &digest]).output().unwrap().stdout;
            let lock = format!("SELECT GET_LOCK('sc-auth/{}', 0)", String::from_utf8(digest).unwrap().trim());
            let taken: i64 = sqlx::query_scalar(AssertSqlSafe(lock)).fetch_one(&mut connection).await.unwrap();
            assert_eq!(taken, 1);
            Box::new(connection)
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let lock = "SELECT pg_advisory_lock(hashtext('sc-auth/schema'))";
            sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
            Box::new(connection)
        }
    }

    /// One column of text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let texts = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            // Close it now: the last connection to close moves the write-ahead log into the file.
            connection.close().await.unwrap();
            texts
        } else if self.url.starts_with("mysql") {
            let mut connection = MySqlConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
        }
    }

    /// A database that exists already, and that other values remove.
    pub fn at(url: String) -> Self {
        Self { url, folder: tempfile::tempdir().unwrap(), _created: None }
    }

    pub async fn create(engine: Engine) -> Self {
        Self::create_with(engine, "").await
    }

    /// A database with options of `CREATE DATABASE`.
    pub async fn create_with(engine: Engine, options: &str) -> Self {
        if engine == Engine::Sqlite {
            let folder = tempfile::tempdir().unwrap();
            return Self { url: format!("sqlite:{}/sc-auth.db", folder.path().display()), folder, _created: None };
        }
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        engine.execute(&format!("CREATE DATABASE {name} {options}")).await;
        let url = format!("{}/{name}", engine.server());
        Self { _created: Some(Created { engine, name }), ..Self::at(url) }
    }
}
