//! Reaching a database server: by its parts, and encrypted.

use std::fs;

use crate::database::{Database, Engine, authority_file};
use crate::harness::{Server, run};

/// Host, port, user, password and name out of a URL.
fn parts(url: &str) -> [String; 5] {
    let (credentials, place) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    let (user, password) = credentials.split_once(':').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    [host, port, user, password, name].map(str::to_owned)
}

async fn connects(engine: Engine, settings: &[(&str, &str)]) -> Result<(), String> {
    let database = Database::create(engine).await;
    let output = run(&database, &["migrate"], settings).await;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

#[tokio::test]
async fn the_old_service_s_settings_name_a_mysql_database() {
    by_parts(Engine::MariaDb, "mysql").await;
}

#[tokio::test]
async fn the_same_settings_name_a_postgresql_database() {
    by_parts(Engine::Postgres, "postgres").await;
}

async fn by_parts(engine: Engine, name: &str) {
    let mut database = Database::create(engine).await;
    let [host, port, user, password, db_name] = parts(&database.url);
    database.url = String::new();
    let password_file = database.folder.path().join("db-pass");
    fs::write(&password_file, format!("{password}\n")).unwrap();
    let settings = [
        ("DB_ENGINE", name),
        ("DB_HOST", &host),
        ("DB_PORT", &port),
        ("DB_USER", &user),
        ("DB_PASS_FILE", password_file.to_str().unwrap()),
        ("DB_NAME", &db_name),
        ("SC_AUTH_BOOTSTRAP_ADMIN", "/nowhere"),
    ];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    server.login("alice").await;
}

#[tokio::test]
async fn the_connection_to_mariadb_is_encrypted_and_its_server_verified() {
    encrypted(Engine::MariaDb).await;
}

#[tokio::test]
async fn the_connection_to_postgresql_is_encrypted_and_its_server_verified() {
    encrypted(Engine::Postgres).await;
}

async fn encrypted(engine: Engine) {
    let authority = authority_file();
    let authority = authority.to_str().unwrap();
    for mode in ["disabled", "preferred", "required"] {
        connects(engine, &[("DB_TLS", mode)]).await.unwrap();
    }
    for mode in ["verify-ca", "verify-identity"] {
        connects(engine, &[("DB_TLS", mode), ("DB_TLS_CA_FILE", authority)]).await.unwrap();
        // Without our authority the certificate comes from nobody that is known.
        let error = connects(engine, &[("DB_TLS", mode)]).await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_without_being_shown() {
    for engine in [Engine::MariaDb, Engine::Postgres] {
        let mut database = Database::create(engine).await;
        let [_, _, _, password, _] = parts(&database.url);
        database.url = database.url.replace(&password, "s3cret-and-wrong");
        let output = run(&database, &["migrate"], &[]).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains("connecting to the database"), "{text}");
        assert!(!text.contains("s3cret-and-wrong"), "{text}");
    }
}
