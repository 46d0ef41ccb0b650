//! Databases on this machine's own servers, as the pods reach them.

use std::process::Command;

use crate::client::environment;

/// Where a database is, as the pods see it.
pub struct Server {
    /// This machine, as a pod reaches it.
    pub host: String,
    /// Where the server listens.
    pub port: i32,
    /// May do anything there.
    pub user: String,
    /// Of that user.
    pub password: String,
}

impl Server {
    /// The address of a database of PostgreSQL there.
    pub fn uri(&self, database: &str) -> String {
        self.uri_of(&self.user, &self.password, database)
    }

    /// The same for another user; the password as it stands in an address.
    pub fn uri_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgresql://{user}:{password}@{}:{}/{database}", self.host, self.port)
    }

    /// The address of a database of MariaDB there.
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

/// Statements in MariaDB. Returns what they found, a row a line.
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

/// Where PostgreSQL is, as the pods see it.
pub fn postgres_server() -> Server {
    server(&environment("SCDEV_POSTGRES_URL"))
}

/// Drops that database of PostgreSQL, if it exists.
pub fn without_postgres(name: &str) {
    execute("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\""));
}

fn psql(database: &str, arguments: &[&str]) -> String {
    let url = format!("{}/{database}", environment("SCDEV_POSTGRES_URL"));
    let output = Command::new("psql").args(["-q", "-t", "-A", &url]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A statement in a database of PostgreSQL.
pub fn execute(database: &str, statement: &str) {
    psql(database, &["-c", statement]);
}

/// One more user of a database of PostgreSQL that is in use.
pub fn postgres_user(database: &str, user: &str, password: &str) {
    let exists = psql(database, &["-c", &format!("SELECT 1 FROM pg_roles WHERE rolname = '{user}'")]);
    let verb = if exists.trim().is_empty() { "CREATE" } else { "ALTER" };
    execute(database, &format!("{verb} ROLE {user} LOGIN PASSWORD '{password}'"));
    execute(database, &format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"));
    execute(database, &format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}"));
}

/// Takes nobody in any more, and throws out who is there.
pub fn close(database: &str) {
    execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"));
    execute(
        "postgres",
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"),
    );
}

/// Takes everybody in again.
pub fn open(database: &str) {
    execute("postgres", &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"));
}

/// How many connections that user has.
pub fn connections_of(user: &str) -> usize {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'");
    psql("postgres", &["-c", &count]).trim().parse().unwrap()
}
