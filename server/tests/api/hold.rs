//! A server that is started with another database than its own serves no requests and writes nothing, until the
//! expected database is restored or the other one is accepted.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Server, fail, run, until};
use crate::identity::{deploy, identity_in, schema_version};
use crate::takeover::old_database;

crate::on_every_engine!(
    another_database_is_held_until_it_is_accepted,
    an_empty_database_is_held_until_it_is_accepted,
    the_legacy_service_s_database_is_held_until_it_is_accepted,
    commands_refuse_another_database,
    a_held_server_stops,
);

/// Everything in the database that a server could change.
async fn all(database: &Database, engine: Engine) -> Vec<String> {
    if engine == Engine::Sqlite {
        return match std::fs::read(file(database)) {
            Ok(bytes) => vec![format!("{bytes:?}")],
            Err(_) => vec![],
        };
    }
    let names = if engine == Engine::Postgres {
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
    } else {
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
    };
    let mut all = database.texts(names).await;
    for name in all.clone() {
        let count = database.texts(&format!("SELECT CAST(COUNT(*) AS CHAR(20)) FROM {name}")).await;
        all.push(count[0].trim().to_owned());
    }
    all
}

fn file(database: &Database) -> PathBuf {
    database.url.strip_prefix("sqlite:").unwrap().into()
}

async fn refuses_requests(server: &Server, engine: Engine) {
    let away = fail(503, json!("the database is unavailable, try again in a moment"));
    assert_eq!(server.login_with("root", "anything").await, away);
    for path in ["/", "/.well-known/jwks.json", "/api/v1/verify", "/nowhere"] {
        let response = server.request("GET", path).send().await.unwrap();
        assert_eq!(response.status(), 503, "{path}");
        assert!(response.headers().contains_key("retry-after"));
    }
    assert_eq!(server.ops("/healthz").await.unwrap().status(), 200);
    // The only pod of an embedded database answers itself; with other engines, the previous pods must stay.
    let ready = if engine == Engine::Sqlite { 200 } else { 503 };
    assert_eq!(server.ops("/readyz").await.unwrap().status(), ready);
}

async fn serves_again(server: &Server) -> Value {
    until("it serves", async || server.status().await["hold"] == Value::Null).await;
    until("it is ready", async || server.ops("/readyz").await.unwrap().status() == 200).await;
    assert_eq!(server.request("GET", "/").send().await.unwrap().status(), 200);
    let status = server.status().await;
    assert_eq!(status["database"]["reachable"], true, "{status}");
    status
}

async fn another_database_is_held_until_it_is_accepted(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    deploy(&database, "auth", Some("another-one"));
    let (found, before) = (identity_in(&database).await, all(&database, engine).await);
    let server = Server::start_held(&database, &[]).await;
    refuses_requests(&server, engine).await;
    let status = server.status().await;
    assert_eq!(status["hold"], json!({"reason": "AnotherDatabase", "expected": "another-one", "found": found}));
    let told = &status["database"];
    assert_eq!(
        (&told["reachable"], &told["identity"], &told["schema"]),
        (&json!(false), &json!(found), &json!(schema_version()))
    );
    assert_eq!(all(&database, engine).await, before, "nothing is written");

    deploy(&database, "auth", Some(&found));
    let status = serves_again(&server).await;
    assert_eq!(status["database"]["identity"], json!(found));
    server.login("root").await;
}

async fn an_empty_database_is_held_until_it_is_accepted(engine: Engine) {
    let database = Database::create(engine).await;
    deploy(&database, "auth", Some("the-one-with-the-data"));
    let server = Server::start_held(&database, &[]).await;
    refuses_requests(&server, engine).await;
    let status = server.status().await;
    let found = status["hold"]["found"].as_str().unwrap().to_owned();
    assert_eq!(status["hold"]["reason"], "EmptyDatabase");
    assert!(found.starts_with("empty-") && found.len() == 18, "{found}");
    assert!(all(&database, engine).await.is_empty(), "nothing is written");

    deploy(&database, "auth", Some("empty-000000000000"));
    until("the file is read", async || server.status().await["hold"]["expected"] == "empty-000000000000").await;
    assert!(all(&database, engine).await.is_empty(), "another one was accepted");
    deploy(&database, "auth", Some(&found));
    let status = serves_again(&server).await;
    let identity = status["database"]["identity"].as_str().unwrap().to_owned();
    assert_eq!((identity.len(), &status["database"]["accepted_as"]), (36, &json!(found)));
    server.register("alice").await;
    drop(server);
    // Before the identity is stored, and afterwards.
    for expected in [&found, &identity] {
        deploy(&database, "auth", Some(expected));
        Server::start(&database, &[]).await.login("alice").await;
    }
}

async fn the_legacy_service_s_database_is_held_until_it_is_accepted(engine: Engine) {
    let database = old_database(engine).await;
    deploy(&database, "auth", Some("the-one-with-the-data"));
    let before = all(&database, engine).await;
    let server = Server::start_held(&database, &[]).await;
    refuses_requests(&server, engine).await;
    let status = server.status().await;
    let found = status["hold"]["found"].as_str().unwrap().to_owned();
    assert!(status["hold"]["reason"] == "AnotherDatabase" && found.starts_with("legacy-"), "{status}");
    assert_eq!(all(&database, engine).await, before);
    deploy(&database, "auth", Some(&found));
    let status = serves_again(&server).await;
    assert_eq!((&status["database"]["taken_over"], &status["database"]["accepted_as"]), (&json!(true), &json!(found)));
}

async fn commands_refuse_another_database(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let users = database.folder.path().join("users.jsonl");
    std::fs::write(&users, r#"{"username":"bob","password_hash":"x"}"#).unwrap();
    let users = users.to_str().unwrap();
    deploy(&database, "auth", Some("another-one"));
    let (found, before) = (identity_in(&database).await, all(&database, engine).await);
    let commands = [
        &["admin", "create", "eve"][..],
        &["migrate"],
        &["migrate", "--plan"],
        &["users", "import", users],
        &["users", "export", "-"],
    ];
    for command in commands {
        let output = run(&database, command, &[]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{command:?}: {error}");
        for part in ["another-one", &found, "of ScAuth auth", "nothing was changed", "sc-auth.io/accept-database="] {
            assert!(error.contains(part), "{command:?}: {error}");
        }
    }
    assert_eq!(all(&database, engine).await, before);

    let empty = Database::create(engine).await;
    deploy(&empty, "auth", Some("another-one"));
    for command in commands {
        assert!(!run(&empty, command, &[]).await.status.success(), "{command:?}");
    }
    assert!(all(&empty, engine).await.is_empty());
}

async fn a_held_server_stops(engine: Engine) {
    let database = Database::create(engine).await;
    deploy(&database, "auth", Some("another-one"));
    let mut server = Server::start_held(&database, &[("SC_AUTH_DRAIN", "5m")]).await;
    server.signal("TERM");
    assert!(server.ended_well().await);
}

#[tokio::test]
async fn a_lost_file_is_detected_and_can_be_restored() {
    let (mut server, database) = Server::with_admin(Engine::Sqlite).await;
    deploy(&database, "auth", Some(&identity_in(&database).await));
    server.signal("INT");
    assert!(server.ended_well().await);
    let (path, kept) = (file(&database), database.folder.path().join("kept"));
    std::fs::rename(&path, &kept).unwrap();

    let server = Server::start_held(&database, &[]).await;
    assert_eq!(server.status().await["hold"]["reason"], "EmptyDatabase");
    assert!(!path.exists());
    std::fs::rename(&kept, &path).unwrap();
    serves_again(&server).await;
    server.login("root").await;
}

#[tokio::test]
async fn an_invalid_deployment_file_prevents_the_start() {
    let database = Database::create(Engine::Sqlite).await;
    std::fs::write(database.folder.path().join("scauth.json"), "{").unwrap();
    for command in [&["serve"][..], &["migrate"], &["config", "check"]] {
        let output = run(&database, command, &[]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains("scauth.json cannot be used"), "{error}");
    }
    let output = run(&database, &["migrate"], &[("SC_AUTH_DEPLOYMENT_FILE", "/nowhere")]).await;
    assert!(String::from_utf8(output.stderr).unwrap().contains("SC_AUTH_DEPLOYMENT_FILE: /nowhere does not exist"));
    deploy(&database, "auth", Some("the-identity"));
    let output = run(&database, &["config", "check"], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("The settings are for ScAuth auth, with database identity: the-identity."), "{text}");
}
