//! A single-page application in Chromium, on another site than the server: it calls the server across origins.

use serde_json::json;

use crate::Setup;
use crate::database::Engine;
use crate::kinds::{Application, Kind};
use crate::window::Window;

#[tokio::test]
async fn users_log_in_and_out_with_oidc_client_ts() {
    let setup = Setup::new(Engine::Sqlite, vec![Application::new(Kind::OidcClientTs)]).await;
    let mut window = Window::open(&setup.applications[0], &setup.entrance.address).await;
    window.ask("log in").await;
    let count = |what: &str| setup.entrance.count(what);
    assert_eq!((count("GET /oauth2/userinfo"), count("POST /oauth2/token")), (1, 1));
    window.ask("reload").await;
    window.ask("renew").await;
    assert_eq!((count("POST /oauth2/token"), count("GET /oauth2/authorize")), (2, 1), "by the refresh token");
    window.ask("forget").await;
    window.ask("log in without a password").await;
    window.ask("log out").await;
    assert_eq!(count("POST /oauth2/revoke"), 2, "both tokens");
    window.ask("log in").await;
}

/// Without a refresh token, the library renews the tokens in a hidden frame. The cookie of the session gets there only within
/// one site.
#[tokio::test]
async fn tokens_are_renewed_in_a_frame_of_the_same_site() {
    let mut application = Application::new(Kind::OidcClientTs).with(" offline_access", "");
    application.address = application.address.replace("localhost", "127.0.0.1");
    let mut setup = Setup::declaring(
        Engine::Sqlite,
        vec![{
            let mut declaration = application.declaration();
            // Without https, users would be asked each time.
            declaration["consent"] = json!("Skip");
            declaration
        }],
    )
    .await;
    application.start(&setup.entrance.address).await;
    setup.applications.push(application);
    let mut window = Window::open(&setup.applications[0], &setup.entrance.address).await;
    window.ask("log in").await;
    window.ask("renew").await;
    assert_eq!(setup.entrance.count("GET /oauth2/authorize"), 2);
    window.ask("log out").await;
}
