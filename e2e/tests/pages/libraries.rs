//! The libraries in the table of docs/clients.md, each with the tokens of a server on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sc_auth_e2e::client::until;
use sc_auth_e2e::manifests::root;
use sc_auth_e2e::shell::programs;
use serde_json::{Value, json};

use super::examples::{cache, example};

const API: &str = "http://127.0.0.1:13960";

/// A language, its source below examples/libraries, and the program with its arguments.
type Language = (&'static str, &'static str, Vec<String>);

fn languages() -> Vec<Language> {
    let built = |name: &str| cache().join(name).to_str().unwrap().to_owned();
    // Beside what npm has installed.
    let script = built("libraries-javascript/verify.mjs");
    fs::copy(example("libraries/javascript/verify.mjs"), &script).unwrap();
    let java = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-jar"].map(str::to_owned);
    let python = vec![built("libraries-python/bin/python"), example("libraries/python/verify.py")];
    vec![
        ("Python", "python/verify.py", python),
        ("JavaScript", "javascript/verify.mjs", vec!["node".to_owned(), script]),
        ("Go", "go/verify.go", vec![built("libraries-go")]),
        (
            "Java",
            "java/src/main/java/verify/Verify.java",
            [&java[..], &[built("libraries-java/target/verify.jar")]].concat(),
        ),
    ]
}

/// A server with the default settings, in a folder of its own.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("sc-auth-e2e-libraries-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let child = Command::new(format!("{}/sc-auth-server", programs()))
            .args(["serve", "--listen", "127.0.0.1:13960", "--ops-listen", "127.0.0.1:13961"])
            .current_dir(&folder)
            .env_clear()
            .env("SC_AUTH_ISSUER", API)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, folder };
        until("the server answers", async || reqwest::get(API).await.is_ok()).await;
        server
    }

    async fn login(&self) -> (String, String) {
        let password = fs::read_to_string(self.folder.join("admin-password")).unwrap();
        let body = json!({"username": "admin", "password": password});
        let request = reqwest::Client::new().post(format!("{API}/api/v1/accounts/login")).json(&body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let token = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
        (token("access_token"), token("refresh_token"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What each library answers to the tokens, for services of that audience.
fn outcomes(command: &[String], audience: &str, tokens: &[&str]) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(&command[0])
        .args(&command[1..])
        .args(tokens)
        .env("KEYS", format!("{API}/.well-known/jwks.json"))
        .env("ISSUER", API)
        .env("AUDIENCE", audience)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let parse = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (name, outcomes) = words.split_at(words.len() - tokens.len());
        (name.join(" "), outcomes.iter().map(ToString::to_string).collect())
    };
    String::from_utf8(output.stdout).unwrap().lines().map(parse).collect()
}

/// The rows of the page's table: language, library and lines of code.
fn table() -> Vec<(String, String, Vec<String>)> {
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let section = page.split("\n### Libraries\n").nth(1).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [language, library, _, code] = cells[..] else { panic!("{line}") };
        let library = library.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        let code = code.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (language.to_owned(), library.to_owned(), code)
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_that_verify_access_tokens() {
    let server = Server::start().await;
    let (access, refresh) = server.login().await;
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let altered = format!("{signed}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let tokens = [access.as_str(), &refresh, &altered, "token"];
    for (language, _, command) in languages() {
        let verified = outcomes(&command, API, &tokens);
        assert!(verified.values().all(|found| *found == ["accepted", "refused", "refused", "refused"]), "{verified:?}");
        let verified_by_others = outcomes(&command, "http://other.example.com", &tokens[..1]);
        assert!(verified_by_others.values().all(|found| *found == ["refused"]), "{verified_by_others:?}");
        let listed = table().into_iter().filter(|(of, _, _)| of == language).map(|(_, library, _)| library);
        assert_eq!(verified.into_keys().collect::<BTreeSet<_>>(), listed.collect(), "{language}");
    }
}

#[test]
fn the_code_in_the_table_of_libraries_is_what_the_tests_run() {
    for (language, source, _) in languages() {
        let source = fs::read_to_string(example(&format!("libraries/{source}"))).unwrap();
        let rows: Vec<_> = table().into_iter().filter(|(of, _, _)| of == language).collect();
        assert!(rows.len() >= 3, "{language}");
        for (_, library, code) in rows {
            assert!(!code.is_empty(), "{library}");
            for line in code {
                assert!(source.contains(&line), "{library}: {line}");
            }
        }
    }
}
