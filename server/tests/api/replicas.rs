//! Two servers on one database and one keys file, like two pods of one Deployment.

use crate::database::{Database, Engine};
use crate::harness::{Server, run};

crate::on_every_engine!(
    tokens_and_logouts_of_one_replica_are_valid_on_the_other,
    two_concurrent_migrations_both_succeed,
    two_concurrent_first_starts_create_one_admin,
);

async fn tokens_and_logouts_of_one_replica_are_valid_on_the_other(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    let tokens = first.login("root").await;
    assert!(second.is_valid(&tokens.access).await);
    second.call("DELETE", "/api/v1/accounts/logout", Some(&tokens.access), None).await;
    assert!(!first.is_valid(&tokens.access).await);
}

async fn two_concurrent_migrations_both_succeed(engine: Engine) {
    let database = Database::create(engine).await;
    let migrate = || run(&database, &["migrate"], &[]);
    let (first, second) = tokio::join!(migrate(), migrate());
    for output in [first, second, migrate().await] {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn two_concurrent_first_starts_create_one_admin(engine: Engine) {
    let database = Database::create(engine).await;
    let folder = database.folder.path().join("admin");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("username"), "root").unwrap();
    std::fs::write(folder.join("password"), crate::harness::PASSWORD).unwrap();
    let bootstrap = [("SC_AUTH_BOOTSTRAP_ADMIN", folder.to_str().unwrap())];
    let migrate = || run(&database, &["migrate"], &bootstrap);
    let (first, second) = tokio::join!(migrate(), migrate());
    for output in [first, second] {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let server = Server::start(&database, &bootstrap).await;
    let admin = server.login("root").await.access;
    let users = server.get("/api/v1/users", &admin).await;
    assert_eq!(users.body["data"].as_array().unwrap().len(), 1);
}
