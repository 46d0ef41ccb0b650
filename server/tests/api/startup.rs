//! First starts, and the errors of failed starts.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, PATIENCE, Server, command, run, run_with_input, until};

/// The last lines of a failed start.
pub async fn refusal(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let database = Database::create(Engine::Sqlite).await;
    let output = run(&database, arguments, settings).await;
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn the_first_admin_s_password_is_in_a_file_and_not_in_the_log() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[]).await;
    let file = database.folder.path().join("admin-password");
    let password = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for name in ["sc-auth-keys.json", "sc-auth.db", "sc-auth.db-wal"] {
        let file = database.folder.path().join(name);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert!(server.log.text().contains("admin-password") && !server.log.text().contains(&password));

    let login = json!({"username": "admin", "password": password});
    assert_eq!(server.post("/api/v1/accounts/login", login).await.status, 200);
}

#[tokio::test]
async fn a_second_start_creates_no_admin_and_keeps_the_keys() {
    let database = Database::create(Engine::Sqlite).await;
    drop(Server::start(&database, &[]).await);
    let read = |name: &str| std::fs::read_to_string(database.folder.path().join(name)).unwrap();
    let before = (read("admin-password"), read("sc-auth-keys.json"));
    let server = Server::start(&database, &[]).await;
    assert_eq!((read("admin-password"), read("sc-auth-keys.json")), before);
    assert!(!server.log.text().contains("created the first Admin"));
}

#[tokio::test]
async fn without_settings_everything_is_in_the_current_folder() {
    let database = Database::create(Engine::Sqlite).await;
    let mut child = command(&database, &["serve", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"], &[])
        .env_remove("DATABASE_URL")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let files = ["sc-auth.db", "sc-auth-keys.json", "admin-password"].map(|name| database.folder.path().join(name));
    until("all three are there", async || files.iter().all(|file| file.exists())).await;
    child.kill().await.unwrap();
}

#[tokio::test]
async fn an_unknown_or_invalid_setting_prevents_the_start_and_is_named() {
    let text = refusal(&["serve"], &[("SC_AUTH_ISUER", "x")]).await;
    assert!(text.contains("unknown settings: SC_AUTH_ISUER"), "{text}");
    let text = refusal(&["serve"], &[("SC_AUTH_DRAIN", "long")]).await;
    assert!(text.contains("SC_AUTH_DRAIN: invalid value 'long'"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let text = refusal(&["serve"], &[("SC_AUTH_REFRESH_TOKEN_TTL", "1m")]).await;
    assert!(text.contains("SC_AUTH_REFRESH_TOKEN_TTL is shorter than SC_AUTH_ACCESS_TOKEN_TTL"), "{text}");
    let text = refusal(&["serve"], &[("SC_AUTH_LISTEN", "203.0.113.7:8000")]).await;
    assert!(text.contains("SC_AUTH_LISTEN: cannot listen on 203.0.113.7:8000"), "{text}");
}

/// In a pod that Kubernetes has described the Services `sc-auth-svc` and `db` to.
#[tokio::test]
async fn the_services_of_a_namespace_are_no_settings() {
    let links = |name: &str, port: &str| {
        let address = format!("10.0.0.1:{port}");
        [
            (format!("{name}_SERVICE_HOST"), "10.0.0.1".to_owned()),
            (format!("{name}_SERVICE_PORT"), port.to_owned()),
            (format!("{name}_SERVICE_PORT_HTTP"), port.to_owned()),
            (format!("{name}_PORT"), format!("tcp://{address}")),
            (format!("{name}_PORT_{port}_TCP"), format!("tcp://{address}")),
            (format!("{name}_PORT_{port}_TCP_PROTO"), "tcp".to_owned()),
            (format!("{name}_PORT_{port}_TCP_PORT"), port.to_owned()),
            (format!("{name}_PORT_{port}_TCP_ADDR"), "10.0.0.1".to_owned()),
        ]
    };
    let links = [links("SC_AUTH_SVC", "8000"), links("DB", "3306")].concat();
    let links: Vec<_> = links.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let database = Database::create(Engine::Sqlite).await;
    let output = run(&database, &["migrate"], &links).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    drop(Server::start(&database, &links).await);

    // A port in `DB_PORT` is a setting, and replaces the Service's variable in a pod.
    for (own, row) in [(None, "DB_PORT -"), (Some(("DB_PORT", "1")), "DB_PORT 1 environment")] {
        let settings = [("DB_HOST", "127.0.0.1"), ("DB_USER", "u"), ("DB_PASS", "p"), ("DB_NAME", "n")];
        let all: Vec<_> = links.iter().copied().chain(settings).chain(own).collect();
        let output = command(&database, &["config", "check"], &all).env_remove("DATABASE_URL").output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(rows.iter().any(|found| found == row), "{text}");
    }

    let misspelt = [&links[..], &[("SC_AUTH_LISTEN_PORT", "8000")]].concat();
    assert!(refusal(&["serve"], &misspelt).await.contains("unknown settings: SC_AUTH_LISTEN_PORT"));
}

#[tokio::test]
async fn an_invalid_keys_file_prevents_the_start() {
    let database = Database::create(Engine::Sqlite).await;
    std::fs::write(database.folder.path().join("sc-auth-keys.json"), r#"{"keys": [{"d": "s3cret"}]}"#).unwrap();
    let output = run(&database, &["serve"], &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("SC_AUTH_KEYS_FILE: sc-auth-keys.json cannot be used: not a JSON Web Key Set"), "{text}");
    assert!(!text.contains("s3cret"));
}

#[tokio::test]
async fn a_server_needs_a_database_that_it_can_reach() {
    let text = refusal(&["serve"], &[("DATABASE_URL", "mysql://u:s3cret@127.0.0.1:1/n")]).await;
    assert!(text.contains("connecting to the database") && text.contains("refused"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let text = refusal(&["serve"], &[("DATABASE_URL", "sqlite:/nowhere/sc-auth.db")]).await;
    assert!(text.contains("unable to open database file"), "{text}");
}

crate::on_every_engine!(an_admin_is_created_and_reset_on_the_command_line);

async fn an_admin_is_created_and_reset_on_the_command_line(engine: Engine) {
    let database = Database::create(engine).await;
    let create = ["admin", "create", "root", "--email", "root@example.com"];
    let output = run(&database, &create, &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let password = text.strip_prefix("Admin root was created. Password: ").expect(&text).trim().to_owned();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(&password));

    let server = Server::start(&database, &[]).await;
    let login = |password: &str| {
        let body = json!({"username": "root", "password": password});
        async { server.post("/api/v1/accounts/login", body).await }
    };
    let tokens = login(&password).await;
    let me = server.get("/api/v1/accounts/me", tokens.body["data"]["access_token"].as_str().unwrap()).await;
    assert_eq!((&me.body["data"]["email"], &me.body["data"]["role_id"]), (&json!("root@example.com"), &json!(1)));

    server.register("alice").await;
    for (name, what) in [("root", "reset"), ("alice", "reset")] {
        let output =
            run_with_input(&database, &["admin", "create", name, "--password-stdin"], "a new password\n").await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("Admin {name} was {what}.\n"));
    }
    assert_eq!(login(&password).await.status, 422);
    assert_eq!(login("a new password").await.status, 200);
    let alice = json!({"username": "alice", "password": "a new password"});
    let alice = server.post("/api/v1/accounts/login", alice).await;
    let users = server.get("/api/v1/users", alice.body["data"]["access_token"].as_str().unwrap()).await;
    assert_eq!(users.status, 200);
}

#[tokio::test]
async fn an_admin_with_a_short_password_is_not_created() {
    let database = Database::create(Engine::Sqlite).await;
    let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], "short").await;
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the password: Shorter than minimum length 8."), "{text}");
    let output = run(&database, &["admin", "create", "root", "--email", "nobody"], &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the e-mail address: Not a valid email address."), "{text}");
}

#[tokio::test]
async fn a_generated_password_is_as_long_as_required() {
    for length in ["27", "256"] {
        let database = Database::create(Engine::Sqlite).await;
        let settings = [("SC_AUTH_PASSWORD_MIN_LENGTH", length)];
        let output = run(&database, &["admin", "create", "root"], &settings).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let password = text.trim().rsplit(' ').next().unwrap();
        assert_eq!(password.len().to_string(), length, "{text}");
        let server = Server::start(&database, &settings).await;
        assert_eq!(server.login_with("root", password).await.status, 200);
    }
}

/// The operator generates the password once; the minimum length can grow afterwards.
#[tokio::test]
async fn a_generated_password_is_accepted_after_the_minimum_length_has_grown() {
    let database = Database::create(Engine::Sqlite).await;
    let folder = database.folder.path().join("admin");
    std::fs::create_dir(&folder).unwrap();
    let password = "abcdefghijkmnpqrstuvwxyz23";
    std::fs::write(folder.join("username"), "root").unwrap();
    std::fs::write(folder.join("password"), password).unwrap();
    let settings = [("SC_AUTH_BOOTSTRAP_ADMIN", folder.to_str().unwrap()), ("SC_AUTH_PASSWORD_MIN_LENGTH", "256")];
    let server = Server::start(&database, &settings).await;
    assert_eq!(server.login_with("root", password).await.status, 200);
}

#[tokio::test]
async fn without_admin_and_credentials_the_log_says_what_to_do() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[("SC_AUTH_BOOTSTRAP_ADMIN", "/nowhere")]).await;
    assert!(server.log.text().contains("run `sc-auth-server admin create NAME`"));
    assert_eq!(
        server.post("/api/v1/accounts/login", json!({"username": "admin", "password": PASSWORD})).await.status,
        422
    );
}

#[tokio::test]
async fn the_number_of_hashing_threads_can_be_configured_and_is_logged() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "3")]).await;
    assert!(server.log.text().contains(r#""message":"hashing threads started","threads":3"#));
}

/// Under `script`, which gives it a terminal.
#[tokio::test]
async fn on_a_terminal_the_log_is_for_people_and_has_no_sql() {
    let database = Database::create(Engine::Sqlite).await;
    let program = env!("CARGO_BIN_EXE_sc-auth-server");
    let line = format!("exec '{program}' serve --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0");
    let mut child = tokio::process::Command::new("script")
        .args(["-qefc", &line, "/dev/null"])
        .current_dir(database.folder.path())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("ready") {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts").unwrap();
        text += &line.unwrap_or_else(|| panic!("it ended: {text}"));
        text += "\n";
    }
    assert!(!text.contains("CREATE TABLE") && !text.contains("{\"") && text.contains("migrating"), "{text}");
    child.kill().await.unwrap();
}

/// A database that accepts connections but never answers, as behind a firewall.
#[tokio::test]
async fn a_server_that_waits_for_the_database_stops() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgresql://nobody:nothing@{}/none", silent.local_addr().unwrap());
    let database = Database::create(Engine::Sqlite).await;
    let arguments = ["serve", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"];
    let mut child = command(&database, &arguments, &[("DATABASE_URL", &url)]).stderr(Stdio::piped()).spawn().unwrap();
    let _connection = silent.accept().await.unwrap();
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    // Without a signal, it fails after ten seconds.
    assert!(child.wait().await.unwrap().success());
}
