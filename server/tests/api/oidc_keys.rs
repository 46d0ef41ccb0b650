//! The keys that sign for applications, and their rotation while the server runs.

use serde_json::Value;

use crate::browser::{Browser, client, refresh, started, text, tokens, userinfo};
use crate::database::{Database, Engine};
use crate::harness::{Server, run, until};

crate::on_every_engine!(nobody_is_logged_out_by_a_rotation, a_revoked_key_ends_its_tokens);

async fn keys(database: &Database, arguments: &[&str]) -> String {
    let output = run(database, &[&["keys"], arguments, &["--openid"]].concat(), &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn kid(token: &Value, name: &str) -> String {
    jsonwebtoken::decode_header(text(token, name)).unwrap().kid.unwrap()
}

async fn published(server: &Server) -> String {
    server.call("GET", "/oauth2/jwks", None, None).await.body.to_string()
}

/// Algorithm and state of the keys, as `/status` reports them.
async fn states(server: &Server) -> Vec<String> {
    let status = server.status().await;
    let keys = status["oidc_keys"].as_array().unwrap();
    let shown = |key: &Value| format!("{} {}", key["algorithm"], key["state"]).replace('"', "");
    let mut all: Vec<_> = keys.iter().map(shown).collect();
    all.sort_unstable();
    all
}

async fn nobody_is_logged_out_by_a_rotation(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let offline = [("scope", "openid offline_access")];
    let before = tokens(&server, &browser.code(&offline).await).await;
    assert_eq!(states(&server).await, ["ES256 current", "RS256 current"]);
    let said = keys(&database, &["rotate"]).await;
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("it signs RS256 tokens") && said.contains("it signs ES256 tokens"), "{said}");
    let is_published = async || states(&server).await == ["ES256 current", "ES256 next", "RS256 current", "RS256 next"];
    until("the next keys are published", is_published).await;
    let next = said.split_whitespace().next().unwrap().to_owned();
    assert!(published(&server).await.contains(&next));
    assert_eq!(kid(&tokens(&server, &browser.code(&offline).await).await, "id_token"), kid(&before, "id_token"));
    assert!(
        keys(&database, &["rotate", "--algorithm", "RS256"]).await.contains("nothing was changed"),
        "it is too new"
    );

    let said = keys(&database, &["rotate", "--algorithm", "RS256", "--now"]).await;
    assert!(said.starts_with(&next) && said.contains("signs RS256 tokens now"), "{said}");
    let is_rotated =
        async || states(&server).await == ["ES256 current", "ES256 next", "RS256 current", "RS256 retired"];
    until("the next key signs", is_rotated).await;
    keys(&database, &["rotate", "--algorithm", "ES256", "--now"]).await;
    until("both have rotated", async || states(&server).await.contains(&"ES256 retired".to_owned())).await;
    let after = tokens(&server, &browser.code(&offline).await).await;
    for name in ["id_token", "access_token"] {
        assert_ne!(kid(&after, name), kid(&before, name), "{name}");
        assert!(published(&server).await.contains(&kid(&before, name)), "{name}");
    }
    assert_eq!(userinfo(&server, &text(&before, "access_token")).await.0, 200);
    assert_eq!(refresh(&server, &text(&before, "refresh_token")).await.0, 200);
    let hint = text(&before, "id_token");
    let silent = crate::browser::authorize(&[offline[0], ("prompt", "none"), ("id_token_hint", &hint)]);
    browser.get(&silent).await.code();
    let list = keys(&database, &["list"]).await;
    assert_eq!(list.lines().count(), 5, "{list}");
    assert!(list.lines().any(|line| line.contains("RS256") && line.contains("retired")), "{list}");
    let ours = String::from_utf8(run(&database, &["keys", "list"], &[]).await.stdout).unwrap();
    assert!(!ours.contains("RS256"), "the keys of the API are others: {ours}");
}

async fn a_revoked_key_ends_its_tokens(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let before = tokens(&server, &browser.code(&[("scope", "openid offline_access")]).await).await;
    let leaked = kid(&before, "access_token");
    assert!(keys(&database, &["revoke", &leaked]).await.contains("signs now"));
    until("it is gone", async || !published(&server).await.contains(&leaked)).await;
    assert_eq!(userinfo(&server, &text(&before, "access_token")).await.0, 401);
    let (status, after) = refresh(&server, &text(&before, "refresh_token")).await;
    assert_eq!(status, 200, "{after}");
    assert_eq!(userinfo(&server, &text(&after, "access_token")).await.0, 200);
}

#[tokio::test]
async fn the_file_is_generated_and_never_overwritten() {
    let database = Database::create(Engine::Sqlite).await;
    assert!(keys(&database, &["generate"]).await.contains("oidc-keys.json was created"));
    let list = keys(&database, &["list"]).await;
    assert!(list.contains("RS256") && list.contains("ES256"), "{list}");
    for refused in [
        &["keys", "generate", "--openid"][..],
        &["keys", "generate", "--openid", "--algorithm", "RS256"],
        &["keys", "rotate", "--openid", "--purpose", "access"],
        &["keys", "revoke", "--openid", "unknown"],
        &["keys", "rotate", "--openid", "--algorithm", "EdDSA"],
    ] {
        assert!(!run(&database, refused, &[]).await.status.success(), "{refused:?}");
    }
    assert_eq!(keys(&database, &["list"]).await, list);
}
