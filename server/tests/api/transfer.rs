//! Importing and exporting users.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, run, run_with_input};

crate::on_every_engine!(
    exported_users_can_be_imported_elsewhere,
    invalid_lines_are_reported_and_the_others_imported,
    a_list_of_thousands_is_returned_completely,
);

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn exported_users_can_be_imported_elsewhere(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let admin = server.login("root").await.access;
    let uuid = server.uuid_of(&admin, "alice").await;
    let output = run(&database, &["users", "export", "users.jsonl"], &[]).await;
    assert!(output.status.success() && text(&output.stderr).contains("2 users exported."));
    let file = database.folder.path().join("users.jsonl");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        !run(&database, &["users", "export", "users.jsonl"], &[]).await.status.success(),
        "it never overwrites a file"
    );

    let other = Database::create(engine).await;
    let output = run(&other, &["users", "import", file.to_str().unwrap()], &[]).await;
    assert_eq!(text(&output.stdout), "2 users imported, 0 users refused.\n", "{}", text(&output.stderr));
    let server = Server::start(&other, &[]).await;
    server.login("alice").await;
    let admin = server.login("root").await.access;
    assert_eq!(server.uuid_of(&admin, "alice").await, uuid);

    let output = run(&other, &["users", "import", file.to_str().unwrap()], &[]).await;
    assert_eq!(text(&output.stdout), "0 users imported, 2 users refused.\n", "a second time changes nothing");
    assert!(!output.status.success());
}

async fn invalid_lines_are_reported_and_the_others_imported(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let user = |name: &str| json!({"username": name, "email": format!("{name}@example.com"), "password_hash": HASH});
    let mut king = user("king");
    king["role"] = json!("King");
    let mut plain = user("plain");
    plain["password_hash"] = json!("s3cret in plain text");
    let lines = [
        user("alice").to_string(),
        "{\"username\": ".into(),
        user("ROOT").to_string(),
        king.to_string(),
        String::new(),
        plain.to_string(),
        user("Alice").to_string(),
        user("bob").to_string(),
    ];
    let output = run_with_input(&database, &["users", "import", "-"], &lines.join("\n")).await;
    assert_eq!(text(&output.stdout), "2 users imported, 5 users refused.\n");
    let report = text(&output.stderr);
    for line in [
        "line 2: not JSON",
        "line 3: username already exists",
        "line 4: role: must be one of Admin, User",
        "line 6: password hash: unknown algorithm",
        "line 7: username already exists",
    ] {
        assert!(report.contains(line), "{line} is not in {report}");
    }
    assert!(!report.contains("s3cret") && !output.status.success());
    let admin = server.login("root").await.access;
    server.uuid_of(&admin, "bob").await;
}

#[tokio::test]
async fn a_file_of_another_service_is_imported_without_damage() {
    let database = Database::create(Engine::Sqlite).await;
    let import = async |name: &str, bytes: &[u8]| {
        std::fs::write(database.folder.path().join(name), bytes).unwrap();
        let output = run(&database, &["users", "import", name], &[]).await;
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let latin = b"{\"username\":\"anna\"}\n{\"username\":\"J\xf6rg\"}\r\n{\"username\":\"bert\"}\n{\"username\":\"ca";
    let (is_fine, said, problems) = import("latin", latin).await;
    assert_eq!((is_fine, said.as_str()), (false, "2 users imported, 2 users refused.\n"));
    assert!(problems.contains("line 2: not UTF-8 at byte 15") && problems.contains("iconv"), "{problems}");
    assert!(problems.contains("line 4: not JSON: it ends before the object does"), "{problems}");
    let array = "\u{feff}[\n {\"username\": \"Jörg\",\n  \"email\": \"\"},\n {\"username\": \"Dora\", \"role\": \"ADMIN\"}\n]\n";
    let (is_fine, said, _) = import("array", array.as_bytes()).await;
    assert_eq!((is_fine, said.as_str()), (true, "2 users imported, 0 users refused.\n"));
    let user = |name: &str| json!({"username": name}).to_string();
    let arrays = format!("[{},\n{}]\n[{}]\n\x1a", user("Emil"), user("Fritz"), user("Gustav"));
    let (is_fine, said, problem) = import("arrays", arrays.as_bytes()).await;
    assert_eq!((is_fine, said.as_str()), (false, "3 users imported, 1 user refused.\n"), "{problem}");
    assert!(problem.contains("line 4: text behind the end of the array, which was not read"), "{problem}");
    let wide: Vec<u8> = array.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (is_fine, said, problem) = import("wide", &wide).await;
    assert!(
        !is_fine && said.is_empty() && problem.contains("the file is UTF-16; convert it first: iconv"),
        "{problem}"
    );
    // What is exported is imported again, unchanged.
    assert!(run(&database, &["users", "export", "exported"], &[]).await.status.success());
    let exported = std::fs::read_to_string(database.folder.path().join("exported")).unwrap();
    assert!(exported.contains("Jörg") && !exported.contains('\u{fffd}'), "{exported}");
    let other = Database::create(Engine::Sqlite).await;
    let output = run_with_input(&other, &["users", "import", "-"], &exported).await;
    assert_eq!(text(&output.stdout), "7 users imported, 0 users refused.\n", "{}", text(&output.stderr));
    let again = text(&run(&other, &["users", "export", "-"], &[]).await.stdout);
    assert_eq!(again, exported);
}

async fn a_list_of_thousands_is_returned_completely(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let mut lines = String::new();
    for number in 0..1_500 {
        writeln!(lines, "{}", json!({"username": format!("user{number}"), "password_hash": HASH})).unwrap();
    }
    let output = run_with_input(&database, &["users", "import", "-"], &lines).await;
    assert_eq!(text(&output.stdout), "1500 users imported, 0 users refused.\n", "{}", text(&output.stderr));
    let admin = server.login_with("root", PASSWORD).await.text("access_token");
    let listed = server.get("/api/v1/users", &admin).await;
    let users = listed.body["data"].as_array().unwrap();
    assert_eq!((users.len(), &users[1500]["username"]), (1_501, &json!("user1499")));
    assert_eq!(users[1]["email"], Value::Null);
    let page = server.get("/api/v1/users?limit=700", &admin).await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 700);
}
