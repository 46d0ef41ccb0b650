//! The address of the database: one URL, or the separate variables that the legacy service uses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use sc_auth_contract::settings::{self, Engine, TlsMode};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::address::{self, mysql_mode, postgres_mode};
use super::trimmed::{path, text, trimmed, word};
use crate::files;
use crate::store::{Database, PostgresServers, SessionAttrs};

/// The least and the most connections to a database server.
const POOL: (i64, i64) = (1, 100);

#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// Address of the database: sqlite:FILE, mysql://USER:PASSWORD@HOST:PORT/NAME or postgres://… [default:
    /// sqlite:sc-auth.db]
    #[arg(long, env = settings::DATABASE_URL.name, hide_env_values = true, value_name = "URL")]
    pub database_url: Option<SecretString>,
    /// File that contains the address.
    #[arg(long, env = settings::DATABASE_URL_FILE.name, value_parser = path(), value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Kind of database server, with DB_HOST [default: mysql]
    #[arg(long, env = settings::DB_ENGINE.name, value_parser = word::<Engine>())]
    pub db_engine: Option<Engine>,
    /// Host of the database server. The other settings that begin with DB_ need it.
    #[arg(long, env = settings::DB_HOST.name, value_parser = text(), value_name = "HOST")]
    pub db_host: Option<String>,
    /// Port of the database server [default: 3306 or 5432]
    #[arg(long, env = settings::DB_PORT.name, value_parser = trimmed(clap::value_parser!(u16)), value_name = "PORT")]
    pub db_port: Option<u16>,
    /// User name for the database.
    #[arg(long, env = settings::DB_USER.name, hide_env_values = true, value_name = "USER")]
    pub db_user: Option<SecretString>,
    /// File that contains the user name.
    #[arg(long, env = settings::DB_USER_FILE.name, value_parser = path(), value_name = "FILE")]
    pub db_user_file: Option<PathBuf>,
    /// Password for the database.
    #[arg(long, env = settings::DB_PASS.name, hide_env_values = true, value_name = "PASSWORD")]
    pub db_pass: Option<SecretString>,
    /// File that contains the password.
    #[arg(long, env = settings::DB_PASS_FILE.name, value_parser = path(), value_name = "FILE")]
    pub db_pass_file: Option<PathBuf>,
    /// Name of the database.
    #[arg(long, env = settings::DB_NAME.name, value_parser = text(), value_name = "NAME")]
    pub db_name: Option<String>,
    /// Maximum number of connections to the database, of each pod. If the database server grants fewer, the pool shrinks.
    #[arg(long, env = settings::DB_POOL_SIZE.name, default_value = settings::DB_POOL_SIZE.default, value_parser = text(), value_name = "NUMBER")]
    pub db_pool_size: String,
    /// Encryption of the connection, and verification of the server's certificate [default: as the URL says,
    /// otherwise preferred]
    #[arg(long, env = settings::DB_TLS.name, value_parser = word::<TlsMode>(), value_name = "MODE")]
    pub db_tls: Option<TlsMode>,
    /// File with the CA certificates (PEM) that the server's certificate is verified with.
    #[arg(long, env = settings::DB_TLS_CA_FILE.name, value_parser = path(), value_name = "FILE")]
    pub db_tls_ca_file: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The maximum number of connections, 1 to 100. Release 0.2 ignored the variable, which other programs have too: its
    /// value must not stop a server that started with it.
    pub fn pool_size(&self) -> u32 {
        let default = settings::DB_POOL_SIZE.default.parse().unwrap_or(POOL.0);
        let size = self.db_pool_size.parse::<i64>().map_or(default, |size| size.clamp(POOL.0, POOL.1));
        if size.to_string() != self.db_pool_size {
            tracing::warn!("DB_POOL_SIZE is not a number from {} to {}: the server uses {size}", POOL.0, POOL.1);
        }
        u32::try_from(size).unwrap_or(1)
    }

    /// # Errors
    /// A message that names the invalid setting, but never its value.
    pub fn resolve(&self) -> Result<Database, String> {
        let url = secret("DATABASE_URL", self.database_url.as_ref(), self.database_url_file.as_deref())?;
        let database = match (url, &self.db_host) {
            (Some(_), Some(_)) => return Err("DATABASE_URL and DB_HOST are both set; keep one of them".into()),
            (None, Some(host)) => self.parts(host)?,
            (Some(url), None) => address::parse(url.expose_secret())?,
            (None, None) => {
                self.refuse_parts_without_host()?;
                address::parse(settings::DATABASE_URL.default)?
            }
        };
        self.with_tls(database)
    }

    fn refuse_parts_without_host(&self) -> Result<(), String> {
        let parts = [
            ("DB_ENGINE", self.db_engine.is_some()),
            ("DB_PORT", self.db_port.is_some()),
            ("DB_USER", self.db_user.is_some() || self.db_user_file.is_some()),
            ("DB_PASS", self.db_pass.is_some() || self.db_pass_file.is_some()),
            ("DB_NAME", self.db_name.is_some()),
        ];
        match parts.into_iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(format!("{name} is set but DB_HOST is not; set DB_HOST too, or DATABASE_URL alone")),
            None => Ok(()),
        }
    }

    fn parts(&self, host: &str) -> Result<Database, String> {
        let user = secret("DB_USER", self.db_user.as_ref(), self.db_user_file.as_deref())?
            .ok_or("DB_HOST is set but DB_USER is not")?;
        let password = secret("DB_PASS", self.db_pass.as_ref(), self.db_pass_file.as_deref())?;
        let name = self.db_name.as_deref().ok_or("DB_HOST is set but DB_NAME is not")?;
        let engine = self.db_engine.unwrap_or_default();
        let port = self.db_port.unwrap_or(engine.default_port());
        Ok(match engine {
            Engine::Mysql | Engine::Mariadb if host.contains(',') => {
                return Err("DB_HOST names several hosts, which only PostgreSQL supports".into());
            }
            Engine::Mysql | Engine::Mariadb => {
                let host = address::without_brackets(host);
                let mut options = MySqlConnectOptions::new().host(host).username(user.expose_secret()).database(name);
                if let Some(password) = password {
                    options = options.password(password.expose_secret());
                }
                Database::MySql(Box::new(options.port(port)))
            }
            Engine::Postgresql => {
                let mut options = PgConnectOptions::new_without_pgpass().username(user.expose_secret()).database(name);
                if let Some(password) = password {
                    options = options.password(password.expose_secret());
                }
                let options = options.port(port).extra_float_digits(None);
                let hosts: Vec<_> = host.split(',').map(str::trim).map(address::without_brackets).collect();
                let needs = if hosts.len() > 1 { SessionAttrs::ReadWrite } else { SessionAttrs::Any };
                let servers = hosts.into_iter().map(|host| options.clone().host(host)).collect();
                Database::Postgres(Arc::new(PostgresServers::new(servers, needs)))
            }
        })
    }

    fn with_tls(&self, database: Database) -> Result<Database, String> {
        if let Some(file) = &self.db_tls_ca_file {
            std::fs::metadata(file).map_err(|error| format!("DB_TLS_CA_FILE: {}: {error}", file.display()))?;
        }
        Ok(match database {
            Database::Sqlite(_) if self.db_tls.is_some() || self.db_tls_ca_file.is_some() => {
                return Err("DB_TLS and DB_TLS_CA_FILE apply only to database servers; remove them for an embedded \
                            database"
                    .into());
            }
            Database::Sqlite(options) => Database::Sqlite(options),
            Database::MySql(mut options) => {
                if let Some(mode) = self.db_tls {
                    options = Box::new(options.ssl_mode(mysql_mode(mode)));
                }
                if let Some(file) = &self.db_tls_ca_file {
                    options = Box::new(options.ssl_ca(file));
                }
                Database::MySql(options)
            }
            Database::Postgres(servers) => {
                let with = |mut options: PgConnectOptions| {
                    if let Some(mode) = self.db_tls {
                        options = options.ssl_mode(postgres_mode(mode));
                    }
                    match &self.db_tls_ca_file {
                        Some(file) => options.ssl_root_cert(file),
                        None => options,
                    }
                };
                let hosts = servers.hosts.iter().cloned().map(with).collect();
                Database::Postgres(Arc::new(PostgresServers::new(hosts, servers.needs)))
            }
        })
    }
}

/// A secret's value, from the setting itself or from the file that it names.
pub fn secret(name: &str, value: Option<&SecretString>, file: Option<&Path>) -> Result<Option<SecretString>, String> {
    match (value, file) {
        (Some(_), Some(_)) => Err(format!("{name} and {name}_FILE are both set; keep one of them")),
        (Some(value), None) => Ok(Some(value.clone())),
        (None, Some(file)) => read_secret(file).map(Some).map_err(|problem| format!("{name}_FILE: {problem}")),
        (None, None) => Ok(None),
    }
}

/// Reads a secret, without the trailing newline that editors add.
pub fn read_secret(file: &Path) -> Result<SecretString, String> {
    let content = files::read_secret(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let value = content.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(format!("{} is empty", file.display()));
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Harness {
        #[command(flatten)]
        database: DatabaseArgs,
    }

    fn resolved(flags: &[&str]) -> Result<Database, String> {
        Harness::parse_from([&["test"], flags].concat()).database.resolve()
    }

    #[test]
    fn the_default_database_is_a_file_in_this_folder() {
        let database = resolved(&[]).unwrap();
        assert!(matches!(&database, Database::Sqlite(options) if options.get_filename() == Path::new("sc-auth.db")));
        assert_eq!(database.folder(), Some(PathBuf::from(".")));
    }

    #[test]
    fn a_database_in_memory_has_no_file() {
        let file = |url: &str| resolved(&["--database-url", url]).unwrap().file();
        assert_eq!(file("sqlite:/data/a.db"), Some(PathBuf::from("/data/a.db")));
        assert_eq!(file("sqlite:a.db?mode=rwc"), Some(PathBuf::from("a.db")));
        assert_eq!(file("sqlite:file:/data/a.db"), Some(PathBuf::from("/data/a.db")));
        for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite:a.db?mode=memory", "mysql://u:p@h/n"] {
            assert_eq!(file(url), None, "{url}");
        }
    }

    #[test]
    fn a_size_of_the_pool_that_release_0_2_ignored_does_not_stop_the_start() {
        for (given, size) in [
            ("1", 1),
            (" 20 ", 20),
            ("0", 1),
            ("-3", 1),
            ("200", 100),
            ("99999999999999999999", 8),
            ("", 8),
            ("auto", 8),
        ] {
            let flag = format!("--db-pool-size={given}");
            assert_eq!(Harness::parse_from(["test", &flag]).database.pool_size(), size, "{given:?}");
        }
    }

    #[test]
    fn the_variables_of_the_legacy_service_mean_mysql() {
        let parts = ["--db-host", "db", "--db-user", "u", "--db-pass", "p", "--db-name", "n"];
        let Database::MySql(options) = resolved(&parts).unwrap() else { panic!() };
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db", 3306, Some("n")));
        let Database::Postgres(servers) = resolved(&[&parts[..], &["--db-engine", "postgresql"]].concat()).unwrap()
        else {
            panic!()
        };
        let options = &servers.hosts[0];
        assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db", 5432, Some("n")));
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_trailing_newline() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uri");
        std::fs::write(&file, "postgresql://app:s3cret@db-rw:5432/app\n").unwrap();
        let database = resolved(&["--database-url-file", file.to_str().unwrap()]).unwrap();
        assert!(matches!(database, Database::Postgres(servers) if servers.hosts[0].get_database() == Some("app")));
    }

    #[test]
    fn a_host_may_be_an_ipv6_address_or_several_servers() {
        let parts = ["--db-user", "u", "--db-name", "n"];
        let Database::MySql(options) = resolved(&[&parts[..], &["--db-host", "[::1]"]].concat()).unwrap() else {
            panic!()
        };
        assert_eq!(options.get_host(), "::1");
        let several = [&parts[..], &["--db-host", "a,[::1]", "--db-engine", "postgresql"]].concat();
        let Database::Postgres(servers) = resolved(&several).unwrap() else { panic!() };
        let hosts: Vec<_> = servers.hosts.iter().map(PgConnectOptions::get_host).collect();
        assert_eq!((hosts, servers.needs), (vec!["a", "::1"], SessionAttrs::ReadWrite));
    }

    #[test]
    fn conflicting_settings_are_named_in_the_error() {
        for (flags, part) in [
            (&["--database-url", "sqlite:a.db", "--db-host", "h"][..], "DATABASE_URL and DB_HOST"),
            (&["--db-port", "1"], "DB_PORT is set but DB_HOST is not"),
            (&["--db-host", "h"], "DB_USER is not"),
            (&["--db-host", "a,b", "--db-user", "u", "--db-name", "n"], "DB_HOST names several hosts"),
            (&["--db-host", "h", "--db-user", "u"], "DB_NAME is not"),
            (&["--db-tls", "required"], "DB_TLS"),
            (&["--database-url-file", "/nowhere"], "DATABASE_URL_FILE: /nowhere: No such file"),
            (&["--database-url", "mysql://u:p@h/n", "--db-tls-ca-file", "/nowhere"], "DB_TLS_CA_FILE: /nowhere"),
        ] {
            let error = resolved(flags).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
