//! PgBouncer in front of PostgreSQL, in transaction mode and with fewer connections than the server's pool: the release of
//! Debian 12, which knows no prepared statements, and that of Debian 13.

use std::sync::Arc;

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, run};

macro_rules! on_each_release {
    ($($test:ident),+ $(,)?) => {
        mod old {
            $(#[tokio::test] async fn $test() { super::$test("SCDEV_PGBOUNCER_URL").await })+
        }
        mod new {
            $(#[tokio::test] async fn $test() { super::$test("SCDEV_NEW_PGBOUNCER_URL").await })+
        }
    };
}

on_each_release!(nothing_fails_behind_a_pooler, commands_work_behind_a_pooler);

/// A database behind the pooler of that name.
async fn behind(pooler: &str) -> Database {
    let mut database = Database::create(Engine::Postgres).await;
    let name = database.url.rsplit_once('/').unwrap().1.to_owned();
    let pooler = std::env::var(pooler).expect("run `dev/databases up` and `eval \"$(dev/databases env)\"`");
    database.url = format!("{pooler}/{name}");
    database
}

/// Logs in, and reads and changes everything whose statements differ, while others do the same.
async fn use_everything(server: &Server, admin: &str, number: usize) {
    let name = format!("user-{number}");
    server.register(&name).await;
    for _ in 0..3 {
        let tokens = server.login(&name).await;
        for path in ["/api/v1/users", "/api/v1/users?q=user&limit=7", "/api/v1/audit?limit=5"] {
            let answer = server.get(path, admin).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}: {}", server.log.text());
        }
        let patch = json!({"name": format!("Some Body {number}")});
        let answer = server.call("PATCH", "/api/v1/accounts/me", Some(&tokens.access), Some(patch)).await;
        assert_eq!(answer.status, 200, "{answer:?}: {}", server.log.text());
        let answer = server.refresh(&tokens.refresh).await;
        assert_eq!(answer.status, 200, "{answer:?}: {}", server.log.text());
        let me = server.get("/api/v1/accounts/me", &tokens.access).await;
        assert_eq!((me.status, me.text("username")), (200, name.clone()), "{}", server.log.text());
    }
}

async fn nothing_fails_behind_a_pooler(pooler: &str) {
    let database = behind(pooler).await;
    let settings = [("SC_AUTH_RATE_LIMITS", "off")];
    let output = crate::harness::run_with_input(
        &database,
        &["admin", "create", "root", "--password-stdin"],
        crate::harness::PASSWORD,
    );
    let output = output.await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = Arc::new(Server::start(&database, &settings).await);
    assert!(server.log.text().contains("connected through a pooler"), "{}", server.log.text());
    let admin = server.login("root").await.access;
    let users = (0..12).map(|number| {
        let (server, admin) = (Arc::clone(&server), admin.clone());
        tokio::spawn(async move { use_everything(&server, &admin, number).await })
    });
    for user in users.collect::<Vec<_>>() {
        user.await.unwrap();
    }
    let status = server.status().await;
    assert_eq!((&status["server_errors"], &status["database"]["reachable"]), (&json!(0), &json!(true)), "{status}");
}

async fn commands_work_behind_a_pooler(pooler: &str) {
    let database = behind(pooler).await;
    for arguments in [&["migrate"][..], &["migrate", "--plan"], &["users", "export", "users.json"]] {
        let output = run(&database, arguments, &[]).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// PostgreSQL itself keeps prepared statements, which are faster.
#[tokio::test]
async fn without_a_pooler_there_is_none() {
    let server = Server::start(&Database::create(Engine::Postgres).await, &[]).await;
    assert!(!server.log.text().contains("pooler"), "{}", server.log.text());
}
