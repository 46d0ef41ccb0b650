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
    assert_eq!(status["revisions"], json!({"//shop": 0}));
    let mut changed = client("bad");
    (changed["counter"], changed["namespace"], changed["name"]) = (json!(8), json!("team"), json!("web"));
    write(&database, &declarations(8, &[client("shop"), changed]));
    until("it is reloaded", async || declared(&server).await["counter"] == 8).await;
    assert_eq!(declared(&server).await["refused"], json!([]));
    assert_eq!(declared(&server).await["revisions"], json!({"//shop": 0, "team/web/bad": 8}));
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
async fn issuers_that_no_browser_sends_are_warnings() {
    let database = Database::create(Engine::Sqlite).await;
    for (issuer, warning) in [
        ("https://auth.test:443", "as browsers send it, https://auth.test;"),
        ("https://auth.test.", "as browsers send it, https://auth.test;"),
        ("", "SC_AUTH_ISSUER has its default"),
    ] {
        let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", issuer)];
        let settings = if issuer.is_empty() { &settings[..1] } else { &settings[..] };
        let server = Server::start(&database, settings).await;
        let warnings = server.status().await["warnings"].to_string();
        assert!(warnings.contains(warning), "{issuer}: {warnings}");
        assert!(server.log.text().contains(warning), "{issuer}");
        let metadata = server.request("GET", "/.well-known/openid-configuration").send().await.unwrap();
        // Without the file, 503.
        assert_eq!(metadata.status(), if issuer.is_empty() { 503 } else { 404 }, "{issuer}");
    }
}

#[tokio::test]
async fn a_file_can_be_checked() {
    let database = Database::create(Engine::Sqlite).await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/samples/declared.example.json");
    let output = run(&database, &["declared", "check", sample], &[]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text == "6 valid clients, counter 1.\n", "{text}");
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
        (declarations(1, &vec![json!(0); 600]), "and 0 more warnings, and 100 more errors"),
    ] {
        write(&database, &content);
        let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(problem), "{error}");
    }
    let mut expired = client("shop");
    expired["secrets"][0]["until"] = json!(1);
    expired["\u{1b}[31mred"] = json!(0);
    write(&database, &declarations(1, &[expired]));
    let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(warnings.contains("warning: shop: all its secrets have expired"), "{warnings}");
    assert!(output.status.success() && !warnings.contains('\u{1b}'), "{warnings:?}");
}

#[tokio::test]
async fn a_bad_file_fills_neither_the_log_nor_the_status() {
    let database = Database::create(Engine::Sqlite).await;
    let bad: Vec<_> = (0..2_000).map(|number| json!({"clientId": format!("c{number}")})).collect();
    write(&database, &declarations(1, &bad));
    let server = started(&database).await;
    let status = declared(&server).await;
    assert_eq!((status["refused"].as_array().unwrap().len(), &status["more_refused"]), (20, &json!(1_980)));
    assert!(status.to_string().len() < 100_000);
    assert_eq!(server.log.text().matches("a declared client is refused").count(), 20);
    write(&database, &declarations(2, &vec![json!(0); 100_000]));
    until("it is noticed", async || !declared(&server).await["problem"].is_null()).await;
    let problem = declared(&server).await["problem"].clone();
    assert_eq!(problem, "it has 100000 clients; a server serves at most 1000");
}

#[tokio::test]
async fn the_audiences_of_the_api_are_reserved() {
    let database = Database::create(Engine::Sqlite).await;
    let mut clients = ["http://localhost:8000", "orders", "billing"].map(|audience| {
        let mut client = client(audience.rsplit('/').next().unwrap().trim_end_matches(":8000"));
        client["audiences"] = json!([audience]);
        client
    });
    clients[2]["audiences"] = json!(["billing", "http://localhost:8000/oauth2/userinfo"]);
    write(&database, &declarations(1, &clients));
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_AUDIENCE", "orders")];
    let server = Server::start(&database, &settings).await;
    let status = declared(&server).await;
    let refused: Vec<_> = status["refused"].as_array().unwrap().iter().map(|one| one["client"].clone()).collect();
    assert_eq!((refused, &status["clients"]), (vec![json!("localhost"), json!("orders")], &json!(1)), "{status}");
}

#[tokio::test]
async fn the_check_of_the_settings_reads_the_file() {
    let database = Database::create(Engine::Sqlite).await;
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", "https://auth.test")];
    let check = async || {
        let output = run(&database, &["config", "check"], &settings).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_valid, _, errors) = check().await;
    assert!(!is_valid && errors.contains("error: SC_AUTH_DECLARED: reading declared.json"), "{errors}");
    write(&database, "{");
    let (is_valid, _, errors) = check().await;
    assert!(!is_valid && errors.contains("error: SC_AUTH_DECLARED: declared.json cannot be used"), "{errors}");
    let mut odd = client("shop");
    odd["colour"] = json!("red");
    write(&database, &declarations(7, &[odd, json!({"clientId": "bad", "type": "Web"})]));
    let (is_valid, said, errors) = check().await;
    assert!(!is_valid && said.contains("1 valid clients, counter 7."), "{said}");
    assert!(errors.contains("warning: SC_AUTH_DECLARED: shop: colour has no effect"), "{errors}");
    assert!(errors.contains("error: SC_AUTH_DECLARED: bad: a Web client needs"), "{errors}");
    write(&database, &declarations(8, &[client("shop")]));
    let (is_valid, said, errors) = check().await;
    assert!(is_valid && said.contains("counter 8."), "{said} {errors}");
    std::fs::write(database.folder.path().join("oidc-keys.json"), "{}").unwrap();
    let (is_valid, _, errors) = check().await;
    assert!(!is_valid && errors.contains("oidc-keys.json cannot be used"), "{errors}");
}

#[tokio::test]
async fn the_check_of_a_file_says_what_it_cannot_know() {
    let database = Database::create(Engine::Sqlite).await;
    let check = async |clients: &[Value]| {
        write(&database, &declarations(1, clients));
        let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(check(&[client("shop")]).await, "");
    let mut shop = client("shop");
    shop["audiences"] = json!(["orders"]);
    assert_eq!(check(&[shop.clone()]).await, "");
    shop["audiences"] = json!(["orders", "https://auth.example.com"]);
    shop["backchannelLogoutUri"] = json!("http://localhost:8080/logout");
    let said = check(&[shop]).await;
    assert!(said.contains("warning: shop: in a cluster, a backchannelLogoutUri on this machine is refused"), "{said}");
    assert!(said.contains("warning: shop: a server whose issuer is one of the audiences refuses the client"), "{said}");
}

#[tokio::test]
async fn a_member_that_is_written_twice_is_reported() {
    let database = Database::create(Engine::Sqlite).await;
    let (file, groups) =
        (declarations(1, &[client("shop")]), r#""requires":["groups"],"groups":["staff"],"groups":[]"#);
    write(&database, &file.replacen(r#""clientId""#, &format!(r#"{groups},"clientId""#), 1));
    let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    let wanted = "error: shop: it has the member groups more than once";
    assert!(!output.status.success() && said.contains(wanted), "{said}");
    write(&database, &file.replacen('{', r#"{"clients":[],"#, 1));
    let output = run(&database, &["declared", "check", "declared.json"], &[]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("it has a member more than once"), "{said}");
}

#[tokio::test]
async fn a_secret_is_hashed() {
    let database = Database::create(Engine::Sqlite).await;
    for input in [SECRET.to_owned(), format!("{SECRET}\n"), format!("{SECRET}\r\n")] {
        let output = run_with_input(&database, &["declared", "hash-secret"], &input).await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n", hash()));
    }
    for (secret, warns) in [(SECRET, true), (&"aZ09-._~".repeat(4), false), (&"a+b%".repeat(8), true)] {
        let output = run_with_input(&database, &["declared", "hash-secret"], secret).await;
        assert_eq!(String::from_utf8(output.stderr).unwrap().contains("form-encode"), warns, "{secret}");
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
