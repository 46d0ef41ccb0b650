//! Settings that lead to another database while the server runs: it keeps its own, and reports the other one.

use std::path::PathBuf;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, run, until};
use crate::identity::{as_release_0_2, identity_in};

crate::on_every_engine!(
    another_address_is_used_only_for_the_same_database,
    a_database_of_release_0_2_counts_as_the_same,
    a_connection_to_another_database_is_refused,
);

/// A server that reads the address of its database from a file.
struct Named {
    server: Server,
    database: Database,
    url: String,
    file: PathBuf,
}

impl Named {
    async fn start(engine: Engine) -> Self {
        let mut database = Database::create(engine).await;
        assert!(run(&database, &["migrate"], &[]).await.status.success());
        let file = database.folder.path().join("uri");
        std::fs::write(&file, &database.url).unwrap();
        let url = std::mem::take(&mut database.url);
        let settings = [("DATABASE_URL_FILE", file.to_str().unwrap()), ("SC_AUTH_BOOTSTRAP_ADMIN", "/nowhere")];
        let server = Server::start(&database, &settings).await;
        server.register("alice").await;
        Self { server, database, url, file }
    }

    async fn offered(&self, url: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        std::fs::write(&self.file, url).unwrap();
        until(url, async || is_so(&self.server.status().await["database"]["offered"])).await;
        // It still uses its own database.
        self.server.login("alice").await;
        let status = self.server.status().await;
        assert_eq!((&status["database"]["reachable"], &status["hold"]), (&json!(true), &Value::Null));
        status["database"]["offered"].clone()
    }
}

async fn another_address_is_used_only_for_the_same_database(engine: Engine) {
    let named = Named::start(engine).await;
    let empty = Database::create(engine).await;
    let offered = named.offered(&empty.url, |offered| offered["identity"].is_string()).await;
    assert!(offered["identity"].as_str().unwrap().starts_with("empty-"), "{offered}");
    assert!(!named.server.log.text().contains("new connections use them"));

    let (_, other) = Server::with_admin(engine).await;
    let identity = identity_in(&other).await;
    named.offered(&other.url, |offered| offered["identity"] == identity).await;

    let scheme = if engine == Engine::Postgres { "postgres" } else { "mysql" };
    let unreachable = format!("{scheme}://u:s3cret@127.0.0.1:1/n");
    let offered = named.offered(&unreachable, |offered| offered["error"].is_string()).await;
    assert!(offered["identity"].is_null() && !offered.to_string().contains("s3cret"), "{offered}");
    named.offered("no URL with s3cret in it", |offered| offered["error"].is_string()).await;

    let another = if engine == Engine::Sqlite { Engine::Postgres } else { Engine::Sqlite };
    let (_, another) = Server::with_admin(another).await;
    let identity = identity_in(&another).await;
    named.offered(&another.url, |offered| offered["identity"] == identity).await;

    named.offered(&named.url, Value::is_null).await;
    // The same database under another name.
    let same = if engine == Engine::Sqlite {
        named.url.replace("sqlite:", "sqlite://")
    } else {
        named.url.replace("127.0.0.1", "localhost")
    };
    std::fs::write(&named.file, &same).unwrap();
    until("it is used", async || named.server.log.text().contains("new connections use them")).await;
    named.server.login("alice").await;
    assert_eq!(named.server.status().await["database"]["offered"], Value::Null);
    assert!(!named.server.log.text().contains("s3cret"));
}

async fn a_database_of_release_0_2_counts_as_the_same(engine: Engine) {
    let named = Named::start(engine).await;
    let identity = named.server.status().await["database"]["identity"].as_str().unwrap().to_owned();
    let (_, restored) = Server::with_admin(engine).await;
    as_release_0_2(&restored).await;
    std::fs::write(&named.file, &restored.url).unwrap();
    until("it is used", async || named.server.log.text().contains("new connections use them")).await;
    assert_eq!(identity_in(&restored).await, identity);
}

async fn a_connection_to_another_database_is_refused(engine: Engine) {
    let mut named = Named::start(engine).await;
    named.database.url = named.url.clone();
    let identity = identity_in(&named.database).await;
    let access = named.server.login("alice").await.access;
    // As if the host name led to another server now.
    named.database.execute("UPDATE sc_auth_identity SET identity = 'elsewhere'").await;
    until("it is noticed", async || {
        join_all((0..16).map(|_| named.server.get("/api/v1/accounts/me", &access))).await;
        named.server.status().await["database"]["offered"]["identity"] == "elsewhere"
    })
    .await;
    named.database.execute(&format!("UPDATE sc_auth_identity SET identity = '{identity}'")).await;
    until("all is well again", async || named.server.status().await["database"]["offered"].is_null()).await;
    assert!(named.server.is_valid(&access).await);
}

#[tokio::test]
async fn removing_the_file_of_a_running_server_is_detected() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let file: PathBuf = database.url.strip_prefix("sqlite:").unwrap().into();
    let kept = database.folder.path().join("kept");
    std::fs::rename(&file, &kept).unwrap();
    until("it is noticed", async || server.status().await["database"]["offered"]["identity"].is_string()).await;
    assert!(!file.exists(), "it must not be replaced with an empty one");
    // SQLite would still write to it, and the next start would not find the data.
    for _ in 0..3 {
        assert_eq!(server.login_with("root", PASSWORD).await.status, 503);
    }
    let status = server.status().await;
    assert_eq!((&status["database"]["reachable"], &status["server_errors"]), (&json!(false), &json!(3)));
    std::fs::rename(&kept, &file).unwrap();
    until("it is back", async || server.status().await["database"]["offered"].is_null()).await;
    server.login("root").await;
}

#[tokio::test]
async fn a_replaced_file_of_a_running_server_is_not_written_to() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let file: PathBuf = database.url.strip_prefix("sqlite:").unwrap().into();
    let restored = database.folder.path().join("restored");
    std::fs::copy(&file, &restored).unwrap();
    std::fs::rename(&restored, &file).unwrap();
    for _ in 0..3 {
        assert_eq!(server.login_with("root", PASSWORD).await.status, 503);
    }
    until("the status says why", async || {
        let status = server.status().await;
        let error = status["database"]["offered"]["error"].as_str().unwrap_or_default().to_owned();
        status["database"]["reachable"] == false && error.contains("was replaced while it was in use; restart")
    })
    .await;
    drop(server);
    Server::start(&database, &[]).await.login("root").await;
}
