//! The scripts of docs/users.md that turn the exports of other services into lines: what a reader copies is what runs
//! here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::database::{Database, Engine};
use crate::harness::{Server, run};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/recipes");

/// The block under a heading, with its placeholders replaced.
fn block(heading: &str, placeholders: &[(&str, &str)]) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/users.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split(&format!("\n{heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let block = section.split("\n```sh\n").nth(1).unwrap().split("\n```").next().unwrap();
    placeholders.iter().fold(block.to_owned(), |block, (name, value)| {
        assert!(block.contains(name), "{name} is not in {block}");
        block.replace(name, value)
    })
}

/// Runs the block, and imports what it writes.
async fn imported(database: &Database, block: &str) -> String {
    let folder = database.folder.path();
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", block]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mode = std::fs::metadata(folder.join("users.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner can read it");
    let output = run(database, &["users", "import", "users.jsonl"], &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether each user can log in, with the password that the other service had. The second login is with a hash of ours.
async fn log_in(database: &Database, names: &[&str]) {
    let server = Server::start(database, &[("SC_AUTH_RATE_LIMITS", "off")]).await;
    for (number, name) in names.iter().enumerate() {
        let password = format!("Old pässword {}", number + 1);
        for _ in 0..2 {
            assert_eq!(server.login_with(name, &password).await.status, 200, "{name}");
        }
        assert_eq!(server.login_with(name, "Old pässword").await.status, 422, "{name}");
    }
}

fn export(name: &str) -> String {
    format!("{FOLDER}/{name}.json")
}

#[tokio::test]
async fn users_of_keycloak_log_in() {
    let database = Database::create(Engine::Sqlite).await;
    let block = block("## From Keycloak", &[("REALM-realm.json", &export("keycloak"))]);
    assert_eq!(imported(&database, &block).await, "5 users imported, 0 users refused.\n");
    log_in(&database, &["keycloak1", "keycloak2", "keycloak3", "keycloak4"]).await;
}

#[tokio::test]
async fn users_of_auth0_log_in() {
    let database = Database::create(Engine::Sqlite).await;
    let block = block("## From Auth0", &[("AUTH0.json", &export("auth0"))]);
    assert_eq!(imported(&database, &block).await, "2 users imported, 0 users refused.\n");
    log_in(&database, &["auth0-1@example.com", "auth0-2@example.com"]).await;
}

#[tokio::test]
async fn users_of_firebase_log_in() {
    let database = Database::create(Engine::Sqlite).await;
    let key = format!("{FOLDER}/firebase-key.txt");
    let placeholders = [("SIGNER-KEY.txt", key.as_str()), ("FIREBASE.json", &export("firebase"))];
    assert_eq!(
        imported(&database, &block("## From Firebase", &placeholders)).await,
        "3 users imported, 0 users refused.\n"
    );
    log_in(&database, &["firebase1@example.com", "firebase2@example.com"]).await;
}

#[tokio::test]
async fn users_of_django_log_in() {
    let database = Database::create(Engine::Sqlite).await;
    let block = block("## From Django", &[("DJANGO.json", &export("django"))]);
    assert_eq!(imported(&database, &block).await, "3 users imported, 0 users refused.\n");
    log_in(&database, &["django1", "django2"]).await;
}
