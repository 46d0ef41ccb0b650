//! Two replicas behind one entrance, under users of all kinds of applications: a rolling update and a rotation of the keys log
//! nobody out.

use std::path::PathBuf;

use serde_json::Value;

use crate::Setup;
use crate::browser::Browser;
use crate::database::Engine;
use crate::harness::{run, until};
use crate::kinds::{Application, Kind};
use crate::logouts;
use crate::window::Window;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Those that renew their tokens by themselves do so at each opportunity.
fn application(kind: Kind) -> Application {
    let application = Application::new(kind);
    match kind {
        Kind::Oauth2Proxy => application
            .with("openid profile email", "openid profile email offline_access")
            .with("skip_provider_button", "cookie_refresh = \"1s\"\nskip_provider_button"),
        Kind::Apache => application
            .with("openid profile email", "openid profile email offline_access")
            .with("OIDCPKCEMethod", "OIDCRefreshAccessTokenBeforeExpiry 3600\nOIDCPKCEMethod"),
        _ => application,
    }
}

/// Alice, in a browser without JavaScript, and in another with it.
struct Users {
    browser: Browser,
    window: Option<Window>,
}

impl Users {
    /// Logs in to all applications; each browser asks for the password once.
    async fn log_in(setup: &Setup) -> Self {
        let mut users = Self { browser: setup.logged_in().await, window: None };
        users.visit_all(setup).await;
        if let Some(spa) = setup.applications.iter().find(|application| application.is_static()) {
            let mut window = Window::open(spa, &setup.entrance.address).await;
            window.ask("log in").await;
            users.window = Some(window);
        }
        users
    }

    /// Visits each application. Where alice is not logged in, the application sends her to the server, which asks for no
    /// password.
    async fn visit_all(&mut self, setup: &Setup) {
        for application in setup.applications.iter().filter(|application| !application.is_static()) {
            let page = self.browser.open(&application.address).await;
            let page = self.browser.allow(page).await;
            setup.greets(application, &page);
        }
    }

    /// No application sends her to the server.
    async fn are_logged_in(&mut self, setup: &Setup) {
        let before = setup.entrance.count("GET /oauth2/authorize");
        self.visit_all(setup).await;
        if let Some(window) = &mut self.window {
            window.ask("reload").await;
        }
        assert_eq!(setup.entrance.count("GET /oauth2/authorize"), before, "a login");
    }

    /// Each application that holds a refresh token uses it. Returns the key id of the new ID token of the last one.
    async fn renew(&mut self, setup: &Setup) -> Option<String> {
        for application in setup.applications.iter().filter(|application| application.renews()) {
            let before = setup.entrance.count("POST /oauth2/token");
            until(&format!("{:?} renews its tokens", application.kind), async || {
                setup.greets(application, &self.browser.open(&application.address).await);
                setup.entrance.count("POST /oauth2/token") > before
            })
            .await;
        }
        match &mut self.window {
            Some(window) => window.ask("renew").await,
            None => None,
        }
    }

    /// Logs in again to all applications, which have forgotten her.
    async fn log_in_again(&mut self, setup: &Setup) {
        let before = setup.entrance.count("GET /oauth2/authorize");
        for application in &setup.applications {
            self.browser.forget(&application.address);
        }
        self.visit_all(setup).await;
        if let Some(window) = &mut self.window {
            window.ask("forget").await;
            window.ask("log in without a password").await;
        }
        let logins = setup.entrance.count("GET /oauth2/authorize") - before;
        assert!(logins >= setup.applications.len(), "{logins}");
    }
}

/// What an operator does with the keys of applications. The file seems older than it is, by this many seconds: between its
/// steps, a rotation takes a quarter of an hour and a day.
async fn rotate(setup: &Setup, seconds: u64) -> String {
    let file: PathBuf = setup.database.folder.path().join("oidc-keys.json");
    let mut set: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for key in set["keys"].as_array_mut().unwrap() {
        key["since"] = (key["since"].as_u64().unwrap() - seconds).into();
    }
    let aged = tempfile::NamedTempFile::new_in(setup.database.folder.path()).unwrap();
    std::fs::write(aged.path(), set.to_string()).unwrap();
    aged.persist(&file).unwrap();
    let output = run(&setup.database, &["keys", "rotate", "--openid"], &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until all replicas have as many keys of each state.
async fn have_keys(setup: &Setup, wanted: [(&str, usize); 3]) {
    for server in &setup.servers {
        until(&format!("the keys are {wanted:?}"), async || {
            let status = server.status().await;
            let keys = status["oidc_keys"].as_array().unwrap();
            wanted.iter().all(|(state, count)| keys.iter().filter(|key| key["state"] == *state).count() == *count)
        })
        .await;
    }
}

/// Each code was exchanged at another replica than the one that issued it.
fn codes_went_to_the_other_replica(setup: &Setup) {
    let passed = setup.entrance.passed();
    let exchanges = passed.windows(2).filter(|pair| pair[0].may_issue_a_code() && pair[1].what == "POST /oauth2/token");
    let exchanges: Vec<_> = exchanges.collect();
    assert!(exchanges.len() >= 3 * setup.applications.len(), "{passed:#?}");
    assert!(exchanges.iter().all(|pair| pair[0].server != pair[1].server), "{exchanges:#?}");
}

async fn nobody_is_logged_out(engine: Engine, kinds: &[Kind]) {
    let mut setup = Setup::new(engine, kinds.iter().copied().map(application).collect()).await;
    setup.add_a_replica().await;
    let (mut users, mut other) = (Users::log_in(&setup).await, setup.logged_in().await);
    let said = rotate(&setup, 0).await;
    assert_eq!(said.matches("is published").count(), 2, "{said}");
    have_keys(&setup, [("current", 2), ("next", 2), ("retired", 0)]).await;
    users.are_logged_in(&setup).await;

    setup.replace_a_server().await;
    users.are_logged_in(&setup).await;
    users.log_in_again(&setup).await;
    setup.replace_a_server().await;
    users.are_logged_in(&setup).await;
    let before = users.renew(&setup).await;

    let said = rotate(&setup, 15 * MINUTE).await;
    assert_eq!(said.matches("tokens now").count(), 2, "{said}");
    have_keys(&setup, [("current", 2), ("next", 0), ("retired", 2)]).await;
    users.are_logged_in(&setup).await;
    let after = users.renew(&setup).await;
    assert!(after.is_none() || after != before, "the new key signs: {after:?}");

    // A day later, the former keys are gone. The next ones are published.
    rotate(&setup, 26 * HOUR).await;
    have_keys(&setup, [("current", 2), ("next", 2), ("retired", 0)]).await;
    users.are_logged_in(&setup).await;
    assert_eq!(users.renew(&setup).await, after);
    users.log_in_again(&setup).await;
    codes_went_to_the_other_replica(&setup);
    leaves_with_an_old_token(&setup, &mut other).await;
}

/// The key of the first application's ID token is deleted, so it names nobody: the server asks, and then leads back.
async fn leaves_with_an_old_token(setup: &Setup, browser: &mut Browser) {
    let question = logouts::log_out(browser, &setup.applications[0], &setup.entrance.address).await;
    assert!(question.text.contains("value=\"logout\""), "{question:?}");
    let page = browser.submit(&question, &[("decision", "logout")]).await;
    assert!(page.is_login(), "the application sends the browser to log in: {page:?}");
}

#[tokio::test]
async fn nobody_is_logged_out_on_postgres() {
    let kinds = [
        Kind::OpenidClient,
        Kind::SpringSecurity,
        Kind::Apache,
        Kind::Oauth2Proxy,
        Kind::Authlib,
        Kind::GoOidc,
        Kind::OidcClientTs,
    ];
    nobody_is_logged_out(Engine::Postgres, &kinds).await;
}

/// Without those that take long to start.
#[tokio::test]
async fn nobody_is_logged_out_on_mariadb() {
    let kinds = [Kind::GoOidc, Kind::Apache, Kind::Oauth2Proxy, Kind::Authlib, Kind::OpenidClient];
    nobody_is_logged_out(Engine::MariaDb, &kinds).await;
}
