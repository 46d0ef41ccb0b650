//! The page that sends the answer to an application as a form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::browser::{Browser, Page, authorize, client, started, with};
use crate::database::Engine;
use crate::harness::PASSWORD;

/// The text between two others, which occur once.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    assert_eq!(text.matches(start).count(), 1, "{start} in {text}");
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// Browsers run a script only if the policy has its hash (Content Security Policy, 2.3.1).
fn assert_policy_allows_the_script(page: &Page) {
    let script = between(&page.text, "<script>", "</script>");
    assert!(!script.is_empty());
    let policy = page.header("content-security-policy");
    let allowed = policy.split("script-src ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(allowed, format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script))), "{policy}");
}

#[tokio::test]
async fn the_policy_names_the_script_of_the_page() {
    let (server, _database) = started(Engine::Sqlite, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    let form = ("response_mode", "form_post");
    let refused = browser.get(&authorize(&[form, ("prompt", "none"), ("state", "</script><script>x")])).await;
    assert!(refused.text.contains("name=\"error\" value=\"login_required\""), "{}", refused.text);
    assert_policy_allows_the_script(&refused);
    let login = browser.get(&authorize(&[form])).await;
    assert!(login.is_login() && !login.header("content-security-policy").contains("script-src"));
    let answer = browser.log_in(&login, "alice", PASSWORD).await;
    assert!(answer.text.contains("name=\"code\"") && answer.text.contains("<button type=\"submit\">"));
    assert_policy_allows_the_script(&answer);
    browser.headers = vec![("accept-language", "id")];
    assert_policy_allows_the_script(&browser.get(&authorize(&[form])).await);
}
