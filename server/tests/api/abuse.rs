//! Defences against hostile clients.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, answer, fail, until};

crate::on_every_engine!(
    guessing_is_slowed_down_on_every_replica_and_for_any_name,
    an_admin_clears_the_failures_of_a_user,
    a_successful_login_clears_the_failures,
    an_address_with_too_many_requests_has_to_wait,
);

async fn guess(server: &Server, name: &str) -> Answer {
    server.login_with(name, "a wrong password").await
}

/// The delay in an answer, in seconds.
fn wait(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 429, "{answer:?}");
    let text = answer.text("error");
    text.trim_start_matches("too many attempts, try again in ").trim_end_matches(" s").parse().unwrap()
}

async fn guessing_is_slowed_down_on_every_replica_and_for_any_name(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    // Existing and unknown names are treated the same.
    for name in ["root", "nobody"] {
        let mut guesses = Vec::new();
        while guesses.len() < 20 && guesses.last().is_none_or(|guessed: &Answer| guessed.status != 429) {
            guesses.push(guess(&first, name).await);
        }
        let told = guesses.pop().unwrap();
        assert!(wait(&told) >= 1 && guesses.len() >= 6, "{told:?} after {}", guesses.len());
        for guessed in guesses {
            assert_eq!(guessed, fail(422, json!("user not found or bad username/password")));
        }
        // Long enough for a slow machine.
        database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
        // Other spellings of the name are the same name.
        assert!(wait(&guess(&second, &name.to_uppercase()).await) >= 1);
        let rows = database.texts("SELECT id FROM login_failures").await;
        assert!(rows.iter().all(|id| !id.contains(name)), "the name itself is not stored");
    }
    let right = second.login_with("root", PASSWORD).await;
    assert!(wait(&right) >= 1, "during the delay even the right password is refused");
    let login = json!({"username": "root", "password": PASSWORD});
    let response = second.request("POST", "/api/v1/accounts/login").json(&login).send().await.unwrap();
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);

    // Nobody is locked out permanently: the delay is never longer than five minutes.
    database.execute("UPDATE login_failures SET failures = 1000, retry_at = 1").await;
    guess(&first, "root").await;
    let delay = wait(&guess(&first, "root").await);
    assert!((290..=300).contains(&delay), "{delay}");
}

/// Closes a name for a long time.
async fn block(database: &Database, server: &Server, name: &str) {
    guess(server, name).await;
    database.execute("UPDATE login_failures SET failures = 20, retry_at = 9999999999").await;
    assert_eq!(server.login_with(name, PASSWORD).await.status, 429);
}

async fn an_admin_clears_the_failures_of_a_user(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    block(&database, &server, "alice").await;
    let uuid = server.uuid_of(&admin, "alice").await;
    let path = format!("/api/v1/users/{uuid}/login-failures");
    assert_eq!(server.call("DELETE", &path, Some(&admin), None).await.status, 200);
    let alice = server.login("alice").await.access;
    assert_eq!(server.call("DELETE", &path, Some(&alice), None).await.status, 403);
    let nobody = server.call("DELETE", "/api/v1/users/nobody/login-failures", Some(&admin), None).await;
    assert_eq!(nobody, fail(404, json!("user not found")));
}

async fn a_successful_login_clears_the_failures(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    for _ in 0..4 {
        guess(&server, "root").await;
    }
    server.login("root").await;
    assert_eq!(database.texts("SELECT id FROM login_failures").await.len(), 0);
}

async fn an_address_with_too_many_requests_has_to_wait(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let server = Server::start(&database, &[("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let refresh = |address: &'static str| {
        let request = server.request("POST", "/api/v1/accounts/refresh").bearer_auth("a.b.c");
        answer(request.header("x-forwarded-for", format!("198.51.100.66, {address}")))
    };
    let mut refused = None;
    for _ in 0..1_000 {
        let answer = refresh("203.0.113.1").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    assert_eq!(wait(&refused.expect("it has to wait in the end")), 1);
    assert_eq!(refresh("203.0.113.2").await.status, 422, "another client has its own bucket");
}

/// Sends refreshes until one has to wait; `false` if none has to.
async fn is_limited(server: &Server, forwarded: &str) -> bool {
    for _ in 0..500 {
        let request = server.request("POST", "/api/v1/accounts/refresh").bearer_auth("a.b.c");
        if answer(request.header("x-forwarded-for", forwarded)).await.status == 429 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn an_address_is_limited_in_each_form_that_proxies_write() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[("SC_AUTH_TRUSTED_PROXIES", "::ffff:127.0.0.0/104")]).await;
    for forwarded in [
        "[2001:db8:1::7]",
        "[2001:db8:2::7]:443",
        "\"[2001:db8:3::7]\"",
        "fe80::1%eth0",
        "203.0.113.1:80",
        "203.0.113.2,",
    ] {
        assert!(is_limited(&server, forwarded).await, "{forwarded}");
    }
    assert!(!server.log.text().contains("such requests are not limited by address"), "{}", server.log.text());
    for forwarded in ["unknown", "203.0.113.3, _hidden", "203.0.113.3 203.0.113.4", ","] {
        assert!(!is_limited(&server, forwarded).await, "{forwarded}");
    }
    let warnings = |text: &str| server.log.text().matches(text).count();
    until("both warnings", async || warnings("such requests are not limited by address") == 2).await;
    assert_eq!((warnings("is not a list of addresses"), warnings("sent no X-Forwarded-For")), (1, 1));
}

#[tokio::test]
async fn without_trusted_proxies_requests_are_not_limited_by_address() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    for _ in 0..100 {
        let request = server.request("POST", "/api/v1/accounts/refresh").bearer_auth("a.b.c");
        assert_eq!(answer(request.header("x-forwarded-for", "203.0.113.1")).await.status, 422);
    }
}

#[tokio::test]
async fn registration_can_be_closed_or_limited_to_domains() {
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let register = "/api/v1/accounts/register";
    let closed = Server::start(&database, &[("SC_AUTH_REGISTRATION", "closed")]).await;
    assert_eq!(closed.post(register, account("alice")).await, fail(403, json!("registration is closed")));
    let admin = closed.login("root").await.access;
    let mut alice = account("alice");
    alice["role_name"] = json!("User");
    assert_eq!(closed.call("POST", "/api/v1/users", Some(&admin), Some(alice)).await.status, 201, "Admins still can");

    drop(closed);
    let limited = Server::start(&database, &[("SC_AUTH_REGISTRATION", "example.org,example.net")]).await;
    let wrong = json!({"email": ["Not an address of a domain that may register."]});
    assert_eq!(limited.post(register, account("bob")).await, fail(422, wrong));
    let mut bob = account("bob");
    bob["email"] = json!("bob@Example.ORG");
    assert_eq!(limited.post(register, bob).await.status, 201);
}

#[tokio::test]
async fn only_web_pages_of_configured_origins_can_call() {
    let (plain, _database) = Server::with_admin(Engine::Sqlite).await;
    let database = Database::create(Engine::Sqlite).await;
    let open = Server::start(&database, &[("SC_AUTH_CORS_ORIGINS", "https://app.example.com")]).await;
    let preflight = |server: &Server, origin: &'static str| {
        let request = server.request("OPTIONS", "/api/v1/accounts/login").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", "authorization,content-type");
        async { request.send().await.unwrap().headers().get("access-control-allow-origin").cloned() }
    };
    assert_eq!(preflight(&open, "https://app.example.com").await.unwrap(), "https://app.example.com");
    assert_eq!(preflight(&open, "https://evil.example.com").await, None);
    assert_eq!(preflight(&plain, "https://app.example.com").await, None, "off by default");
}

#[tokio::test]
async fn answers_with_tokens_must_not_be_cached() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let login = json!({"username": "root", "password": PASSWORD});
    let response = server.request("POST", "/api/v1/accounts/login").json(&login).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    let refresh = body["data"]["refresh_token"].as_str().unwrap();
    let response = server.request("POST", "/api/v1/accounts/refresh").bearer_auth(refresh).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
}
