//! The operator as a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::NAMESPACE;

const IMAGE: [&str; 2] = ["--server-image", "registry.example.com/sc-auth-server:1"];

/// The objects that a ScAuth becomes, as the operator's `render` prints them.
pub async fn render(program: &Path, scauth: &Value) -> anyhow::Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), scauth.to_string())?;
    let mut command = tokio::process::Command::new(program);
    let printed = command.arg("render").args(IMAGE).arg("--filename").arg(file.path()).output().await?;
    ensure!(printed.status.success(), "render: {}", String::from_utf8_lossy(&printed.stderr));
    Ok(String::from_utf8(printed.stdout)?)
}

/// The operator as a process, with its metrics.
pub struct Operator {
    child: Child,
    metrics: String,
}

impl Operator {
    pub fn start(program: &PathBuf) -> anyhow::Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program)
            .args(["run", "--listen", &address.to_string(), "--namespace", NAMESPACE])
            // No resync in the middle of a measurement.
            .args(["--resync", "1h"])
            .args(IMAGE)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(Self { child, metrics: format!("http://{address}/metrics") })
    }

    /// The metrics in text; nothing before the operator answers.
    async fn metrics(&self) -> String {
        let Ok(answer) = reqwest::get(&self.metrics).await else { return String::new() };
        answer.text().await.unwrap_or_default()
    }

    /// The sum of a metric's series whose labels contain that text.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        sum(&self.metrics().await, name, labels)
    }

    /// The number of its requests so far, by verb.
    pub async fn requests(&self) -> BTreeMap<&'static str, f64> {
        let text = self.metrics().await;
        let verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
        let number = |verb| sum(&text, "sc_auth_operator_api_requests_total", &format!("verb=\"{verb}\""));
        verbs.into_iter().map(|verb| (verb, number(verb))).collect()
    }

    /// The memory in MiB, from the kernel: resident (`VmRSS`) or peak (`VmHWM`).
    pub fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).context("no such field")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no value")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// The CPU time so far, in seconds, from the kernel, which counts hundredths.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit(')').next().context("no name")?.split_whitespace().skip(11).take(2);
        Ok(fields.map(str::parse::<f64>).sum::<Result<f64, _>>()? / 100.0)
    }

    /// Waits until all ScAuths have a status, and no reconcile is running or queued.
    pub async fn has_done(&self, scauths: usize) -> anyhow::Result<()> {
        let wanted = scauths.to_string().parse::<f64>()?;
        for _ in 0..6_000 {
            let text = self.metrics().await;
            let known = sum(&text, "sc_auth_operator_scauths", "condition=\"Ready\"");
            let busy = sum(&text, "sc_auth_operator_queue", "") + sum(&text, "sc_auth_operator_reconciles_running", "");
            if known >= wanted && busy < 0.5 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("not within ten minutes")
    }
}

fn sum(metrics: &str, name: &str, labels: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(labels));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
