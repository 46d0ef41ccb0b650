//! Rotating signing keys while the server runs.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Server, Tokens, claims, fail, msg, run, until};

crate::on_every_engine!(
    no_token_fails_over_a_rotation,
    a_revoked_key_is_refused_at_once,
    tokens_of_former_keys_are_answered_as_revoked,
    keys_that_went_while_no_server_ran_are_remembered,
);

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
    assert_eq!(server.get("/api/v1/accounts/me", &before.access).await, fail(401, json!("The token has revoked")));
    let refreshed = server.refresh(&before.refresh).await;
    assert!(server.is_valid(&refreshed.text("access_token")).await, "its session continues");
}

/// The same claims under the header of another key.
fn with_kid(token: &str, kid: &str) -> String {
    let mut header: Value = serde_json::from_slice(&decode(token.split('.').next().unwrap())).unwrap();
    header["kid"] = json!(kid);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), token.split_once('.').unwrap().1)
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// All routes that take a token.
const CALLS: [(&str, &str); 10] = [
    ("GET", "/api/v1/accounts/me"),
    ("PATCH", "/api/v1/accounts/me"),
    ("POST", "/api/v1/accounts/password"),
    ("DELETE", "/api/v1/accounts/logout"),
    ("GET", "/api/v1/accounts/sessions"),
    ("DELETE", "/api/v1/accounts/sessions"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/roles"),
];

/// Checks that a server answers the tokens of a key that is no longer in use like revoked ones, and the tokens of a key
/// that it never had like forged ones.
async fn refuses_as_revoked(server: &Server, former: &Tokens) {
    let revoked = fail(401, json!("The token has revoked"));
    let forged = msg(StatusCode::UNPROCESSABLE_ENTITY, "Signature verification failed");
    let unknown = with_kid(&former.access, "unknown");
    for (method, path) in CALLS {
        assert_eq!(server.call(method, path, Some(&former.access), None).await, revoked, "{method} {path}");
        assert_eq!(server.call(method, path, Some(&unknown), None).await, forged, "{method} {path}");
    }
    assert_eq!(server.refresh(&former.refresh).await, revoked);
    assert_eq!(server.refresh(&with_kid(&former.refresh, "unknown")).await, forged);
    let verified = server.request("GET", "/api/v1/verify").bearer_auth(&former.access).send().await.unwrap();
    assert_eq!(verified.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(verified.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    let live = server.login("root").await;
    let altered = with_kid(&former.access, &kid(&live.access));
    assert_eq!(server.get("/api/v1/accounts/me", &altered).await, forged, "a wrong signature");
    assert_eq!(server.refresh(&with_kid(&former.refresh, &kid(&live.refresh))).await, forged);
}

async fn tokens_of_former_keys_are_answered_as_revoked(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let former = server.login("root").await;
    for kid in [kid(&former.access), kid(&former.refresh)] {
        keys(&database, &["revoke", &kid]).await;
    }
    let is_gone = async || !server.status().await["keys"].to_string().contains(&kid(&former.refresh));
    until("the server has reloaded its keys", is_gone).await;
    refuses_as_revoked(&server, &former).await;
    let recorded = async || database.texts("SELECT id FROM sc_auth_former_keys").await.len() == 2;
    until("they are recorded", recorded).await;
    drop(server);
    let server = Server::start(&database, &[]).await;
    refuses_as_revoked(&server, &former).await;
}

async fn keys_that_went_while_no_server_ran_are_remembered(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let former = server.login("root").await;
    let known = async || database.texts("SELECT id FROM sc_auth_keys").await.len() == 2;
    until("the keys are known", known).await;
    drop(server);
    for purpose in ["access", "refresh"] {
        keys(&database, &["rotate", "--purpose", purpose, "--now"]).await;
    }
    // As after the time for which retired keys verify.
    let path = database.folder.path().join("sc-auth-keys.json");
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    file["keys"].as_array_mut().unwrap().retain(|key| key["state"] != "retired");
    std::fs::write(&path, file.to_string()).unwrap();
    for _ in 0..2 {
        let server = Server::start(&database, &[]).await;
        refuses_as_revoked(&server, &former).await;
    }
    std::fs::remove_file(&path).unwrap();
    let server = Server::start(&database, &[]).await;
    refuses_as_revoked(&server, &former).await;
}

#[tokio::test]
async fn new_keys_use_es256_and_existing_ones_keep_their_algorithm() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[]).await;
    let algorithm = async |server: &Server| {
        let keys = server.call("GET", JWKS, None, None).await.body["keys"].clone();
        let algorithms = keys.as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap().to_owned());
        algorithms.collect::<Vec<_>>()
    };
    assert_eq!(algorithm(&server).await, ["ES256"]);
    drop(server);
    let file = database.folder.path().join("sc-auth-keys.json");
    std::fs::remove_file(&file).unwrap();
    keys(&database, &["generate"]).await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("ES256"));

    // Like the file of release 0.2.
    std::fs::remove_file(&file).unwrap();
    keys(&database, &["generate", "--algorithm", "EdDSA"]).await;
    let server = Server::start(&database, &[]).await;
    keys(&database, &["rotate", "--now"]).await;
    until("the new key is published", async || algorithm(&server).await == ["EdDSA", "EdDSA"]).await;
    server.register("alice").await;
    let leaked = kid(&server.login("alice").await.access);
    keys(&database, &["revoke", &leaked]).await;
    until("another one is", async || {
        algorithm(&server).await == ["EdDSA", "EdDSA"] && !published(&server).await.contains(&leaked)
    })
    .await;
}

#[tokio::test]
async fn another_key_signs_at_once_and_the_leaked_one_can_be_revoked() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    for purpose in ["access", "refresh"] {
        let before = server.login("root").await;
        let token = |tokens: &Tokens| kid(if purpose == "access" { &tokens.access } else { &tokens.refresh });
        let said = keys(&database, &["rotate", "--purpose", purpose, "--now"]).await;
        let (next, leaked) = (first_word(&said), token(&before));
        assert!(said.contains("signs") && said.contains(&leaked), "{said}");
        until("the new key signs", async || token(&server.login("root").await) == next).await;
        assert!(server.is_valid(&before.access).await && server.refresh(&before.refresh).await.status == 200);
        assert!(!keys(&database, &["revoke", &leaked]).await.contains("signs now"), "it no longer signed");
    }
}

#[tokio::test]
async fn an_algorithm_that_cannot_be_honoured_is_refused() {
    let database = Database::create(Engine::Sqlite).await;
    let refusal = async |arguments: &[&str]| {
        let before = keys(&database, &["list"]).await;
        let output = run(&database, &[&["keys", "rotate"], arguments].concat(), &[]).await;
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(keys(&database, &["list"]).await, before, "nothing was changed");
        String::from_utf8(output.stderr).unwrap()
    };
    keys(&database, &["generate"]).await;
    let of_refresh = ["--purpose", "refresh", "--algorithm", "RS256"];
    assert!(refusal(&of_refresh).await.contains("RS256 cannot sign refresh tokens"));
    for purpose in ["access", "refresh"] {
        keys(&database, &["rotate", "--purpose", purpose]).await;
    }
    assert!(refusal(&of_refresh).await.contains("RS256 cannot sign refresh tokens"));
    for now in [&[][..], &["--now"]] {
        let text = refusal(&[&["--algorithm", "EdDSA"], now].concat()).await;
        assert!(text.contains("is waiting to sign, with ES256: to use EdDSA, first revoke that key"), "{text}");
    }
    keys(&database, &["rotate", "--algorithm", "ES256", "--now"]).await;
    keys(&database, &["rotate", "--algorithm", "EdDSA", "--now"]).await;
    let listed = keys(&database, &["list"]).await;
    assert!(listed.lines().any(|line| line.contains("EdDSA") && line.contains("current")), "{listed}");
}

/// Neither blocks, whether at the start or later.
#[tokio::test]
async fn only_a_regular_file_is_read() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let in_folder = |name: &str| database.folder.path().join(name);
    let path = in_folder("sc-auth-keys.json");
    let pipe = |name: &str| {
        assert!(std::process::Command::new("mkfifo").arg(in_folder(name)).status().unwrap().success());
    };
    std::fs::copy(&path, in_folder("kept.json")).unwrap();
    pipe("pipe");
    std::fs::rename(in_folder("pipe"), &path).unwrap();
    until("the log says so", async || server.log.text().contains("it is not a regular file")).await;
    server.login("root").await;
    // As Kubernetes mounts a Secret.
    std::os::unix::fs::symlink("kept.json", in_folder("link")).unwrap();
    std::fs::rename(in_folder("link"), &path).unwrap();
    until("it is repaired", async || {
        server.ops("/metrics").await.unwrap().text().await.unwrap().contains("\nsc_auth_keys_broken 0\n")
    })
    .await;
    drop(server);
    drop(Server::start(&database, &[]).await);
    std::fs::remove_file(&path).unwrap();
    for make in [&(|| pipe("sc-auth-keys.json")) as &dyn Fn(), &|| std::fs::create_dir(&path).unwrap()] {
        make();
        for command in [&["serve"][..], &["keys", "list"], &["keys", "rotate"]] {
            let output = run(&database, command, &[]).await;
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && text.contains("it is not a regular file"), "{command:?}: {text}");
        }
        let _ = std::fs::remove_file(&path);
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_reported() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let warning = "all users of this machine can read the keys file";
    assert!(!server.log.text().contains(warning));
    drop(server);
    let path = database.folder.path().join("sc-auth-keys.json");
    for (mode, is_reported) in [(0o440, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let server = Server::start(&database, &[]).await;
        assert_eq!(server.log.text().contains(warning), is_reported, "{mode:o}");
    }
}

#[tokio::test]
async fn the_metadata_lead_to_the_keys() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let metadata = |issuer: &str| {
        json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}{JWKS}"), "response_types_supported": [],
            "grant_types_supported": [], "service_documentation": format!("{issuer}/docs"),
        })
    };
    let answer = server.call("GET", METADATA, None, None).await;
    assert_eq!((answer.status, answer.body), (200, metadata("http://localhost:8000")));
    assert_eq!(server.call("GET", &format!("{METADATA}/tenant"), None, None).await, fail(404, json!("not found")));
    drop(server);
    let server = Server::start(&database, &[("SC_AUTH_ISSUER", "https://auth.example.com/tenant")]).await;
    for path in ["", "/tenant"] {
        let answer = server.call("GET", &format!("{METADATA}{path}"), None, None).await;
        assert_eq!((answer.status, answer.body), (200, metadata("https://auth.example.com/tenant")));
    }
    assert_eq!(server.call("GET", &format!("{METADATA}/tenan"), None, None).await.status, 404);
}

/// Release 0.2 accepted it.
#[tokio::test]
async fn access_tokens_do_not_get_the_audience_of_refresh_tokens() {
    for (setting, expected) in
        [("sc-auth/refresh", json!("http://localhost:8000")), ("orders,sc-auth/refresh", json!("orders"))]
    {
        let (_, database) = Server::with_admin(Engine::Sqlite).await;
        let server = Server::start(&database, &[("SC_AUTH_AUDIENCE", setting)]).await;
        assert!(server.log.text().contains("sc-auth/refresh is the audience of refresh tokens"));
        let tokens = server.login("root").await;
        assert_eq!(claims(&tokens.access)["aud"], expected);
        assert!(server.is_valid(&tokens.access).await && server.refresh(&tokens.refresh).await.status == 200);
    }
}

#[tokio::test]
async fn every_algorithm_can_sign() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
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
