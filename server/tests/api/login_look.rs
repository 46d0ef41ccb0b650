//! How the login pages look, and how long a browser's session lasts.

use reqwest::header::SET_COOKIE;

use crate::browser::{Browser, ISSUER, authorize, client, declare};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, until};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and an image";

async fn started(settings: &[(&str, &str)]) -> (Server, Database) {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[client("shop")]);
    std::fs::write(database.folder.path().join("logo.png"), PNG).unwrap();
    let ours = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER)];
    let server = Server::start(&database, &[&ours[..], settings].concat()).await;
    server.register("alice").await;
    (server, database)
}

#[tokio::test]
async fn the_pages_have_title_colours_and_the_language_of_the_settings() {
    let settings = [
        ("SC_AUTH_LOGIN_TITLE", "Tom & Jerry <b>"),
        ("SC_AUTH_LOGIN_ACCENT_LIGHT", "#7a0019"),
        ("SC_AUTH_LOGIN_ACCENT_DARK", "#ffcc33"),
        ("SC_AUTH_LOGIN_LANGUAGE", "id"),
    ];
    let (server, _database) = started(&settings).await;
    let page = Browser::new(&server).get(&authorize(&[])).await;
    assert!(page.text.contains("Tom &#38; Jerry &#60;b&#62;") && !page.text.contains("<b>"), "{}", page.text);
    assert!(page.text.contains(r#"<html lang="id">"#) && !page.text.contains("<img"), "{}", page.text);
    assert!(!page.header("content-security-policy").contains("img-src"));
    let mut browser = Browser::new(&server);
    browser.headers = vec![("accept-language", "en")];
    let english = browser.get(&authorize(&[])).await;
    assert!(english.text.contains(r#"<html lang="en">"#), "the browser decides where it asks for one of ours");
    let style = Browser::new(&server).get("/assets/sc-auth.css").await.text;
    assert!(style.contains("--accent:#7a0019") && style.contains("--accent:#ffcc33"), "{style}");
    assert_eq!(Browser::new(&server).get("/assets/logo").await.status, 404);
}

#[tokio::test]
async fn the_logo_is_served_from_here_and_reloaded() {
    let (server, database) = started(&[("SC_AUTH_LOGIN_LOGO", "logo.png"), ("SC_AUTH_LOGIN_TITLE", "Shop")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    assert!(page.text.contains(r#"<img src="/assets/logo" alt="Shop">"#), "{}", page.text);
    assert!(page.header("content-security-policy").contains("img-src 'self'"));
    let logo = browser.get("/assets/logo").await;
    assert_eq!((logo.status, logo.header("content-type")), (200, "image/png"));
    assert_eq!(logo.header("x-content-type-options"), "nosniff");
    let warnings = async || server.status().await["warnings"].to_string();
    assert!(!warnings().await.contains("SC_AUTH_LOGIN_LOGO"));

    // An image that may contain scripts is refused, and the earlier one stays.
    let path = database.folder.path().join("logo.png");
    std::fs::write(&path, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    until("the warning", async || warnings().await.contains("it is not a PNG, JPEG or WebP image")).await;
    assert_eq!(browser.get("/assets/logo").await.header("content-type"), "image/png");
    std::fs::remove_file(&path).unwrap();
    until("the logo is gone", async || Browser::new(&server).get("/assets/logo").await.status == 404).await;
    assert!(!browser.get(&authorize(&[])).await.text.contains("<img"));
}

#[tokio::test]
async fn a_browsers_session_lasts_as_long_as_the_settings_say() {
    let settings = [("SC_AUTH_LOGIN_SESSION_IDLE", "10m"), ("SC_AUTH_LOGIN_SESSION_MAXIMUM", "2h")];
    let (server, database) = started(&settings).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    let answer = browser.log_in(&page, "alice", PASSWORD).await;
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    assert!(cookies.iter().any(|cookie| cookie.contains("session") && cookie.ends_with("Max-Age=7200")), "{cookies:?}");
    let lifetimes = "SELECT (expires_at - created_at) || ' ' || (ends_at - created_at) FROM sessions";
    assert_eq!(database.texts(lifetimes).await, ["600 7200"]);
}
