//! What ends at one replica has ended at the other one.

use serde_json::{Value, json};

use crate::browser::{
    Browser, SECRET, authorize, client, encoded, refresh, start, started, text, tokens, userinfo, with,
};
use crate::database::Engine;
use crate::harness::Server;

crate::on_every_database_server!(
    what_is_revoked_at_one_is_inactive_at_the_other,
    an_application_loses_its_access_everywhere
);

const OFFLINE: (&str, &str) = ("scope", "openid email offline_access");
const PAGE: &str = "/account/applications";

fn clients() -> [Value; 2] {
    let service = json!({
        "clientId": "orders-api", "type": "Service", "secrets": client("x")["secrets"], "audiences": ["orders"],
    });
    [with(client("shop"), "audiences", json!(["orders"])), service]
}

async fn post(server: &Server, path: &str, id: &str, token: &str) -> (u16, Value) {
    let form = encoded(&[("client_id", id), ("client_secret", SECRET), ("token", token)]);
    let request = server.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

async fn is_active(server: &Server, access: &str) -> bool {
    let (status, answer) = post(server, "/oauth2/introspect", "orders-api", access).await;
    assert_eq!(status, 200, "{answer}");
    answer["active"] == true
}

/// Asserts that the tokens are of no use at any replica.
async fn assert_ended(servers: [&Server; 2], issued: &Value) {
    let (access, refresh_token) = (text(issued, "access_token"), text(issued, "refresh_token"));
    for server in servers {
        assert!(!is_active(server, &access).await);
        assert_eq!(userinfo(server, &access).await.0, 401);
        assert_eq!(refresh(server, &refresh_token).await.1["error"], "invalid_grant");
    }
}

async fn what_is_revoked_at_one_is_inactive_at_the_other(engine: Engine) {
    let (one, database) = started(engine, &clients()).await;
    let other = start(&database).await;
    for (here, there) in [(&one, &other), (&other, &one)] {
        for kind in ["access_token", "refresh_token"] {
            let mut browser = Browser::new(here);
            let issued = tokens(there, &browser.code(&[OFFLINE]).await).await;
            for server in [here, there] {
                assert!(is_active(server, &text(&issued, "access_token")).await);
            }
            assert_eq!(post(here, "/oauth2/revoke", "shop", &text(&issued, kind)).await.0, 200);
            assert_ended([there, here], &issued).await;
        }
        // A logout ends what needs the session.
        let mut browser = Browser::new(here);
        let issued = tokens(here, &browser.code(&[]).await).await;
        let hint = text(&issued, "id_token");
        browser.server = there;
        browser.get(&format!("/oauth2/logout?{}", encoded(&[("id_token_hint", &hint)]))).await;
        assert!(!is_active(here, &text(&issued, "access_token")).await);
    }
}

async fn an_application_loses_its_access_everywhere(engine: Engine) {
    let (one, database) = started(engine, &clients()).await;
    let other = start(&database).await;
    for (here, there) in [(&one, &other), (&other, &one)] {
        let mut browser = Browser::new(here);
        let issued = tokens(here, &browser.code(&[OFFLINE]).await).await;
        // The page of one replica, whose form is sent to the other one.
        let page = browser.get(PAGE).await;
        assert!(page.text.contains("value=\"//shop\""), "{}", page.text);
        browser.server = there;
        assert!(browser.get(PAGE).await.text.contains("value=\"//shop\""));
        let answer = browser.post(PAGE, &[("request", &page.sealed()), ("client", "//shop")]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        browser.server = here;
        assert!(browser.get(PAGE).await.text.contains("No application has access"));
        assert_ended([here, there], &issued).await;
        assert!(browser.get(&authorize(&[OFFLINE])).await.is_consent(), "it has to ask again");
    }
}
