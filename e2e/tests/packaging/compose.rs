//! compose.yaml, parsed by the library of Docker Compose. It is not started, because the tests have no Docker.

use std::fs;
use std::process::Command;

use sc_auth_e2e::manifests::{objects, root};

/// The output of dev/tools/compose-check, or its error.
fn check(variables: &[(&str, &str)]) -> Result<String, String> {
    let file = root().join("compose.yaml");
    let mut go = Command::new("go");
    go.args([
        "-C",
        root().join("dev/tools/compose-check").to_str().unwrap(),
        "run",
        "-trimpath",
        "-buildvcs=false",
        ".",
    ]);
    go.arg(file).env_remove("POSTGRES_PASSWORD").env("CGO_ENABLED", "0").envs(variables.iter().copied());
    let output = go.output().unwrap_or_else(|error| panic!("go: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn it_is_valid_and_listens_only_on_this_machine() {
    let expected = "postgres: docker.io/library/postgres:15\nserver: target server, port 127.0.0.1:8000 to 8000\n";
    assert_eq!(check(&[("POSTGRES_PASSWORD", "secret")]).unwrap(), expected);
}

#[test]
fn no_password_has_a_default() {
    let refusal = check(&[]).unwrap_err();
    assert!(refusal.contains("POSTGRES_PASSWORD") && refusal.contains("file .env"), "{refusal}");
}

#[test]
fn the_server_has_each_setting() {
    let compose = &objects(&fs::read_to_string(root().join("compose.yaml")).unwrap())[0];
    let page = fs::read_to_string(root().join("docs/server.md")).unwrap();
    for name in compose["services"]["server"]["environment"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not a setting");
    }
}
