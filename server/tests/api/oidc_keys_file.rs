//! The file of the keys that sign for applications.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::browser::{Browser, authorize, client, declare, start, started, text, tokens, userinfo};
use crate::database::{Database, Engine};
use crate::harness::{Server, until};

fn file(database: &Database) -> PathBuf {
    database.folder.path().join("oidc-keys.json")
}

async fn kids(server: &Server) -> Vec<Value> {
    let keys = server.call("GET", "/oauth2/jwks", None, None).await.body;
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

/// How often a text is in the log.
fn logged(server: &Server, text: &str) -> usize {
    server.log.text().matches(text).count()
}

#[tokio::test]
async fn a_new_content_is_loaded_and_a_broken_or_missing_one_changes_nothing() {
    let (server, database) = started(Engine::Sqlite, &[client("shop")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[]).await).await;
    let (first, content) = (kids(&server).await, std::fs::read(file(&database)).unwrap());
    std::fs::write(file(&database), "{").unwrap();
    std::fs::set_permissions(file(&database), std::fs::Permissions::from_mode(0o644)).unwrap();
    until("it is broken", async || logged(&server, "cannot be used") == 1).await;
    std::fs::remove_file(file(&database)).unwrap();
    until("it is missing", async || logged(&server, "cannot be read") == 1).await;
    assert_eq!((logged(&server, "cannot be used"), logged(&server, "can read the keys file")), (1, 1), "once each");
    assert_eq!(kids(&server).await, first);
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);

    // Other keys: those of a server that starts without the file.
    let other = Database::create(Engine::Sqlite).await;
    declare(&other, &[client("shop")]);
    drop(start(&other).await);
    std::fs::copy(file(&other), file(&database)).unwrap();
    until("the new keys are loaded", async || kids(&server).await != first).await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 401);
    std::fs::write(file(&database), content).unwrap();
    until("the first keys are back", async || kids(&server).await == first).await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
}

#[tokio::test]
async fn without_usable_keys_only_the_api_serves() {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[client("shop")]);
    std::fs::write(file(&database), "{}").unwrap();
    let server = start(&database).await;
    server.register("alice").await;
    let mut browser = Browser::new(&server);
    for path in [authorize(&[]).as_str(), "/oauth2/jwks", "/.well-known/openid-configuration"] {
        assert_eq!(browser.get(path).await.status, 503, "{path}");
    }
    assert_eq!(server.status().await["server_errors"], 0, "the API serves, and strangers can cause these answers");
    assert_eq!(std::fs::read_to_string(file(&database)).unwrap(), "{}", "the file is not replaced");
    assert_eq!(logged(&server, "cannot use the keys of OpenID Connect"), 1, "{}", server.log.text());
    std::fs::remove_file(file(&database)).unwrap();
    std::os::unix::fs::symlink("nowhere", file(&database)).unwrap();
    drop(server);
    let server = start(&database).await;
    assert_eq!(Browser::new(&server).get(&authorize(&[])).await.status, 503);
    assert_eq!(logged(&server, "cannot use the keys of OpenID Connect"), 1, "{}", server.log.text());
}
