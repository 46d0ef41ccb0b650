//! What a thief and a flood of requests try with OpenID Connect.

use serde_json::{Value, json};

use crate::browser::{
    Browser, CALLBACK, ISSUER, SECRET, VERIFIER, authorize, client, declare, encoded, exchange, refresh, started, text,
    token, tokens, userinfo, with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, until};
use crate::oidc_audit::copy_grants;

crate::on_every_engine!(many_grants_end_the_oldest, a_code_is_bound_to_its_client_and_verifier);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
const FORM: &str = "application/x-www-form-urlencoded";

fn skipping(id: &str) -> Value {
    with(client(id), "consent", json!("Skip"))
}

fn native(id: &str) -> Value {
    let uris = ["http://127.0.0.1/cb", "com.example.app:/cb"];
    json!({"clientId": id, "type": "Native", "consent": "Skip", "redirectUris": uris})
}

async fn many_grants_end_the_oldest(engine: Engine) {
    let (server, database) = started(engine, &[skipping("shop")]).await;
    let mut browser = Browser::new(&server);
    let count = async |which: &str| {
        database.texts(&format!("SELECT grant_id FROM grants WHERE refresh_jti {which}")).await.len()
    };
    let oldest = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    copy_grants(&database, 49).await;
    assert_eq!(count("IS NOT NULL").await, 50);
    let newest = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    assert_eq!(count("IS NOT NULL").await, 50);
    assert_eq!(refresh(&server, &text(&oldest, "refresh_token")).await.1["error"], "invalid_grant");
    assert_eq!(refresh(&server, &text(&newest, "refresh_token")).await.0, 200);
    database.execute("DELETE FROM grants").await;
    let oldest = browser.code(&[]).await;
    copy_grants(&database, 99).await;
    let newest = browser.code(&[]).await;
    assert_eq!(count("IS NULL").await, 100);
    assert_eq!(exchange(&server, &oldest).await.1["error"], "invalid_grant");
    tokens(&server, &newest).await;
}

/// A thief who injects a code into the login of a victim, or a victim's code into an own one (RFC 9700, 4.5).
async fn a_code_is_bound_to_its_client_and_verifier(engine: Engine) {
    let (server, database) = started(engine, &[skipping("shop"), skipping("other"), native("app")]).await;
    let mut browser = Browser::new(&server);
    let code = browser.code(&[]).await;
    let base = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
    let verifier = ("code_verifier", "another-login-of-the-application-has-another-verifier");
    assert_eq!(token(&server, &[&base[..], &[verifier]].concat()).await.1["error"], "invalid_grant");
    // Other clients, one of which anybody can be.
    for own in [&[("client_id", "other"), ("client_secret", SECRET)][..], &[("client_id", "app")]] {
        let form = encoded(&[&base[..], own, &[("code_verifier", VERIFIER)]].concat());
        let request = server.request("POST", "/oauth2/token").header("content-type", FORM).body(form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["error"], "invalid_grant", "{own:?}");
    }
    let refresh_token = text(&tokens(&server, &browser.code(&[OFFLINE]).await).await, "refresh_token");
    let form = [("client_id", "app"), ("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    let request = server.request("POST", "/oauth2/token").header("content-type", FORM).body(encoded(&form));
    assert_eq!(request.send().await.unwrap().status(), 400, "the refresh token is another client's");
    assert_eq!(refresh(&server, &refresh_token).await.0, 200);
    // An expired code, and one of a session that has ended.
    tokens(&server, &code).await;
    let expired = browser.code(&[]).await;
    database.execute("UPDATE grants SET expires_at = 1 WHERE code_used_at IS NULL").await;
    let ended = browser.code(&[OFFLINE]).await;
    assert_eq!(exchange(&server, &expired).await.1["error"], "invalid_grant");
    let own = server.login("alice").await.access;
    assert_eq!(server.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status, 200);
    assert_eq!(exchange(&server, &ended).await.1["error"], "invalid_grant");
    let replayed = database.texts("SELECT event FROM audit_events WHERE event = 'code_replayed'").await;
    assert!(replayed.is_empty(), "nobody used a code twice");
}

#[tokio::test]
async fn no_spelling_of_a_redirect_uri_leads_elsewhere() {
    let (server, _database) = started(Engine::Sqlite, &[skipping("shop"), native("app")]).await;
    let mut browser = Browser::new(&server);
    for uri in [
        "https://shop.test/cb/",
        "https://shop.test/CB",
        "https://shop.test/cb?",
        "https://shop.test/cb?x=1",
        "https://shop.test/cb#x",
        "https://shop.test/%63b",
        "https://shop.test/cb%2f..%2fx",
        "https://shop.test:443/cb",
        "https://SHOP.test/cb",
        "http://shop.test/cb",
        "https://shop.test@evil.test/cb",
        "https://shop.test.evil.test/cb",
        "https://shop.test\\@evil.test/cb",
        "//shop.test/cb",
        " https://shop.test/cb",
        "https://shop.test/cb\r\nSet-Cookie: a=b",
        "https://shop.test/cb\u{0}",
        "http://127.0.0.1:8000/cb",
        "javascript:alert(1)",
    ] {
        let page = browser.get(&authorize(&[("redirect_uri", uri)])).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{uri}");
    }
    let of_app = |uri: &'static str| authorize(&[("client_id", "app"), ("redirect_uri", uri), ("prompt", "none")]);
    for uri in ["http://127.0.0.1:51004/cb", "com.example.app:/cb"] {
        let location = browser.get(&of_app(uri)).await.location().to_owned();
        assert!(location.starts_with(&format!("{uri}?error=login_required")), "{location}");
    }
    for uri in [
        "http://localhost:51004/cb",
        "http://127.0.0.1:51004/cb2",
        "http://127.0.0.1.evil.test:80/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "https://127.0.0.1/cb",
        "com.example.app://cb",
        "com.example.app:/cb/x",
    ] {
        assert_eq!(browser.get(&of_app(uri)).await.status, 400, "{uri}");
    }
    // Twice: the one that is checked must be the one that is used.
    let twice = format!("{}&{}", authorize(&[]), encoded(&[("redirect_uri", "https://evil.test/")]));
    assert_eq!(browser.get(&twice).await.status, 400);
}

/// Any application of a device can claim a scheme or a port (RFC 8252, 8.6).
#[tokio::test]
async fn a_native_application_needs_consent_at_each_login() {
    const OWNED: &str = "https://app.test/cb";
    let uris = json!(["http://127.0.0.1/cb", "com.example.app:/cb", OWNED]);
    let asking = with(with(native("app"), "consent", json!("Once")), "redirectUris", uris);
    let (server, _database) = started(Engine::Sqlite, &[skipping("shop"), asking]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let from = |uri: &'static str, prompt: &'static str| {
        authorize(&[("client_id", "app"), ("redirect_uri", uri), ("prompt", prompt)])
    };
    for uri in ["http://127.0.0.1:51004/cb", "com.example.app:/cb"] {
        for _ in 0..2 {
            let page = browser.get(&from(uri, "")).await;
            assert!(browser.decide(&page, "allow").await.location().starts_with(&format!("{uri}?code=")), "{uri}");
        }
        let location = browser.get(&from(uri, "none")).await.location().to_owned();
        assert!(location.starts_with(&format!("{uri}?error=consent_required")), "{location}");
    }
    let location = browser.get(&from(OWNED, "none")).await.location().to_owned();
    assert!(location.starts_with(&format!("{OWNED}?code=")), "the system knows who owns the address: {location}");
}

#[tokio::test]
async fn a_challenge_cannot_be_removed_or_weakened() {
    let (server, _database) = started(Engine::Sqlite, &[skipping("shop")]).await;
    let mut browser = Browser::new(&server);
    for changes in [
        [("code_challenge", ""), ("code_challenge_method", "")],
        [("code_challenge", ""), ("code_challenge_method", "S256")],
        [("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        [("code_challenge", VERIFIER), ("code_challenge_method", "")],
        [("code_challenge", "short"), ("code_challenge_method", "S256")],
    ] {
        assert_eq!(browser.get(&authorize(&changes)).await.error(), "invalid_request", "{changes:?}");
    }
}

#[tokio::test]
async fn a_client_that_lost_offline_access_gets_no_more_tokens() {
    let (server, database) = started(Engine::Sqlite, &[skipping("shop")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    let (_, next) = refresh(&server, &text(&issued, "refresh_token")).await;
    let mut token = text(&next, "refresh_token");
    declare(&database, &[with(skipping("shop"), "scopes", json!(["openid"]))]);
    let is_refused = async || {
        let (status, answer) = refresh(&server, &token).await;
        if status == 200 {
            token = text(&answer, "refresh_token");
        }
        status == 400 && answer["error"] == "invalid_grant"
    };
    until("the refresh token is refused", is_refused).await;
    declare(&database, &[skipping("shop")]);
    until("the scope is back", async || refresh(&server, &token).await.0 == 200).await;
}

#[tokio::test]
async fn a_flood_of_a_client_without_a_secret_has_to_wait() {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[native("app"), client("shop")]);
    let settings =
        [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start(&database, &settings).await;
    let send = async |own: &[(&str, &str)]| {
        let rest = [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "http://127.0.0.1/cb")];
        let request = server.request("POST", "/oauth2/token").header("content-type", FORM);
        let request = request.header("x-forwarded-for", "203.0.113.1").body(encoded(&[own, &rest].concat()));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap()["error"].clone())
    };
    let mut last = (0, Value::Null);
    // The limit is 60, and one more each second.
    for _ in 0..100 {
        last = send(&[("client_id", "app")]).await;
        if last.0 == 429 {
            break;
        }
    }
    assert_eq!(last, (429, json!("temporarily_unavailable")));
    // An application on a server has all of its users behind one address.
    let shop = [("client_id", "shop"), ("client_secret", SECRET)];
    assert_eq!(send(&shop).await, (400, json!("invalid_grant")));
}

#[tokio::test]
async fn large_and_odd_requests_are_refused() {
    let (server, _database) = started(Engine::Sqlite, &[skipping("shop")]).await;
    let mut browser = Browser::new(&server);
    let long = "x".repeat(3_000);
    for name in ["state", "nonce"] {
        for value in [long.as_str(), "a\0b", "a\nb", "\u{7f}"] {
            let page = browser.get(&authorize(&[(name, value)])).await;
            assert_eq!(page.error(), "invalid_request", "{name} {value:?}");
        }
        let page = browser.get(&authorize(&[(name, "~ !\"\\<x>")])).await;
        assert!(page.is_login(), "{name}: {}", page.text);
    }
    for name in ["login_hint", "id_token_hint", "ui_locales", "unknown"] {
        let page = browser.get(&authorize(&[(name, &"%00\"<x>".repeat(300))])).await;
        assert!(page.status == 200 && page.is_login() && !page.text.contains("<x>"), "{name}: {}", page.text);
    }
    assert_eq!(browser.get(&authorize(&[("claims", &"%00\"<x>".repeat(300))])).await.error(), "invalid_request");
    let many = "&a=b".repeat(2_000);
    assert_eq!(browser.get(&format!("{}{many}", authorize(&[]))).await.error(), "invalid_request");
    assert_eq!(browser.get(&authorize(&[("state", &"x".repeat(50_000))])).await.status, 431);
    for max_age in ["-1", "1.5", "18446744073709551616", "x"] {
        assert_eq!(browser.get(&authorize(&[("max_age", max_age)])).await.error(), "invalid_request", "{max_age}");
    }
    assert!(browser.get(&authorize(&[("max_age", "18446744073709551615")])).await.is_login());
    browser.code(&[]).await;
    browser.get(&authorize(&[("max_age", "18446744073709551615")])).await.code();
    for prompt in ["none login", "none consent", "create", "NONE"] {
        assert_eq!(browser.get(&authorize(&[("prompt", prompt)])).await.error(), "invalid_request", "{prompt}");
    }
    let wide = server.request("POST", "/oauth2/token").header("content-type", format!("{FORM}; charset=UTF-16"));
    assert_eq!(wide.body("x").send().await.unwrap().status(), 415);
}

/// Whoever changes a page's form, or sends it again, gets no further than its user.
#[tokio::test]
async fn a_form_cannot_be_used_for_another_purpose() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop"), skipping("other")]).await;
    server.register("bobby").await;
    let mut browser = Browser::new(&server);
    let login = browser.get(&authorize(&[])).await;
    // The form of a login is none of a consent.
    let page = browser.post("/consent", &[("request", &login.sealed()), ("decision", "allow")]).await;
    assert_eq!(page.status, 400);
    let consent = browser.log_in(&login, "alice", PASSWORD).await;
    let page = browser.post("/consent", &[("request", &login.sealed()), ("decision", "allow")]).await;
    assert_eq!(page.status, 400, "with a session too");
    // A consent form without a decision allows nothing, and parameters beside it change nothing.
    assert_eq!(browser.post("/consent", &[("request", &consent.sealed())]).await.error(), "access_denied");
    let sealed = consent.sealed();
    let form = [("request", sealed.as_str()), ("decision", "allow"), ("redirect_uri", "https://evil.test/")];
    let answer = browser.post("/consent", &form).await;
    assert_eq!(tokens(&server, &answer.code()).await["scope"], "openid profile email");
    // Another browser of the same user, another user, and no session.
    let mut second = Browser::new(&server);
    second.code(&[("client_id", "other")]).await;
    assert_eq!(second.decide(&consent, "allow").await.status, 400);
    let mut bobby = browser.copy();
    let page = bobby.get(&authorize(&[("client_id", "other"), ("prompt", "login")])).await;
    bobby.log_in(&page, "bobby", PASSWORD).await.code();
    assert_eq!(bobby.decide(&consent, "allow").await.status, 400);
    // Not a form at all.
    for (path, body) in [("/login", "request=x&request=y"), ("/consent", ""), ("/login", "%ff=%ff&request=%00")] {
        let request = server.request("POST", path).header("content-type", FORM).header("host", "localhost:8000");
        assert_eq!(request.body(body).send().await.unwrap().status(), 400, "{path} {body}");
    }
}

/// Tokens with another algorithm, another type or no signature.
#[tokio::test]
async fn a_forged_token_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (server, _database) = started(Engine::Sqlite, &[skipping("shop")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    let access = text(&issued, "access_token");
    let parts: Vec<_> = access.split('.').collect();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    let keys = server.call("GET", "/oauth2/jwks", None, None).await.body;
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("typ", json!("JWT")),
        ("kid", json!("../../etc/passwd")),
        ("kid", keys["keys"][0]["kid"].clone()),
        ("jwk", keys["keys"][1].clone()),
        ("crit", json!(["exp"])),
    ] {
        let forged = URL_SAFE_NO_PAD.encode(with(header.clone(), member, value.clone()).to_string());
        for signature in [parts[2], ""] {
            let forged = format!("{forged}.{}.{signature}", parts[1]);
            assert_eq!(userinfo(&server, &forged).await.0, 401, "{member} {value}");
            assert_eq!(refresh(&server, &forged).await.0, 400, "{member} {value}");
        }
    }
    assert_eq!(userinfo(&server, &access).await.0, 200);
}
