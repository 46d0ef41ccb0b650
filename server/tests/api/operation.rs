//! Operation: health, metrics, logs, load, and stopping.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, answer, fail, run, until};

crate::on_every_engine!(a_graceful_stop_serves_until_the_end);

async fn a_graceful_stop_serves_until_the_end(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let mut server = Server::start(&database, &[("SC_AUTH_DRAIN", "1s")]).await;
    assert_eq!(server.ops("/readyz").await.unwrap().status(), StatusCode::OK);
    server.signal("TERM");
    while server.ops("/readyz").await.unwrap().status() == StatusCode::OK {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(server.ops("/healthz").await.unwrap().status(), StatusCode::OK, "it must not be restarted");
    let response = server.request("GET", "/").send().await.unwrap();
    assert_eq!((response.status(), &response.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
    assert!(server.ended_well().await);
}

#[tokio::test]
async fn the_health_check_distinguishes_a_running_server_from_none() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let address = server.ops.trim_start_matches("http://").to_owned();
    let settings = [("SC_AUTH_OPS_LISTEN", address.as_str())];
    let check = || run(&database, &["healthcheck"], &settings);
    assert!(check().await.status.success());
    drop(server);
    until("the server is gone", async || !check().await.status.success()).await;
    let output = check().await;
    assert!(String::from_utf8_lossy(&output.stderr).contains(&address));
}

#[tokio::test]
async fn metrics_count_by_route_and_not_by_path() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    server.login("root").await;
    for number in 0..3 {
        server.call("GET", &format!("/nowhere/{number}"), None, None).await;
    }
    server.call("BREW", "/", None, None).await;
    let text = server.ops("/metrics").await.unwrap().text().await.unwrap();
    for line in [
        "sc_auth_http_requests_total{method=\"POST\",route=\"/api/v1/accounts/login\",status=\"200\"} 1",
        "sc_auth_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 3",
        "sc_auth_http_requests_total{method=\"other\",route=\"/\",status=\"405\"} 1",
        "sc_auth_logins_total{outcome=\"Accepted\"} 1",
        "sc_auth_hash_waiting 0",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(server.call("GET", "/metrics", None, None).await == fail(404, json!("not found")), "not public");
}

#[tokio::test]
async fn a_request_has_an_id_in_its_answer_and_in_the_log() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let id = |given: Option<&'static str>| {
        let request = server.request("GET", "/");
        let request = given.into_iter().fold(request, |request, id| request.header("x-request-id", id));
        async move { request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned() }
    };
    assert_eq!(id(Some("from-the-proxy.1")).await, "from-the-proxy.1");
    assert_ne!(id(Some("not a plain one")).await, "not a plain one");
    let own = id(None).await;
    until("both are logged", async || {
        let log = server.log.text();
        log.contains("from-the-proxy.1") && log.contains(&own)
    })
    .await;
    let log = server.log.text();
    for id in ["from-the-proxy.1", &own] {
        let line = log.lines().find(|line| line.contains(id)).expect("it is logged");
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&event["route"], &event["status"], &event["span"]["request_id"]),
            (&json!("/"), &json!(200), &json!(id))
        );
    }
}

#[tokio::test]
async fn logins_that_do_not_fit_the_queue_are_refused_and_the_rest_served() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let login = json!({"username": "root", "password": PASSWORD});
    let storm = join_all((0..200).map(|_| server.request("POST", "/api/v1/accounts/login").json(&login).send()));
    let mut accepted = 0;
    let mut sent_away = 0;
    for response in storm.await {
        let response = response.unwrap();
        match response.status() {
            StatusCode::OK => accepted += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                sent_away += 1;
                assert_eq!(response.headers()["retry-after"], "1");
                let body: Value = response.json().await.unwrap();
                assert_eq!(body["data"]["error"], "too many logins at once, try again in a moment");
            }
            other => panic!("{other}"),
        }
    }
    // How many of the 64 places are served within five seconds depends on the machine.
    assert!(accepted > 0 && sent_away > 0 && accepted + sent_away == 200, "{accepted} accepted, {sent_away} sent away");
    assert_eq!(answer(server.request("GET", "/")).await.status, 200);
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    server.register("alice").await;
    let tokens = server.login("alice").await;
    server.post("/api/v1/accounts/login", json!({"username": "alice", "password": "a wrong password"})).await;
    server.call("GET", "/api/v1/accounts/me", Some(&tokens.access), None).await;
    server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    until("all five are logged", async || server.log.text().matches("answered").count() >= 5).await;
    let keys = std::fs::read_to_string(database.folder.path().join("sc-auth-keys.json")).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let (d, k) = (keys["keys"][0]["d"].as_str().unwrap(), keys["keys"][1]["k"].as_str().unwrap());
    let log = server.log.text();
    for secret in [PASSWORD, "a wrong password", &tokens.access, &tokens.refresh, d, k] {
        assert!(!log.contains(secret));
    }
}

#[tokio::test]
async fn the_metrics_include_what_dashboards_need() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    server.login("root").await;
    server.login_with("root", "a wrong password").await;
    until("sessions are counted", async || {
        let text = server.ops("/metrics").await.unwrap().text().await.unwrap();
        text.contains("sc_auth_sessions 1\n")
    })
    .await;
    let text = server.ops("/metrics").await.unwrap().text().await.unwrap();
    for line in [
        "sc_auth_keys{purpose=\"access\",state=\"current\"} 1",
        "sc_auth_keys{purpose=\"refresh\",state=\"current\"} 1",
        "sc_auth_key_since_timestamp_seconds{purpose=\"access\",state=\"current\"} ",
        "sc_auth_keys_broken 0",
        "sc_auth_security_events_total{event=\"login\",outcome=\"success\"} 1",
        "sc_auth_security_events_total{event=\"login\",outcome=\"failure\"} 1",
        "sc_auth_database_connections ",
        "sc_auth_hash_wait_seconds_count 2",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn the_status_shows_the_database_and_the_keys() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let status: Value = server.ops("/status").await.unwrap().json().await.unwrap();
    let database = &status["database"];
    assert_eq!(
        (&database["engine"], &database["reachable"], &database["taken_over"]),
        (&json!("SQLite"), &json!(true), &json!(false))
    );
    assert_eq!((&status["version"], &status["draining"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(false)));
    let keys = status["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[0]["state"]), (2, &json!("current")));
    assert!(server.call("GET", "/status", None, None).await == fail(404, json!("not found")), "not public");
}
