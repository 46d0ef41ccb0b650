//! The files in config/monitoring, with a real Prometheus that scrapes real pods.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sc_auth_e2e::client::{PASSWORD, until};
use sc_auth_e2e::kube::{apply, items, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

const FOLDER: &str = "../config/monitoring";

/// Prometheus on this machine, with its files in a separate folder.
struct Prometheus {
    process: Child,
    folder: PathBuf,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// Scrapes these targets every second, with these labels.
    fn start(targets: Value, rules: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("sc-auth-prometheus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "sc-auth", "static_configs": targets}],
        });
        // JSON is valid YAML.
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

    /// Waits until it has started: before that, it answers each query with 503 and a text.
    async fn is_ready(&self) {
        let address = self.url.replace("/api/v1", "/-/ready");
        let log = self.folder.join("log");
        until(&format!("Prometheus is ready, see {}", log.display()), async || {
            self.http.get(&address).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).query(query).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let answer = serde_json::from_str(&text).unwrap_or(Value::Null);
        assert_eq!((status.as_u16(), &answer["status"]), (200, &json!("success")), "{path} {query:?}: {text}");
        answer["data"].clone()
    }

    async fn series(&self, expression: &str) -> usize {
        let data = self.ask("/query", &[("query", expression)]).await;
        data["result"].as_array().unwrap().len()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// The rules in Prometheus' own format.
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
async fn each_panel_of_the_dashboard_has_data_and_the_metrics_of_each_alert_exist() {
    let name = "e2e-monitoring";
    let here = json!({"ipBlock": {"cidr": format!("{}/32", std::env::var("SCDEV_HOST").unwrap())}});
    let monitoring = json!({"monitoring": {"from": [here]}});
    let tenant = Tenant::embedded(name).host("monitoring.example.com").with(monitoring);
    tenant.apply().ready();
    let client = tenant.client().await;
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
    let targets: Vec<_> = targets.chain(tenant.pods().iter().map(|pod| target(pod, 8001))).collect();
    let count = targets.len();
    let (rules, file) = rules();
    let prometheus = Prometheus::start(json!(targets), &file);
    prometheus.is_ready().await;
    // Rates need two scrapes. Sessions are counted once a minute.
    until("each pod was scraped twice, and sessions were counted", async || {
        prometheus.series("rate(up[5m])").await == count && prometheus.series("sc_auth_sessions").await > 0
    })
    .await;
    let groups = rules["groups"].as_array().unwrap().iter();
    let alerts: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let expressions = alerts.iter().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let expressions: Vec<_> = dashboard().into_iter().chain(expressions).collect();
    assert!(expressions.len() > 25, "{expressions:?}");
    for expression in &expressions {
        for metric in metrics(expression) {
            until(&format!("{metric} is there, for {expression}"), async || prometheus.series(metric).await > 0).await;
        }
    }
    for expression in dashboard() {
        let here = expression.replace("$namespace", name);
        until(&format!("{expression} shows something"), async || prometheus.series(&here).await > 0).await;
    }
    until("each rule was evaluated", async || {
        let known = prometheus.ask("/rules", &[]).await;
        let mut rules = known["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules.all(|rule| rule["health"] != "unknown")
    })
    .await;
    let known = prometheus.ask("/rules", &[]).await;
    let known = known["groups"].as_array().unwrap().iter();
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
    let output = sc_auth_e2e::kube::kubectl(&["apply", "-f", "-"], &objects);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(run(&["get", "prometheusrule,configmap", "-n", name]).contains("sc-auth-dashboard"));
    run(&["delete", "namespace", name, "--wait=false"]);
}
