//! What ID tokens contain, how long codes are valid, and what an expired ID token is still good for.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, authorize, client, encoded, exchange, started, text, tokens, userinfo, with};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, run_with_input};

crate::on_every_engine!(
    each_scope_adds_its_claims,
    a_client_can_get_only_requested_claims,
    a_code_is_valid_for_a_minute,
    an_expired_id_token_still_names_its_user,
    the_id_token_of_a_user_in_many_groups_is_a_hint,
);

const BYE: &str = "https://shop.test/bye";
const MONTH: i64 = 30 * 24 * 3_600;

fn skipping() -> Value {
    with(client("shop"), "consent", json!("Skip"))
}

/// A server with a client that may have all scopes, and alice in these groups. Also returns her uuid.
async fn started_with_groups(engine: Engine, client: Value, groups: &[String]) -> (Server, Database, String) {
    let scopes = json!(["openid", "profile", "email", "groups", "offline_access"]);
    let (server, database) = started(engine, &[with(client, "scopes", scopes)]).await;
    let created = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "alice").await;
    let groups = json!({"uuid": uuid, "groups": groups});
    assert_eq!(server.call("PATCH", "/api/v1/users", Some(&root), Some(groups)).await.status, 200);
    (server, database, uuid)
}

async fn each_scope_adds_its_claims(engine: Engine) {
    let groups = ["staff", "admins"].map(str::to_owned);
    let (server, database, uuid) = started_with_groups(engine, skipping(), &groups).await;
    let mut browser = Browser::new(&server);
    for (scope, of_scope) in [
        ("openid", json!({})),
        ("openid email", json!({"email": "alice@example.com", "email_verified": false})),
        ("openid profile", json!({"name": "Some Body", "preferred_username": "alice"})),
        ("openid groups", json!({"groups": ["admins", "staff"]})),
        ("openid offline_access", json!({})),
    ] {
        let issued = tokens(&server, &browser.code(&[("scope", scope)]).await).await;
        let sid = database.texts("SELECT sid FROM sessions WHERE cookie_hash IS NOT NULL").await.remove(0);
        let id = claims(&text(&issued, "id_token"));
        let (iat, auth_time) = (id["iat"].as_i64().unwrap(), id["auth_time"].as_i64().unwrap());
        assert!(auth_time <= iat, "{scope}: {id}");
        let wanted = json!({
            "iss": ISSUER, "aud": "shop", "sub": uuid, "sid": sid, "nonce": "n", "auth_time": auth_time, "iat": iat,
            "exp": iat + 300,
        });
        assert_eq!(id, joined(&wanted, &of_scope), "{scope}");
        let access = claims(&text(&issued, "access_token"));
        assert_eq!((&access["aud"], &access["scope"]), (&json!(format!("{ISSUER}/oauth2/userinfo")), &json!(scope)));
        let known = userinfo(&server, &text(&issued, "access_token")).await;
        assert_eq!(known, (200, joined(&json!({"sub": uuid}), &of_scope)), "{scope}");
    }
}

async fn a_client_can_get_only_requested_claims(engine: Engine) {
    let (server, _database) = started(engine, &[with(skipping(), "idTokenClaims", json!("Requested"))]).await;
    let requested = r#"{"id_token": {"email": null}}"#;
    for (claims_parameter, wanted) in [("", json!([null, null])), (requested, json!(["alice@example.com", null]))] {
        let mut browser = Browser::new(&server);
        let issued =
            tokens(&server, &browser.code(&[("scope", "openid email profile"), ("claims", claims_parameter)]).await)
                .await;
        let id = claims(&text(&issued, "id_token"));
        assert_eq!(json!([id["email"], id["name"]]), wanted, "{claims_parameter}");
        let (_, known) = userinfo(&server, &text(&issued, "access_token")).await;
        assert_eq!((&known["email"], &known["name"]), (&json!("alice@example.com"), &json!("Some Body")));
    }
}

/// The members of both objects.
fn joined(one: &Value, other: &Value) -> Value {
    let all = [one, other].into_iter().flat_map(|object| object.as_object().unwrap().clone());
    Value::Object(all.collect())
}

async fn a_code_is_valid_for_a_minute(engine: Engine) {
    let (server, database) = started(engine, &[skipping()]).await;
    let mut browser = Browser::new(&server);
    let code = browser.code(&[]).await;
    let valid = "SELECT grant_id FROM grants WHERE expires_at = created_at + 60";
    assert_eq!(database.texts(valid).await.len(), 1);
    // A minute later.
    database.execute("UPDATE grants SET created_at = created_at - 60, expires_at = expires_at - 60").await;
    let (status, answer) = exchange(&server, &code).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    tokens(&server, &browser.code(&[]).await).await;
}

async fn an_expired_id_token_still_names_its_user(engine: Engine) {
    let shop = with(with(skipping(), "idTokenAlgorithm", json!("ES256")), "postLogoutRedirectUris", json!([BYE]));
    let (server, database) = started(engine, &[shop]).await;
    server.register("bobby").await;
    let mut bobby = Browser::new(&server);
    let login = bobby.get(&authorize(&[])).await;
    let of_bobby = tokens(&server, &bobby.log_in(&login, "bobby", PASSWORD).await.code()).await;
    let of_bobby = a_month_old(&database, &text(&of_bobby, "id_token"));
    let mut browser = Browser::new(&server);
    let own = tokens(&server, &browser.code(&[]).await).await;
    let own = a_month_old(&database, &text(&own, "id_token"));

    let silent = |hint: &str| authorize(&[("prompt", "none"), ("id_token_hint", hint)]);
    browser.get(&silent(&own)).await.code();
    assert_eq!(browser.get(&silent(&of_bobby)).await.error(), "login_required");
    let logout = |hint: &str| {
        format!("/oauth2/logout?{}", encoded(&[("id_token_hint", hint), ("post_logout_redirect_uri", BYE)]))
    };
    let question = browser.get(&logout(&of_bobby)).await;
    assert!(question.status == 200 && question.text.contains("action=\"/logout\""), "{}", question.text);
    assert_eq!(browser.get(&logout(&own)).await.location(), BYE);
    assert!(browser.get(&authorize(&[])).await.is_login());
}

async fn the_id_token_of_a_user_in_many_groups_is_a_hint(engine: Engine) {
    let groups: Vec<_> = (0..100).map(|number| format!("{number:0>64}")).collect();
    let shop = with(skipping(), "postLogoutRedirectUris", json!([BYE]));
    let (server, _database, _) = started_with_groups(engine, shop, &groups).await;
    let mut browser = Browser::new(&server);
    let nonce = "n".repeat(512);
    let all = [("scope", "openid profile email groups"), ("nonce", &nonce)];
    let hint = text(&tokens(&server, &browser.code(&all).await).await, "id_token");
    assert!(hint.len() > 9 * 1_024, "{}", hint.len());
    browser.get(&authorize(&[("prompt", "none"), ("id_token_hint", &hint)])).await.code();
    // The form of the login contains whom it names.
    server.register("bobby").await;
    let mut other = Browser::new(&server);
    let page = other.get(&authorize(&[("id_token_hint", &hint)])).await;
    assert_eq!(other.log_in(&page, "bobby", PASSWORD).await.error(), "login_required");
    let page = browser.get(&authorize(&[("prompt", "login"), ("id_token_hint", &hint)])).await;
    browser.log_in(&page, "alice", PASSWORD).await.code();
    let form = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s")];
    let page = browser.post("/oauth2/logout", &form).await;
    let location = page.location().strip_prefix(ISSUER).unwrap().to_owned();
    assert_eq!(browser.get(&location).await.location(), format!("{BYE}?state=s"));
    assert!(browser.get(&authorize(&[])).await.is_login());
}

/// An ID token as the server would have signed it a month ago, with its present key for ES256.
fn a_month_old(database: &Database, id_token: &str) -> String {
    let file = std::fs::read(database.folder.path().join("oidc-keys.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let key = file["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "ES256").unwrap();
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], member("x"), member("y")].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &member("d"), &point);
    let mut old = claims(id_token);
    for member in ["auth_time", "iat", "exp"] {
        old[member] = json!(old[member].as_i64().unwrap() - MONTH);
    }
    let (header, _) = id_token.split_once('.').unwrap();
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(old.to_string()));
    let signature = pair.unwrap().sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
