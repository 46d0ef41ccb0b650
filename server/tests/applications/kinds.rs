//! Applications as processes, started with nothing but their own configuration.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};

use crate::harness::until;
use crate::upstream;

/// Also of the right length for the cookies of oauth2-proxy.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Authlib,
    OpenidClient,
    GoOidc,
    SpringSecurity,
    Apache,
    Oauth2Proxy,
    OidcClientTs,
}

/// An application; its process is ended when the value is dropped.
pub struct Application {
    pub address: String,
    pub id: String,
    pub kind: Kind,
    child: Option<Child>,
    folder: tempfile::TempDir,
    /// Changes to its configuration file.
    changes: Vec<(&'static str, &'static str)>,
}

impl Application {
    /// An application that is not started yet.
    pub fn new(kind: Kind) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Another site than that of the server, as browsers see it.
        let host = if matches!(kind, Kind::OidcClientTs) { "localhost" } else { "127.0.0.1" };
        let address = format!("http://{host}:{port}");
        let id = format!("{kind:?}").to_lowercase();
        Self { address, id, kind, child: None, folder: tempfile::tempdir().unwrap(), changes: Vec::new() }
    }

    /// The same with another text in its configuration file.
    pub fn with(mut self, text: &'static str, other: &'static str) -> Self {
        self.changes.push((text, other));
        self
    }

    /// Whether it is nothing but files: only a browser with JavaScript can use it.
    pub fn is_static(&self) -> bool {
        matches!(self.kind, Kind::OidcClientTs)
    }

    /// Whether it uses a refresh token, by its configuration alone.
    pub fn renews(&self) -> bool {
        matches!(self.kind, Kind::Apache | Kind::Oauth2Proxy)
    }

    pub fn declaration(&self) -> Value {
        let path = match self.kind {
            Kind::Authlib | Kind::OpenidClient | Kind::GoOidc => "/callback",
            Kind::SpringSecurity => "/login/oauth2/code/sso",
            Kind::Apache => "/oidc",
            Kind::Oauth2Proxy => "/oauth2/callback",
            Kind::OidcClientTs => "/",
        };
        let mut declaration = json!({
            "clientId": self.id, "type": "Web", "redirectUris": [format!("{}{path}", self.address)],
            "postLogoutRedirectUris": [format!("{}/", self.address)],
            "scopes": ["openid", "profile", "email", "offline_access"],
        });
        if self.is_static() {
            declaration["type"] = json!("Spa");
        } else {
            let hash = Sha256::digest(SECRET).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            declaration["secrets"] = json!([{"sha256": hash}]);
        }
        let logout = match self.kind {
            Kind::GoOidc => Some("/backchannel-logout"),
            Kind::SpringSecurity => Some("/logout/connect/back-channel/sso"),
            Kind::Apache => Some("/oidc?logout=backchannel"),
            Kind::Authlib | Kind::OpenidClient | Kind::Oauth2Proxy | Kind::OidcClientTs => None,
        };
        if let Some(path) = logout {
            declaration["backchannelLogoutUri"] = json!(format!("{}{path}", self.address));
        }
        declaration
    }

    pub async fn start(&mut self, issuer: &str) {
        let mut command = match self.kind {
            Kind::Authlib => program(&built("python/bin/python"), &[&example("python/app.py")]),
            Kind::OpenidClient => openid_client(),
            Kind::GoOidc => program(&built("go"), &[]),
            Kind::SpringSecurity => {
                program("java", &["-Xmx128m", "-XX:TieredStopAtLevel=1", "-jar", &built("java/target/app.jar")])
            }
            Kind::Apache => self.apache(issuer),
            Kind::Oauth2Proxy => self.oauth2_proxy(issuer).await,
            Kind::OidcClientTs => self.oidc_client_ts(issuer),
        };
        let port = self.address.rsplit(':').next().unwrap();
        command.envs([("ISSUER", issuer), ("CLIENT_ID", &self.id), ("CLIENT_SECRET", SECRET), ("PORT", port)]);
        command.envs([("ORIGIN", self.address.as_str()), ("SESSION_KEY", SECRET), ("PASSPHRASE", SECRET)]);
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.kind)));
        until(&format!("{} answers", self.id), async || reqwest::get(&self.address).await.is_ok()).await;
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A copy of an example's file, with the addresses of this test.
    fn configuration(&self, name: &str, issuer: &str) -> String {
        let text = fs::read_to_string(example(name)).unwrap();
        let text = self.changes.iter().fold(text, |text, (old, new)| {
            assert!(text.contains(old), "no {old} in {name}");
            text.replace(old, new)
        });
        let text = text.replace("https://auth.example.com", issuer).replace("https://shop.example.com", &self.address);
        text.replace("auth.example.com", issuer.trim_start_matches("http://")).replace("shop", &self.id)
    }

    fn oidc_client_ts(&self, issuer: &str) -> Command {
        let (folder, port) = (self.folder.path(), self.address.rsplit(':').next().unwrap());
        let site = folder.join("site");
        fs::create_dir(&site).unwrap();
        let script = self.configuration("browser/app.js", issuer);
        // For a slow machine.
        let script = script.replace("loadUserInfo: true,", "loadUserInfo: true, silentRequestTimeoutInSeconds: 60,");
        fs::write(site.join("app.js"), script).unwrap();
        let page =
            fs::read_to_string(example("browser/index.html")).unwrap().replace("https://auth.example.com", issuer);
        fs::write(site.join("index.html"), page).unwrap();
        std::os::unix::fs::symlink(built("browser/node_modules"), site.join("node_modules")).unwrap();
        program("python3", &["-m", "http.server", "--bind", "127.0.0.1", "--directory", site.to_str().unwrap(), port])
    }

    fn apache(&self, issuer: &str) -> Command {
        let folder = self.folder.path();
        // Its processes run as another user.
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        let site = self.configuration("apache/site.conf", issuer);
        fs::create_dir(folder.join("site")).unwrap();
        fs::write(folder.join("site/index.shtml"), "<!--#echo var=\"REMOTE_USER\" -->").unwrap();
        let text = include_str!("apache.conf").replace("FOLDER", folder.to_str().unwrap()) + &site;
        let file = folder.join("apache.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new("/usr/sbin/apache2");
        command.args(["-D", "FOREGROUND", "-f"]).arg(file);
        command
    }

    async fn oauth2_proxy(&self, issuer: &str) -> Command {
        let text = self.configuration("oauth2-proxy/oauth2-proxy.cfg", issuer);
        let text = text.replace("http://127.0.0.1:8080", &upstream::start().await);
        let text = text.replace("127.0.0.1:4180", self.address.trim_start_matches("http://"));
        let file = self.folder.path().join("oauth2-proxy.cfg");
        // The example is for https.
        fs::write(&file, text + "cookie_secure = false\n").unwrap();
        let mut command = Command::new(std::env::var("SCDEV_OAUTH2_PROXY").expect(NEEDED));
        command.arg("--config").arg(file);
        command.env("OAUTH2_PROXY_CLIENT_SECRET", SECRET).env("OAUTH2_PROXY_COOKIE_SECRET", SECRET);
        command
    }
}

impl Drop for Application {
    /// Lets it end its own processes: those of Apache would go on without it.
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(id) = child.id() {
            let _ = std::process::Command::new("kill").arg(id.to_string()).status();
        }
        while matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub const NEEDED: &str = "a variable is not set; run `make test`, which builds all that this needs";

/// A folder that `dev/clients` has filled.
pub fn installed(name: &str) -> PathBuf {
    Path::new(&std::env::var("SCDEV_CLIENTS").expect(NEEDED)).join(name)
}

/// What `dev/clients` has built of an example.
fn built(name: &str) -> String {
    installed(&format!("single-sign-on-{name}")).to_str().unwrap().to_owned()
}

fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

fn openid_client() -> Command {
    let script = beside_modules(Path::new(&example("javascript/app.mjs")), &installed("single-sign-on-javascript"));
    program("node", &[script.to_str().unwrap()])
}

/// Copies a script to the folder where npm has installed what it imports. Other tests may run it at this moment.
pub fn beside_modules(script: &Path, folder: &Path) -> PathBuf {
    let copy = tempfile::NamedTempFile::new_in(folder).unwrap();
    fs::copy(script, copy.path()).unwrap();
    let target = folder.join(script.file_name().unwrap());
    copy.persist(&target).unwrap();
    target
}

pub fn example(name: &str) -> String {
    format!("{}/../examples/single-sign-on/{name}", env!("CARGO_MANIFEST_DIR"))
}
