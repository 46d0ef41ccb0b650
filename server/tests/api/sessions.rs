//! Refreshing and ending sessions.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, done, fail, until};

crate::on_every_engine!(
    each_refresh_returns_the_next_refresh_token,
    a_lost_answer_can_be_requested_again_until_its_token_is_used,
    fifty_refreshes_at_once_on_two_replicas_get_one_successor,
    a_replayed_refresh_token_ends_the_session_and_is_recorded,
    after_ten_seconds_a_lost_answer_is_repeated_for_the_same_client_only,
    old_clients_refresh_with_their_first_token,
    a_session_has_an_idle_and_an_absolute_end,
    sessions_are_listed_and_ended_one_by_one,
    all_other_sessions_can_be_ended,
    a_new_password_ends_the_other_sessions,
    a_user_changes_name_and_address,
    changes_by_an_admin_end_all_sessions_on_every_replica,
    expired_sessions_are_deleted,
    a_chore_claimed_by_another_replica_is_not_run,
);

const SESSIONS: &str = "/api/v1/accounts/sessions";

async fn each_refresh_returns_the_next_refresh_token(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let mut tokens = server.login("root").await;
    for _ in 0..3 {
        let refreshed = server.refresh(&tokens.refresh).await;
        assert_ne!(refreshed.text("refresh_token"), tokens.refresh);
        assert!(server.is_valid(&refreshed.text("access_token")).await);
        assert!(server.is_valid(&tokens.access).await, "an access token lives until it expires");
        tokens.refresh = refreshed.text("refresh_token");
    }
}

async fn a_lost_answer_can_be_requested_again_until_its_token_is_used(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let first = server.login("root").await.refresh;
    let second = server.refresh(&first).await.text("refresh_token");
    assert_eq!(server.refresh(&first).await.text("refresh_token"), second, "the very same token again");
    let third = server.refresh(&second).await.text("refresh_token");
    // The second token was used, so the sender of the first has not lost an answer.
    assert_eq!(server.refresh(&first).await, fail(401, json!("The token has revoked")));
    assert_eq!(server.refresh(&third).await, fail(401, json!("The token has revoked")));
}

async fn fifty_refreshes_at_once_on_two_replicas_get_one_successor(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    let token = first.login("root").await.refresh;
    let answers = join_all((0..50).map(|number| {
        let server: &Server = if number % 2 == 0 { &first } else { &second };
        server.refresh(&token)
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let successors: BTreeSet<_> =
        answers.iter().map(|answer| claims(&answer.text("refresh_token"))["jti"].to_string()).collect();
    assert_eq!(successors.len(), 1, "{successors:?}");
    assert_eq!(second.refresh(&answers[0].text("refresh_token")).await.status, 200);
}

async fn a_replayed_refresh_token_ends_the_session_and_is_recorded(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let stolen = server.login("root").await;
    let next = server.refresh(&stolen.refresh).await;
    // After a minute, it no longer counts as a lost answer.
    database.execute("UPDATE sessions SET rotated_at = rotated_at - 61").await;
    assert_eq!(server.refresh(&stolen.refresh).await, fail(401, json!("The token has revoked")));
    assert!(!server.is_valid(&stolen.access).await && !server.is_valid(&next.text("access_token")).await);
    assert_eq!(server.refresh(&next.text("refresh_token")).await.status, 401);

    let admin = server.login("root").await.access;
    let noted = server.get("/api/v1/audit?event=refresh_replayed", &admin).await;
    assert_eq!(noted.body["data"][0]["actor"]["username"], "root");
    assert_eq!(noted.body["data"][0]["outcome"], "denied");
}

async fn after_ten_seconds_a_lost_answer_is_repeated_for_the_same_client_only(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let server = Server::start(&database, &[("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let refresh = async |token: &str, network: &str, agent: &str| {
        let request = server.request("POST", "/api/v1/accounts/refresh").bearer_auth(token);
        crate::harness::answer(request.header("x-forwarded-for", network).header("user-agent", agent)).await
    };
    let later = async || database.execute("UPDATE sessions SET rotated_at = rotated_at - 15").await;
    let admin = server.login("root").await.access;
    let noted = async |event: &str| {
        let noted = server.get(&format!("/api/v1/audit?event={event}"), &admin).await;
        noted.body["data"].as_array().unwrap().iter().map(|event| event["detail"].clone()).collect::<Vec<_>>()
    };
    let first = server.login("root").await.refresh;
    let second = refresh(&first, "203.0.113.7", "App/1").await.text("refresh_token");
    assert_eq!(noted("refresh_repeated").await.len(), 0);
    // At once, a phone may have another network and an app another agent.
    assert_eq!(refresh(&first, "198.51.100.1", "curl/8").await.text("refresh_token"), second);
    later().await;
    for (network, agent) in [("203.0.113.7", "App/1"), ("198.51.100.1", "App/1"), ("203.0.113.7", "App/2")] {
        let repeated = refresh(&first, network, agent).await;
        assert_eq!(repeated.text("refresh_token"), second, "{network} {agent}");
    }
    assert_eq!(noted("refresh_repeated").await.len(), 4, "one for each client");
    assert_eq!(noted("refresh_replayed").await.len(), 0);
    let refused = refresh(&first, "198.51.100.1", "curl/8").await;
    assert_eq!(refused, fail(401, json!("The token has revoked")));
    assert_eq!(server.refresh(&second).await.status, 401, "the session has ended");
    assert_eq!(noted("refresh_replayed").await, [json!("by another client than the one that used the token")]);
}

async fn old_clients_refresh_with_their_first_token(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let server = Server::start(&database, &[("SC_AUTH_REFRESH_TOKENS", "reusable")]).await;
    let tokens = server.login("root").await;
    let mut seen = BTreeSet::from([tokens.access]);
    for _ in 0..3 {
        let answer = server.refresh(&tokens.refresh).await;
        assert_eq!(answer.body["data"].as_object().unwrap().len(), 1, "as in the legacy service: {answer:?}");
        let access = answer.text("access_token");
        assert!(server.is_valid(&access).await);
        assert!(seen.insert(access), "each access token is a new one");
    }
    assert!(server.log.text().contains(r#""refresh_tokens":"Reusable""#), "the log shows the mode");
}

async fn a_session_has_an_idle_and_an_absolute_end(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let ttl =
        [("SC_AUTH_ACCESS_TOKEN_TTL", "1m"), ("SC_AUTH_REFRESH_TOKEN_TTL", "10m"), ("SC_AUTH_SESSION_TTL", "12m")];
    let server = Server::start(&database, &ttl).await;
    let tokens = server.login("root").await;
    let began = claims(&tokens.refresh)["iat"].as_i64().unwrap();
    assert_eq!(claims(&tokens.refresh)["exp"], began + 600);
    // As if five minutes had passed: a refresh extends the idle end, but not beyond the absolute one.
    database.execute("UPDATE sessions SET created_at = created_at - 300, ends_at = ends_at - 300").await;
    let next = server.refresh(&tokens.refresh).await;
    assert_eq!(claims(&next.text("refresh_token"))["exp"], began - 300 + 720);

    database.execute("UPDATE sessions SET expires_at = expires_at - 601").await;
    assert!(!server.is_valid(&next.text("access_token")).await, "too long without a refresh");
}

async fn sessions_are_listed_and_ended_one_by_one(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let login = json!({"username": "root", "password": PASSWORD});
    let laptop = server.request("POST", "/api/v1/accounts/login").json(&login).header("user-agent", "Laptop/1.0");
    let laptop = crate::harness::answer(laptop).await.text("access_token");
    let phone = server.login("root").await;

    let listed = server.get(SESSIONS, &phone.access).await;
    let sessions = listed.body["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["user_agent"], &sessions[0]["current"]), (&json!("Laptop/1.0"), &json!(false)));
    assert_eq!((&sessions[1]["address"], &sessions[1]["current"]), (&json!("127.0.0.1"), &json!(true)));
    assert!(sessions[0]["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(sessions[0]["created_at"], sessions[0]["last_used_at"]);

    let id = sessions[0]["id"].as_str().unwrap();
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    let path = format!("{SESSIONS}/{id}");
    let not_hers = server.call("DELETE", &path, Some(&alice), None).await;
    assert_eq!(not_hers, fail(404, json!("session not found")));
    assert_eq!(server.call("DELETE", &path, Some(&phone.access), None).await, done());
    assert!(!server.is_valid(&laptop).await && server.is_valid(&phone.access).await);
    assert_eq!(server.call("DELETE", &path, Some(&phone.access), None).await.status, 404);
}

async fn all_other_sessions_can_be_ended(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let others = [server.login("root").await, server.login("root").await];
    let own = server.login("root").await;
    assert_eq!(server.call("DELETE", SESSIONS, Some(&own.access), None).await, done());
    for other in others {
        assert!(!server.is_valid(&other.access).await);
        assert_eq!(server.refresh(&other.refresh).await.status, 401);
    }
    assert!(server.is_valid(&own.access).await);
}

async fn a_new_password_ends_the_other_sessions(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let (other, own) = (server.login("root").await, server.login("root").await);
    let change = |old: &str, new: &str| {
        let body = json!({"old_password": old, "new_password": new});
        let (server, own) = (&server, &own);
        async move { server.call("POST", "/api/v1/accounts/password", Some(&own.access), Some(body)).await }
    };
    let wrong = fail(422, json!({"old_password": ["Not the present password."]}));
    assert_eq!(change("a wrong password", "another password").await, wrong);
    let weak = fail(422, json!({"new_password": ["Shorter than minimum length 8."]}));
    assert_eq!(change(PASSWORD, "x y z").await, weak);
    assert!(server.is_valid(&other.access).await);

    assert_eq!(change(PASSWORD, "another password").await, done());
    assert!(server.is_valid(&own.access).await && !server.is_valid(&other.access).await);
    assert_eq!(server.refresh(&own.refresh).await.status, 200);
    assert_eq!(server.login_with("root", PASSWORD).await.status, 422);
    assert_eq!(server.login_with("root", "another password").await.status, 200);
}

async fn a_user_changes_name_and_address(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    server.register("bob").await;
    let alice = server.login("alice").await.access;
    let change = |body| server.call("PATCH", "/api/v1/accounts/me", Some(&alice), Some(body));
    let all = json!({"name": "Alice S.", "email": "a@example.org", "password": PASSWORD});
    assert_eq!(change(all).await, done());
    let me = server.get("/api/v1/accounts/me", &alice).await;
    assert_eq!((me.text("name"), me.text("email")), ("Alice S.".into(), "a@example.org".into()));
    let taken = json!({"email": "bob@example.com", "password": PASSWORD});
    assert_eq!(change(taken).await, fail(409, json!("email already exists")));
    assert_eq!(change(json!({"role_id": 1})).await, fail(422, json!({"role_id": ["Unknown field."]})));
}

async fn changes_by_an_admin_end_all_sessions_on_every_replica(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    let admin = first.login("root").await.access;
    for (name, method, body) in [
        ("alice", "PATCH", json!({"password": "another password"})),
        ("bob", "PATCH", json!({"disabled": true})),
        ("carol", "DELETE", json!({})),
    ] {
        first.register(name).await;
        let sessions = [first.login(name).await, second.login(name).await];
        let mut body = body;
        body["uuid"] = json!(first.uuid_of(&admin, name).await);
        assert_eq!(first.call(method, "/api/v1/users", Some(&admin), Some(body)).await, done());
        for tokens in sessions {
            assert!(!second.is_valid(&tokens.access).await, "{name}");
            assert_eq!(second.refresh(&tokens.refresh).await, fail(401, json!("The token has revoked")), "{name}");
        }
    }
}

async fn expired_sessions_are_deleted(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let server = Server::start(&database, &[]).await;
    for _ in 0..3 {
        server.login("root").await;
    }
    database.execute("UPDATE sessions SET expires_at = 1").await;
    let live = server.login("root").await;
    drop(server);
    let server = Server::start(&database, &[]).await;
    until("only the one that has not expired is left", async || {
        database.texts("SELECT sid FROM sessions").await.len() == 1
    })
    .await;
    assert!(server.is_valid(&live.access).await);
}

async fn a_chore_claimed_by_another_replica_is_not_run(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.login("root").await;
    drop(server);
    database.execute("UPDATE sessions SET expires_at = 1").await;
    database.execute("DELETE FROM chores; INSERT INTO chores (id, due_at) VALUES ('sweep', 9999999999)").await;
    let server = Server::start(&database, &[]).await;
    // Live sessions are counted before each sweep: the next count shows that the chore was checked.
    until("sessions were counted", async || {
        server.login("root").await;
        let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
        !metrics.contains("sc_auth_sessions 0\n")
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(database.texts("SELECT sid FROM sessions WHERE expires_at = 1").await.len(), 1);
    assert_eq!(database.texts("SELECT id FROM chores WHERE due_at = 9999999999").await, ["sweep"]);
}

#[tokio::test]
async fn no_stored_data_can_be_used_as_a_token() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let tokens = server.login("root").await;
    let next = server.refresh(&tokens.refresh).await;
    let stored = everything(&database);
    for token in [&tokens.access, &tokens.refresh, &next.text("access_token"), &next.text("refresh_token")] {
        let (_, signature) = token.rsplit_once('.').unwrap();
        assert!(!stored.windows(signature.len()).any(|bytes| bytes == signature.as_bytes()));
    }
}

/// All bytes of an embedded database.
fn everything(database: &Database) -> Vec<u8> {
    let read = |name: &str| std::fs::read(database.folder.path().join(name)).unwrap();
    [read("sc-auth.db"), read("sc-auth.db-wal")].concat()
}
