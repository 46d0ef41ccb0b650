//! Database servers that are restarted, demoted, promoted, full and used up: requests that need them are answered with
//! 503, the status says why, and the server recovers without a restart.

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, fail, run, until};
use crate::servers::{MariaDb, Postgres};
use crate::wire::Wire;

fn away() -> Answer {
    fail(503, json!("the database is unavailable, try again in a moment"))
}

async fn register(server: &Server, name: &str) -> Answer {
    server.post("/api/v1/accounts/register", account(name)).await
}

/// Every request that writes is answered with 503, and the status has the reason.
async fn is_in_trouble(server: &Server, reason: &str) {
    let refused = register(server, "mallory").await;
    assert_eq!(refused, away(), "{}", server.log.text());
    let request = server.request("POST", "/api/v1/accounts/register").json(&account("mallory"));
    assert_eq!(request.send().await.unwrap().headers()["retry-after"], "1");
    let status = server.status().await;
    assert_eq!(status["database"]["trouble"]["reason"], reason, "{status}");
    assert_eq!(status["database"]["reachable"], false, "{status}");
}

async fn is_well(server: &Server) {
    until("the status is well", async || {
        let database = &server.status().await["database"];
        (&database["trouble"], &database["reachable"]) == (&Value::Null, &json!(true))
    })
    .await;
}

#[tokio::test]
async fn a_promoted_standby_is_used() {
    let mut primary = Postgres::create().await;
    primary.execute("CREATE DATABASE scauth").await;
    let standby = primary.standby().await;
    let several =
        format!("postgres://test@{},{}/scauth?target_session_attrs=read-write", standby.address(), primary.address());
    let database = Database::at(several);
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;
    standby.has_user("scauth", "alice").await;

    primary.stop();
    is_in_trouble(&server, "ReadOnly").await;
    standby.execute("SELECT pg_promote()").await;
    until("the standby is used", async || register(&server, "bob").await.status == 201).await;
    assert!(server.is_valid(&access).await);
    is_well(&server).await;
}

#[tokio::test]
async fn connections_to_a_demoted_server_are_dropped() {
    let primary = Postgres::create().await;
    primary.execute("CREATE DATABASE scauth").await;
    let standby = primary.standby().await;
    let wire = Wire::to(&primary.address()).await;
    let database = Database::at(format!("postgres://test@{}/scauth", wire.address));
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;
    standby.has_user("scauth", "alice").await;

    // A name that for a while leads to the server that no longer is the primary.
    wire.cut().await;
    wire.lead_to(&standby.address());
    wire.restore();
    until("reads work", async || server.get("/api/v1/accounts/me", &access).await.status == 200).await;
    is_in_trouble(&server, "ReadOnly").await;
    wire.lead_to(&primary.address());
    until("the primary is used", async || register(&server, "bob").await.status == 201).await;
    is_well(&server).await;
}

#[tokio::test]
async fn a_restarted_mariadb_is_used_again() {
    let mut mariadb = MariaDb::create().await;
    mariadb.execute("CREATE DATABASE scauth").await;
    let database = Database::at(mariadb.url("scauth"));
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;

    mariadb.stop();
    is_in_trouble(&server, "Unreachable").await;
    mariadb.start().await;
    assert!(server.is_valid(&access).await, "the connections from before the restart are not used");
    assert_eq!(register(&server, "bob").await.status, 201);
    is_well(&server).await;

    // New sessions only read.
    mariadb.execute("SET GLOBAL tx_read_only = ON").await;
    mariadb.end_connections("scauth").await;
    is_in_trouble(&server, "ReadOnly").await;
    mariadb.execute("SET GLOBAL tx_read_only = OFF").await;
    until("new connections are used", async || register(&server, "carol").await.status == 201).await;
    is_well(&server).await;
}

#[tokio::test]
async fn a_full_volume_of_an_embedded_database_is_reported() {
    let database = Database::create(Engine::Sqlite).await;
    let script = "exec unshare --mount --propagation private sh -c 'mount -t tmpfs -o size=4m none . && cd \"$PWD\" && \
                  exec \"$@\"' sh \"$@\"";
    let server = Server::start_under(script, &database, &[]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;

    let filler = server.root().join(database.folder.path().strip_prefix("/").unwrap()).join("filler");
    drop(std::fs::write(&filler, vec![0; 8 * 1024 * 1024]));
    until("the log of changes cannot grow", async || register(&server, &format!("u{}", number())).await.status == 503)
        .await;
    is_in_trouble(&server, "DiskFull").await;
    assert_eq!(server.get("/api/v1/accounts/me", &access).await.status, 200, "reads work");
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(register(&server, "carol").await.status, 201, "{}", server.log.text());
    is_well(&server).await;
}

/// A backup, or a command, may hold the lock for long.
#[tokio::test]
async fn an_embedded_database_that_another_process_locks_can_be_read() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;
    let mut other = SqliteConnection::connect(&database.url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("waiting{number}")).collect();
    let writers = join_all(names.iter().map(|name| register(&server, name)));
    let reader = async {
        for _ in 0..20 {
            assert_eq!(server.get("/api/v1/accounts/me", &access).await.status, 200);
        }
    };
    let (refused, ()) = tokio::join!(writers, reader);
    for answer in refused {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert_eq!(server.status().await["database"]["trouble"]["reason"], "Locked");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(register(&server, "carol").await.status, 201, "{}", server.log.text());
    is_well(&server).await;
}

fn number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

crate::on_every_database_server!(the_pool_shrinks_to_what_the_server_grants);

/// A user with few connections, who owns the database.
async fn limited(database: &mut Database, engine: Engine, limit: u32) -> String {
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let (scheme, address) = (server.split(':').next().unwrap(), server.split_once('@').unwrap().1);
    let user = format!("u_{name}");
    let make = if engine.is_mysql() {
        format!(
            "CREATE USER {user}@'%' IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS {limit}; \
             GRANT ALL ON {name}.* TO {user}@'%'"
        )
    } else {
        format!("CREATE USER {user} PASSWORD 'secret' CONNECTION LIMIT {limit}; ALTER DATABASE {name} OWNER TO {user}")
    };
    engine.execute(&make).await;
    database.url = format!("{scheme}://{user}:secret@{address}/{name}");
    user
}

async fn the_pool_shrinks_to_what_the_server_grants(engine: Engine) {
    for limit in [1, 3] {
        let mut database = Database::create(engine).await;
        limited(&mut database, engine, limit).await;
        let server = Server::start(&database, &[]).await;
        server.register("alice").await;
        let access = server.login("alice").await.access;
        for _ in 0..20 {
            let me = (0..8).map(|_| server.get("/api/v1/accounts/me", &access));
            for answer in futures::future::join_all(me).await {
                assert_eq!(answer.status, 200, "{answer:?}: {}", server.log.text());
            }
        }
        is_well(&server).await;
    }
}

#[tokio::test]
async fn a_used_up_quota_is_reported() {
    let engine = Engine::MariaDb;
    let mut database = Database::create(engine).await;
    let user = limited(&mut database, engine, 0).await;
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let grant = |quota: u32| format!("GRANT USAGE ON *.* TO {user}@'%' WITH MAX_QUERIES_PER_HOUR {quota}");
    engine.execute(&grant(20)).await;
    // It counts for new connections.
    engine.end_connections(&user).await;
    until("it is used up", async || register(&server, &format!("u{}", number())).await == away()).await;
    let status = server.status().await;
    assert_eq!(status["database"]["trouble"]["reason"], "LimitReached", "{status}");
    engine.execute(&grant(0)).await;
    until("it is raised", async || register(&server, "bob").await.status == 201).await;
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused_or_says_what_it_cannot_store() {
    let options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    let database = Database::create_with(Engine::Postgres, options).await;
    let output = run(&database, &["migrate"], &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("LATIN1") && text.contains("ENCODING 'UTF8'"), "{text}");

    // One that an earlier release has migrated.
    let origin = Database::create(Engine::Postgres).await;
    assert!(run(&origin, &["migrate"], &[]).await.status.success());
    crate::dumps::copy_postgres(&origin, &database);
    let server = Server::start(&database, &[]).await;
    assert!(server.log.text().contains("cannot store every character"), "{}", server.log.text());
    server.register("alice").await;
    let access = server.login("alice").await.access;
    let patch = json!({"name": "smiling 🎉"});
    let answer = server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(patch)).await;
    assert_eq!(answer, fail(422, json!("a text has a character that the database cannot store")));
    let refused = fail(422, json!("user not found or bad username/password"));
    assert_eq!(server.login_with("🎉🎉🎉🎉", PASSWORD).await, refused);
    let patch = json!({"name": "Zoë"});
    assert_eq!(server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(patch)).await.status, 200);
}
