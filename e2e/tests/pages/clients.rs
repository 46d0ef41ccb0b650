//! The clients of examples/ that docs/clients.md shows: each a program of its own, through the ingress.

use std::process::{Command, Output, Stdio};

use sc_auth_e2e::client::PASSWORD;
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

use super::examples::{example, program, python};

const HOST: &str = "clients.example.com";

fn client(name: &str, script: &str) -> Command {
    let mut command = program(HOST, name, &[&example(script)]);
    command.env("USERNAME", "alice").env("PASSWORD", PASSWORD);
    command
}

fn said(output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_log_in() {
    let tenant = Tenant::embedded("e2e-clients").host(HOST).with(json!({"auth": {"accessTokenTtl": "30s"}}));
    tenant.apply().ready();
    tenant.client().await.register("alice").await;

    let shown = said(client("bash", "curl/session.sh").output().unwrap());
    assert!(shown.contains("\"username\":\"alice\""), "{shown}");

    let mut waits = client(&python(), "python/sc_auth.py");
    let output = waits.env("PAUSES", "0 1 32 1").stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    assert_eq!(said(output.unwrap()), "alice\nalice\nalice\nalice\n1 login, 1 refreshes\n");
}
