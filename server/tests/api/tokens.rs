//! The use and the lifetime of tokens.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{Server, fail, until};

crate::on_every_engine!(
    a_standard_verifier_accepts_access_tokens_and_refuses_refresh_tokens,
    an_expired_token_is_refused_as_expired,
    a_new_issuer_and_audience_do_not_log_users_out,
    an_access_token_never_outlives_its_session,
);

/// Verifies a token like any service that knows only the JWKS, the issuer and the audience.
fn verify(jwks: &JwkSet, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let kid = jsonwebtoken::decode_header(token)?.kid.unwrap_or_default();
    let jwk = jwks.find(&kid).unwrap_or(&jwks.keys[0]);
    let algorithm = jwk.common.key_algorithm.unwrap().to_string().parse()?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["http://localhost:8000"]);
    validation.set_audience(&["http://localhost:8000"]);
    Ok(jsonwebtoken::decode(token, &DecodingKey::from_jwk(jwk)?, &validation)?.claims)
}

async fn a_standard_verifier_accepts_access_tokens_and_refuses_refresh_tokens(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let tokens = server.login("root").await;
    let published = server.call("GET", "/.well-known/jwks.json", None, None).await.body;
    assert_eq!(published["keys"].as_array().unwrap().len(), 1, "the refresh key is not published");
    assert_eq!(published["keys"][0]["d"], Value::Null);
    let jwks: JwkSet = serde_json::from_value(published).unwrap();

    let claims = verify(&jwks, &tokens.access).unwrap();
    assert_eq!(claims["roles"], json!(["Admin"]));
    assert_eq!((&claims["type"], &claims["fresh"]), (&json!("access"), &json!(true)));
    let time = |claims: &Value, name: &str| claims[name].as_i64().unwrap();
    assert_eq!(time(&claims, "exp") - time(&claims, "iat"), 3_600);
    assert_eq!(time(&claims, "iat") - time(&claims, "nbf"), 10, "a verifier's clock may be behind");
    assert!(verify(&jwks, &tokens.refresh).is_err());

    let refreshed = server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    let claims = verify(&jwks, refreshed.body["data"]["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(claims["fresh"], json!(false), "no password was given");
}

async fn an_expired_token_is_refused_as_expired(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let short = [("SC_AUTH_ACCESS_TOKEN_TTL", "1s"), ("SC_AUTH_REFRESH_TOKEN_TTL", "2s")];
    let server = Server::start(&database, &short).await;
    let tokens = server.login("root").await;
    wait_until(&server, "/api/v1/accounts/me", "GET", &tokens.access).await;
    wait_until(&server, "/api/v1/accounts/refresh", "POST", &tokens.refresh).await;
}

async fn wait_until(server: &Server, path: &str, method: &str, token: &str) {
    until("the token has expired", async || {
        let answer = server.call(method, path, Some(token), None).await;
        if answer.status != 200 {
            assert_eq!(answer, fail(401, json!("The token has expired")));
        }
        answer.status != 200
    })
    .await;
}

async fn a_new_issuer_and_audience_do_not_log_users_out(engine: Engine) {
    let (old, database) = Server::with_admin(engine).await;
    let before = old.login("root").await;
    let moved = [("SC_AUTH_ISSUER", "https://new.example.com"), ("SC_AUTH_AUDIENCE", "orders,billing")];
    // Only one server at a time uses an embedded database.
    let old = if engine == Engine::Sqlite {
        drop(old);
        None
    } else {
        Some(old)
    };
    let new = Server::start(&database, &moved).await;

    assert!(new.is_valid(&before.access).await);
    assert_eq!(new.call("POST", "/api/v1/accounts/refresh", Some(&before.refresh), None).await.status, 200);
    // During a rollout, replicas with the old settings receive tokens of replicas with the new ones.
    let after = new.login("root").await;
    let old = if let Some(old) = old {
        old
    } else {
        drop(new);
        Server::start(&database, &[]).await
    };
    assert!(old.is_valid(&after.access).await);
    assert_eq!(old.call("POST", "/api/v1/accounts/refresh", Some(&after.refresh), None).await.status, 200);
}

async fn an_access_token_never_outlives_its_session(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    let equal =
        [("SC_AUTH_ACCESS_TOKEN_TTL", "2m"), ("SC_AUTH_REFRESH_TOKEN_TTL", "2m"), ("SC_AUTH_SESSION_TTL", "2m")];
    let server = Server::start(&database, &equal).await;
    let tokens = server.login("root").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let refreshed = server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    let exp = |token: &str| {
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
        claims["exp"].as_i64().unwrap()
    };
    assert_eq!(exp(refreshed.body["data"]["access_token"].as_str().unwrap()), exp(&tokens.refresh));
}
