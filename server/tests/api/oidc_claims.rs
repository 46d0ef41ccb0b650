//! The parameter `claims`: a client asks for single claims, or for one user.

use serde_json::{Value, json};

use crate::browser::{Browser, authorize, client, declare, refresh, started, text, tokens, userinfo, with};
use crate::database::Engine;
use crate::harness::{PASSWORD, claims, until};

crate::on_every_engine!(
    a_client_gets_the_claims_that_it_asks_for,
    a_client_can_ask_for_one_user,
    claims_need_the_consent_and_the_scopes_of_the_client,
);

async fn a_client_gets_the_claims_that_it_asks_for(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let asked = json!({
        "userinfo": {"name": {"essential": true}, "phone_number": null, "email": {"value": "x@example.com"}},
        "id_token": {"preferred_username": null, "auth_time": {"essential": true}, "acr": {"values": ["1"]}, "x": {}},
    });
    let asked = [("scope", "openid offline_access"), ("claims", &asked.to_string())];
    let issued = tokens(&server, &browser.code(&asked).await).await;
    let id = claims(&text(&issued, "id_token"));
    assert_eq!((&id["preferred_username"], &id["name"], &id["email"]), (&json!("alice"), &Value::Null, &Value::Null));
    assert!(id["auth_time"].is_i64() && id["acr"].is_null(), "{id}");
    let known = json!({"sub": id["sub"], "name": "Some Body", "email": "alice@example.com"});
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.1, known);
    let (_, refreshed) = refresh(&server, &text(&issued, "refresh_token")).await;
    assert_eq!(claims(&text(&refreshed, "id_token"))["preferred_username"], "alice");
    assert_eq!(userinfo(&server, &text(&refreshed, "access_token")).await.1, known);
    let plain = tokens(&server, &browser.code(&[("scope", "openid")]).await).await;
    assert_eq!(userinfo(&server, &text(&plain, "access_token")).await.1, json!({"sub": id["sub"]}));
    let metadata = server.call("GET", "/.well-known/openid-configuration", None, None).await.body;
    assert_eq!(metadata["claims_parameter_supported"], true);

    let many = json!({"x": "x".repeat(5_000)}).to_string();
    let demanded = r#"{"id_token": {"acr": {"essential": true, "values": ["urn:mace:incommon:iap:silver"]}}}"#;
    for (bad, error) in [
        ("{", "invalid_request"),
        ("[]", "invalid_request"),
        (r#"{"userinfo": "email"}"#, "invalid_request"),
        (&many, "invalid_request"),
        (demanded, "unmet_authentication_requirements"),
    ] {
        assert_eq!(browser.get(&authorize(&[("claims", bad)])).await.error(), error, "{bad}");
    }
}

async fn a_client_can_ask_for_one_user(engine: Engine) {
    let (server, database) = started(engine, &[with(client("shop"), "consent", json!("Skip"))]).await;
    server.register("mallory").await;
    let uuid =
        async |name: &str| database.texts(&format!("SELECT uuid FROM users WHERE username = '{name}'")).await.remove(0);
    let for_user = |uuid: &str| json!({"id_token": {"sub": {"value": uuid}}}).to_string();
    let (alice, mallory) = (for_user(&uuid("alice").await), for_user(&uuid("mallory").await));
    let mut browser = Browser::new(&server);
    browser.code(&[("claims", &alice)]).await;
    browser.get(&authorize(&[("claims", &alice), ("prompt", "none")])).await.code();
    assert_eq!(browser.get(&authorize(&[("claims", &mallory), ("prompt", "none")])).await.error(), "login_required");
    let page = browser.get(&authorize(&[("claims", &mallory)])).await;
    assert!(page.is_login(), "{}", page.text);
    assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.error(), "login_required", "another user has logged in");
    let page = browser.get(&authorize(&[("claims", &mallory)])).await;
    browser.log_in(&page, "mallory", PASSWORD).await.code();
}

async fn claims_need_the_consent_and_the_scopes_of_the_client(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[("scope", "openid")]).await;
    let asked = [("scope", "openid"), ("claims", r#"{"userinfo": {"email": null}}"#)];
    assert_eq!(
        browser.get(&authorize(&[&asked[..], &[("prompt", "none")]].concat())).await.error(),
        "consent_required"
    );
    let page = browser.get(&authorize(&asked)).await;
    assert!(page.is_consent() && page.text.contains("see your e-mail address"), "{}", page.text);
    let issued = tokens(&server, &browser.decide(&page, "allow").await.code()).await;
    let access = text(&issued, "access_token");
    assert_eq!(userinfo(&server, &access).await.1["email"], "alice@example.com");
    browser.get(&authorize(&asked)).await.code();

    declare(&database, &[with(client("shop"), "scopes", json!(["openid"]))]);
    let is_lost = async || userinfo(&server, &access).await.1["email"].is_null();
    until("the client has lost the scope", is_lost).await;
    let issued = tokens(&server, &browser.get(&authorize(&asked)).await.code()).await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.1["email"], Value::Null);
}
