//! Addresses of databases with parameters of other programs, and what the database's owner must change.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, account, run};

async fn fails(database: &Database, settings: &[(&str, &str)]) -> String {
    let output = run(database, &["migrate"], settings).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    text
}

#[tokio::test]
async fn a_safety_that_is_not_understood_stops_the_start() {
    for (engine, parameter) in [(Engine::Postgres, "channel_binding=require"), (Engine::MySql, "tls-version=TLSv1.3")] {
        let mut database = Database::create(engine).await;
        database.url = format!("{}?{parameter}", database.url);
        let name = parameter.split('=').next().unwrap();
        let text = fails(&database, &[]).await;
        assert!(text.contains("DATABASE_URL: ") && text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn ssl_true_encrypts_the_connection() {
    let mut database = Database::create(Engine::Postgres).await;
    database.url = format!("{}?ssl=true&connect_timeout=10", database.url);
    let server = Server::start(&database, &[]).await;
    let log = server.log.text();
    assert!(log.contains("the parameter connect_timeout is ignored") && !log.contains("parameter ssl "), "{log}");
    let name = database.url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
    let encrypted = format!(
        "SELECT DISTINCT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{name}' \
         AND pid <> pg_backend_pid()"
    );
    let plain = Database::at(format!("{}/{name}", Engine::Postgres.server()));
    assert_eq!(plain.texts(&encrypted).await, ["true"]);
}

crate::on_every_database_server!(
    an_ipv6_address_works,
    a_character_set_in_the_address_does_not_matter,
    a_missing_privilege_is_explained,
);

async fn an_ipv6_address_works(engine: Engine) {
    let database = Database::create(engine).await;
    let (before, after) = database.url.split_once("127.0.0.1").unwrap();
    let target = format!("127.0.0.1{}", after.split('/').next().unwrap());
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.expect("this machine has IPv6");
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = tokio::net::TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let name = after.rsplit_once('/').unwrap().1;
    let six = Database::at(format!("{before}[::1]:{port}/{name}"));
    let server = Server::start(&six, &[]).await;
    server.register("alice").await;
}

async fn a_character_set_in_the_address_does_not_matter(engine: Engine) {
    let mut database = Database::create(engine).await;
    let parameter = if engine.is_mysql() { "charset=utf8&collation=utf8_general_ci" } else { "client_encoding=latin1" };
    database.url = format!("{}?{parameter}", database.url);
    let server = Server::start(&database, &[]).await;
    let mut body = account("smiling");
    body["name"] = json!("🎉🎉🎉");
    assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201, "{}", server.log.text());
}

#[tokio::test]
async fn a_server_without_tls_is_warned_of() {
    let postgres = crate::servers::Postgres::create().await;
    let database = Database::at(postgres.url("postgres"));
    let server = Server::start(&database, &[]).await;
    assert_eq!(server.log.text().matches("is NOT encrypted").count(), 1, "{}", server.log.text());
    drop(server);
    let server = Server::start(&database, &[("DB_TLS", "disabled")]).await;
    assert!(!server.log.text().contains("is NOT encrypted"), "{}", server.log.text());
}

async fn a_missing_privilege_is_explained(engine: Engine) {
    let mut database = Database::create(engine).await;
    let (server, name) = database.url.rsplit_once('/').unwrap();
    let (scheme, address) = (server.split(':').next().unwrap(), server.split_once('@').unwrap().1);
    let user = format!("u_{name}");
    let make = if engine.is_mysql() {
        format!("CREATE USER {user}@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON {name}.* TO {user}@'%'")
    } else {
        format!("CREATE USER {user} PASSWORD 'secret'")
    };
    engine.execute(&make).await;
    database.url = format!("{scheme}://{user}:secret@{address}/{name}");
    let text = fails(&database, &[]).await;
    for part in ["GRANT ALL", "owner"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("at line"), "{text}");
}

#[tokio::test]
async fn a_parameter_of_sqlite_is_named() {
    let mut database = Database::create(Engine::Sqlite).await;
    database.url = format!("{}?journal_mode=wal", database.url);
    assert!(fails(&database, &[]).await.contains("journal_mode"));
}
