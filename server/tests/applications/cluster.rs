//! An API server of Kubernetes without nodes, and its kubectl.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::authority::Authority;
use crate::harness::until;
use crate::kinds::NEEDED;

/// The token of a user who may do everything.
pub const ADMIN: &str = "admin-token";

/// Its processes are killed when the value is dropped.
pub struct Cluster {
    address: String,
    /// Its files are read again while the API server runs.
    authority: Authority,
    folder: TempDir,
    _processes: [Child; 2],
}

impl Cluster {
    /// Starts it with an `AuthenticationConfiguration`.
    pub async fn start(authority: Authority, authentication: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [etcd, peers, api] = [(); 3].map(|()| free_port());
        let store = etcd_process(folder.path(), etcd, peers);
        fs::write(folder.path().join("tokens.csv"), format!("{ADMIN},admin,admin,system:masters\n")).unwrap();
        fs::write(folder.path().join("authentication.yaml"), authentication).unwrap();
        let server = api_process(folder.path(), &authority, etcd, api);
        let address = format!("https://127.0.0.1:{api}");
        let cluster = Self { address, authority, folder, _processes: [store, server] };
        until("the API server is ready", async || {
            cluster.kubectl(ADMIN, &["get", "--raw", "/readyz"]).await.status.success()
        })
        .await;
        cluster
    }

    pub async fn kubectl(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("kubectl"));
        command.args(["--server", &self.address, "--token", token]);
        command.arg("--certificate-authority").arg(self.authority.file("ca.crt"));
        command.args(arguments).env_clear().env("HOME", self.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.output().await.unwrap()
    }

    /// What the API server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("kube-apiserver.log")).unwrap()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program in the folder of Kubernetes' programs.
fn program(name: &str) -> PathBuf {
    Path::new(&std::env::var("SCDEV_KUBERNETES_PROGRAMS").expect(NEEDED)).join(name)
}

fn etcd_process(folder: &Path, port: u16, peers: u16) -> Child {
    let mut command = Command::new(std::env::var("SCDEV_ETCD").expect(NEEDED));
    let clients = format!("http://127.0.0.1:{port}");
    command.args(["--unsafe-no-fsync", "--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.arg("--listen-peer-urls").arg(format!("http://127.0.0.1:{peers}"));
    command.arg("--data-dir").arg(folder.join("etcd"));
    start(command, folder, "etcd")
}

fn api_process(folder: &Path, authority: &Authority, etcd: u16, port: u16) -> Child {
    let mut command = Command::new(program("kube-apiserver"));
    command.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}")).arg(format!("--secure-port={port}"));
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
    command.args(["--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc"]);
    command.arg("--service-cluster-ip-range=10.96.0.0/16");
    for (flag, file) in [
        ("--tls-cert-file", authority.file("server.crt")),
        ("--tls-private-key-file", authority.file("server.key")),
        ("--service-account-key-file", authority.file("server.crt")),
        ("--service-account-signing-key-file", authority.file("server.key")),
        ("--token-auth-file", folder.join("tokens.csv")),
        ("--authentication-config", folder.join("authentication.yaml")),
    ] {
        command.arg(flag).arg(file);
    }
    start(command, folder, "kube-apiserver")
}

fn start(mut command: Command, folder: &Path, name: &str) -> Child {
    let log = File::create(folder.join(format!("{name}.log"))).unwrap();
    command.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{name}: {error}"))
}
