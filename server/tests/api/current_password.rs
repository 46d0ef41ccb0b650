//! Changing the password requires the current one.

use futures::future::join_all;
use serde_json::json;

use crate::database::Engine;
use crate::guessing::{STRANGER, guess_on};
use crate::harness::{PASSWORD, Server, fail};

crate::on_every_engine!(a_password_can_be_changed_during_an_attack, five_wrong_passwords_end_the_session,);

async fn a_password_can_be_changed_during_an_attack(engine: Engine) {
    // Clients' addresses are unknown here: the worst case.
    let (server, database) = Server::with_admin(engine).await;
    let token = server.login("root").await.access;
    server.login_with("root", "a wrong password").await;
    database.execute("UPDATE login_failures SET failures = 20, retry_at = 9999999999").await;
    let attack = guess_on(&server, "root", vec![STRANGER.into()]);
    assert_eq!(server.login_with("root", PASSWORD).await.status, 429);
    for (old, new) in [(PASSWORD, "another good password"), ("another good password", PASSWORD)] {
        let body = json!({"old_password": old, "new_password": new});
        let changed = server.call("POST", "/api/v1/accounts/password", Some(&token), Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    attack.abort();
}

async fn five_wrong_passwords_end_the_session(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let (guessed, other) = (server.login("root").await, server.login("root").await);
    let change = async |token: &str, old: &str| {
        let body = json!({"old_password": old, "new_password": "another good password"});
        server.call("POST", "/api/v1/accounts/password", Some(token), Some(body)).await
    };
    for attempt in 1..=5 {
        assert!(server.is_valid(&guessed.access).await, "before attempt {attempt}");
        let refused = change(&guessed.access, "a wrong password").await;
        assert_eq!(refused, fail(422, json!({"old_password": ["Not the present password."]})));
    }
    assert!(!server.is_valid(&guessed.access).await);
    assert_eq!(server.refresh(&guessed.refresh).await.status, 401);
    assert_eq!(change(&guessed.access, PASSWORD).await.status, 401);
    assert!(server.is_valid(&other.access).await, "other sessions continue");
    let events = server.get("/api/v1/audit?event=session_ended", &other.access).await;
    assert_eq!(events.body["data"][0]["detail"], "too many wrong passwords", "{events:?}");

    // Concurrent attempts don't circumvent the limit.
    let parallel = server.login("root").await.access;
    let statuses = join_all((0..20).map(|_| change(&parallel, "a wrong password"))).await;
    let compared = statuses.iter().filter(|answer| answer.status == 422).count();
    assert!(compared <= 5 && statuses.iter().all(|answer| [401, 422, 503].contains(&answer.status)), "{statuses:?}");
    assert!(compared < 5 || !server.is_valid(&parallel).await);
    // These failures are not counted under the name, and a right password resets the count.
    for _ in 0..4 {
        change(&other.access, "a wrong password").await;
    }
    assert_eq!(change(&other.access, PASSWORD).await.status, 200);
    for _ in 0..4 {
        change(&other.access, "a wrong password").await;
    }
    assert!(server.is_valid(&other.access).await);
    assert_eq!(server.login_with("root", "another good password").await.status, 200);
    drop(database);
}
