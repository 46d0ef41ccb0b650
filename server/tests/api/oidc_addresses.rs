//! Users log in with their e-mail address.

use serde_json::json;

use crate::browser::{Browser, ISSUER, SESSION, authorize, client, declare, started, with};
use crate::database::Engine;
use crate::harness::{PASSWORD, Server};
use crate::takeover;

crate::on_every_engine!(a_user_can_log_in_with_an_address, an_address_of_the_legacy_service_is_found);

async fn a_user_can_log_in_with_an_address(engine: Engine) {
    let (server, database) = started(engine, &[with(client("shop"), "consent", json!("Skip"))]).await;
    for name in ["alice@example.com", "Alice@Example.COM", " alice ", "ALICE"] {
        let mut browser = Browser::new(&server);
        let page = browser.get(&authorize(&[])).await;
        browser.log_in(&page, name, PASSWORD).await.code();
    }
    // As a server of release 0.2 changes it: the key of the former address stays in `email_fold`.
    database
        .execute("UPDATE users SET email = 'a@bücher.example', email_key = 'a@bücher.example' WHERE username = 'alice'")
        .await;
    let log_in = async |name: &str| {
        let mut browser = Browser::new(&server);
        let page = browser.get(&authorize(&[])).await;
        browser.log_in(&page, name, PASSWORD).await.status
    };
    assert_eq!([log_in("A@xn--bcher-kva.example").await, log_in("alice@example.com").await], [303, 422]);
    database.execute("UPDATE users SET email_fold = 'alice@example.com' WHERE username = 'alice'").await;
    assert_eq!([log_in("a@bücher.example").await, log_in("alice@example.com").await], [303, 422]);
    for (name, password) in [("a@bücher.example", "wrong password"), ("nobody@example.com", PASSWORD), ("", "")] {
        let mut browser = Browser::new(&server);
        let page = browser.get(&authorize(&[])).await;
        let page = browser.log_in(&page, name, password).await;
        assert!(page.status == 422 && page.is_login() && page.text.contains("role=\"alert\""), "{name}");
        assert!(!browser.cookies.contains_key(SESSION));
    }
}

/// Its rows have no keys.
async fn an_address_of_the_legacy_service_is_found(engine: Engine) {
    let database = takeover::old_database(engine).await;
    declare(&database, &[with(client("shop"), "consent", json!("Skip"))]);
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_COEXIST", "on")];
    let server: Server = takeover::server(&database, &settings).await;
    database.execute(&takeover::user("Bob", "cccccccccccccccccccccccccccccccc", takeover::PBKDF2, 2)).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    assert_eq!(browser.log_in(&page, "nobody@example.com", takeover::OLD_PASSWORD).await.status, 422);
    browser.log_in(&page, "Bob@example.com", takeover::OLD_PASSWORD).await.code();
    assert_eq!(database.texts("SELECT email_key FROM users WHERE username = 'Bob'").await, ["bob@example.com"]);
}
