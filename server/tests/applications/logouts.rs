//! Users log out: at the server, which notifies their applications, and in an application, which logs them out at the server.

use crate::Setup;
use crate::browser::{Browser, Page};
use crate::database::Engine;
use crate::harness::until;
use crate::kinds::{Application, Kind};

/// Read when the test runs: the page is not needed to build the images.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/single-sign-on.md");

/// A logout at the server ends the session of the application too.
async fn users_log_out(kind: Kind) {
    let setup = Setup::new(Engine::Sqlite, vec![Application::new(kind)]).await;
    let application = &setup.applications[0];
    let mut browser = setup.logged_in().await;
    let mut other = setup.logged_in().await;
    let question = browser.open(&format!("{}/oauth2/logout", setup.entrance.address)).await;
    let page = browser.submit(&question, &[("decision", "logout")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    until(&format!("the session of {kind:?} ends"), async || browser.open(&application.address).await.is_login()).await;
    setup.greets(application, &other.open(&application.address).await);
}

#[tokio::test]
async fn users_log_out_of_go_oidc() {
    users_log_out(Kind::GoOidc).await;
}

#[tokio::test]
async fn users_log_out_of_spring_security() {
    users_log_out(Kind::SpringSecurity).await;
}

#[tokio::test]
async fn users_log_out_of_mod_auth_openidc() {
    users_log_out(Kind::Apache).await;
}

/// Logs out in the application, as docs/single-sign-on.md says.
pub async fn log_out(browser: &mut Browser, application: &Application, issuer: &str) -> Page {
    let address = &application.address;
    match application.kind {
        Kind::Authlib | Kind::OpenidClient | Kind::GoOidc => browser.post(&format!("{address}/logout")).await,
        Kind::SpringSecurity => {
            let question = browser.open(&format!("{address}/logout")).await;
            browser.submit(&question, &[]).await
        }
        Kind::Apache => browser.open(&format!("{address}/oidc?logout={}", encoded(&format!("{address}/")))).await,
        Kind::Oauth2Proxy => {
            let page = std::fs::read_to_string(PAGE).unwrap();
            let link = page.lines().find(|line| line.starts_with("/oauth2/sign_out?rd=")).unwrap();
            let link = link.replace("shop%26", &format!("{}%26", application.id));
            let link = link.replace(&encoded("https://auth.example.com"), &encoded(issuer));
            let link = link.replace(&encoded(&encoded("https://shop.example.com")), &encoded(&encoded(address)));
            browser.open(&format!("{address}{link}")).await
        }
        Kind::OidcClientTs => unreachable!("it needs JavaScript"),
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
