//! Outages of a database server, and changes of its password.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Server, answer, fail, until};
use crate::wire::Wire;

crate::on_every_database_server!(the_database_goes_away_and_comes_back, a_new_password_needs_no_restart);

async fn the_database_goes_away_and_comes_back(engine: Engine) {
    let mut database = Database::create(engine).await;
    let target = database.url.split_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let wire = Wire::to(&target).await;
    database.url = database.url.replace(&target, &wire.address);
    let server = Server::start(&database, &[]).await;
    server.register("alice").await;
    let tokens = server.login("alice").await;

    wire.cut().await;
    let away = fail(503, json!("the database is unavailable, try again in a moment"));
    let me = server.get("/api/v1/accounts/me", &tokens.access).await;
    assert_eq!(me, away, "{}", server.log.text());
    assert_eq!(server.login_with("alice", "anything").await, away);
    let verify = server.request("GET", "/api/v1/verify").bearer_auth(&tokens.access).send().await.unwrap();
    assert_eq!(verify.status(), 503);
    // Otherwise all replicas would leave the ingress together, or be restarted in vain.
    for path in ["/readyz", "/healthz"] {
        assert_eq!(server.ops(path).await.unwrap().status(), 200, "{path}");
    }
    let status: Value = server.ops("/status").await.unwrap().json().await.unwrap();
    assert_eq!(status["database"]["reachable"], false);
    assert_eq!(status["database"]["trouble"]["reason"], "Unreachable");
    assert_eq!(
        answer(server.request("GET", "/.well-known/jwks.json")).await.status,
        200,
        "this call needs no database"
    );

    wire.restore();
    until("it is back by itself", async || server.get("/api/v1/accounts/me", &tokens.access).await.status == 200).await;
}

async fn a_new_password_needs_no_restart(engine: Engine) {
    let mut database = Database::create(engine).await;
    let (server_part, name) = database.url.rsplit_once('/').unwrap();
    let address = server_part.split_once('@').unwrap().1.to_owned();
    let user = format!("u_{name}");
    let (make, change) = if engine.is_mysql() {
        (
            format!("CREATE USER {user}@'%' IDENTIFIED BY 'first'; GRANT ALL ON {name}.* TO {user}@'%'"),
            format!("ALTER USER {user}@'%' IDENTIFIED BY 'second'"),
        )
    } else {
        (
            format!("CREATE USER {user} PASSWORD 'first'; ALTER DATABASE {name} OWNER TO {user}"),
            format!("ALTER USER {user} PASSWORD 'second'"),
        )
    };
    engine.execute(&make).await;
    let scheme = database.url.split(':').next().unwrap();
    let url = |password: &str| format!("{scheme}://{user}:{password}@{address}/{name}");
    let file = database.folder.path().join("uri");
    std::fs::write(&file, url("first")).unwrap();
    let second = url("second");
    database.url = String::new();
    let server = Server::start(&database, &[("DATABASE_URL_FILE", file.to_str().unwrap())]).await;
    server.register("alice").await;
    let access = server.login("alice").await.access;

    engine.execute(&change).await;
    assert!(server.is_valid(&access).await, "open connections stay");
    std::fs::write(&file, second).unwrap();
    until("the file is reloaded", async || server.log.text().contains("new connections use them")).await;
    engine.end_connections(&user).await;
    for _ in 0..5 {
        assert!(server.is_valid(&access).await, "new connections use the new password");
    }
    assert!(!server.log.text().contains("second"));
}
