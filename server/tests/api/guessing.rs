//! A stranger guesses at a password, and the owner can still log in.

use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;
use reqwest::header::RETRY_AFTER;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, fail, run_with_input, until};

crate::on_every_engine!(
    many_networks_do_not_lock_the_owner_out_of_a_known_one,
    one_network_does_not_lock_the_owner_out_of_an_unknown_one,
    a_long_attack_from_one_network_leaves_two_attempts_to_others,
    the_networks_of_an_ipv6_48_leave_two_attempts_to_others,
    the_owner_of_a_refresh_token_can_log_in,
    known_networks_and_tokens_have_counters_too,
    unknown_names_behave_like_existing_ones,
    an_admin_who_is_created_again_can_log_in_at_once,
);

pub const HOME: &str = "198.51.100.7";
const AWAY: &str = "192.0.2.33";
pub const STRANGER: &str = "203.0.113.9";

/// A server that knows its clients' addresses.
pub async fn server(engine: Engine) -> (Server, Database) {
    let (_, database) = Server::with_admin(engine).await;
    (behind_proxy(&database).await, database)
}

async fn behind_proxy(database: &Database) -> Server {
    Server::start(database, &[("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")]).await
}

/// The status of a login's answer, and the seconds in `Retry-After`.
#[derive(Debug, PartialEq)]
pub struct Login {
    pub status: u16,
    pub wait: Option<u64>,
}

/// Logs in; retries if the queue is full on a slow machine.
pub async fn login(server: &Server, address: &str, name: &str, password: &str, token: Option<&str>) -> Login {
    loop {
        let answer = login_once(server, address, name, password, token).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn login_once(server: &Server, address: &str, name: &str, password: &str, token: Option<&str>) -> Login {
    let mut request = server.request("POST", "/api/v1/accounts/login").header("x-forwarded-for", address);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.json(&json!({"username": name, "password": password})).send().await.unwrap();
    let wait = response.headers().get(RETRY_AFTER).map(|seconds| seconds.to_str().unwrap().parse().unwrap());
    Login { status: response.status().as_u16(), wait }
}

pub async fn right(server: &Server, address: &str) -> u16 {
    login(server, address, "root", PASSWORD, None).await.status
}

pub async fn wrong(server: &Server, address: &str, name: &str) -> Login {
    login(server, address, name, "a wrong password", None).await
}

/// The addresses of a guesser, each in another network.
pub fn addresses(count: usize) -> Vec<String> {
    let v4 = (1..=count / 2).map(|number| format!("203.0.113.{number}"));
    let v6 = (1..=count - count / 2).map(|number| format!("2001:db8:0:{number:x}::1"));
    v4.chain(v6).collect()
}

/// Guesses once from each address. Returns the number of guesses that were compared.
pub async fn attack(server: &Server, name: &str, addresses: &[String]) -> usize {
    let mut compared = 0;
    for addresses in addresses.chunks(4) {
        let answers = join_all(addresses.iter().map(|address| wrong(server, address, name))).await;
        for answer in answers {
            match answer.status {
                422 => compared += 1,
                429 => assert!(answer.wait.is_some_and(|wait| (1..=600).contains(&wait)), "{answer:?}"),
                _ => panic!("{answer:?}"),
            }
        }
    }
    compared
}

/// The most guesses at one name within this time: six, and then after 1, 2, 4, … seconds. The server's clock has whole
/// seconds, so that one more second may begin.
fn bound(elapsed: Duration) -> usize {
    (0..8).filter(|doubling| (1_u64 << (doubling + 1)) - 1 <= elapsed.as_secs() + 1).count() + 6
}

/// Seconds since 1970-01-01 UTC.
fn seconds_now() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap()
}

/// Guesses twice a second until it is aborted.
pub fn guess_on(server: &Server, name: &'static str, addresses: Vec<String>) -> JoinHandle<()> {
    let request = server.request("POST", "/api/v1/accounts/login");
    let body = json!({"username": name, "password": "a wrong password"});
    tokio::spawn(async move {
        for address in addresses.iter().cycle() {
            let request = request.try_clone().unwrap().header("x-forwarded-for", address).json(&body);
            let _ = request.send().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}

async fn many_networks_do_not_lock_the_owner_out_of_a_known_one(engine: Engine) {
    let (server, database) = server(engine).await;
    assert_eq!(right(&server, HOME).await, 200);
    let began = Instant::now();
    for name in ["root", "nobody"] {
        let compared = attack(&server, name, &addresses(220)).await;
        assert!((5..=bound(began.elapsed())).contains(&compared), "{compared} guesses at {name}");
    }
    for _ in 0..3 {
        assert_eq!(right(&server, HOME).await, 200);
    }
    assert_eq!(right(&server, &format!("::ffff:{HOME}")).await, 200, "the same address");
    // The owner's login has not opened anything to the guessers.
    let compared = attack(&server, "root", &addresses(40)).await;
    assert!(compared <= bound(began.elapsed()) - 5, "{compared}");
    database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
    assert_eq!(right(&server, AWAY).await, 429, "the sum is bounded");
    assert_eq!(right(&server, HOME).await, 200);
}

async fn one_network_does_not_lock_the_owner_out_of_an_unknown_one(engine: Engine) {
    let (server, _database) = server(engine).await;
    let attack = guess_on(&server, "root", vec![STRANGER.into()]);
    until("the guesser has to wait", async || wrong(&server, STRANGER, "root").await.status == 429).await;
    let began = Instant::now();
    loop {
        let answer = login(&server, AWAY, "root", PASSWORD, None).await;
        if answer.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(answer.wait.unwrap())).await;
        assert!(began.elapsed() < Duration::from_secs(30), "{answer:?}");
    }
    attack.abort();
}

async fn a_long_attack_from_one_network_leaves_two_attempts_to_others(engine: Engine) {
    let (server, database) = server(engine).await;
    wrong(&server, STRANGER, "root").await;
    // As after many hours, when the guesser may make the next attempt.
    let now = seconds_now();
    let sql = format!("UPDATE login_failures SET failures = 1000, last_failed_at = {now}, retry_at = {}", now - 700);
    database.execute(&sql).await;
    assert_eq!(wrong(&server, STRANGER, "root").await.status, 422);
    let refused = wrong(&server, STRANGER, "root").await;
    assert!(refused.status == 429 && refused.wait.unwrap() > 200, "{refused:?}");
    assert_eq!(wrong(&server, AWAY, "root").await.status, 422, "the owner may mistype once");
    assert_eq!(right(&server, AWAY).await, 200);
    assert_eq!(right(&server, AWAY).await, 200, "the network is known now");
}

async fn the_networks_of_an_ipv6_48_leave_two_attempts_to_others(engine: Engine) {
    let (server, database) = server(engine).await;
    wrong(&server, "2001:db8:1:1::1", "root").await;
    let now = seconds_now();
    let sql = format!("UPDATE login_failures SET failures = 1000, last_failed_at = {now}, retry_at = {}", now - 700);
    database.execute(&sql).await;
    assert_eq!(wrong(&server, "2001:db8:1:2::1", "root").await.status, 422);
    for network in 3..6 {
        let refused = wrong(&server, &format!("2001:db8:1:{network}::1"), "root").await;
        assert!(refused.status == 429 && refused.wait.unwrap() > 200, "{refused:?}");
    }
    assert_eq!(right(&server, "2001:db8:2:1::1").await, 200);
}

async fn the_owner_of_a_refresh_token_can_log_in(engine: Engine) {
    let (server, database) = server(engine).await;
    server.register("mallory").await;
    let (root, mallory) = (server.login("root").await, server.login("mallory").await);
    let close = async || {
        attack(&server, "root", &addresses(20)).await;
        database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
    };
    close().await;
    let with = async |token: &str| login(&server, AWAY, "root", PASSWORD, Some(token)).await.status;
    for useless in [&mallory.refresh, &root.access, &mallory.access, &root.refresh.replace('.', "-"), &"x".repeat(99)] {
        assert_eq!(with(useless).await, 429);
    }
    assert_eq!(login(&server, AWAY, "root", "wrong", Some(&root.refresh)).await.status, 422, "the password counts");
    assert_eq!(with(&root.refresh).await, 200);
    // Also with the token of an ended session.
    database.execute("DELETE FROM known_networks").await;
    assert_eq!(server.call("DELETE", "/api/v1/accounts/logout", Some(&root.access), None).await.status, 200);
    assert_eq!(server.refresh(&root.refresh).await.status, 401);
    assert_eq!(with(&root.refresh).await, 200);

    // Also if addresses are unknown.
    drop(server);
    let blind = Server::start(&database, &[]).await;
    assert_eq!(blind.login_with("root", PASSWORD).await.status, 429);
    assert_eq!(login(&blind, AWAY, "root", PASSWORD, Some(&root.refresh)).await.status, 200);
    // Other values are ignored as before: a client may send the same header with every request.
    for header in ["Basic cm9vdDpyb290", "Bearer", "Bearer a b", "nonsense"] {
        let request = blind.request("POST", "/api/v1/accounts/login").header("authorization", header);
        let request = request.json(&json!({"username": "mallory", "password": PASSWORD}));
        assert_eq!(request.send().await.unwrap().status(), 200, "{header}");
    }
}

async fn known_networks_and_tokens_have_counters_too(engine: Engine) {
    let (server, database) = server(engine).await;
    assert_eq!(right(&server, HOME).await, 200);
    let token = server.login("root").await.refresh;
    attack(&server, "root", &addresses(20)).await;
    database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
    for (address, token) in [(HOME, None), (AWAY, Some(token.as_str()))] {
        let mut compared = 0;
        let refused = loop {
            let answer = login(&server, address, "root", "a wrong password", token).await;
            if answer.status == 429 {
                break answer;
            }
            compared += 1;
            assert!(compared < 20, "it is slowed down");
        };
        assert!(compared >= 10 && refused.wait >= Some(1), "{refused:?} after {compared}");
        database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
        assert_eq!(login(&server, address, "root", PASSWORD, token).await.status, 429, "not even the right one");
    }
}

async fn unknown_names_behave_like_existing_ones(engine: Engine) {
    let (server, database) = server(engine).await;
    let login = async |name: &str| {
        let request = server.request("POST", "/api/v1/accounts/login").header("x-forwarded-for", STRANGER);
        crate::harness::answer(request.json(&json!({"username": name, "password": "a wrong password"}))).await
    };
    for name in ["root", "nobody"] {
        for attempt in 1..=5 {
            let same: Answer = fail(422, json!("user not found or bad username/password"));
            assert_eq!(login(name).await, same, "attempt {attempt} with {name}");
        }
    }
    // A long time later.
    let now = seconds_now();
    let sql = format!("UPDATE login_failures SET failures = 1000, last_failed_at = {now}, retry_at = {}", now - 700);
    database.execute(&sql).await;
    for name in ["root", "nobody"] {
        assert_eq!(wrong(&server, STRANGER, name).await.status, 422, "{name}");
        let refused = wrong(&server, STRANGER, name).await;
        assert!(refused.status == 429 && refused.wait.is_some_and(|wait| (200..=600).contains(&wait)), "{refused:?}");
        assert_eq!(wrong(&server, AWAY, name).await.status, 422, "{name}");
        assert_eq!(wrong(&server, AWAY, name).await.status, 422, "{name}");
        assert_eq!(wrong(&server, AWAY, name).await.status, 429, "{name}");
    }
    let rows = database.texts("SELECT id FROM login_failures").await;
    assert_eq!(rows.len(), 6, "one for each name, and one for each of its networks");
    assert!(rows.iter().all(|id| id.len() == 43), "{rows:?}");
}

async fn an_admin_who_is_created_again_can_log_in_at_once(engine: Engine) {
    let (server, database) = server(engine).await;
    let create = async |name: &str| {
        let output = run_with_input(&database, &["admin", "create", name, "--password-stdin"], PASSWORD).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    create("deputy").await;
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "deputy").await;
    let disable = json!({"uuid": uuid, "disabled": true});
    let disabled = server.call("PATCH", "/api/v1/users", Some(&root), Some(disable)).await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    // An existing user, and a new one whose name was guessed at before.
    for name in ["deputy", "newcomer"] {
        attack(&server, name, &addresses(40)).await;
        database.execute("UPDATE login_failures SET failures = 20, retry_at = 9999999999").await;
        let attack = guess_on(&server, name, addresses(200));
        assert_eq!(login(&server, AWAY, name, PASSWORD, None).await.status, 429);
        create(name).await;
        assert_eq!(login(&server, AWAY, name, PASSWORD, None).await.status, 200, "{name}");
        attack.abort();
    }
}
