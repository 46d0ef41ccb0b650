//! Runs the programs of examples/, and compares their excerpts in the pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sc_auth_e2e::client::{environment, until};
use sc_auth_e2e::manifests::root;

/// What `dev/clients` has downloaded and built.
pub fn cache() -> PathBuf {
    PathBuf::from(std::env::var("SCDEV_CLIENTS").expect("SCDEV_CLIENTS is not set; run `make test`"))
}

/// A file of examples/.
pub fn example(name: &str) -> String {
    root().join("examples").join(name).to_str().unwrap().to_owned()
}

/// Python with the packages of the examples.
pub fn python() -> String {
    cache().join("python/bin/python").to_str().unwrap().to_owned()
}

/// A program that finds the API by its name: in a mount namespace of its own, whose /etc/hosts has it.
pub fn program(host: &str, name: &str, arguments: &[&str]) -> Command {
    let hosts = std::env::temp_dir().join(format!("sc-auth-e2e-hosts-{host}"));
    let names = format!("127.0.0.1 localhost\n{} {host}\n", environment("SCDEV_INGRESS"));
    // Written once: programs that are running read it.
    if !fs::read_to_string(&hosts).is_ok_and(|text| text == names) {
        fs::write(&hosts, names).unwrap();
    }
    let mut command = Command::new("unshare");
    let script = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    command.args(["--mount", "sh", "-c", &script, "sh", name]).args(arguments);
    command.env("API", format!("http://{host}")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A program that serves on a port of this machine, and ends with the test.
pub struct Service {
    child: Child,
    pub address: String,
}

impl Service {
    pub fn start(command: &mut Command, port: u16) -> Self {
        let child = command.env("PORT", port.to_string()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, address: format!("http://127.0.0.1:{port}") }
    }

    pub async fn answers(&self) {
        until(&format!("{} answers", self.address), async || reqwest::get(&self.address).await.is_ok()).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).into_iter().collect() });
    texts.collect()
}

#[test]
fn code_in_a_page_is_from_an_example() {
    let sources = sources(&root().join("examples"));
    let page = fs::read_to_string(root().join("docs/app-login.md")).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let code: Vec<_> = blocks.filter(|(language, _)| !["console", "yaml", "sh"].contains(language)).collect();
    assert!(code.len() > 4);
    for (language, excerpt) in code {
        let found = sources.iter().any(|source| source.contains(&format!("{excerpt}\n")));
        assert!(found, "no example has this {language}:\n{excerpt}");
    }
}
