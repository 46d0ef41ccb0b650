//! Wrong current passwords of users with tokens of the legacy service.

use serde_json::json;

use crate::database::Engine;
use crate::harness::{Answer, Server, fail};
use crate::takeover::{ADMIN, ALICE, OLD_PASSWORD, old_database, old_token, server};

crate::on_every_engine!(
    wrong_current_passwords_revoke_the_old_token_of_the_request,
    wrong_current_passwords_end_the_session_of_one_old_refresh_token,
    wrong_current_passwords_with_many_old_tokens_end_all_of_them,
);

async fn wrong_current_passwords_revoke_the_old_token_of_the_request(engine: Engine) {
    let database = old_database(engine).await;
    let guessed = old_token(&database, "access", ALICE, "a1").await;
    let others = [old_token(&database, "access", ALICE, "a2").await, old_token(&database, "access", ADMIN, "a3").await];
    let server = server(&database, &[]).await;
    let change = async |token: &str, old: &str| change(&server, token, old).await;
    for _ in 0..5 {
        assert!(server.is_valid(&guessed).await);
        let refused = change(&guessed, "a wrong password").await;
        assert_eq!(refused, fail(422, json!({"old_password": ["Not the present password."]})));
    }
    assert_eq!(change(&guessed, OLD_PASSWORD).await, fail(401, json!("The token has revoked")));
    assert!(!server.is_valid(&guessed).await);
    // The user's other tokens and other users' tokens stay valid.
    for token in &others {
        assert_eq!(change(token, "a wrong password").await.status, 422);
        let changed = change(token, OLD_PASSWORD).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
}

/// Tries to change the password as the bearer of a token.
async fn change(server: &Server, token: &str, old: &str) -> Answer {
    let body = json!({"old_password": old, "new_password": "another good password"});
    server.call("POST", "/api/v1/accounts/password", Some(token), Some(body)).await
}

async fn wrong_current_passwords_end_the_session_of_one_old_refresh_token(engine: Engine) {
    let database = old_database(engine).await;
    let guessed = old_token(&database, "refresh", ALICE, "r1").await;
    let other = old_token(&database, "refresh", ALICE, "r2").await;
    let old_access = old_token(&database, "access", ALICE, "a1").await;
    let server = server(&database, &[]).await;
    let access = server.refresh(&guessed).await.text("access_token");
    let other_access = server.refresh(&other).await.text("access_token");
    for _ in 0..5 {
        assert_eq!(change(&server, &access, "a wrong password").await.status, 422);
    }
    assert!(!server.is_valid(&access).await);
    assert_eq!(server.refresh(&guessed).await, fail(401, json!("The token has revoked")), "no other session begins");
    assert!(server.is_valid(&other_access).await && server.is_valid(&old_access).await);
    assert_eq!(server.refresh(&other).await.status, 200);
}

async fn wrong_current_passwords_with_many_old_tokens_end_all_of_them(engine: Engine) {
    let database = old_database(engine).await;
    let server = server(&database, &[("SC_AUTH_COEXIST", "on")]).await;
    let refresh = old_token(&database, "refresh", ALICE, "r1").await;
    let access = server.refresh(&refresh).await.text("access_token");
    let another = old_token(&database, "access", ALICE, "a0").await;
    let of_admin = old_token(&database, "access", ADMIN, "a9").await;
    // The legacy service issues several access tokens for one refresh token.
    for number in 1..=4 {
        let guessed = old_token(&database, "access", ALICE, &format!("a{number}")).await;
        assert!(server.is_valid(&another).await && server.is_valid(&access).await);
        for _ in 0..4 {
            assert_eq!(change(&server, &guessed, "a wrong password").await.status, 422);
        }
    }
    for _ in 0..4 {
        assert!(server.is_valid(&another).await);
        assert_eq!(change(&server, &access, "a wrong password").await.status, 422, "its session counts too");
    }
    assert!(!server.is_valid(&another).await && !server.is_valid(&access).await);
    assert_eq!(server.refresh(&refresh).await, fail(401, json!("The token has revoked")));
    assert!(server.is_valid(&of_admin).await);
    // Tokens that the owner gets afterwards work.
    let later = old_token(&database, "access", ALICE, "b1").await;
    assert_eq!(change(&server, &later, "a wrong password").await.status, 422);
    assert_eq!(change(&server, &later, OLD_PASSWORD).await.status, 200);
}
