//! Each end of a session tells the applications that the user had logged in to. See also [`crate::oidc_backchannel`].

use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, authorize, declare, refresh, started, text, tokens, userinfo};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, run_with_input};
use crate::oidc_backchannel::Receiver;

crate::on_every_engine!(
    a_session_that_makes_room_for_another_tells_its_applications,
    a_login_of_another_user_tells_the_applications_of_the_first,
    a_new_password_tells_the_applications_of_all_other_browsers,
    an_admin_who_is_created_again_tells_their_applications,
);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
const NEW_PASSWORD: &str = "another horse battery";

/// What an application gets in the session of a browser.
struct Issued {
    sid: Value,
    online: String,
    offline: Value,
}

async fn issued(server: &Server, browser: &mut Browser<'_>) -> Issued {
    let online = tokens(server, &browser.code(&[]).await).await;
    let offline = tokens(server, &browser.code(&[OFFLINE]).await).await;
    let sid = claims(&text(&online, "id_token"))["sid"].clone();
    assert_eq!(claims(&text(&offline, "id_token"))["sid"], sid);
    Issued { sid, online: text(&online, "access_token"), offline }
}

impl Issued {
    /// Asserts that what needs the session has ended, and whether the rest has.
    async fn assert_ended(&self, server: &Server, is_offline_kept: bool) {
        assert_eq!(userinfo(server, &self.online).await.0, 401);
        let (access, kept) = (text(&self.offline, "access_token"), text(&self.offline, "refresh_token"));
        let wanted = if is_offline_kept { (200, 200) } else { (401, 400) };
        assert_eq!((userinfo(server, &access).await.0, refresh(server, &kept).await.0), wanted);
    }
}

async fn a_session_that_makes_room_for_another_tells_its_applications(engine: Engine) {
    let receiver = Receiver::start().await;
    let database = Database::create(engine).await;
    declare(&database, &[receiver.client("shop")]);
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_MAX_SESSIONS", "1")];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    let mut browser = Browser::new(&server);
    let first = issued(&server, &mut browser).await;
    assert_eq!(server.login_with("alice", PASSWORD).await.status, 429, "it is in use");
    for column in ["created_at", "auth_time", "last_used_at"] {
        database.execute(&format!("UPDATE sessions SET {column} = {column} - 7200")).await;
    }
    server.login("alice").await;
    assert_eq!(receiver.until_notified(1).await[0]["sid"], first.sid);
    first.assert_ended(&server, true).await;
    assert!(browser.get(&authorize(&[])).await.is_login());
}

async fn a_login_of_another_user_tells_the_applications_of_the_first(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, _database) = started(engine, &[receiver.client("shop")]).await;
    server.register("bobby").await;
    let mut elsewhere = Browser::new(&server);
    let other = tokens(&server, &elsewhere.code(&[]).await).await;
    let mut browser = Browser::new(&server);
    let of_alice = issued(&server, &mut browser).await;
    // Alice again: her session goes on.
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    browser.log_in(&page, "alice", PASSWORD).await.code();
    assert_eq!(userinfo(&server, &of_alice.online).await.0, 200);
    // A wrong password, and then the right one of another user.
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    assert_eq!(browser.log_in(&page, "bobby", "wrong password").await.status, 422);
    assert_eq!(userinfo(&server, &of_alice.online).await.0, 200);
    let of_bobby = tokens(&server, &browser.log_in(&page, "bobby", PASSWORD).await.code()).await;
    let told = receiver.until_notified(1).await.remove(0);
    assert_eq!((&told["sid"], &told["sub"]), (&of_alice.sid, &claims(&of_alice.online)["sub"]));
    of_alice.assert_ended(&server, true).await;
    for kept in [&other, &of_bobby] {
        assert_eq!(userinfo(&server, &text(kept, "access_token")).await.0, 200);
    }
}

async fn a_new_password_tells_the_applications_of_all_other_browsers(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, _database) = started(engine, &[receiver.client("shop")]).await;
    let own = server.login("alice").await.access;
    let (mut one, mut other) = (Browser::new(&server), Browser::new(&server));
    let both = [issued(&server, &mut one).await, issued(&server, &mut other).await];
    let change = async |old: &str| {
        let passwords = json!({"old_password": old, "new_password": NEW_PASSWORD});
        server.call("POST", "/api/v1/accounts/password", Some(&own), Some(passwords)).await.status
    };
    assert_ne!(change("wrong password").await, 200);
    assert_eq!(userinfo(&server, &both[0].online).await.0, 200);
    assert_eq!(change(PASSWORD).await, 200);
    let told = receiver.until_notified(2).await;
    for issued in &both {
        assert!(told.iter().any(|token| token["sid"] == issued.sid), "{told:?}");
        issued.assert_ended(&server, false).await;
    }
    assert!(server.is_valid(&own).await, "the session that changed it goes on");
}

/// With a password that somebody forgot.
async fn an_admin_who_is_created_again_tells_their_applications(engine: Engine) {
    let receiver = Receiver::start().await;
    let (server, database) = started(engine, &[receiver.client("shop")]).await;
    let create = async |password: &str| {
        let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], password).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    create(PASSWORD).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    browser.log_in(&page, "root", PASSWORD).await.code();
    let issued = issued(&server, &mut browser).await;
    create(NEW_PASSWORD).await;
    assert_eq!(receiver.until_notified(1).await[0]["sid"], issued.sid);
    issued.assert_ended(&server, false).await;
    assert!(browser.get(&authorize(&[])).await.is_login());
}
