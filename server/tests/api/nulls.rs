//! Columns that may be NULL in the legacy service's table, in every call that involves a user.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, done, fail, run, run_with_input};
use crate::takeover::{OLD_PASSWORD, PBKDF2, login, old_database, old_token, server, user};

crate::on_every_engine!(a_column_that_is_null_never_causes_an_error);

/// The columns that may be NULL in the legacy service's table.
const COLUMNS: [&str; 8] = ["email", "username", "password", "name", "role_id", "uuid", "created_at", "updated_at"];

fn uuid_without(column: usize) -> String {
    format!("{}{}", "c".repeat(31), column)
}

/// One user without each of the columns; `empty` has only a name.
async fn with_nulls(engine: Engine) -> Database {
    let database = old_database(engine).await;
    database.execute("INSERT INTO roles (id, name) VALUES (77, NULL)").await;
    for (number, column) in COLUMNS.into_iter().enumerate() {
        let name = format!("no-{column}");
        database.execute(&user(&name, &uuid_without(number), PBKDF2, 2)).await;
        let update = format!("UPDATE users SET {column} = NULL WHERE email = '{name}@example.com'");
        database.execute(&update).await;
    }
    database.execute(&user("nameless-role", &"d".repeat(32), PBKDF2, 77)).await;
    database.execute("INSERT INTO users (username) VALUES ('empty')").await;
    database.execute("INSERT INTO users (username) VALUES (NULL)").await;
    database
}

async fn a_column_that_is_null_never_causes_an_error(engine: Engine) {
    for coexist in ["off", "on"] {
        let database = with_nulls(engine).await;
        the_plan_lists_nulls(&database).await;
        let server = server(&database, &[("SC_AUTH_COEXIST", coexist), ("SC_AUTH_RATE_LIMITS", "off")]).await;
        let admin = login(&server, "admin").await.text("access_token");

        // Users without a value that a login needs are refused like unknown ones; all others can log in.
        for column in ["email", "name", "role_id", "created_at", "updated_at"] {
            let tokens = login(&server, &format!("no-{column}")).await;
            let access = tokens.text("access_token");
            let me = server.get("/api/v1/accounts/me", &access).await;
            assert_eq!(me.status, 200, "{column}: {me:?}");
            let verified = server.request("GET", "/api/v1/verify").bearer_auth(&access).send().await.unwrap();
            assert_eq!(
                (verified.status().as_u16(), &verified.headers()["x-auth-role"]),
                (200, &"User".parse().unwrap())
            );
            assert_eq!(server.refresh(&tokens.text("refresh_token")).await.status, 200, "{column}");
            assert_eq!(server.get("/api/v1/users", &access).await, fail(403, json!("not admin")), "{column}");
            let change = server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(json!({"name": "Some Body"})));
            assert_eq!(change.await, done(), "{column}");
        }
        let refused = fail(422, json!("user not found or bad username/password"));
        let before = hashed(&server).await;
        let names = ["no-password", "no-username", "no-uuid", "empty", "nobody", "None", "NULL"];
        for name in names {
            for password in [OLD_PASSWORD, "a wrong password"] {
                assert_eq!(server.login_with(name, password).await, refused, "{name}");
            }
        }
        // Each of them takes the work of one comparison.
        assert_eq!(hashed(&server).await - before, 2 * names.len() as u64);

        an_admin_works_with_nulls(&server, &admin).await;
        old_tokens_of_users_with_nulls(&database, &server).await;

        // The legacy service sets columns to NULL during a session.
        let access = login(&server, "no-email").await.text("access_token");
        database.execute("UPDATE users SET username = NULL, password = NULL WHERE username = 'no-email'").await;
        assert_eq!(server.get("/api/v1/accounts/me", &access).await.body["data"]["username"], Value::Null);
        let own = json!({"old_password": OLD_PASSWORD, "new_password": "another password"});
        let own = server.call("POST", "/api/v1/accounts/password", Some(&access), Some(own)).await;
        assert_eq!(own, fail(422, json!({"old_password": ["Not the present password."]})));
        let verified = server.request("GET", "/api/v1/verify").bearer_auth(&access).send().await.unwrap();
        assert_eq!((verified.status().as_u16(), &verified.headers()["x-auth-user"]), (200, &"".parse().unwrap()));
        server.call("DELETE", "/api/v1/accounts/logout", Some(&access), None).await;
        drop(server);
        assert!(run(&database, &["migrate"], &[]).await.status.success());
        exported_with_nulls(&database).await;
        let created =
            run_with_input(&database, &["admin", "create", "no-password", "--password-stdin"], PASSWORD).await;
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    }
}

/// The number of passwords that were hashed or compared so far.
async fn hashed(server: &Server) -> u64 {
    let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("sc_auth_hash_wait_seconds_count "));
    count.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

async fn the_plan_lists_nulls(database: &Database) {
    let output = run(database, &["migrate", "--plan"], &[]).await;
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(plan.contains("5 of them cannot log in, because a column is NULL"), "{plan}");
    for line in [
        "no-password: password",
        "no-uuid: uuid",
        "empty: uuid, password",
        ": username",
        ": uuid, username, password",
        "no-email: email",
        "no-name: name",
        "no-role_id: role_id",
        "no-created_at: created_at",
        "no-updated_at: updated_at",
        "empty: email, name, role_id, created_at, updated_at",
        "  nameless-role",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    assert!(!plan.contains("c5030c45"), "no hash is shown: {plan}");
}

async fn an_admin_works_with_nulls(server: &Server, admin: &str) {
    for query in ["", "?limit=100", "?role=User", "?disabled=false", "?q=no-", "?q=example"] {
        let users = server.get(&format!("/api/v1/users{query}"), admin).await;
        assert_eq!(users.status, 200, "{query}");
        assert!(!users.body["data"].as_array().unwrap().is_empty(), "{query}");
    }
    let users = server.get("/api/v1/users", admin).await;
    let users = users.body["data"].as_array().unwrap();
    assert_eq!(users.len(), 2 + COLUMNS.len() + 3, "all users are listed");
    assert!(users.iter().any(|user| user["uuid"] == Value::Null && user["username"] == "no-uuid"));
    assert!(users.iter().any(|user| user["uuid"] == Value::Null && user["username"] == Value::Null));
    assert_eq!(server.get("/api/v1/roles", admin).await.status, 200);
    assert_eq!(server.get("/api/v1/audit?limit=1000", admin).await.status, 200);

    for (number, column) in COLUMNS.into_iter().enumerate().filter(|(_, column)| *column != "uuid") {
        let uuid = uuid_without(number);
        let shown = server.get(&format!("/api/v1/users/{uuid}"), admin).await;
        assert_eq!((shown.status, &shown.body["data"]["uuid"]), (200, &json!(uuid)), "{column}");
        let failures = format!("/api/v1/users/{uuid}/login-failures");
        assert_eq!(server.call("DELETE", &failures, Some(admin), None).await, done(), "{column}");
        for change in [json!({"name": "Some Body"}), json!({"disabled": true}), json!({"disabled": false})] {
            let mut change = change;
            change["uuid"] = json!(uuid);
            let answer = server.call("PATCH", "/api/v1/users", Some(admin), Some(change.clone())).await;
            assert_eq!(answer, done(), "{column}: {change}");
        }
    }
    for path in ["/api/v1/users/null", "/api/v1/users/None"] {
        assert_eq!(server.get(path, admin).await, fail(404, json!("user not found")));
    }
    // An Admin can set the password of a user without one, and delete a user without a name.
    let uuid = uuid_without(2);
    let change = json!({"uuid": uuid, "password": "a new password", "role_name": "User"});
    assert_eq!(server.call("PATCH", "/api/v1/users", Some(admin), Some(change)).await, done());
    assert_eq!(server.login_with("no-password", "a new password").await.status, 200);
    let nameless = json!({"uuid": uuid_without(1)});
    assert_eq!(server.call("DELETE", "/api/v1/users", Some(admin), Some(nameless)).await, done());
}

async fn old_tokens_of_users_with_nulls(database: &Database, server: &Server) {
    for (number, column) in ["email", "password", "role_id"].into_iter().enumerate() {
        let uuid = uuid_without(COLUMNS.iter().position(|name| *name == column).unwrap());
        let access = old_token(database, "access", &uuid, &format!("a-null-{number}")).await;
        let refresh = old_token(database, "refresh", &uuid, &format!("r-null-{number}")).await;
        assert_eq!(server.get("/api/v1/accounts/me", &access).await.status, 200, "{column}");
        assert_eq!(server.refresh(&refresh).await.status, 200, "{column}");
        let logout = server.call("DELETE", "/api/v1/accounts/logout", Some(&access), None).await;
        assert_eq!(logout.status, 200, "{column}");
    }
}

async fn exported_with_nulls(database: &Database) {
    let exported = run(database, &["users", "export", "-"], &[]).await;
    let (lines, log) = (String::from_utf8(exported.stdout).unwrap(), String::from_utf8(exported.stderr).unwrap());
    assert!(exported.status.success(), "{log}");
    let names: Vec<_> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["username"].clone()).collect();
    for name in ["no-name", "no-uuid", "no-role_id", "no-password", "nameless-role", "admin"] {
        assert!(names.contains(&json!(name)), "{name}: {names:?}");
    }
    assert!(log.contains("rows without a user name or a password were skipped; their ids: "), "{log}");
    // The exported file can be imported.
    let other = Database::create(Engine::Sqlite).await;
    let imported = run_with_input(&other, &["users", "import", "-"], &lines).await;
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
}
