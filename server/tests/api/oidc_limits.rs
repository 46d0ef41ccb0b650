//! The largest declarations and requests that are valid.

use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, SECRET, VERIFIER, authorize, client, encoded, started, text, userinfo, with};
use crate::database::Engine;
use crate::harness::PASSWORD;

crate::on_every_engine!(the_longest_client_and_request_fit);

const FORM: &str = "application/x-www-form-urlencoded";

/// With the longest value of each member.
fn longest() -> Value {
    let mut client = client(&"c".repeat(320));
    client["namespace"] = json!("n".repeat(63));
    client["name"] = json!("m".repeat(253));
    client["displayName"] = json!("D".repeat(100));
    client["redirectUris"] = json!([callback()]);
    client["audiences"] = (0..16).map(|number| json!(format!("{number:0>256}"))).collect();
    with(client, "consent", json!("Always"))
}

fn callback() -> String {
    format!("{CALLBACK}/{}", "p".repeat(1_024 - CALLBACK.len() - 1))
}

async fn the_longest_client_and_request_fit(engine: Engine) {
    let (server, _database) = started(engine, &[longest()]).await;
    let (id, callback, state) = ("c".repeat(320), callback(), "~".repeat(2_048));
    let nonce = " ".repeat(511) + "~";
    let scope = ("scope", "openid profile email offline_access");
    let request =
        [("client_id", id.as_str()), ("redirect_uri", &callback), ("state", &state), ("nonce", &nonce), scope];
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&request)).await;
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    let answer = browser.decide(&consent, "allow").await;
    let query = answer.location().strip_prefix(&format!("{callback}?")).unwrap();
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert!(parameters.contains(&("state".to_owned(), state)), "{parameters:?}");
    let code = parameters.iter().find(|(name, _)| name == "code").unwrap().1.clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &id),
        ("client_secret", SECRET),
        ("code", &code),
        ("redirect_uri", &callback),
        ("code_verifier", VERIFIER),
    ];
    let response = server.request("POST", "/oauth2/token").header("content-type", FORM).body(encoded(&form));
    let issued: Value = response.send().await.unwrap().json().await.unwrap();
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
}
