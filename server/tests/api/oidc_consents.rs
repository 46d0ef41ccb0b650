//! What users consent to, and when they are asked again.

use serde_json::json;

use crate::browser::{Browser, authorize, client, declare, started, tokens, with};
use crate::database::Engine;
use crate::harness::until;

crate::on_every_engine!(an_audience_needs_consent_of_its_own);

async fn an_audience_needs_consent_of_its_own(engine: Engine) {
    let with_audiences = |audiences: &[&str]| with(client("shop"), "audiences", json!(audiences));
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    browser.get(&authorize(&[])).await.code();
    let is_loaded = async |counter: usize| {
        until("it is loaded", async || server.status().await["declared"]["counter"] == counter).await;
    };
    declare(&database, &[with_audiences(&["<orders>", "billing"]), client("a")]);
    is_loaded(2).await;
    assert_eq!(browser.get(&authorize(&[("prompt", "none")])).await.error(), "consent_required");
    // Only what the client asks for now.
    let page = browser.get(&authorize(&[("resource", "billing")])).await;
    assert!(page.text.contains("access billing on your behalf") && !page.text.contains("orders"), "{}", page.text);
    browser.decide(&page, "allow").await.code();
    browser.get(&authorize(&[("resource", "billing"), ("prompt", "none")])).await.code();
    let page = browser.get(&authorize(&[])).await;
    assert!(page.text.contains("access &#60;orders&#62; on your behalf"), "{}", page.text);
    browser.decide(&page, "deny").await;
    assert!(browser.get(&authorize(&[])).await.is_consent());
    let code = browser.decide(&page, "allow").await.code();
    tokens(&server, &code).await;
    browser.get(&authorize(&[("prompt", "none")])).await.code();
    let shown = browser.get("/account/applications").await.text;
    assert!(shown.contains("&#60;orders&#62;") && shown.contains("billing") && !shown.contains("userinfo"), "{shown}");
    // An audience that goes and comes back is not new, unless the user was asked meanwhile.
    declare(&database, &[client("shop"), client("a"), client("b")]);
    is_loaded(3).await;
    browser.get(&authorize(&[("prompt", "none")])).await.code();
}
