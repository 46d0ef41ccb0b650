//! Connecting to a database server: with separate variables, and encrypted.

use std::fs;

use crate::database::{Database, Engine};
use crate::harness::{Server, run};

/// Host, port, user, password and name from a URL.
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

crate::on_every_database_server!(
    the_settings_of_the_legacy_service_work,
    the_connection_is_encrypted_and_its_server_verified,
    a_wrong_database_password_is_reported_without_showing_it,
);

async fn the_settings_of_the_legacy_service_work(engine: Engine) {
    let name = if engine.is_mysql() { "mysql" } else { "postgres" };
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

async fn the_connection_is_encrypted_and_its_server_verified(engine: Engine) {
    let authority = engine.authority_file();
    let authority = authority.to_str().unwrap();
    for mode in ["disabled", "preferred", "required"] {
        connects(engine, &[("DB_TLS", mode)]).await.unwrap();
    }
    for mode in ["verify-ca", "verify-identity"] {
        let result = connects(engine, &[("DB_TLS", mode), ("DB_TLS_CA_FILE", authority)]).await;
        // The certificate that MySQL generates names no host.
        if (engine, mode) == (Engine::MySql, "verify-identity") {
            assert!(result.unwrap_err().contains("certificate not valid for name"));
        } else {
            result.unwrap();
        }
        // Without the CA certificate, the authority is unknown.
        let error = connects(engine, &[("DB_TLS", mode)]).await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
}

async fn a_wrong_database_password_is_reported_without_showing_it(engine: Engine) {
    let mut database = Database::create(engine).await;
    let [_, _, _, password, _] = parts(&database.url);
    database.url = database.url.replace(&password, "s3cret-and-wrong");
    let output = run(&database, &["migrate"], &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("connecting to the database"), "{text}");
    assert!(!text.contains("s3cret-and-wrong"), "{text}");
}

/// `caching_sha2_password` accepts a password for the first time only over TLS.
#[tokio::test]
async fn the_error_of_mysql_without_tls_says_what_to_do() {
    let mut database = Database::create(Engine::MySql).await;
    let [host, port, _, _, name] = parts(&database.url);
    let user = format!("u_{name}");
    let make = format!("CREATE USER {user}@'%' IDENTIFIED BY 's3cret'; GRANT ALL ON {name}.* TO {user}@'%'");
    Engine::MySql.execute(&make).await;
    database.url = format!("mysql://{user}:s3cret@{host}:{port}/{name}");
    let output = run(&database, &["migrate"], &[("DB_TLS", "disabled")]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("set DB_TLS, or ssl-mode in the URL, to preferred"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    assert!(run(&database, &["migrate"], &[]).await.status.success());
}
