//! What becomes of the grants and consents of an application that is no longer declared.

use serde_json::{Value, json};

use crate::browser::{Browser, SECRET, client, declare, encoded, start, started, text, tokens, userinfo, with};
use crate::database::{Database, Engine};
use crate::harness::{Server, until};

crate::on_every_engine!(
    a_client_that_returns_within_an_hour_keeps_all,
    a_client_that_is_absent_for_an_hour_loses_all,
    only_a_valid_file_makes_a_client_absent,
    a_refused_declaration_is_no_removal,
    a_server_with_an_older_file_keeps_a_client,
);

const HOUR: i64 = 3_600;

/// A server with two clients, and the access token that one of them got offline.
async fn allowed(engine: Engine) -> (Server, Database, String) {
    let shop = with(client("shop"), "backchannelLogoutUri", json!("http://127.0.0.1:1/"));
    let (server, database) = started(engine, &[shop, client("other")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[("scope", "openid offline_access")]).await).await;
    let is_known = async || rows(&database, "declared_clients", "id = '//shop'").await == 1;
    until("the client is recorded", is_known).await;
    (server, database, text(&issued, "access_token"))
}

async fn rows(database: &Database, table: &str, condition: &str) -> usize {
    let column = if table == "declared_clients" { "id" } else { "client" };
    database.texts(&format!("SELECT {column} FROM {table} WHERE {condition}")).await.len()
}

async fn is_absent(database: &Database) -> bool {
    rows(database, "declared_clients", "id = '//shop' AND absent_since IS NOT NULL").await == 1
}

/// Removes the client from the file, and waits until the server has noticed.
async fn remove(database: &Database) {
    declare(database, &[client("other")]);
    until("it is absent", async || is_absent(database).await).await;
}

/// As if so many seconds had passed since the client was removed, while servers saw the file.
async fn pass(database: &Database, seconds: i64) {
    let passed = format!("UPDATE declared_clients SET absent_since = absent_since - {seconds} WHERE id = '//shop'");
    database.execute(&passed).await;
    database.execute("UPDATE chores SET due_at = 0 WHERE id = 'absent_clients'").await;
}

/// Changes another client, so that servers read the file, and waits until one has compared it with the database.
async fn compared(database: &Database, name: &str, clients: &[Value]) {
    let mut clients = clients.to_vec();
    clients.push(client(name));
    declare(database, &clients);
    let condition = format!("id = '//{name}'");
    until("the file is read", async || rows(database, "declared_clients", &condition).await == 1).await;
    let is_over =
        async || database.texts("SELECT id FROM chores WHERE id = 'absent_clients' AND due_at > 0").await.len() == 1;
    until("what had to end has ended", is_over).await;
}

async fn a_client_that_returns_within_an_hour_keeps_all(engine: Engine) {
    let (server, database, access) = allowed(engine).await;
    remove(&database).await;
    assert_eq!(userinfo(&server, &access).await.0, 401, "it is refused at once");
    pass(&database, HOUR - 120).await;
    drop(server);
    let server = start(&database).await;
    compared(&database, "third", &[client("other")]).await;
    assert!(is_absent(&database).await, "a restart does not end the absence");
    assert_eq!((rows(&database, "grants", "1 = 1").await, rows(&database, "consents", "1 = 1").await), (1, 1));
    declare(&database, &[client("shop"), client("other")]);
    until("it is back", async || !is_absent(&database).await).await;
    until("its tokens are valid", async || userinfo(&server, &access).await.0 == 200).await;
    // The next absence starts another hour.
    remove(&database).await;
    compared(&database, "fourth", &[client("other")]).await;
    assert_eq!(rows(&database, "grants", "1 = 1").await, 1);
}

async fn a_client_that_is_absent_for_an_hour_loses_all(engine: Engine) {
    let (server, database, access) = allowed(engine).await;
    assert_eq!(rows(&database, "logout_receivers", "client = '//shop'").await, 1);
    let mut browser = Browser::new(&server);
    let others = browser.code(&[("client_id", "other"), ("scope", "openid offline_access")]).await;
    let form = [("grant_type", "authorization_code"), ("code", &others), ("redirect_uri", crate::browser::CALLBACK)];
    let form = [&form[..], &[("client_id", "other"), ("client_secret", SECRET)]].concat();
    let form = encoded(&[&form[..], &[("code_verifier", crate::browser::VERIFIER)]].concat());
    let request = server.request("POST", "/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(form).send().await.unwrap().status(), 200);
    remove(&database).await;
    pass(&database, HOUR).await;
    compared(&database, "third", &[client("other")]).await;
    let is_over = async || rows(&database, "declared_clients", "id = '//shop'").await == 0;
    until("it has ended", is_over).await;
    for table in ["grants", "consents"] {
        assert_eq!(database.texts(&format!("SELECT client FROM {table}")).await, ["//other"], "{table}");
    }
    assert_eq!(rows(&database, "logout_receivers", "client = '//shop'").await, 0);
    // The event is recorded after the end.
    let ended = "grants of the removed application shop: 1";
    let events = async || database.texts("SELECT detail FROM audit_events WHERE event = 'grants_ended'").await;
    until("the end is recorded", async || events().await == [ended]).await;
    declare(&database, &[client("shop"), client("other")]);
    let is_served = async || !server.status().await["declared"]["revisions"]["//shop"].is_null();
    until("it is declared again", is_served).await;
    assert_eq!(userinfo(&server, &access).await.0, 401);
    let page = browser.get(&crate::browser::authorize(&[])).await;
    assert!(page.is_consent(), "users are asked again: {}", page.text);
}

async fn only_a_valid_file_makes_a_client_absent(engine: Engine) {
    let (server, database, access) = allowed(engine).await;
    let file = database.folder.path().join("declared.json");
    let has_problem = async || !server.status().await["declared"]["problem"].is_null();
    std::fs::remove_file(&file).unwrap();
    until("the file is missed", has_problem).await;
    assert_eq!(userinfo(&server, &access).await.0, 200);
    remove(&database).await;
    std::fs::write(&file, "{").unwrap();
    until("the file is broken", has_problem).await;
    // Nobody could read a file for two hours.
    database.execute(&format!("UPDATE declared_clients SET checked_at = checked_at - {}", 2 * HOUR)).await;
    pass(&database, 2 * HOUR).await;
    compared(&database, "third", &[client("other")]).await;
    assert!(is_absent(&database).await);
    assert_eq!(rows(&database, "grants", "1 = 1").await, 1, "the hour starts again");
    declare(&database, &[client("shop")]);
    until("it is back", async || userinfo(&server, &access).await.0 == 200).await;
}

async fn a_refused_declaration_is_no_removal(engine: Engine) {
    let (_server, database, _) = allowed(engine).await;
    let broken = json!({"clientId": "shop", "type": "Toaster"});
    compared(&database, "third", &[broken, client("other")]).await;
    assert!(!is_absent(&database).await);
}

async fn a_server_with_an_older_file_keeps_a_client(engine: Engine) {
    if engine == Engine::Sqlite {
        // An embedded database allows one server at a time.
        return;
    }
    let (_server, database, _) = allowed(engine).await;
    std::fs::copy(database.folder.path().join("declared.json"), database.folder.path().join("older.json")).unwrap();
    let settings = [("SC_AUTH_DECLARED", "older.json"), ("SC_AUTH_ISSUER", crate::browser::ISSUER)];
    remove(&database).await;
    let _older = Server::start(&database, &settings).await;
    until("the other server knows the client", async || !is_absent(&database).await).await;
}
