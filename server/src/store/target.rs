//! Where a database is: its address, and a short name for one that has no identity yet.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use sc_auth_contract::status::EMPTY_DATABASE;
use sha2::{Digest as _, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const OLD: &str = "legacy-";

/// A database, and how to connect to it.
#[derive(Clone)]
pub enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
    Postgres(Arc<PostgresServers>),
}

/// One PostgreSQL server, or several of which the first that fits is used.
pub struct PostgresServers {
    pub hosts: Vec<PgConnectOptions>,
    pub needs: SessionAttrs,
    pub(super) hints: Hints,
}

/// By hand, since the library's options print the password.
impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(options) => write!(formatter, "sqlite:{}", options.get_filename().display()),
            Self::MySql(options) => {
                let name = options.get_database().unwrap_or_default();
                write!(formatter, "mysql://{}:{}/{name}", options.get_host(), options.get_port())
            }
            Self::Postgres(servers) => {
                let (hosts, ports, name) = servers.address();
                write!(formatter, "postgres://{hosts}:{ports}/{name}")
            }
        }
    }
}

/// What earlier connections have found out.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The server that answered last.
    pub last: AtomicUsize,
    /// Whether there is a pooler.
    pub is_pooled: AtomicBool,
    /// Whether a pooler refuses parameters at the start of a connection.
    pub refuses_options: AtomicBool,
    /// Whether the server offers no encryption.
    pub is_plain: AtomicBool,
}

/// `target_session_attrs` of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttrs {
    /// The first server that answers.
    Any,
    /// The first server that accepts writes.
    ReadWrite,
}

/// The server accepts no writes.
#[derive(Debug, thiserror::Error)]
#[error("the server {0} is read-only, as a standby is, and the address asks for one that accepts writes")]
pub struct ReadOnlyServer(pub(super) String);

impl PostgresServers {
    pub fn new(hosts: Vec<PgConnectOptions>, needs: SessionAttrs) -> Self {
        Self { hosts, needs, hints: Hints::default() }
    }

    /// The same servers, without a log of each statement.
    pub(super) fn quiet(&self) -> Self {
        let hosts = self.hosts.iter().map(|host| host.clone().disable_statement_logging()).collect();
        Self::new(hosts, self.needs)
    }

    /// The hosts with their ports, separated by commas, and the name of the database.
    fn address(&self) -> (String, String, String) {
        let hosts = self.hosts.iter().map(|host| host.get_host().to_lowercase()).collect::<Vec<_>>().join(",");
        let ports = self.hosts.iter().map(|host| host.get_port().to_string()).collect::<Vec<_>>().join(",");
        // In PostgreSQL, the default name is the user's.
        let name = self.hosts.first().map(|host| host.get_database().unwrap_or(host.get_username()).to_owned());
        (hosts, ports, name.unwrap_or_default())
    }
}

impl Database {
    /// The file of an embedded database; `None` for a database server and for an in-memory database.
    pub fn file(&self) -> Option<PathBuf> {
        let Self::Sqlite(options) = self else { return None };
        let name = options.get_filename().to_str()?;
        // The library's name for an in-memory database. An empty name means a temporary file.
        if name.is_empty() || name.starts_with("file:sqlx-in-memory") {
            return None;
        }
        // SQLite accepts URIs too.
        let path = name.strip_prefix("file://").or_else(|| name.strip_prefix("file:")).unwrap_or(name);
        Some(PathBuf::from(path))
    }

    /// The folder of an embedded database; `None` for a database server.
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(options) => {
                let parent = options.get_filename().parent().unwrap_or_else(|| Path::new(""));
                Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
            }
            Self::MySql(_) | Self::Postgres(_) => None,
        }
    }

    pub fn place(&self) -> Place {
        match self {
            Self::Sqlite(options) => Place::of(&["sqlite", &absolute(options.get_filename()).to_string_lossy()]),
            Self::MySql(options) => {
                let (host, port) = (options.get_host().to_lowercase(), options.get_port().to_string());
                Place::of(&["mysql", &host, &port, options.get_database().unwrap_or_default()])
            }
            Self::Postgres(servers) => {
                let (hosts, ports, name) = servers.address();
                Place::of(&["postgres", &hosts, &ports, &name])
            }
        }
    }
}

/// Twelve hexadecimal digits, a digest of engine, host, port and name, or of the path of a file; not of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The name of the empty database there.
    pub fn empty(&self) -> String {
        format!("{EMPTY_DATABASE}{}", self.0)
    }

    /// The name of the legacy service's database there.
    pub fn old_service(&self) -> String {
        format!("{OLD}{}", self.0)
    }

    /// Whether the text is such a name, not an identity.
    pub fn is_name(text: &str) -> bool {
        text.starts_with(EMPTY_DATABASE) || text.starts_with(OLD)
    }

    fn of(parts: &[&str]) -> Self {
        let digest = Sha256::digest(parts.join("\n"));
        Self(digest.iter().take(6).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn database(url: &str) -> Database {
        match url.split_once(':').unwrap().0 {
            "sqlite" => Database::Sqlite(Box::new(url.parse().unwrap())),
            "mysql" => Database::MySql(Box::new(url.parse().unwrap())),
            _ => Database::Postgres(Arc::new(PostgresServers::new(vec![url.parse().unwrap()], SessionAttrs::Any))),
        }
    }

    fn empty(url: &str) -> String {
        database(url).place().empty()
    }

    #[tokio::test]
    async fn the_password_is_not_printed() {
        for (url, shown) in
            [("mysql://u:s3cret@db/n", "mysql://db:3306/n"), ("postgres://u:s3cret@db:1/n", "postgres://db:1/n")]
        {
            let database = database(url);
            assert_eq!(format!("{database:?}"), shown);
            let store = format!("{:?}", Store::open_to_read(&database));
            assert!(store.contains("Pool") && !store.contains("s3cret"), "{store}");
        }
    }

    #[test]
    fn everything_except_credentials_changes_a_name() {
        let name = empty("mysql://u:p@db:3306/n");
        assert!(name.len() == 18 && Place::is_name(&name), "{name}");
        assert_eq!(empty("mysql://other:secret@DB/n"), name);
        for url in ["mysql://u:p@db2/n", "mysql://u:p@db:3307/n", "mysql://u:p@db/m", "postgres://u:p@db:3306/n"] {
            assert_ne!(empty(url), name, "{url}");
        }
        assert_ne!(empty("sqlite:/a/x.db"), empty("sqlite:/b/x.db"));
    }
}
