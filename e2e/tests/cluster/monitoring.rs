//! What lies in config/monitoring, with a real Prometheus that reads the metrics of real pods.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::client::{Client, PASSWORD};
use crate::common::kube::{Cleanup, apply, items, pods, ready, run, scauth};

const FOLDER: &str = "../config/monitoring";

/// Prometheus on this machine, with its files in a folder of its own.
struct Prometheus {
    process: Child,
    folder: PathBuf,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// Reads each second what is at these addresses, with these labels.
    fn start(targets: Value, rules: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("sc-auth-prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "sc-auth", "static_configs": targets}],
        });
        // YAML has JSON in it.
        std::fs::write(folder.join("prometheus.yml"), configuration.to_string()).unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus: {error}. Run `make test`, which names the package."));
        Self { process, folder, url: format!("http://{address}/api/v1"), http: reqwest::Client::new() }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        for _ in 0..100 {
            if let Ok(answer) = self.http.get(format!("{}{path}", self.url)).query(query).send().await {
                return serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Prometheus does not answer: {}", std::fs::read_to_string(self.folder.join("log")).unwrap());
    }

    async fn series(&self, expression: &str) -> usize {
        let answer = self.ask("/query", &[("query", expression)]).await;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().len()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// The rules as Prometheus itself takes them.
fn rules() -> (Value, PathBuf) {
    let text = run(&["create", "--dry-run=client", "-f", &format!("{FOLDER}/alerts.yaml"), "-o", "json"]);
    let rules: Value = serde_json::from_str(&text).unwrap();
    let file = std::env::temp_dir().join(format!("sc-auth-rules-{}.yaml", std::process::id()));
    std::fs::write(&file, rules["spec"].to_string()).unwrap();
    (rules["spec"].clone(), file)
}

fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(format!("{FOLDER}/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The names of our metrics in an expression.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("sc_auth_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_panel_of_the_dashboard_shows_something_and_each_alert_knows_its_metrics() {
    let (name, host) = ("e2e-monitoring", "monitoring.example.com");
    let _cleanup = Cleanup(name);
    let here = json!({"ipBlock": {"cidr": format!("{}/32", std::env::var("SCDEV_HOST").unwrap())}});
    apply(scauth(
        name,
        json!({
            "database": {"embedded": {}}, "monitoring": {"from": [here]},
            "expose": {"ingress": {"host": host, "className": "traefik"}},
        }),
    ))
    .unwrap();
    ready(name);
    let client = Client::at(host);
    client.answers().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    assert_eq!(client.me(&access).await, 200);

    let target = |pod: &Value, port: u16| {
        let metadata = &pod["metadata"];
        let address = format!("{}:{port}", pod["status"]["podIP"].as_str().unwrap());
        json!({"targets": [address], "labels": {"namespace": metadata["namespace"], "pod": metadata["name"]}})
    };
    let operators = items("pods", "sc-auth-system", "app.kubernetes.io/name=sc-auth-operator");
    let targets = operators.iter().map(|pod| target(pod, 8080));
    let targets: Vec<_> = targets.chain(pods(name, name).iter().map(|pod| target(pod, 8001))).collect();
    let count = targets.len();
    let (rules, file) = rules();
    let prometheus = Prometheus::start(json!(targets), &file);
    // Rates take two looks. The number of sessions is counted once a minute.
    for _ in 0..100 {
        if prometheus.series("rate(up[5m])").await == count && prometheus.series("sc_auth_sessions").await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let groups = rules["groups"].as_array().unwrap().iter();
    let alerts: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let expressions = alerts.iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let expressions: Vec<_> = dashboard().into_iter().chain(expressions).collect();
    assert!(expressions.len() > 25, "{expressions:?}");
    for expression in &expressions {
        for metric in metrics(expression) {
            assert!(prometheus.series(metric).await > 0, "there is no {metric}, in {expression}");
        }
    }
    for expression in dashboard() {
        let here = expression.replace("$namespace", name);
        assert!(prometheus.series(&here).await > 0, "an empty panel: {expression}");
    }
    let known = prometheus.ask("/rules", &[]).await;
    let known = known["data"]["groups"].as_array().unwrap().iter();
    for rule in known.flat_map(|group| group["rules"].as_array().unwrap()) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn alerts_fire_when_they_should_and_not_before() {
    let (_, file) = rules();
    let tests = std::fs::read_to_string("tests/cluster/alerts.yaml").unwrap();
    let test = file.with_extension("test.yaml");
    std::fs::write(&test, tests.replace("RULES", &file.display().to_string())).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&test).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(test).unwrap();
}

#[test]
fn the_folder_can_be_applied() {
    let name = "e2e-monitoring-folder";
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).unwrap();
    let objects = run(&["kustomize", FOLDER]).replace("namespace: monitoring", &format!("namespace: {name}"));
    let output = crate::common::kube::kubectl(&["apply", "-f", "-"], &objects);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(run(&["get", "prometheusrule,configmap", "-n", name]).contains("sc-auth-dashboard"));
    run(&["delete", "namespace", name, "--wait=false"]);
}
