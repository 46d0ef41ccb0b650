//! The file of declared clients.

use sc_auth_contract::declared::SecretHash;
use serde_json::{Value, json};

use crate::browser::{SECRET, client};
use crate::database::{Database, Engine};
use crate::harness::{Server, run, run_with_input, until};

fn hash() -> String {
    SecretHash::of(SECRET).sha256
}

fn declarations(counter: u64, clients: &[Value]) -> String {
    json!({"version": 1, "counter": counter, "clients": clients}).to_string()
}

async fn started(database: &Database) -> Server {
    let path = database.folder.path().join("declared.json");
    Server::start(database, &[("SC_AUTH_DECLARED", path.to_str().unwrap())]).await
}

fn write(database: &Database, content: &str) {
    std::fs::write(database.folder.path().join("declared.json"), content).unwrap();
}

async fn declared(server: &Server) -> Value {
    server.status().await["declared"].clone()
}

#[tokio::test]
async fn the_status_names_the_counter_and_the_refused_clients() {
    let database = Database::create(Engine::Sqlite).await;
    write(&database, &declarations(7, &[client("shop"), json!({"clientId": "bad"})]));
    let server = started(&database).await;
    let status = declared(&server).await;
    assert_eq!((&status["counter"], &status["clients"], &status["problem"]), (&json!(7), &json!(1), &Value::Null));
    assert_eq!(status["refused"][0]["client"], "bad");
    write(&database, &declarations(8, &[client("shop"), client("bad")]));
    until("it is reloaded", async || declared(&server).await["counter"] == 8).await;
    assert_eq!(declared(&server).await["refused"], json!([]));
}

#[tokio::test]
async fn a_broken_or_missing_file_changes_nothing() {
    let database = Database::create(Engine::Sqlite).await;
    let server = started(&database).await;
    let status = declared(&server).await;
    assert_eq!((&status["counter"], &status["clients"]), (&Value::Null, &json!(0)));
    assert!(status["problem"].as_str().unwrap().contains("cannot be read"), "{status}");
    server.register("alice").await;
    write(&database, &declarations(3, &[client("shop")]));
    until("it is loaded", async || declared(&server).await["counter"] == 3).await;
    write(&database, "{");
    until("it is noticed", async || !declared(&server).await["problem"].is_null()).await;
    assert_eq!(declared(&server).await["clients"], 1);
    std::fs::remove_file(database.folder.path().join("declared.json")).unwrap();
    let is_missing = async || declared(&server).await["problem"].as_str().unwrap().contains("cannot be read");
    until("it is missed", is_missing).await;
    assert_eq!(declared(&server).await["counter"], 3);
    write(&database, &declarations(3, &[client("shop")]));
    until("the same content is no problem", async || declared(&server).await["problem"].is_null()).await;
    assert!(!server.log.text().contains(&hash()));
}

#[tokio::test]
async fn without_the_setting_there_is_no_status_and_an_unusable_issuer_is_a_warning() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[]).await;
    let status = server.status().await;
    assert_eq!((&status["declared"], &status["warnings"]), (&Value::Null, &json!([])));
    drop(server);
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", "https://auth.test/tenant")];
    let server = Server::start(&database, &settings).await;
    let warnings = server.status().await["warnings"].to_string();
    assert!(warnings.contains("OpenID Connect needs an https address"), "{warnings}");
    server.register("alice").await;
}

#[tokio::test]
async fn a_file_can_be_checked() {
    let database = Database::create(Engine::Sqlite).await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/samples/declared.example.json");
    let output = run(&database, &["declared", "check", sample], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text == "3 valid clients, counter 1.\n", "{text}");
    assert!(output.stderr.is_empty(), "no warnings");
    let of_size = |size: usize| format!("{}{}", declarations(1, &[client("shop")]), " ".repeat(size));
    write(&database, &of_size(900 << 10));
    let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && warning.contains("more than 1024 KiB is refused"), "{warning}");
    for (content, problem) in [
        (of_size(1 << 20), "larger than 1024 KiB"),
        (declarations(1, &[client("shop"), client("shop")]), "error: shop: another client has this clientId"),
        (declarations(1, &[json!({"clientId": "a", "type": "Web"})]), "error: a: a Web client needs"),
        ("{".to_owned(), "cannot be used"),
    ] {
        write(&database, &content);
        let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn a_secret_is_hashed() {
    let database = Database::create(Engine::Sqlite).await;
    for input in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
        let output = run_with_input(&database, &["declared", "hash-secret"], &input).await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", hash()));
    }
    let output = run_with_input(&database, &["declared", "hash-secret"], "short\n").await;
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("fewer than 32 characters"));
    let output = run(&database, &["declared", "hash-secret", "--generate"], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let (secret, hash) = text.trim_end().split_once('\n').unwrap();
    assert!(secret.len() == 43);
    assert_eq!(SecretHash::of(secret).sha256, hash);
}
