//! Servers of the last release go on working on the schema and the folder of this one, beside it and after it. `dev/released` builds
//! the last release.

use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, authorize, declare, refresh, start, text, tokens, userinfo};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, Tokens, claims, run_with_input};
use crate::oidc_backchannel::Receiver;

/// Not on MySQL 9, where the last release does not start.
macro_rules! on_engines_of_the_last_release {
    ($($name:ident: $engine:ident),+) => {
        $(mod $name {
            use crate::database::Engine::$engine;

            #[tokio::test]
            async fn the_last_release_works_beside_this_one_and_after_it() {
                super::the_last_release_works_beside_this_one_and_after_it($engine).await;
            }

            #[tokio::test]
            async fn what_the_last_release_ends_has_ended_here_too() {
                super::what_the_last_release_ends_has_ended_here_too($engine).await;
            }
        })+
    };
}

on_engines_of_the_last_release!(sqlite: Sqlite, mariadb: MariaDb, postgres: Postgres);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

/// A server of the last release, which knows nothing of applications.
async fn start_released(database: &Database) -> Server {
    let program = std::env::var("SCDEV_RELEASED_SERVER").unwrap_or_else(|_| {
        panic!("SCDEV_RELEASED_SERVER is not set. Run `dev/released up` and `eval \"$(dev/released env)\"`, or `make test`.")
    });
    let script = format!("shift && exec '{program}' \"$@\"");
    Server::start_under(&script, database, &[("SC_AUTH_ISSUER", ISSUER)]).await
}

/// A server of each release. On an embedded database, which allows one server at a time, one ends before the other starts.
struct Both {
    engine: Engine,
    released: Option<Server>,
    present: Option<Server>,
    database: Database,
    receiver: Receiver,
}

impl Both {
    async fn new(engine: Engine) -> Self {
        let (database, receiver) = (Database::create(engine).await, Receiver::start().await);
        declare(&database, &[receiver.client("shop")]);
        Self { engine, database, receiver, released: None, present: None }
    }

    async fn released(&mut self) -> &Server {
        if self.engine == Engine::Sqlite {
            self.present = None;
        }
        if self.released.is_none() {
            self.released = Some(start_released(&self.database).await);
        }
        self.released.as_ref().unwrap()
    }

    async fn present(&mut self) -> &Server {
        if self.engine == Engine::Sqlite {
            self.released = None;
        }
        if self.present.is_none() {
            self.present = Some(start(&self.database).await);
        }
        self.present.as_ref().unwrap()
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.database.folder.path().join(name)).ok()
    }
}

/// Tokens of the API after a refresh.
async fn refreshed(server: &Server, tokens: &Tokens) -> Tokens {
    let answer = server.refresh(&tokens.refresh).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (access, next) = (answer.text("access_token"), answer.text("refresh_token"));
    Tokens { access, refresh: next }
}

async fn assert_takes_no_token_of_applications(server: &Server, issued: &Value) {
    for name in ["access_token", "id_token", "refresh_token"] {
        for (method, path) in [
            ("GET", "/api/v1/accounts/me"),
            ("GET", "/api/v1/users"),
            ("GET", "/api/v1/verify"),
            ("POST", "/api/v1/accounts/refresh"),
        ] {
            let bearer = format!("Bearer {}", text(issued, name));
            let answer = server.request(method, path).header(AUTHORIZATION, bearer).send().await.unwrap();
            assert!([401, 422].contains(&answer.status().as_u16()), "{name} {method} {path}: {}", answer.status());
        }
    }
}

async fn the_last_release_works_beside_this_one_and_after_it(engine: Engine) {
    let mut both = Both::new(engine).await;
    let released = both.released().await;
    released.register("alice").await;
    let before = released.login("alice").await;
    let keys = both.file("sc-auth-keys.json").unwrap();
    assert!(both.file("oidc-keys.json").is_none(), "the last release has no such file");

    // Forward.
    let present = both.present().await;
    assert!(present.is_valid(&before.access).await);
    let mut browser = Browser::new(present);
    let online = tokens(present, &browser.code(&[]).await).await;
    let offline = tokens(present, &browser.code(&[OFFLINE]).await).await;
    let cookies = browser.cookies.clone();
    let mut later = present.login("alice").await;
    let oidc_keys = both.file("oidc-keys.json").unwrap();

    // Beside this release, and then back: a server that starts on the schema and the files of this one.
    for _ in 0..2 {
        let released = both.released().await;
        for tokens in [&before, &later] {
            assert!(released.is_valid(&tokens.access).await);
        }
        later = refreshed(released, &later).await;
        released.login("alice").await;
        assert_takes_no_token_of_applications(released, &offline).await;
        assert_eq!(both.file("sc-auth-keys.json").unwrap(), keys);
        assert_eq!(both.file("oidc-keys.json").unwrap(), oidc_keys, "it does not touch what it does not know");
        both.released = None;
    }
    both.released().await.register("bobby").await;

    // Forward again: nobody is logged out.
    let present = both.present().await;
    later = refreshed(present, &later).await;
    assert!(present.is_valid(&later.access).await && present.is_valid(&before.access).await);
    for issued in [&online, &offline] {
        assert_eq!(userinfo(present, &text(issued, "access_token")).await.0, 200);
    }
    assert_eq!(refresh(present, &text(&offline, "refresh_token")).await.0, 200);
    let mut browser = Browser::new(present);
    browser.cookies = cookies;
    browser.get(&authorize(&[("prompt", "none")])).await.code();
    let mut another = Browser::new(present);
    let page = another.get(&authorize(&[])).await;
    another.log_in(&page, "bobby", PASSWORD).await.code();
}

async fn what_the_last_release_ends_has_ended_here_too(engine: Engine) {
    let mut both = Both::new(engine).await;
    let created = run_with_input(&both.database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let present = both.present().await;
    present.register("alice").await;
    let root = present.login("root").await.access;
    let uuid = present.uuid_of(&root, "alice").await;
    for (number, ending) in ["end", "others", "password", "disable", "delete"].into_iter().enumerate() {
        let present = both.present().await;
        let own = present.login("alice").await.access;
        let mut browser = Browser::new(present);
        let online = tokens(present, &browser.code(&[]).await).await;
        let offline = tokens(present, &browser.code(&[OFFLINE]).await).await;
        let (cookies, sid) = (browser.cookies.clone(), text(&claims(&text(&online, "id_token")), "sid"));

        let released = both.released().await;
        let change =
            async |change: Value| released.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await.status;
        let status = match ending {
            "end" => {
                let path = format!("/api/v1/accounts/sessions/{sid}");
                released.call("DELETE", &path, Some(&own), None).await.status
            }
            "others" => released.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status,
            "password" => change(json!({"uuid": uuid, "password": PASSWORD})).await,
            "disable" => {
                assert_eq!(change(json!({"uuid": uuid, "disabled": true})).await, 200);
                change(json!({"uuid": uuid, "disabled": false})).await
            }
            _ => released.call("DELETE", "/api/v1/users", Some(&root), Some(json!({"uuid": uuid}))).await.status,
        };
        assert_eq!(status, 200, "{ending}");

        let present = both.present().await;
        for issued in [&online, &offline] {
            assert_eq!(userinfo(present, &text(issued, "access_token")).await.0, 401, "{ending}");
        }
        assert_eq!(refresh(present, &text(&offline, "refresh_token")).await.0, 400, "{ending}");
        let mut browser = Browser::new(present);
        browser.cookies = cookies;
        assert!(browser.get(&authorize(&[])).await.is_login(), "{ending}");
        // The last release notifies no application: this one looks for such sessions after its start, and each minute.
        both.present = None;
        both.database.execute("UPDATE chores SET due_at = 0").await;
        both.present().await;
        let told = both.receiver.until_notified(number + 1).await;
        assert!(told.iter().any(|token| token["sid"] == json!(sid)), "{ending}: {told:?}");
    }
}
