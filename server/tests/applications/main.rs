//! Users log in to applications that know nothing of sc-auth but its address: with the libraries and proxies that such
//! applications use. `make test` builds them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "the harness is shared with the tests of the API")]
#![allow(dead_code, reason = "the harness is shared with the tests of the API, which use all of it")]

mod browser;
#[path = "../api/cgroup.rs"]
mod cgroup;
#[path = "../api/database.rs"]
mod database;
mod entrance;
mod flows;
#[path = "../api/harness.rs"]
mod harness;
mod kinds;
mod pages;
mod upstream;

use serde_json::{Value, json};

use browser::{Browser, Page};
use database::{Database, Engine};
use entrance::Entrance;
use harness::{PASSWORD, Server};
use kinds::{Application, Kind};

/// Applications, and the server where their users log in. There is a user `alice`.
struct Setup {
    applications: Vec<Application>,
    database: Database,
    entrance: Entrance,
    server: Server,
}

impl Setup {
    async fn new(engine: Engine, kinds: &[Kind]) -> Self {
        let applications: Vec<_> = kinds.iter().map(|kind| Application::new(*kind)).collect();
        let declarations = applications.iter().map(Application::declaration).collect();
        let mut setup = Self::declaring(engine, declarations).await;
        for mut application in applications {
            application.start(&setup.entrance.address).await;
            setup.applications.push(application);
        }
        setup
    }

    /// Without applications, but with their declarations.
    async fn declaring(engine: Engine, declarations: Vec<Value>) -> Self {
        let database = Database::create(engine).await;
        let declared = json!({"version": 1, "clients": declarations}).to_string();
        std::fs::write(database.folder.path().join("declared.json"), declared).unwrap();
        let mut entrance = Entrance::open().await;
        let server = replica(&database, &entrance).await;
        server.register("alice").await;
        entrance.lead_to(&[&server.api]);
        Self { applications: Vec::new(), database, entrance, server }
    }

    /// A browser in which alice has logged in to the first application.
    async fn logged_in(&self) -> Browser {
        let mut browser = Browser::new();
        let login = browser.open(&self.applications[0].address).await;
        assert!(login.is_login(), "{login:?}\n{}", self.applications[0].log());
        let page = browser.submit(&login, &[("username", "alice"), ("password", PASSWORD)]).await;
        let page = browser.allow(page).await;
        self.greets(&self.applications[0], &page);
        browser
    }

    /// Whether an application knows who its user is.
    fn greets(&self, application: &Application, page: &Page) {
        let own = page.address.as_str().starts_with(&application.address);
        let greets = own && page.status == 200 && page.text.contains("alice");
        assert!(greets, "{page:?}\n{}\n{}", application.log(), self.server.log.text());
    }

    /// Starts another server in place of the first one, as a rolling update does: the new one is ready before the old one stops.
    async fn replace_the_server(&mut self) {
        let new = replica(&self.database, &self.entrance).await;
        self.entrance.lead_to(&[&self.server.api, &new.api]);
        self.entrance.lead_to(&[&new.api]);
        let mut old = std::mem::replace(&mut self.server, new);
        old.signal("TERM");
        assert!(old.ended_well().await);
    }
}

async fn replica(database: &Database, entrance: &Entrance) -> Server {
    Server::start(database, &[("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", &entrance.address)]).await
}

async fn users_log_in(kind: Kind) {
    let setup = Setup::new(Engine::Sqlite, &[kind]).await;
    let mut browser = setup.logged_in().await;
    setup.greets(&setup.applications[0], &browser.open(&setup.applications[0].address).await);
}

/// A logout at the server ends the session of the application too.
async fn users_log_out(kind: Kind) {
    let setup = Setup::new(Engine::Sqlite, &[kind]).await;
    let application = &setup.applications[0];
    let mut browser = setup.logged_in().await;
    let mut other = setup.logged_in().await;
    let question = browser.open(&format!("{}/oauth2/logout", setup.entrance.address)).await;
    let page = browser.submit(&question, &[("decision", "logout")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    harness::until(&format!("the session of {kind:?} ends"), async || {
        browser.open(&application.address).await.is_login()
    })
    .await;
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

/// The session at the server is in the database: the second application gets its user without a password.
#[tokio::test]
async fn an_update_of_the_server_logs_nobody_out() {
    let mut setup = Setup::new(Engine::Postgres, &[Kind::OpenidClient, Kind::Authlib]).await;
    let mut browser = setup.logged_in().await;
    setup.replace_the_server().await;
    for application in &setup.applications {
        let page = browser.open(&application.address).await;
        let page = browser.allow(page).await;
        setup.greets(application, &page);
    }
}

#[tokio::test]
async fn users_log_in_with_authlib() {
    users_log_in(Kind::Authlib).await;
}

#[tokio::test]
async fn users_log_in_with_openid_client() {
    users_log_in(Kind::OpenidClient).await;
}

#[tokio::test]
async fn users_log_in_with_go_oidc() {
    users_log_in(Kind::GoOidc).await;
}

#[tokio::test]
async fn users_log_in_with_spring_security() {
    users_log_in(Kind::SpringSecurity).await;
}

#[tokio::test]
async fn users_log_in_with_mod_auth_openidc() {
    users_log_in(Kind::Apache).await;
}

#[tokio::test]
async fn users_log_in_with_oauth2_proxy() {
    users_log_in(Kind::Oauth2Proxy).await;
}
