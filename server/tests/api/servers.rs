//! Database servers of a test's own, which it stops, restarts and promotes.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use tempfile::TempDir;

use crate::harness::until;

/// A command as the user that such a server must run as.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(program).stdin(Stdio::null());
    command
}

fn finish(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder that the user may enter, and one within it that belongs to that user.
fn folder_of(user: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    let mut make = Command::new("install");
    make.args(["-d", "-m", "700", "-o", user, "-g", user]).arg(&data);
    finish(make);
    (folder, data)
}

/// A port that is free at the moment. Another process may take it before the server does, which then ends.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How often a server is started at another port.
const ATTEMPTS: usize = 5;

async fn at_a_free_port(mut try_to_start: impl AsyncFnMut(u16) -> bool) {
    for _ in 0..ATTEMPTS {
        if try_to_start(free_port()).await {
            return;
        }
    }
    panic!("the server does not start at any of {ATTEMPTS} ports");
}

/// Programs of the newest PostgreSQL here.
fn postgres_program(name: &str) -> PathBuf {
    let mut versions: Vec<u32> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed")
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin/{name}", versions.last().unwrap()))
}

/// A process that ends with the value.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until the server answers. Returns `false` if it has ended.
    async fn answers(&mut self, connect: impl AsyncFn() -> bool) -> bool {
        let mut has_ended = false;
        until("the server answers or ends", async || {
            has_ended = self.0.try_wait().unwrap().is_some();
            has_ended || connect().await
        })
        .await;
        !has_ended
    }

    fn end(&mut self, signal: &str) {
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &id]).status();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// A PostgreSQL server whose user `test` needs no password.
pub struct Postgres {
    pub port: u16,
    data: PathBuf,
    process: Option<Process>,
    _folder: TempDir,
}

impl Postgres {
    pub async fn create() -> Self {
        let (folder, data) = folder_of("postgres");
        let mut initdb = as_user("postgres", &postgres_program("initdb"));
        initdb.args(["-A", "trust", "-U", "test", "-E", "UTF8", "-N", "-D"]).arg(&data).current_dir("/");
        finish(initdb);
        let mut server = Self { port: 0, data, process: None, _folder: folder };
        server.start_at_a_free_port().await;
        server
    }

    /// A server that follows this one.
    pub async fn standby(&self) -> Self {
        let (folder, data) = folder_of("postgres");
        let mut backup = as_user("postgres", &postgres_program("pg_basebackup"));
        backup.args(["-h", "127.0.0.1", "-U", "test", "-c", "fast", "-N", "-R", "-X", "stream", "-p"]);
        backup.arg(self.port.to_string()).arg("-D").arg(&data).current_dir("/");
        finish(backup);
        let mut server = Self { port: 0, data, process: None, _folder: folder };
        server.start_at_a_free_port().await;
        server
    }

    async fn start_at_a_free_port(&mut self) {
        at_a_free_port(async |port| {
            self.port = port;
            self.try_to_start().await
        })
        .await;
    }

    async fn try_to_start(&mut self) -> bool {
        let mut postgres = as_user("postgres", &postgres_program("postgres"));
        postgres.arg("-D").arg(&self.data).args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).current_dir("/");
        postgres.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]);
        let url = self.url("postgres");
        let process = self.process.insert(Process::start(postgres));
        process.answers(async || PgConnection::connect(&url).await.is_ok()).await
    }

    /// Ends all connections and the server.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end("INT");
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self, name: &str) -> String {
        format!("postgres://test@{}/{name}", self.address())
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// Waits until the standby has a user of that name.
    pub async fn has_user(&self, database: &str, name: &str) {
        let url = self.url(database);
        until("the standby has it", async || {
            let Ok(mut connection) = PgConnection::connect(&url).await else { return false };
            let count = sqlx::query_scalar("SELECT count(*) FROM users WHERE username = $1").bind(name);
            count.fetch_one(&mut connection).await.is_ok_and(|count: i64| count == 1)
        })
        .await;
    }
}

/// A MariaDB server without passwords.
pub struct MariaDb {
    port: u16,
    data: PathBuf,
    process: Option<Process>,
    _folder: TempDir,
}

impl MariaDb {
    pub async fn create() -> Self {
        let (folder, data) = folder_of("mysql");
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--user=mysql"]).arg(format!("--datadir={}", data.display()));
        // At its start, MariaDB removes the temporary tables of all servers that share this folder.
        install.arg(format!("--tmpdir={}", data.display())).current_dir("/");
        finish(install);
        let mut server = Self { port: 0, data, process: None, _folder: folder };
        server.start_at_a_free_port().await;
        server
    }

    async fn start_at_a_free_port(&mut self) {
        at_a_free_port(async |port| {
            self.port = port;
            self.try_to_start().await
        })
        .await;
    }

    pub async fn start(&mut self) {
        assert!(self.try_to_start().await, "the server has ended");
    }

    async fn try_to_start(&mut self) -> bool {
        let mut mariadb = as_user("mysql", Path::new("mariadbd"));
        mariadb.args(["--no-defaults", "--skip-grant-tables", "--bind-address=127.0.0.1", "--skip-log-bin"]);
        mariadb.arg(format!("--port={}", self.port)).arg(format!("--datadir={}", self.data.display()));
        mariadb.arg(format!("--socket={}/socket", self.data.display()));
        mariadb.arg(format!("--tmpdir={}", self.data.display())).current_dir("/");
        let url = self.url("mysql");
        let process = self.process.insert(Process::start(mariadb));
        process.answers(async || MySqlConnection::connect(&url).await.is_ok()).await
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end("TERM");
        }
    }

    pub fn url(&self, name: &str) -> String {
        format!("mysql://test:test@127.0.0.1:{}/{name}", self.port)
    }

    pub async fn end_connections(&self, database: &str) {
        let mut connection = MySqlConnection::connect(&self.url("mysql")).await.unwrap();
        let kill = "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE db = ?";
        let kill: Vec<String> = sqlx::query_scalar(kill).bind(database).fetch_all(&mut connection).await.unwrap();
        for kill in kill {
            self.execute(&kill).await;
        }
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = MySqlConnection::connect(&self.url("mysql")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }
}
