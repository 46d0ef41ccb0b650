//! Rotating signing keys while the server runs.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Server, msg, run, until};

crate::on_every_engine!(no_token_fails_over_a_rotation, a_revoked_key_is_refused_at_once);

const JWKS: &str = "/.well-known/jwks.json";

/// Runs `keys …` and returns its output.
async fn keys(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, &[&["keys"], arguments].concat(), &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn published(server: &Server) -> Vec<String> {
    let keys = server.call("GET", JWKS, None, None).await.body;
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// The first word of a command's output, which is the key.
fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap().to_owned()
}

async fn no_token_fails_over_a_rotation(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let before = server.login("root").await;
    let next = first_word(&keys(&database, &["rotate"]).await);
    until("the next key is published", async || published(&server).await.contains(&next)).await;
    assert_eq!(kid(&server.login("root").await.access), kid(&before.access), "it does not sign yet");
    assert!(keys(&database, &["rotate"]).await.contains("nothing was changed"), "it is too new to sign");

    keys(&database, &["rotate", "--now"]).await;
    until("the next key signs", async || kid(&server.login("root").await.access) == next).await;
    assert!(server.is_valid(&before.access).await, "tokens of the previous key stay valid");
    assert!(published(&server).await.contains(&kid(&before.access)));

    // Refresh tokens have their own key, which rotates in the same way.
    keys(&database, &["rotate", "--purpose", "refresh"]).await;
    let refresh_key = first_word(&keys(&database, &["rotate", "--purpose", "refresh", "--now"]).await);
    until("the next refresh key signs", async || kid(&server.login("root").await.refresh) == refresh_key).await;
    assert_eq!(server.refresh(&before.refresh).await.status, 200);
    assert!(!published(&server).await.contains(&refresh_key), "it is never published");
}

async fn a_revoked_key_is_refused_at_once(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let before = server.login("root").await;
    let leaked = kid(&before.access);
    assert!(keys(&database, &["revoke", &leaked]).await.contains("signs now"));
    until("the leaked key is gone", async || !published(&server).await.contains(&leaked)).await;
    let refused = server.get("/api/v1/accounts/me", &before.access).await;
    assert_eq!(refused, msg(StatusCode::UNPROCESSABLE_ENTITY, "Signature verification failed"));
    let refreshed = server.refresh(&before.refresh).await;
    assert!(server.is_valid(&refreshed.text("access_token")).await, "its session continues");
}

#[tokio::test]
async fn every_algorithm_can_sign() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let database = Database::create(Engine::Sqlite).await;
        keys(&database, &["generate", "--algorithm", algorithm]).await;
        let server = Server::start(&database, &[]).await;
        server.register("alice").await;
        let tokens = server.login("alice").await;
        assert!(server.is_valid(&tokens.access).await, "{algorithm}");
        let jwk = server.call("GET", JWKS, None, None).await.body["keys"][0].clone();
        assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(algorithm), &json!("sig")));
        assert!(["d", "p", "q", "k"].iter().all(|secret| jwk[secret] == Value::Null));
    }
}

#[tokio::test]
async fn a_broken_file_is_reported_and_does_not_change_the_keys() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let before = server.login("root").await;
    let file = database.folder.path().join("sc-auth-keys.json");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &good[..good.len() / 2]).unwrap();
    let broken = async || {
        let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
        metrics.contains("\nsc_auth_keys_broken 1\n")
    };
    until("the metric says so", broken).await;
    until("the log says so", async || {
        let log = server.log.text();
        log.contains("cannot use the changed keys file; keeping the previous keys") && log.contains("it ends too early")
    })
    .await;
    assert!(server.is_valid(&before.access).await);
    assert_eq!(kid(&server.login("root").await.access), kid(&before.access));

    std::fs::write(&file, good).unwrap();
    until("the file is repaired", async || !broken().await).await;
}

#[tokio::test]
async fn the_published_keys_can_be_cached() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let response = server.request("GET", JWKS).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    let etag = response.headers()["etag"].clone();
    let again = server.request("GET", JWKS).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!((again.status(), again.headers()["etag"].clone()), (StatusCode::NOT_MODIFIED, etag));
    let other = server.request("GET", JWKS).header("if-none-match", "\"another\"").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn keys_are_listed_without_their_secrets() {
    let database = Database::create(Engine::Sqlite).await;
    keys(&database, &["generate"]).await;
    keys(&database, &["rotate"]).await;
    let listed = keys(&database, &["list"]).await;
    let states: Vec<_> = listed.lines().skip(1).map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(states, ["current", "current", "next"]);
    let file = std::fs::read_to_string(database.folder.path().join("sc-auth-keys.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    assert!(!listed.contains(file["keys"][0]["d"].as_str().unwrap()));

    let output = run(&database, &["keys", "generate"], &[]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists"), "it never overwrites a file");
    let output = run(&database, &["keys", "revoke", "nobody"], &[]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("key \\\"nobody\\\" does not exist"));
}
