//! The page of applications that have access to an account.

use serde_json::json;

use crate::browser::{Browser, ISSUER, Page, authorize, client, refresh, started, text, tokens, userinfo, with};
use crate::database::Engine;
use crate::harness::PASSWORD;
use crate::oidc_backchannel::Receiver;

crate::on_every_engine!(a_user_revokes_the_access_of_an_application);

const PATH: &str = "/account/applications";
const OFFLINE: (&str, &str) = ("scope", "openid email offline_access");

async fn revoke(browser: &mut Browser<'_>, page: &Page, client: &str) -> Page {
    browser.post(PATH, &[("request", &page.sealed()), ("client", client)]).await
}

async fn a_user_revokes_the_access_of_an_application(engine: Engine) {
    let receiver = Receiver::start().await;
    let shop = with(client("shop"), "backchannelLogoutUri", json!(receiver.uri));
    let other = with(with(client("other"), "displayName", json!("Other")), "consent", json!("Skip"));
    let (server, database) = started(engine, &[shop, other]).await;
    server.register("bobby").await;
    let mut bobby = Browser::new(&server);
    let login = bobby.get(&authorize(&[])).await;
    let consent = bobby.log_in(&login, "bobby", PASSWORD).await;
    let of_bobby = tokens(&server, &bobby.decide(&consent, "allow").await.code()).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    browser.code(&[("client_id", "other")]).await;
    let page = browser.get(PATH).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("&#60;b&#62;Shop") && page.text.contains("see your e-mail address"), "{}", page.text);
    assert!(page.text.contains("value=\"//shop\"") && !page.text.contains("//other"), "a code gives no access yet");
    assert!(page.text.contains("alice") && !page.text.contains("<script"));
    for (header, value) in
        [("cache-control", "no-store"), ("x-frame-options", "DENY"), ("referrer-policy", "same-origin")]
    {
        assert_eq!(page.header(header), value);
    }
    assert!(page.header("content-security-policy").ends_with("; form-action 'self'"));
    // Not an application of hers: nothing happens.
    assert_eq!(revoke(&mut browser, &page, "//gone").await.location(), format!("{ISSUER}{PATH}"));
    assert_eq!(revoke(&mut browser, &page, "' OR 1=1 --").await.status, 303);
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
    assert_eq!(revoke(&mut browser, &page, "//shop").await.location(), format!("{ISSUER}{PATH}"));
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 401);
    assert_eq!(refresh(&server, &text(&issued, "refresh_token")).await.0, 400);
    receiver.until_notified(1).await;
    assert!(browser.get(PATH).await.text.contains("No application has access"));
    assert!(browser.get(&authorize(&[])).await.is_consent(), "it has to ask again");
    let events = database.texts("SELECT detail FROM audit_events WHERE event = 'access_revoked'").await;
    assert_eq!(events, ["shop"]);
    assert_eq!(userinfo(&server, &text(&of_bobby, "access_token")).await.0, 200, "another user's");
}

#[tokio::test]
async fn only_the_user_revokes_access() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    server.register("bobby").await;
    let mut browser = Browser::new(&server);
    let nobody = browser.get(PATH).await;
    assert!(nobody.status == 200 && nobody.text.contains("Log in to your account"), "{}", nobody.text);
    let issued = tokens(&server, &browser.code(&[]).await).await;
    let page = browser.get(PATH).await;
    // A page of an attacker's session, and one in another browser.
    let mut attacker = Browser::new(&server);
    let login = attacker.get(&authorize(&[])).await;
    let consent = attacker.log_in(&login, "bobby", PASSWORD).await;
    attacker.decide(&consent, "allow").await;
    let planted = attacker.get(PATH).await;
    assert_eq!(revoke(&mut browser, &planted, "//shop").await.status, 400);
    assert_eq!(revoke(&mut attacker, &page, "//shop").await.status, 400);
    for headers in [
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "none")],
    ] {
        browser.headers = headers.clone();
        assert_eq!(revoke(&mut browser, &page, "//shop").await.status, 400, "{headers:?}");
    }
    browser.headers = vec![("host", "evil.test")];
    assert_eq!((revoke(&mut browser, &page, "//shop").await.status, browser.get(PATH).await.status), (421, 421));
    browser.headers.clear();
    // The form of another page.
    let question = browser.get("/oauth2/logout").await;
    assert_eq!(revoke(&mut browser, &question, "//shop").await.status, 400);
    let login = browser.get(&authorize(&[("prompt", "login")])).await;
    assert_eq!(revoke(&mut browser, &login, "//shop").await.status, 400);
    // Without the session that the page was for.
    let mut without = browser.copy();
    without.cookies.remove(crate::browser::SESSION);
    assert_eq!(revoke(&mut without, &page, "//shop").await.status, 400);
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
    browser.headers = vec![("accept-language", "id"), ("origin", ISSUER), ("sec-fetch-site", "same-origin")];
    assert!(browser.get(PATH).await.text.contains("Cabut akses"));
    assert_eq!(revoke(&mut browser, &page, "//shop").await.status, 303);
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 401);
}

#[tokio::test]
async fn the_page_has_a_login_of_its_own() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(PATH).await;
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with("; form-action 'self'"), "{policy}");
    let log_in = async |browser: &mut Browser<'_>, page: &Page, password: &str| {
        let sealed = page.sealed();
        let form = [("request", sealed.as_str()), ("username", "alice"), ("password", password)];
        browser.post("/account/login", &form).await
    };
    let wrong = log_in(&mut browser, &page, "wrong password").await;
    assert!(wrong.status == 422 && wrong.text.contains("role=\"alert\"") && wrong.text.contains("value=\"alice\""));
    // Login CSRF: the form of an attacker in the browser of a victim.
    let mut victim = Browser::new(&server);
    assert_eq!(log_in(&mut victim, &page, PASSWORD).await.status, 400, "without a cookie");
    victim.get(PATH).await;
    assert_eq!(log_in(&mut victim, &page, PASSWORD).await.status, 400, "with another cookie");
    browser.headers = vec![("origin", "https://evil.test")];
    assert_eq!(log_in(&mut browser, &wrong, PASSWORD).await.status, 400);
    browser.headers.clear();
    // The form of an application's login leads elsewhere.
    let other = browser.get(&authorize(&[])).await;
    assert_eq!(log_in(&mut browser, &other, PASSWORD).await.status, 400);
    assert_eq!(browser.post("/login", &[("request", &page.sealed())]).await.status, 400);
    assert_eq!(log_in(&mut browser, &wrong, PASSWORD).await.location(), format!("{ISSUER}{PATH}"));
    assert!(browser.get(PATH).await.text.contains("No application has access"));
    assert!(browser.get(&authorize(&[])).await.is_consent(), "it is a session like any other");
}
