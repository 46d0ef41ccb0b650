//! Databases on this machine's servers, with the addresses that pods use.

use std::process::Command;

use crate::client::environment;

/// The address of a database server for pods.
pub struct Server {
    /// This machine's address for pods.
    pub host: String,
    /// The server's port.
    pub port: i32,
    /// A user with all privileges.
    pub user: String,
    /// The password of that user.
    pub password: String,
}

impl Server {
    /// The URL of a PostgreSQL database on this server.
    pub fn uri(&self, database: &str) -> String {
        self.uri_of(&self.user, &self.password, database)
    }

    /// The same for another user, with a percent-encoded password.
    pub fn uri_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgresql://{user}:{password}@{}:{}/{database}", self.host, self.port)
    }

    /// The URL of a MariaDB database on this server.
    pub fn mysql_uri(&self, database: &str) -> String {
        format!("mysql://{}:{}@{}:{}/{database}", self.user, self.password, self.host, self.port)
    }
}

fn server(url: &str) -> Server {
    let (credentials, address) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = credentials.split_once(':').unwrap();
    let port = address.split_once(':').unwrap().1.parse().unwrap();
    Server { host: environment("SCDEV_HOST"), port, user: user.into(), password: password.into() }
}

/// A new, empty database in MariaDB.
pub fn mariadb(name: &str) -> Server {
    execute_in_mariadb(&format!("DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}`"));
    server(&environment("SCDEV_MARIADB_URL"))
}

/// Runs statements in MariaDB. Returns the result, one line per row.
pub fn execute_in_mariadb(statements: &str) -> String {
    let server = server(&environment("SCDEV_MARIADB_URL"));
    let output = Command::new("mariadb")
        .args([
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-P",
            &server.port.to_string(),
            "-u",
            &server.user,
            "-N",
            "-e",
            statements,
        ])
        .env("MYSQL_PWD", &server.password)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A new, empty database in PostgreSQL.
pub fn postgres(name: &str) -> Server {
    without_postgres(name);
    execute("postgres", &format!("CREATE DATABASE \"{name}\""));
    postgres_server()
}

/// The address of PostgreSQL for pods.
pub fn postgres_server() -> Server {
    server(&environment("SCDEV_POSTGRES_URL"))
}

/// Drops a PostgreSQL database, if it exists.
pub fn without_postgres(name: &str) {
    execute("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\""));
}

fn psql(database: &str, arguments: &[&str]) -> String {
    let url = format!("{}/{database}", environment("SCDEV_POSTGRES_URL"));
    let output = Command::new("psql").args(["-q", "-t", "-A", &url]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a statement in a PostgreSQL database.
pub fn execute(database: &str, statement: &str) {
    psql(database, &["-c", statement]);
}

/// Creates another user for a PostgreSQL database.
pub fn postgres_user(database: &str, user: &str, password: &str) {
    let exists = psql(database, &["-c", &format!("SELECT 1 FROM pg_roles WHERE rolname = '{user}'")]);
    let verb = if exists.trim().is_empty() { "CREATE" } else { "ALTER" };
    execute(database, &format!("{verb} ROLE {user} LOGIN PASSWORD '{password}'"));
    execute(database, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"));
    execute(database, &format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}"));
}

/// Refuses new connections and ends existing ones.
pub fn close(database: &str) {
    execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
    execute(
        "postgres",
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"),
    );
}

/// Accepts connections again.
pub fn open(database: &str) {
    execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"));
}

/// The number of connections of a user.
pub fn connections_of(user: &str) -> usize {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'");
    psql("postgres", &["-c", &count]).trim().parse().unwrap()
}
