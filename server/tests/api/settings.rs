//! How settings are read, and `config check`.

use std::process::Stdio;

use crate::database::{Database, Engine};
use crate::harness::{Server, command, run};
use crate::startup::refusal;

crate::on_every_engine!(config_check_tries_the_database_and_changes_nothing);

#[tokio::test]
async fn the_settings_can_be_printed_without_secrets() {
    let database = Database::create(Engine::Sqlite).await;
    let settings = [("SECRET_KEY", "an old secret of thirty-two bytes"), ("SC_AUTH_DRAIN", "7s")];
    let output = run(&database, &["config", "check", "--issuer", "https://auth.test"], &settings).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("SC_AUTH_DRAIN"), "7s environment");
    assert_eq!(row("SC_AUTH_ISSUER"), "https://auth.test flag");
    assert_eq!(row("SC_AUTH_LEEWAY"), "5s default");
    assert_eq!(
        (row("SECRET_KEY"), row("DATABASE_URL")),
        ("(a secret) environment".into(), "(a secret) environment".into())
    );
    assert!(output.status.success() && text.ends_with("The settings are valid.\n"), "{text}");
    assert!(!text.contains("thirty-two"));

    for (name, value, problem) in [
        ("SECRET_KEY", "short", "SECRET_KEY is shorter than 32 bytes"),
        ("SC_AUTH_SESSION_TTL", "1d", "SC_AUTH_SESSION_TTL is shorter"),
        ("SC_AUTH_PASSWORD_BLOCKLIST", "/nowhere", "SC_AUTH_PASSWORD_BLOCKLIST: /nowhere"),
        ("SC_AUTH_PASSWORD_BLOCKLIST", "/dev/zero", "SC_AUTH_PASSWORD_BLOCKLIST: /dev/zero: it is not a regular file"),
        ("SECRET_KEY_FILE", "/dev/zero", "SECRET_KEY_FILE: /dev/zero: it is larger than 64 KiB"),
    ] {
        let output = run(&database, &["config", "check"], &[(name, value)]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(problem), "{error}");
        let error = refusal(&["serve"], &[(name, value)]).await;
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_each_command_quietly() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    drop(server);
    for arguments in [
        &["config", "check"][..],
        &["keys", "list"],
        &["migrate", "--plan"],
        &["users", "export", "-"],
        &["--help"],
        &["help", "serve"],
        &["--version"],
    ] {
        // Closed before the command starts, which could otherwise be faster.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command(&database, arguments, &[]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn config_check_reports_each_problem_once() {
    let database = Database::create(Engine::Sqlite).await;
    let settings = [
        ("SC_AUTH_LISTEN", "here"),
        ("SC_AUTH_DRAIN", "10m"),
        ("SC_AUTH_ISUER", "https://a.test"),
        ("SC_AUTH_SESSION_TTL", "1d"),
        ("SC_AUTH_PASSWORD_BLOCKLIST", "/nowhere"),
        ("SC_AUTH_BACKCHANNEL_CA_FILE", "/nowhere/ca.pem"),
        ("SC_AUTH_CORS_ORIGINS", "https://*.example.com"),
        ("SC_AUTH_REGISTRATION", "true"),
        ("SC_AUTH_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("SECRET_KEY", "short"),
        ("SECRETKEY", "short"),
        ("DATABASE_URL", "sqlite:/nowhere/sc-auth.db"),
    ];
    let output = run(&database, &["config", "check"], &settings).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for (start, part) in [
        ("error: ", "SC_AUTH_LISTEN: invalid value 'here'"),
        ("error: ", "SC_AUTH_DRAIN: invalid value '10m'"),
        ("error: ", "SC_AUTH_ISUER (did you mean SC_AUTH_ISSUER?)"),
        ("error: ", "SC_AUTH_SESSION_TTL is shorter"),
        ("error: ", "SC_AUTH_PASSWORD_BLOCKLIST: /nowhere"),
        ("error: ", "SC_AUTH_BACKCHANNEL_CA_FILE: reading /nowhere/ca.pem"),
        ("error: ", "SECRET_KEY is shorter than 32 bytes"),
        ("error: ", "the folder /nowhere does not exist"),
        ("warning: ", "no browser sends the origin \"https://*.example.com\""),
        ("warning: ", "no e-mail address has the domain \"true\""),
        ("warning: ", "SC_AUTH_TRUSTED_PROXIES trusts every address"),
    ] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(part)).collect();
        assert!(matches!(lines[..], [line] if line.starts_with(start)), "{part}: {text}");
    }
    assert_eq!(text.lines().count(), 11, "{text}");

    let refused = refusal(&["serve"], &settings[..3]).await;
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(
        ["SC_AUTH_LISTEN", "SC_AUTH_DRAIN", "SC_AUTH_ISUER"].iter().all(|name| refused.contains(name)),
        "{refused}"
    );
    let authorities = refusal(&["serve"], &[("SC_AUTH_BACKCHANNEL_CA_FILE", "/nowhere/ca.pem")]).await;
    assert!(authorities.contains("SC_AUTH_BACKCHANNEL_CA_FILE: reading /nowhere/ca.pem"), "{authorities}");
    let same = [("SC_AUTH_LISTEN", ":8123"), ("SC_AUTH_OPS_LISTEN", "127.0.0.1:8123")];
    assert!(refusal(&["serve"], &same).await.contains("both have port 8123"));
}

async fn config_check_tries_the_database_and_changes_nothing(engine: Engine) {
    let database = Database::create(engine).await;
    let check = async |settings: &[(&str, &str)]| {
        let output = run(&database, &["config", "check"], settings).await;
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let (is_valid, text) = check(&[]).await;
    assert!(is_valid && text.contains("database can be used; it is empty."), "{text}");
    assert!(
        !database.folder.path().join("sc-auth.db").exists()
            && !database.folder.path().join("sc-auth-keys.json").exists()
    );
    let output = run(&database, &["migrate"], &[]).await;
    assert!(output.status.success());
    let (is_valid, text) = check(&[]).await;
    assert!(is_valid && text.contains("database can be used; it has schema version "), "{text}");
    if engine != Engine::Sqlite {
        let (scheme, rest) = database.url.split_once("://").unwrap();
        let (address, name) = rest.split_once('@').unwrap().1.split_once('/').unwrap();
        let user = format!("reader_{name}");
        engine.execute(&reader(engine, &user, name)).await;
        let url = format!("{scheme}://{user}:secret@{address}/{name}");
        let (is_valid, text) = check(&[("DATABASE_URL", &url)]).await;
        assert!(!is_valid && text.contains("the user cannot create tables"), "{text}");
    }
    let (is_valid, text) = check(&[("DATABASE_URL", "postgres://u:s3cret@127.0.0.1:1/n")]).await;
    assert!(!is_valid && text.contains("error: inspecting the database") && !text.contains("s3cret"), "{text}");
}

/// Creates a user who can read everything and create nothing.
fn reader(engine: Engine, user: &str, name: &str) -> String {
    if engine.is_mysql() {
        return format!("CREATE USER {user}@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON {name}.* TO {user}@'%'");
    }
    format!("CREATE USER {user} PASSWORD 'secret'; GRANT pg_read_all_data TO {user}")
}

#[tokio::test]
async fn what_started_with_release_0_2_starts_with_a_warning() {
    let database = Database::create(Engine::Sqlite).await;
    let settings = [
        ("SC_AUTH_CORS_ORIGINS", "https://*.example.com,https://App.Test:443, capacitor://localhost"),
        ("SC_AUTH_REGISTRATION", "*.example.com"),
        ("DB_PASSWORD", "unused"),
        ("SC_AUTH_RATE_LIMITS", " ON "),
        ("SC_AUTH_LEEWAY", " 5S"),
    ];
    let database_url = format!("sqlite:{}", database.folder.path().join("sc-auth.db").display());
    let server = Server::start(&database, &[&settings[..], &[("DATABASE_URL", &database_url)]].concat()).await;
    let log = server.log.text();
    for part in ["no browser sends the origin", "no e-mail address has the domain"] {
        assert!(log.lines().any(|line| line.contains(part) && line.contains(r#""level":"WARN""#)), "{log}");
    }
    assert_eq!(server.status().await["warnings"].as_array().unwrap().len(), 2);
    for origin in ["https://app.test", "capacitor://localhost"] {
        let answer = server.request("GET", "/").header("origin", origin).send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    }
    assert!(!log.contains("DB_PASSWORD"), "DATABASE_URL is used: {log}");
}
