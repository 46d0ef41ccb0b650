//! Users log in to applications that know nothing of sc-auth but its address: with the libraries and proxies that such
//! applications use. `make test` builds them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "the harness is shared with the tests of the API")]
#![allow(dead_code, reason = "the harness is shared with the tests of the API, which use all of it")]

mod authority;
mod browser;
#[path = "../api/cgroup.rs"]
mod cgroup;
mod cluster;
#[path = "../api/database.rs"]
mod database;
mod entrance;
mod flows;
#[path = "../api/harness.rs"]
mod harness;
mod kinds;
mod kubernetes;
mod logouts;
mod pages;
mod spa;
mod update;
mod upstream;
mod window;

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
    servers: Vec<Server>,
}

impl Setup {
    async fn new(engine: Engine, applications: Vec<Application>) -> Self {
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
        let entrance = Entrance::open().await;
        let mut setup = Self { applications: Vec::new(), database, entrance, servers: Vec::new() };
        setup.add_a_replica().await;
        setup.servers[0].register("alice").await;
        setup
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
        let logs: Vec<_> = self.servers.iter().map(|server| server.log.text()).collect();
        assert!(greets, "{page:?}\n{}\n{}", application.log(), logs.join("\n"));
    }

    /// Starts one more server on the same database.
    async fn add_a_replica(&mut self) {
        self.servers.push(replica(&self.database, &self.entrance).await);
        self.lead_to_all();
    }

    fn lead_to_all(&mut self) {
        let servers: Vec<_> = self.servers.iter().map(|server| server.api.as_str()).collect();
        self.entrance.lead_to(&servers);
    }

    /// Replaces the oldest server, as a rolling update does: the new one is ready before the old one stops.
    async fn replace_a_server(&mut self) {
        let mut old = self.servers.remove(0);
        self.add_a_replica().await;
        old.signal("TERM");
        assert!(old.ended_well().await);
    }
}

async fn replica(database: &Database, entrance: &Entrance) -> Server {
    Server::start(database, &[("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", &entrance.address)]).await
}

/// A logout in the application ends the session at the server too, without a question, and leads back.
async fn users_log_in_and_out(kind: Kind) {
    let setup = Setup::new(Engine::Sqlite, vec![Application::new(kind)]).await;
    let application = &setup.applications[0];
    let (mut browser, mut other) = (setup.logged_in().await, setup.logged_in().await);
    setup.greets(application, &browser.open(&application.address).await);
    let page = logouts::log_out(&mut browser, application, &setup.entrance.address).await;
    assert!(page.is_login(), "the application is open again, and sends the browser to log in: {page:?}");
    setup.greets(application, &other.open(&application.address).await);
}

#[tokio::test]
async fn users_log_in_and_out_with_authlib() {
    users_log_in_and_out(Kind::Authlib).await;
}

#[tokio::test]
async fn users_log_in_and_out_with_openid_client() {
    users_log_in_and_out(Kind::OpenidClient).await;
}

#[tokio::test]
async fn users_log_in_and_out_with_go_oidc() {
    users_log_in_and_out(Kind::GoOidc).await;
}

#[tokio::test]
async fn users_log_in_and_out_with_spring_security() {
    users_log_in_and_out(Kind::SpringSecurity).await;
}

#[tokio::test]
async fn users_log_in_and_out_with_mod_auth_openidc() {
    users_log_in_and_out(Kind::Apache).await;
}

#[tokio::test]
async fn users_log_in_and_out_with_oauth2_proxy() {
    users_log_in_and_out(Kind::Oauth2Proxy).await;
}
