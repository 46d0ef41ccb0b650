//! Applications log their users out, and nobody else does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::{
    Browser, CALLBACK, FORM, ISSUER, Page, SESSION, authorize, client, encoded, refresh, started, text, tokens,
    userinfo, with,
};
use crate::database::Engine;
use crate::harness::{PASSWORD, claims};
use crate::oidc_backchannel::Receiver;

crate::on_every_engine!(an_application_logs_its_user_out);

const BYE: &str = "https://shop.test/bye";
const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

fn leaving(id: &str) -> Value {
    with(with(client(id), "consent", json!("Skip")), "postLogoutRedirectUris", json!([BYE, "https://shop.test/?x=1"]))
}

fn logout(parameters: &[(&str, &str)]) -> String {
    format!("/oauth2/logout?{}", encoded(parameters))
}

fn is_question(page: &Page) -> bool {
    page.status == 200 && page.text.contains("action=\"/logout\"") && page.header("location").is_empty()
}

async fn is_logged_in(browser: &mut Browser<'_>) -> bool {
    !browser.get(&authorize(&[])).await.is_login()
}

async fn confirm(browser: &mut Browser<'_>, page: &Page, decision: &str) -> Page {
    browser.post("/logout", &[("request", &page.sealed()), ("decision", decision)]).await
}

#[tokio::test]
async fn only_a_request_of_the_right_size_and_method_logs_out() {
    let (server, _database) = started(Engine::Sqlite, &[leaving("shop")]).await;
    let mut browser = Browser::new(&server);
    let hint = text(&tokens(&server, &browser.code(&[]).await).await, "id_token");
    browser.head(&logout(&[("id_token_hint", &hint)])).await;
    assert!(is_logged_in(&mut browser).await);
    // Encoded again, it is longer than the head of a request may be.
    let request = server.request("POST", "/oauth2/logout").header("host", "localhost:8000");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(format!("state={}", "\"".repeat(7_000))).send().await.unwrap();
    assert_eq!(response.status(), 413);
    browser.get(&logout(&[("id_token_hint", &hint)])).await;
    assert!(!is_logged_in(&mut browser).await);
}

async fn an_application_logs_its_user_out(engine: Engine) {
    let receiver = Receiver::start().await;
    let shop = with(leaving("shop"), "backchannelLogoutUri", json!(receiver.uri));
    let (server, database) = started(engine, &[shop]).await;
    let mut browser = Browser::new(&server);
    let online = tokens(&server, &browser.code(&[]).await).await;
    let offline = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let unused = browser.code(&[OFFLINE]).await;
    let hint = text(&online, "id_token");
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "a b&c")];
    // The request comes from the application's page.
    browser.headers = vec![("sec-fetch-site", "cross-site")];
    let page = browser.get(&logout(&parameters)).await;
    assert_eq!(page.location(), format!("{BYE}?state=a+b%26c"));
    assert_eq!(browser.cookies[SESSION], "");
    assert_eq!(page.header("cache-control"), "no-store");
    let token = receiver.until_notified(1).await.remove(0);
    assert_eq!(token["sid"], claims(&hint)["sid"]);
    assert!(database.texts("SELECT sid FROM sessions WHERE cookie_hash IS NOT NULL").await.is_empty());
    assert_eq!(userinfo(&server, &text(&online, "access_token")).await.0, 401);
    assert_eq!(userinfo(&server, &text(&offline, "access_token")).await.0, 200, "it is offline");
    assert_eq!(refresh(&server, &text(&offline, "refresh_token")).await.0, 200);
    assert_eq!(crate::browser::exchange(&server, &unused).await.0, 400, "a code is not");
    assert!(!is_logged_in(&mut browser).await);
    let events = database.texts("SELECT event FROM audit_events WHERE event = 'logout'").await;
    assert_eq!(events.len(), 1);
    // A second time, nobody is logged in.
    assert_eq!(browser.get(&logout(&parameters)).await.location(), format!("{BYE}?state=a+b%26c"));
    assert_eq!(database.texts("SELECT event FROM audit_events WHERE event = 'logout'").await.len(), 1);
}

#[tokio::test]
async fn without_an_id_token_of_the_user_a_page_asks() {
    let (server, _database) = started(Engine::Sqlite, &[leaving("shop"), leaving("other")]).await;
    server.register("bobby").await;
    let mut bobby = Browser::new(&server);
    let page = bobby.get(&authorize(&[])).await;
    let code = bobby.log_in(&page, "bobby", PASSWORD).await.code();
    let of_bobby = text(&tokens(&server, &code).await, "id_token");
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let own = text(&issued, "id_token");
    let parts: Vec<_> = own.split('.').collect();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "unknown"});
    let unknown_key = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1], parts[2]);
    let unsigned = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
    let unsigned = format!("{unsigned}.{}.", parts[1]);
    let (access, refresh_token) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let api = server.login("alice").await.access;
    browser.headers = vec![("sec-fetch-site", "cross-site")];
    for parameters in [
        vec![],
        vec![("client_id", "shop")],
        vec![("client_id", "shop"), ("post_logout_redirect_uri", BYE)],
        vec![("post_logout_redirect_uri", BYE)],
        vec![("logout_hint", "alice")],
        vec![("id_token_hint", of_bobby.as_str())],
        vec![("id_token_hint", unknown_key.as_str()), ("post_logout_redirect_uri", BYE)],
        vec![("id_token_hint", unsigned.as_str())],
        vec![("id_token_hint", access.as_str())],
        vec![("id_token_hint", refresh_token.as_str())],
        vec![("id_token_hint", api.as_str())],
        vec![("id_token_hint", "x")],
        vec![("id_token_hint", own.as_str()), ("logout_hint", "bobby")],
        vec![("client_id", "gone"), ("post_logout_redirect_uri", "https://evil.test/")],
    ] {
        let page = browser.get(&logout(&parameters)).await;
        assert!(is_question(&page), "{parameters:?}: {}", page.text);
    }
    browser.headers.clear();
    assert!(is_logged_in(&mut browser).await);
    // With a client that the user confirms, the browser returns to it.
    let asked = logout(&[("client_id", "shop"), ("post_logout_redirect_uri", BYE), ("state", "s")]);
    let page = browser.get(&asked).await;
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with("form-action 'self' https:"), "{policy}");
    assert!(page.text.contains("&#60;b&#62;Shop") && page.text.contains("alice"), "{}", page.text);
    assert!(!page.text.contains("<script"));
    let stays = confirm(&mut browser, &page, "stay").await;
    assert!(stays.status == 200 && stays.text.contains("still logged in") && is_logged_in(&mut browser).await);
    assert_eq!(confirm(&mut browser, &page, "logout").await.location(), format!("{BYE}?state=s"));
    assert!(!is_logged_in(&mut browser).await && is_logged_in(&mut bobby).await);
    // Without one, the page says that it is done, in the user's language.
    let page = bobby.get(&logout(&[("ui_locales", "id")])).await;
    assert!(page.text.contains("Keluar?"), "{}", page.text);
    bobby.headers = vec![("accept-language", "id")];
    let done = confirm(&mut bobby, &page, "logout").await;
    assert!(done.status == 200 && done.text.contains("Anda telah keluar"), "{}", done.text);
}

#[tokio::test]
async fn the_question_is_answered_only_by_its_own_browser() {
    let (server, _database) = started(Engine::Sqlite, &[leaving("shop")]).await;
    server.register("bobby").await;
    let mut browser = Browser::new(&server);
    tokens(&server, &browser.code(&[]).await).await;
    let page = browser.get(&logout(&[])).await;
    // An attacker's form in the browser of a victim, and the victim's in another session.
    let mut attacker = Browser::new(&server);
    let login = attacker.get(&authorize(&[])).await;
    attacker.log_in(&login, "bobby", PASSWORD).await.code();
    let planted = attacker.get(&logout(&[])).await;
    assert_eq!(confirm(&mut browser, &planted, "logout").await.status, 400);
    assert_eq!(confirm(&mut attacker, &page, "logout").await.status, 400);
    for headers in [
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        browser.headers = headers.clone();
        assert_eq!(confirm(&mut browser, &page, "logout").await.status, 400, "{headers:?}");
    }
    browser.headers = vec![("host", "evil.test")];
    assert_eq!(confirm(&mut browser, &page, "logout").await.status, 421);
    assert_eq!(browser.get(&logout(&[])).await.status, 421);
    browser.headers.clear();
    assert_eq!(browser.get("/logout").await.status, 400, "a link logs nobody out");
    // The form of another page.
    let applications = browser.get("/account/applications").await;
    assert_eq!(confirm(&mut browser, &applications, "logout").await.status, 400);
    let other_login = browser.get(&authorize(&[("prompt", "login")])).await;
    assert_eq!(confirm(&mut browser, &other_login, "logout").await.status, 400);
    assert!(is_logged_in(&mut browser).await);
    // A session that began after the question.
    let again = browser.get(&authorize(&[("prompt", "login")])).await;
    browser.log_in(&again, "bobby", PASSWORD).await.code();
    assert_eq!(confirm(&mut browser, &page, "logout").await.status, 400);
    assert!(is_logged_in(&mut browser).await && browser.cookies.contains_key(FORM));
}

#[tokio::test]
async fn the_browser_is_sent_only_where_the_client_has_declared() {
    let (server, _database) = started(Engine::Sqlite, &[leaving("shop"), client("plain")]).await;
    let mut browser = Browser::new(&server);
    let hint = text(&tokens(&server, &browser.code(&[]).await).await, "id_token");
    for to in [
        "https://evil.test/",
        "https://shop.test/bye/",
        "https://shop.test/bye?x=1",
        "https://shop.test/bye#x",
        "https://SHOP.test/bye",
        "https://shop.test:443/bye",
        "https://shop.test/%62ye",
        "https://shop.test@evil.test/bye",
        "//shop.test/bye",
        "javascript:alert(1)",
        " https://shop.test/bye",
        "https://shop.test/bye\r\nSet-Cookie: a=b",
        CALLBACK,
        "/",
    ] {
        for parameters in [
            vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", to)],
            vec![("client_id", "shop"), ("post_logout_redirect_uri", to)],
        ] {
            let page = browser.get(&logout(&parameters)).await;
            assert_eq!((page.status, page.header("location")), (400, ""), "{parameters:?}");
            assert!(page.text.contains("Invalid redirect URI"), "{}", page.text);
            assert!(page.text.contains("(post_logout_redirect_uri)"), "{}", page.text);
        }
    }
    let own = ("id_token_hint", hint.as_str());
    let long = "x".repeat(3_000);
    let (other_client, wrong_uri) = ("The ID token (id_token_hint)", "The redirect URI (post_logout_redirect_uri)");
    for (parameters, why) in [
        (vec![own, ("client_id", "plain")], other_client),
        (vec![own, ("client_id", "plain"), ("post_logout_redirect_uri", BYE)], other_client),
        (vec![("client_id", "plain"), ("post_logout_redirect_uri", BYE)], wrong_uri),
        (
            vec![own, ("post_logout_redirect_uri", BYE), ("post_logout_redirect_uri", "https://evil.test/")],
            "more than once",
        ),
        (vec![own, own], "more than once"),
        (vec![own, ("post_logout_redirect_uri", BYE), ("state", long.as_str())], "state is too long"),
    ] {
        let page = browser.get(&logout(&parameters)).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{parameters:?}");
        assert!(page.text.contains(why), "{parameters:?}: {}", page.text);
    }
    let page = browser.get(&logout(&[own, own, ("ui_locales", "id")])).await;
    assert!(page.text.contains("lebih dari sekali"), "{}", page.text);
    assert!(is_logged_in(&mut browser).await, "none of these has logged anybody out");
    // Without a session, anybody can name a client.
    let mut stranger = Browser::new(&server);
    let page = stranger.get(&logout(&[("client_id", "shop"), ("post_logout_redirect_uri", BYE)])).await;
    assert!(page.status == 200 && page.text.contains("logged out"), "{}", page.text);
    let to = "https://shop.test/?x=1";
    let page = stranger.get(&logout(&[own, ("post_logout_redirect_uri", to), ("state", "s")])).await;
    assert_eq!(page.location(), format!("{to}&state=s"));
}

#[tokio::test]
async fn a_posted_logout_becomes_one_by_get() {
    let (server, _database) = started(Engine::Sqlite, &[leaving("shop")]).await;
    let mut browser = Browser::new(&server);
    let hint = text(&tokens(&server, &browser.code(&[]).await).await, "id_token");
    let page = browser.post("/oauth2/logout", &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    let location = page.location().strip_prefix(ISSUER).unwrap().to_owned();
    assert!(is_logged_in(&mut browser.copy()).await, "nothing has happened yet");
    assert_eq!(browser.get(&location).await.location(), BYE);
    assert!(!is_logged_in(&mut browser).await);
    let large = [("id_token_hint", "x".repeat(20_000))];
    let large: Vec<_> = large.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post("/oauth2/logout", &large).await.status, 413);
    // In the form of the question, each of these characters becomes six.
    browser.code(&[]).await;
    let escaped = "\u{1}".repeat(1_900);
    assert_eq!(browser.get(&logout(&[("logout_hint", &escaped)])).await.status, 413);
    assert!(is_question(&browser.get(&logout(&[("logout_hint", &escaped[..1_000])])).await));
}
