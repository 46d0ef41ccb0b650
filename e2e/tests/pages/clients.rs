//! The clients in examples/, in five languages, as in docs/clients.md: each is a program that uses the ingress.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use sc_auth_e2e::client::{Client, PASSWORD, until};
use sc_auth_e2e::manifests::root;
use sc_auth_e2e::shell::programs;
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

const HOST: &str = "clients.example.com";

/// Their downloads, which are kept between runs.
fn cache() -> PathBuf {
    PathBuf::from(std::env::var("SCDEV_CLIENTS").expect("SCDEV_CLIENTS is not set; run `make test`"))
}

/// A program that resolves the API's host name: in a separate mount namespace, whose /etc/hosts has it.
fn program(name: &str, arguments: &[&str]) -> Command {
    let hosts = std::env::temp_dir().join("sc-auth-e2e-hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost\n{} {HOST}\n", std::env::var("SCDEV_INGRESS").unwrap())).unwrap();
    let mut command = Command::new("unshare");
    let script = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    command.args(["--mount", "sh", "-c", &script, "sh", name]).args(arguments);
    command.env("API", format!("http://{HOST}")).env("USERNAME", "alice").env("PASSWORD", PASSWORD);
    command
}

fn said(output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Ends the program with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a verifier with a valid, an altered and a refresh token.
fn verifies(verifier: impl Fn(&str) -> Output, access: &str, refresh: &str) {
    assert!(said(verifier(access)).trim().ends_with(" User"));
    let altered = format!("{}A{}", &access[..access.len() - 9], &access[access.len() - 8..]);
    for bad in [altered.as_str(), refresh, "no token"] {
        let output = verifier(bad);
        assert_eq!(output.status.code(), Some(1), "{bad}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stderr).contains("refused"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_five_languages() {
    let tenant = Tenant::embedded("e2e-clients").host(HOST).with(json!({"auth": {"accessTokenTtl": "30s"}}));
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;

    let examples = root().join("examples");
    let path = |name: &str| examples.join(name).to_str().unwrap().to_owned();
    let shown = said(program("bash", &[&path("curl/session.sh")]).output().unwrap());
    assert!(shown.contains("\"username\":\"alice\""), "{shown}");

    let python = cache().join("python/bin/python");
    let waits = program(python.to_str().unwrap(), &[&path("python/sc_auth.py")])
        .env("PAUSES", "0 1 32 1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let (access, refresh) = client.login("alice", PASSWORD).await;
    tokio::task::block_in_place(|| {
        // Next to the modules that npm has installed.
        fs::copy(path("javascript/verify.mjs"), cache().join("javascript/verify.mjs")).unwrap();
        let javascript = cache().join("javascript/verify.mjs");
        let node = |token: &str| program("node", &[javascript.to_str().unwrap()]).env("TOKEN", token).output().unwrap();
        verifies(node, &access, &refresh);
        let go = cache().join("go-verify");
        verifies(|token| program(go.to_str().unwrap(), &[]).env("TOKEN", token).output().unwrap(), &access, &refresh);
    });
    rust(&client).await;
    let told = said(waits.wait_with_output().unwrap());
    assert_eq!(told, "alice\nalice\nalice\nalice\n1 login, 1 refreshes\n");
}

/// The service in Rust, called by a client.
async fn rust(client: &Client) {
    let service = format!("{}/sc-auth-example-axum", programs());
    let address = "127.0.0.1:13917";
    let _service = Service(program(&service, &[]).env("LISTEN", address).spawn().unwrap());
    let (access, refresh) = client.login("alice", PASSWORD).await;
    let ask = async |token: &str| {
        let request = reqwest::Client::new().get(format!("http://{address}/")).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    until("the service answers", async || reqwest::get(format!("http://{address}/")).await.is_ok()).await;
    let (status, greeting) = ask(&access).await;
    assert!(status == 200 && greeting.trim().ends_with(" User"), "{status} {greeting}");
    for bad in [refresh.as_str(), "no token", &access[..access.len() - 4]] {
        assert_eq!(ask(bad).await.0, 401, "{bad}");
    }
}
