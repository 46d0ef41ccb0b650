//! Receivers of logout tokens that are slow or answer in odd ways, and servers that send with few connections or are killed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, client, declare, start, started, text, tokens, userinfo, with};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, run_with_input, until};
use crate::oidc_backchannel::{DOWN, OK, Receiver, empty_outbox, sid_at};

crate::on_every_engine!(
    one_connection_sends_each_logout_once,
    a_slow_application_does_not_delay_the_others,
    a_logout_that_always_fails_does_not_delay_the_others,
    a_server_that_is_killed_while_it_sends_loses_no_logout,
    an_application_is_notified_when_its_offline_grant_ends,
);

mod servers {
    use super::two_ends_at_once_notify_an_application_once;

    crate::on_every_database_server!(two_ends_at_once_notify_an_application_once);
}

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

/// Ends all sessions of alice but this one.
async fn end_others(server: &Server, access: &str) {
    assert_eq!(server.call("DELETE", "/api/v1/accounts/sessions", Some(access), None).await.status, 200);
}

fn sids(tokens: &[Value]) -> BTreeSet<String> {
    tokens.iter().map(|token| token["sid"].to_string()).collect()
}

/// What sends and what claims share a connection: neither may wait for the other.
async fn one_connection_sends_each_logout_once(engine: Engine) {
    let receivers = [Receiver::start().await, Receiver::start().await];
    let database = Database::create(engine).await;
    declare(&database, &[receivers[0].client("shop"), receivers[1].client("other")]);
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("DB_POOL_SIZE", "1")];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    let own = server.login("alice").await.access;
    for _ in 0..6 {
        sid_at(&server, &["shop", "other"]).await;
    }
    end_others(&server, &own).await;
    // Meanwhile, the connection is there for requests.
    server.login("alice").await;
    empty_outbox(&database).await;
    for receiver in receivers {
        assert_eq!(sids(&receiver.until_notified(6).await).len(), 6);
    }
    let log = server.log.text();
    assert!(!log.contains("could not claim") && !log.contains("could not record"), "{log}");
    let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
    assert!(metrics.contains("sc_auth_logout_tokens_total{outcome=\"Sent\"} 12\n"), "{metrics}");
}

async fn a_slow_application_does_not_delay_the_others(engine: Engine) {
    let (slow, shop) = (Receiver::start().await, Receiver::start().await);
    slow.answer_after(Duration::from_secs(1), OK);
    let (server, database) = started(engine, &[slow.client("slow"), shop.client("shop")]).await;
    let own = server.login("alice").await.access;
    sid_at(&server, &["shop"]).await;
    let rows: Vec<_> =
        (0..90).map(|number| format!("('{number}', 'u{number}', '//slow', 1999999999, {number}, 0)")).collect();
    let columns = "(sid, sub, client, created_at, due_at, attempts)";
    database.execute(&format!("INSERT INTO logout_outbox {columns} VALUES {}", rows.join(", "))).await;
    until("the slow one is busy", async || !slow.received().is_empty()).await;
    end_others(&server, &own).await;
    shop.until_notified(1).await;
    let waiting = database.texts("SELECT sid FROM logout_outbox WHERE client = '//slow'").await;
    assert!(!waiting.is_empty(), "it waited for the backlog of another application");
}

/// The application does not know the user, or fails for that user only.
async fn a_logout_that_always_fails_does_not_delay_the_others(engine: Engine) {
    let receiver = Receiver::start().await;
    let (_server, database) = started(engine, &[receiver.client("shop")]).await;
    for status in ["400 Bad Request", "500 Internal Server Error"] {
        receiver.answer_to("bad", &format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
        let rows: Vec<_> = (0..30)
            .map(|number| format!("('{number}', 'u{number}', '//shop', 1999999999, {}, 0)", number + 2))
            .collect();
        let columns = "(sid, sub, client, created_at, due_at, attempts)";
        // It failed for hours: the next attempt is in an hour.
        let bad = "('bad', 'bad', '//shop', 1999999999, 1, 9)";
        database.execute(&format!("INSERT INTO logout_outbox {columns} VALUES {bad}, {}", rows.join(", "))).await;
        let only_bad = async || database.texts("SELECT sid FROM logout_outbox").await == ["bad"];
        until(&format!("the others are sent, {status}"), only_bad).await;
        let tokens = receiver.received();
        assert_eq!(tokens.iter().filter(|token| token["sid"] == "bad").count(), 1, "{status}: {tokens:?}");
        receiver.forget();
        database.execute("DELETE FROM logout_outbox").await;
    }
}

async fn a_server_that_is_killed_while_it_sends_loses_no_logout(engine: Engine) {
    let receiver = Receiver::start().await;
    receiver.answer_after(Duration::from_mins(10), OK);
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    let own = server.login("alice").await.access;
    let sid = sid_at(&server, &["shop"]).await;
    end_others(&server, &own).await;
    until("it sends", async || !receiver.received().is_empty()).await;
    drop(server);
    assert_eq!(database.texts("SELECT sid FROM logout_outbox WHERE attempts > 0").await, [sid.as_str()]);
    receiver.answer_with(OK);
    // The claim of the killed server ends.
    database.execute("UPDATE logout_outbox SET due_at = 1").await;
    let _server = start(&database).await;
    empty_outbox(&database).await;
    let tokens = receiver.received();
    assert!(tokens.len() > 1 && sids(&tokens) == BTreeSet::from([format!("\"{sid}\"")]), "{tokens:?}");
    assert_ne!(tokens[0]["jti"], tokens[tokens.len() - 1]["jti"]);
}

/// Also of a session that had ended before: the grant outlived it.
async fn an_application_is_notified_when_its_offline_grant_ends(engine: Engine) {
    let receiver = Receiver::start().await;
    let other = with(client("other"), "consent", json!("Skip"));
    let (server, database) = started(engine, &[receiver.client("shop"), other]).await;
    let created = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "alice").await;
    let mut seen = 0;
    for ending in ["revoke", "password", "delete"] {
        let mut browser = Browser::new(&server);
        let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
        let id = text(&issued, "id_token");
        browser.get(&format!("/oauth2/logout?id_token_hint={id}")).await;
        receiver.until_notified(seen + 1).await;
        assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200, "it is offline");
        match ending {
            "revoke" => {
                browser.code(&[("client_id", "other")]).await;
                let page = browser.get("/account/applications").await;
                let form = [("request", page.sealed()), ("client", "//shop".to_owned())];
                let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
                assert_eq!(browser.post("/account/applications", &form).await.status, 303);
            }
            "password" => {
                let change = json!({"uuid": uuid, "password": PASSWORD});
                assert_eq!(server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await.status, 200);
            }
            _ => {
                let user = json!({"uuid": uuid});
                assert_eq!(server.call("DELETE", "/api/v1/users", Some(&root), Some(user)).await.status, 200);
            }
        }
        seen += 2;
        let token = receiver.until_notified(seen).await.pop().unwrap();
        assert_eq!((&token["sid"], &token["sub"]), (&claims(&id)["sid"], &json!(uuid)), "{ending}");
    }
    empty_outbox(&database).await;
    receiver.until_notified(seen).await;
}

/// A sweep, which locks no user, and the user.
async fn two_ends_at_once_notify_an_application_once(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    let expired = sid_at(&server, &["shop"]).await;
    let mut browser = Browser::new(&server);
    tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let page = browser.get("/account/applications").await;
    // Its grant has expired before.
    database.execute(&format!("DELETE FROM grants WHERE sid = '{expired}'")).await;
    let lock = database.hold("SELECT id FROM logout_receivers FOR UPDATE").await;
    database.execute(&format!("UPDATE sessions SET expires_at = 1 WHERE sid = '{expired}'")).await;
    database.execute("UPDATE chores SET due_at = 0").await;
    let waiting = match engine {
        Engine::Postgres => {
            "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        }
        _ => "SELECT CAST(trx_id AS CHAR) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    };
    let is_waiting = async |count: usize| database.texts(waiting).await.len() >= count;
    until("the sweep waits", async || is_waiting(1).await).await;
    let form = [("request", page.sealed()), ("client", "//shop".to_owned())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let release = async {
        let mut looks = 0;
        // Not for long: the sweep has a time limit.
        let waits = async || {
            looks += 1;
            looks > 20 || is_waiting(2).await
        };
        until("the user waits", waits).await;
        drop(lock);
    };
    let (answer, ()) = tokio::join!(browser.post("/account/applications", &form), release);
    assert_eq!(answer.status, 303, "{}", answer.text);
    empty_outbox(&database).await;
    let is_gone = async || database.texts("SELECT sid FROM sessions WHERE expires_at = 1").await.is_empty();
    until("the session has ended", is_gone).await;
    empty_outbox(&database).await;
    let tokens = receiver.until_notified(2).await;
    assert_eq!(sids(&tokens).len(), 2, "{tokens:?}");
}

#[tokio::test]
async fn an_application_that_is_not_declared_gets_nothing_until_it_is() {
    let receiver = Receiver::start().await;
    let (server, database) = started(Engine::Sqlite, &[receiver.client("shop")]).await;
    let own = server.login("alice").await.access;
    sid_at(&server, &["shop"]).await;
    declare(&database, &[client("other")]);
    until("it is gone", async || server.status().await["declared"]["revisions"]["//shop"].is_null()).await;
    end_others(&server, &own).await;
    let tried = async || !database.texts("SELECT sid FROM logout_outbox WHERE attempts > 0").await.is_empty();
    until("it is tried", tried).await;
    assert!(receiver.received().is_empty());
    declare(&database, &[receiver.client("shop"), client("other")]);
    receiver.until_notified(1).await;
    empty_outbox(&database).await;
}

#[tokio::test]
async fn an_answer_that_is_no_confirmation_is_retried() {
    let target = Receiver::start().await;
    let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.uri);
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(256 * 1024));
    let answers = [
        ("refuses", "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        ("down", DOWN),
        ("redirects", &redirect),
        ("huge", &huge),
        ("nonsense", "hello\r\n\r\n"),
        ("closes", ""),
    ];
    let mut receivers = Vec::new();
    for (id, answer) in answers {
        let receiver = Receiver::start().await;
        receiver.answer_with(answer);
        receivers.push((id, receiver));
    }
    let endless = Receiver::start().await;
    endless.answer_with("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\nxxxx");
    let mut clients: Vec<_> = receivers.iter().map(|(id, receiver)| receiver.client(id)).collect();
    clients.extend([endless.client("endless"), target.client("target")]);
    let (server, database) = started(Engine::Sqlite, &clients).await;
    let own = server.login("alice").await.access;
    let mut ids: Vec<_> = receivers.iter().map(|(id, _)| *id).collect();
    ids.push("endless");
    let sid = sid_at(&server, &ids).await;
    end_others(&server, &own).await;
    for (id, receiver) in &receivers {
        until("it is tried", async || !receiver.received().is_empty()).await;
        let waiting = format!("SELECT sid FROM logout_outbox WHERE client = '//{id}'");
        assert_eq!(database.texts(&waiting).await, [sid.as_str()], "{id}");
        receiver.answer_with(OK);
    }
    empty_outbox(&database).await;
    for (id, receiver) in &receivers {
        assert!(receiver.received().len() > 1, "{id}");
    }
    assert_eq!(endless.received().len(), 1, "its body is not read");
    assert!(target.received().is_empty(), "redirects are not followed");
}
