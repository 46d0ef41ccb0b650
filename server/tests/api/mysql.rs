//! MySQL and MariaDB in various configurations: character sets and modes.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, account, fail, run};
use crate::takeover::old_database_with;

/// For MariaDB and for MySQL.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod mariadb {
            $(#[tokio::test] async fn $test() { super::$test(crate::database::Engine::MariaDb).await })+
        }
        mod mysql {
            $(#[tokio::test] async fn $test() { super::$test(crate::database::Engine::MySql).await })+
        }
    };
}

on_both!(
    the_database_s_character_set_does_not_matter,
    an_interrupted_migration_continues_in_any_character_set,
    the_mode_of_the_server_does_not_matter,
    tables_without_a_primary_key_are_not_needed,
    a_taken_over_database_in_any_character_set_works,
    columns_of_other_lengths_and_types_work,
    columns_keep_their_defaults,
    a_column_that_cannot_be_converted_prevents_the_start,
);

/// Names that need all of Unicode. Many collations treat the first two as equal.
const NAMES: [&str; 4] = ["zoë", "zoe", "日本語", "🦀🦀🦀"];
/// The legacy service's own index treats some names as equal.
const NAMES_BESIDE_THE_OLD_SERVICE: [&str; 3] = ["zoë", "日本語", "🦀🦀🦀"];

/// Registers, logs in, changes, finds and lists users.
async fn works(database: &Database, names: &[&str]) {
    let server = Server::start(database, &[]).await;
    for (number, name) in names.iter().enumerate() {
        let mut body = account(name);
        body["name"] = json!(format!("{name} 🎉"));
        body["email"] = json!(format!("user{number}@example.com"));
        assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201, "{name}");
    }
    for taken in ["ZOË", "🦀🦀🦀"] {
        let mut body = account(taken);
        body["email"] = json!("another@example.com");
        let answer = server.post("/api/v1/accounts/register", body).await;
        assert_eq!(answer, fail(409, json!("username already exists")), "{taken}");
    }
    let access = server.login("ＺＯË").await.access;
    let me = server.get("/api/v1/accounts/me", &access).await;
    assert_eq!((me.text("username"), me.text("name")), ("zoë".into(), "zoë 🎉".into()));
    let patch = json!({"name": "𝔘𝔫𝔦 🦀"});
    let answer = server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(patch)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.get("/api/v1/accounts/me", &access).await.text("name"), "𝔘𝔫𝔦 🦀");
    for name in &names[1..] {
        server.login(name).await;
    }
    // No user is mistaken for another because of a lost character.
    for nobody in ["🐙🐙🐙", "???", "zo?"] {
        let answer = server.login_with(nobody, crate::harness::PASSWORD).await;
        assert_eq!(answer, fail(422, json!("user not found or bad username/password")), "{nobody}");
    }
    let admin = run(database, &["admin", "create", "ключ🔑"], &[]).await;
    let text = String::from_utf8(admin.stdout).unwrap();
    let password = text.trim().rsplit(' ').next().unwrap();
    let admin = server.login_with("ключ🔑", password).await.text("access_token");
    // An old column's own collation may find more.
    for (part, name) in [("%F0%9F%A6%80%F0%9F%A6%80", "🦀🦀🦀"), ("%E6%9C%AC%E8%AA%9E%20%F0%9F%8E%89", "日本語")]
    {
        let found = server.get(&format!("/api/v1/users?q={part}"), &admin).await;
        let found = found.body["data"].as_array().unwrap().clone();
        assert!(found.iter().any(|user| user["username"] == name) && found.len() <= 2, "{found:?}");
    }
    assert_eq!(server.get("/api/v1/users/%F0%9F%A6%80", &admin).await.status, 404);
    for method in ["PATCH", "DELETE"] {
        let answer = server.call(method, "/api/v1/users", Some(&admin), Some(json!({"uuid": "🦀", "name": "x"}))).await;
        assert!([404, 422].contains(&answer.status), "{method}: {answer:?}");
    }
    let events = server.get("/api/v1/audit?limit=100&event=registered", &admin).await;
    let registered: Vec<_> =
        events.body["data"].as_array().unwrap().iter().map(|event| &event["actor"]["username"]).collect();
    assert_eq!(registered, names.iter().rev().collect::<Vec<_>>(), "{events:?}");
    // An unknown name may be a password that was typed into the wrong field.
    let failed = server.get("/api/v1/audit?limit=100&event=login&outcome=failure", &admin).await;
    let total: i64 = failed.body["data"].as_array().unwrap().iter().map(|event| event["count"].as_i64().unwrap()).sum();
    assert!(total == 3 && !failed.body.to_string().contains("🐙"), "{failed:?}");
    assert!(!server.log.text().contains("a request failed"), "{}", server.log.text());
}

async fn the_database_s_character_set_does_not_matter(engine: Engine) {
    for options in ["CHARACTER SET latin1", "CHARACTER SET utf8mb3", "CHARACTER SET ascii COLLATE ascii_bin"] {
        let database = Database::create_with(engine, options).await;
        let output = run(&database, &["migrate"], &[]).await;
        assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
        works(&database, &NAMES).await;
    }
}

async fn an_interrupted_migration_continues_in_any_character_set(engine: Engine) {
    let database = Database::create_with(engine, "CHARACTER SET latin1").await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    database.execute("DELETE FROM sc_auth_schema; DROP TABLE audit_events; DROP TABLE login_failures").await;
    database.execute("ALTER TABLE sessions DROP COLUMN user_agent").await;
    database.execute("ALTER TABLE users DROP COLUMN name, DROP COLUMN username_key, DROP COLUMN email_key").await;
    let output = run(&database, &["migrate"], &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    works(&database, &NAMES).await;
}

/// The first statements of each connection: `SET GLOBAL init_connect` applies to all users except the server's owner.
const MODES: [(&str, &str); 4] = [
    ("none", ""),
    ("strict", "TRADITIONAL,ONLY_FULL_GROUP_BY"),
    ("ansi", "ANSI"),
    (
        "odd",
        "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,HIGH_NOT_PRECEDENCE,IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO,PAD_CHAR_TO_FULL_LENGTH",
    ),
];

async fn the_mode_of_the_server_does_not_matter(engine: Engine) {
    let cases = MODES.map(|(name, mode)| format!(" WHEN ''{name}'' THEN ''{mode}''")).concat();
    let init = format!("SET SESSION sql_mode = CASE SUBSTRING_INDEX(USER(), ''_'', 1){cases} ELSE @@sql_mode END");
    engine.execute(&format!("SET GLOBAL init_connect = '{init}'")).await;
    for (mode, _) in MODES {
        let mut database = Database::create(engine).await;
        let (server, name) = database.url.rsplit_once('/').unwrap();
        let address = server.split_once('@').unwrap().1;
        let user = format!("{mode}_{name}");
        let make = format!("CREATE USER {user}@'%' IDENTIFIED BY 'own'; GRANT ALL ON {name}.* TO {user}@'%'");
        engine.execute(&make).await;
        database.url = format!("mysql://{user}:own@{address}/{name}");
        let set = database.texts("SELECT @@sql_mode").await;
        assert_eq!(set[0].contains("ANSI_QUOTES"), ["ansi", "odd"].contains(&mode), "{set:?}");
        let output = run(&database, &["migrate"], &[]).await;
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
        works(&database, &NAMES).await;
    }
    // Other tests use this server: a user without queries cannot run it.
    engine.execute("SET GLOBAL init_connect = ''").await;
}

/// Some providers refuse tables without a primary key, because they replicate badly.
async fn tables_without_a_primary_key_are_not_needed(engine: Engine) {
    let database = Database::create(engine).await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    let without = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables t WHERE table_schema = DATABASE() \
                   AND NOT EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_schema = t.table_schema \
                   AND c.table_name = t.table_name AND c.column_key = 'PRI')";
    assert_eq!(database.texts(without).await, Vec::<String>::new());
}

/// The legacy service's columns have the character set of its database.
async fn a_taken_over_database_in_any_character_set_works(engine: Engine) {
    for options in ["CHARACTER SET latin1", "CHARACTER SET utf8mb3"] {
        let database = old_database_with(engine, options).await;
        let plan = run(&database, &["migrate", "--plan"], &[]).await;
        assert!(plan.status.success(), "{options}: {}", String::from_utf8_lossy(&plan.stderr));
        works(&database, &NAMES_BESIDE_THE_OLD_SERVICE).await;
    }
}

/// A database of the legacy service in which somebody has changed the table of users.
async fn old_database_changed(engine: Engine, changes: &str) -> Database {
    let database = old_database_with(engine, "CHARACTER SET latin1").await;
    database.execute(&format!("ALTER TABLE users {changes}")).await;
    database
}

async fn columns_of_other_lengths_and_types_work(engine: Engine) {
    for changes in [
        "MODIFY username VARCHAR(255), MODIFY email VARCHAR(320), MODIFY name VARCHAR(500)",
        // The limit of an index is 767 bytes here.
        "ROW_FORMAT = COMPACT, MODIFY username VARCHAR(255), MODIFY email VARCHAR(700)",
        "ROW_FORMAT = REDUNDANT, MODIFY username VARCHAR(64) CHARACTER SET utf8mb4, MODIFY email VARCHAR(120) CHARACTER SET utf8mb4, \
         MODIFY name VARCHAR(125) CHARACTER SET utf8mb4",
        "MODIFY username VARCHAR(768), MODIFY name TEXT",
        "MODIFY username CHAR(100), MODIFY name TINYTEXT",
        "MODIFY username VARCHAR(255) CHARACTER SET utf8mb3, MODIFY name VARCHAR(4000) CHARACTER SET ascii",
        "MODIFY name VARCHAR(1000), ADD FULLTEXT (name), ADD INDEX (name(200), email, username, role_id)",
    ] {
        let database = old_database_changed(engine, changes).await;
        let plan = run(&database, &["migrate", "--plan"], &[]).await;
        assert!(plan.status.success(), "{changes}: {}", String::from_utf8_lossy(&plan.stderr));
        works(&database, &NAMES_BESIDE_THE_OLD_SERVICE).await;
    }
}

async fn columns_keep_their_defaults(engine: Engine) {
    let expression = "MODIFY username VARCHAR(64) DEFAULT (CONCAT('a', 'b'))";
    let changes = format!(
        "{expression}, MODIFY name VARCHAR(255) NOT NULL DEFAULT 'it''s \\\\ ë', MODIFY email VARCHAR(120) DEFAULT ''"
    );
    let database = old_database_changed(engine, &changes).await;
    let defaults = async || {
        database.execute("INSERT INTO users (uuid) VALUES ('x')").await;
        let select = "SELECT CONCAT(username, '|', name, '|', email, '|') FROM users WHERE uuid = 'x'";
        let defaults = database.texts(select).await;
        database.execute("DELETE FROM users WHERE uuid = 'x'").await;
        defaults
    };
    assert_eq!(defaults().await, ["ab|it's \\ ë||"]);
    works(&database, &NAMES_BESIDE_THE_OLD_SERVICE).await;
    assert_eq!(defaults().await, ["ab|it's \\ ë||"]);
}

async fn a_column_that_cannot_be_converted_prevents_the_start(engine: Engine) {
    for (changes, why) in [
        ("MODIFY email VARCHAR(1000)", "the column users.email has the character set latin1 and cannot be converted"),
        ("DROP INDEX email, MODIFY email VARCHAR(2000), ADD INDEX (email(1000))", "more than 3,072 bytes"),
        ("MODIFY email VARCHAR(500), MODIFY name VARCHAR(500), ADD INDEX (email, name)", "more than 3,072 bytes"),
        ("MODIFY name VARCHAR(20000)", "a row would have more than 65,535 bytes"),
        ("MODIFY name ENUM('Alice', 'admin')", "its type"),
        ("DROP COLUMN name, ADD COLUMN name VARCHAR(125) AS (username) STORED", "computed"),
    ] {
        let database = old_database_changed(engine, changes).await;
        for command in [&["migrate", "--plan"][..], &["migrate"], &["serve"]] {
            let output = run(&database, command, &[]).await;
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && error.contains(why), "{changes}, {command:?}: {error}");
        }
        let tables = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE() \
                      AND table_name LIKE 'sc%'";
        assert_eq!(database.texts(tables).await, Vec::<String>::new(), "nothing is changed");
    }
    // After a manual change, it works.
    let database = old_database_changed(engine, "MODIFY email VARCHAR(1000)").await;
    database.execute("ALTER TABLE users MODIFY email VARCHAR(120) CHARACTER SET utf8mb4").await;
    works(&database, &NAMES_BESIDE_THE_OLD_SERVICE).await;
}
