//! Applications are notified when a session ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::browser::{
    Browser, CALLBACK, ISSUER, SECRET, SESSION, VERIFIER, authorize, client, encoded, start, started, text, tokens,
    userinfo, with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, run_with_input, until};

crate::on_every_engine!(
    every_end_of_a_session_notifies_its_applications,
    an_unreachable_application_is_notified_later,
    a_session_ended_by_release_0_2_is_notified_later,
    the_outbox_is_bounded,
    logouts_are_dropped_after_a_day,
);

mod replicas {
    use super::two_replicas_send_each_logout_once;

    crate::on_every_database_server!(two_replicas_send_each_logout_once);
}

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// An application that receives logout tokens.
pub struct Receiver {
    pub uri: String,
    bodies: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Clone)]
struct Answers {
    /// Before each answer.
    delay: Duration,
    usual: String,
    /// For the tokens of one session.
    of_session: Option<(String, String)>,
}

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
pub const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://127.0.0.1:{}/logout", listener.local_addr().unwrap().port());
        let answers = Answers { delay: Duration::ZERO, usual: OK.to_owned(), of_session: None };
        let (bodies, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(answers)));
        let (into, with) = (Arc::clone(&bodies), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = with.lock().unwrap().clone();
                tokio::spawn(receive(stream, Arc::clone(&into), answers));
            }
        });
        Self { uri, bodies, answers }
    }

    /// A client whose logout tokens are sent here.
    pub fn client(&self, id: &str) -> Value {
        with(with(client(id), "backchannelLogoutUri", json!(self.uri)), "consent", json!("Skip"))
    }

    pub fn answer_with(&self, answer: &str) {
        self.answer_after(Duration::ZERO, answer);
    }

    pub fn answer_after(&self, delay: Duration, answer: &str) {
        let mut answers = self.answers.lock().unwrap();
        (answers.delay, answers.usual) = (delay, answer.to_owned());
    }

    /// Answers the tokens of one session in another way.
    pub fn answer_to(&self, sid: &str, answer: &str) {
        self.answers.lock().unwrap().of_session = Some((sid.to_owned(), answer.to_owned()));
    }

    /// The claims of all tokens so far.
    pub fn received(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().iter().map(|body| claims(body.strip_prefix("logout_token=").unwrap())).collect()
    }

    pub fn forget(&self) {
        self.bodies.lock().unwrap().clear();
    }

    fn tokens(&self) -> Vec<String> {
        self.bodies.lock().unwrap().iter().map(|body| body.strip_prefix("logout_token=").unwrap().to_owned()).collect()
    }

    pub async fn until_notified(&self, count: usize) -> Vec<Value> {
        until("the application is notified", async || self.received().len() >= count).await;
        let tokens = self.received();
        assert_eq!(tokens.len(), count, "{tokens:?}");
        tokens
    }
}

async fn receive(mut stream: TcpStream, into: Arc<Mutex<Vec<String>>>, answers: Answers) {
    let mut got = String::new();
    let mut part = [0; 4096];
    let token = loop {
        if let Some((head, body)) = got.split_once("\r\n\r\n") {
            assert!(head.starts_with("POST /logout HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
            let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                into.lock().unwrap().push(body.to_owned());
                break claims(body.strip_prefix("logout_token=").unwrap());
            }
        }
        let count = stream.read(&mut part).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        got.push_str(std::str::from_utf8(&part[..count]).unwrap());
    };
    tokio::time::sleep(answers.delay).await;
    let own = answers.of_session.filter(|(sid, _)| token["sid"] == *sid);
    let answer = own.map_or(answers.usual, |(_, answer)| answer);
    let _ = stream.write_all(answer.as_bytes()).await;
}

pub async fn empty_outbox(database: &Database) {
    let is_empty = async || database.texts("SELECT client FROM logout_outbox").await.is_empty();
    until("the outbox is empty", is_empty).await;
}

async fn every_end_of_a_session_notifies_its_applications(engine: Engine) {
    let receiver = Receiver::start().await;
    let clients = [receiver.client("shop"), with(client("quiet"), "consent", json!("Skip"))];
    let (server, database) = started(engine, &clients).await;
    let created = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "alice").await;
    let mut seen = 0;
    for ending in ["end", "others", "expiry", "password", "disable", "delete"] {
        let own = server.login("alice").await.access;
        let mut browser = Browser::new(&server);
        let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
        // Twice, and another that does not want to know.
        tokens(&server, &browser.code(&[]).await).await;
        browser.code(&[("client_id", "quiet")]).await;
        let id = claims(&text(&issued, "id_token"));
        let answer = match ending {
            "end" => {
                let path = format!("/api/v1/accounts/sessions/{}", text(&id, "sid"));
                server.call("DELETE", &path, Some(&own), None).await.status
            }
            "others" => server.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status,
            "expiry" => {
                database.execute("UPDATE sessions SET expires_at = 1 WHERE cookie_hash IS NOT NULL").await;
                database.execute("UPDATE chores SET due_at = 0").await;
                200
            }
            "delete" => server.call("DELETE", "/api/v1/users", Some(&root), Some(json!({"uuid": uuid}))).await.status,
            change => {
                let change = match change {
                    "password" => json!({"uuid": uuid, "password": PASSWORD}),
                    _ => json!({"uuid": uuid, "disabled": true}),
                };
                let answer = server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await;
                let change = json!({"uuid": uuid, "disabled": false});
                server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await;
                answer.status
            }
        };
        assert_eq!(answer, 200, "{ending}");
        // The new password also ends the grant that outlived the expired session.
        seen += if ending == "password" { 2 } else { 1 };
        let of_session = |token: &Value| token["sid"] == id["sid"];
        let token = receiver.until_notified(seen).await.into_iter().find(of_session).unwrap();
        assert_eq!((&token["iss"], &token["aud"], &token["sub"]), (&json!(ISSUER), &json!("shop"), &json!(uuid)));
        assert_eq!((&token["sid"], &token["events"]), (&id["sid"], &json!({EVENT: {}})), "{ending}");
        assert!(token["nonce"].is_null() && token["jti"].is_string(), "{token}");
        let lifetime = token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
        assert_eq!(lifetime, 120);
        // The offline grant outlives only the expiry.
        let status = userinfo(&server, &text(&issued, "access_token")).await.0;
        assert_eq!(status, if ending == "expiry" { 200 } else { 401 }, "{ending}");
    }
    empty_outbox(&database).await;
    assert!(database.texts("SELECT client FROM logout_receivers").await.is_empty());
    // An application that never exchanged its code is not notified.
    assert!(receiver.received().iter().all(|token| token["aud"] == "shop"));
    let jtis: std::collections::BTreeSet<_> =
        receiver.received().iter().map(|token| token["jti"].to_string()).collect();
    assert_eq!(jtis.len(), seen);
    assert_tokens_are_nothing_else(&server, &receiver.tokens()[0]).await;
}

/// A logout token is neither an access token, nor an ID token, nor one of the API.
async fn assert_tokens_are_nothing_else(server: &Server, token: &str) {
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("logout+jwt"), jsonwebtoken::Algorithm::RS256));
    assert_eq!(userinfo(server, token).await.0, 401);
    assert_ne!(server.get("/api/v1/accounts/me", token).await.status, 200);
    let (status, answer) = crate::browser::refresh(server, token).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
}

/// The id of a new session of a browser, which is logged in to these applications.
pub async fn sid_at(server: &Server, clients: &[&str]) -> String {
    let (mut browser, mut sid) = (Browser::new(server), String::new());
    for client in clients {
        let code = browser.code(&[("client_id", client)]).await;
        let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
        let own = [("client_id", *client), ("client_secret", SECRET), ("code_verifier", VERIFIER)];
        let request = server.request("POST", "/oauth2/token");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(encoded(&[&form[..], &own].concat())).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        sid = text(&claims(&text(&answer.json().await.unwrap(), "id_token")), "sid");
    }
    sid
}

async fn an_unreachable_application_is_notified_later(engine: Engine) {
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let (server, database) = started(engine, &[receiver.client("shop"), other.client("other")]).await;
    receiver.answer_with(DOWN);
    let own = server.login("alice").await.access;
    let end = async || {
        let sid = sid_at(&server, &["shop", "other"]).await;
        let path = format!("/api/v1/accounts/sessions/{sid}");
        assert_eq!(server.call("DELETE", &path, Some(&own), None).await.status, 200);
    };
    for _ in 0..3 {
        end().await;
    }
    other.until_notified(3).await;
    until("it is tried", async || !receiver.received().is_empty()).await;
    let waiting = database.texts("SELECT client FROM logout_outbox WHERE client = '//shop'").await;
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    receiver.answer_with(OK);
    empty_outbox(&database).await;
    let sids: std::collections::BTreeSet<_> =
        receiver.received().iter().map(|token| token["sid"].to_string()).collect();
    assert_eq!(sids.len(), 3);
}

/// A server of release 0.2 deletes sessions, and users with their sessions, and knows nothing of applications.
async fn a_session_ended_by_release_0_2_is_notified_later(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    server.register("bobby").await;
    let mut bobby = Browser::new(&server);
    let page = bobby.get(&authorize(&[])).await;
    let of_bobby = tokens(&server, &bobby.log_in(&page, "bobby", PASSWORD).await.code()).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let access = text(&issued, "access_token");
    assert_eq!(userinfo(&server, &access).await.0, 200);
    database.execute("DELETE FROM users WHERE username = 'bobby'").await;
    database.execute("DELETE FROM sessions WHERE cookie_hash IS NOT NULL").await;
    assert_eq!(userinfo(&server, &access).await.0, 401);
    let (status, answer) = crate::browser::refresh(&server, &text(&issued, "refresh_token")).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "offline too");
    database.execute("UPDATE chores SET due_at = 0").await;
    let sent = receiver.until_notified(2).await;
    for tokens in [&issued, &of_bobby] {
        let sid = claims(&text(tokens, "id_token"))["sid"].clone();
        assert!(sent.iter().any(|token| token["sid"] == sid), "{sent:?}");
    }
    assert!(database.texts("SELECT grant_id FROM grants").await.is_empty());
}

async fn the_outbox_is_bounded(engine: Engine) {
    let receiver = Receiver::start().await;
    receiver.answer_with(DOWN);
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    let own = server.login("alice").await.access;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[]).await).await;
    let sub = text(&claims(&text(&issued, "id_token")), "sub");
    assert_eq!(server.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status, 200);
    let values = (0..120).map(|number| {
        let sub = if number < 110 { sub.as_str() } else { "another" };
        format!("('{number}', '{sub}', '//shop', 1999999999, 1999999999, 3)")
    });
    // At once: if the server merged a part of them, the rest would not be too many.
    let values: Vec<_> = values.collect();
    let columns = "(sid, sub, client, created_at, due_at, attempts)";
    database.execute(&format!("INSERT INTO logout_outbox {columns} VALUES {}", values.join(", "))).await;
    database.execute("UPDATE chores SET due_at = 0").await;
    let own_rows = async || database.texts(&format!("SELECT sid FROM logout_outbox WHERE sub = '{sub}'")).await;
    until("there is one for all sessions", async || own_rows().await == [""]).await;
    assert_eq!(database.texts("SELECT sid FROM logout_outbox WHERE sub = 'another'").await.len(), 10);
    receiver.answer_with(OK);
    until("it is sent", async || own_rows().await.is_empty()).await;
    let token = receiver.received().pop().unwrap();
    assert!(token["sid"].is_null() && token["sub"] == sub, "{token}");
}

async fn metrics(server: &Server) -> String {
    server.ops("/metrics").await.unwrap().text().await.unwrap()
}

async fn logouts_are_dropped_after_a_day(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    for (sid, created_at) in [("old", 1_700_000_000_i64), ("new", 1_999_999_999)] {
        let columns = "(sid, sub, client, created_at, due_at, attempts)";
        let values = format!("('{sid}', 'u', '//gone', {created_at}, 1999999999, 3)");
        database.execute(&format!("INSERT INTO logout_outbox {columns} VALUES {values}")).await;
    }
    database.execute("UPDATE chores SET due_at = 0").await;
    let left = async || database.texts("SELECT sid FROM logout_outbox").await == ["new"];
    until("the old row is dropped", left).await;
    let count = "sc_auth_logout_tokens_total{outcome=\"Expired\"} 1\n";
    until("it is counted", async || metrics(&server).await.contains(count)).await;
    assert!(metrics(&server).await.contains("sc_auth_logout_tokens_waiting "));
}

async fn two_replicas_send_each_logout_once(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    let other = start(&database).await;
    let own = server.login("alice").await.access;
    for _ in 0..10 {
        tokens(&other, &Browser::new(&server).code(&[]).await).await;
    }
    assert_eq!(other.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status, 200);
    empty_outbox(&database).await;
    let mut sids: Vec<_> = receiver.received().iter().map(|token| token["sid"].to_string()).collect();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!((sids.len(), receiver.received().len()), (10, 10));
}

/// The claim `sid` names the session and reveals nothing that could be used as its cookie.
#[tokio::test]
async fn the_session_id_is_no_secret() {
    let receiver = Receiver::start().await;
    let (server, _database) = started(Engine::Sqlite, &[receiver.client("shop")]).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[]).await).await;
    let sid = text(&claims(&text(&issued, "id_token")), "sid");
    assert_ne!(browser.cookies[SESSION], sid);
    let mut thief = Browser::new(&server);
    for cookie in [sid.clone(), format!("{sid:0<43}").replace('-', "A")] {
        thief.cookies.insert(SESSION.to_owned(), cookie);
        assert!(thief.get(&authorize(&[])).await.is_login());
    }
    let path = format!("/api/v1/accounts/sessions/{sid}");
    assert_ne!(server.call("DELETE", &path, Some(&text(&issued, "id_token")), None).await.status, 200);
}
