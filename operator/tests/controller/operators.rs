//! Whole operators: started, told to stop, or gone.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use clap::Parser;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Config};
use sc_auth_operator::run::{RunArgs, operate};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{admin, apply, config, eventually, generated, manifest, scauths};
use crate::rights::without_claim;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    run: RunArgs,
}

/// An operator, as a process of its own would be.
pub struct Operator {
    pub listen: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Operator {
    /// With its Lease in that namespace.
    pub fn start(name: &str, namespace: &str, config: Config, more: &[&str]) -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = listen.to_string();
        let image = "registry.test/sc-auth-server:9";
        let fixed =
            ["operator", "--name", name, "--namespace", namespace, "--listen", &address, "--server-image", image];
        let arguments = Arguments::parse_from(fixed.iter().chain(more));
        let stop = CancellationToken::new();
        let task = tokio::spawn(operate(arguments.run, config, stop.clone()));
        Self { listen, stop, task }
    }

    /// As SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Waits until it ends by itself.
    pub async fn end(self) -> anyhow::Result<()> {
        self.task.await.unwrap()
    }

    /// As SIGKILL does.
    pub fn kill(self) {
        self.task.abort();
    }

    /// Status and text of a page on the health port; 0 where nobody answers.
    pub async fn page(&self, path: &str) -> (u16, String) {
        page(&self.listen.to_string(), path).await
    }

    pub async fn leads(&self) -> bool {
        self.page("/metrics").await.1.contains("sc_auth_operator_leader 1")
    }
}

pub async fn page(address: &str, path: &str) -> (u16, String) {
    use axum::body::Bytes;
    use http_body_util::{BodyExt as _, Empty};
    use hyper_util::client::legacy::Client;
    let client = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let Ok(answer) = client.get(format!("http://{address}{path}").parse().unwrap()).await else {
        return (0, String::new());
    };
    let status = answer.status().as_u16();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

pub async fn namespace(client: &Client, name: &str) {
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    drop(
        Api::<k8s_openapi::api::core::v1::Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await,
    );
}

pub fn spec() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

/// Deletes the ScAuths that an earlier test has left, so that nobody reconciles them, and the Lease of its operator, which
/// has stopped.
pub async fn clean(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    drop(leases.delete("scauths.sc-auth.io", &DeleteParams::default()).await);
    for scauth in scauths(client).list_metadata(&ListParams::default()).await.unwrap() {
        drop(scauths(client).delete(&scauth.metadata.name.unwrap(), &DeleteParams::default()).await);
    }
}

pub async fn exists(client: &Client, kind: Child, name: &str) -> bool {
    let names = Names { scauth: name.into(), namespace: name.into() };
    kind.api(client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap().is_some()
}

/// How many requests with one of these verbs the metrics count.
pub fn requests(metrics: &str, verbs: &[&str]) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("sc_auth_operator_api_requests_total"));
    let lines = lines.filter(|line| verbs.iter().any(|verb| line.contains(&format!("verb=\"{verb}\""))));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until a count has stayed the same for three seconds, and gives it.
pub async fn settled<F: Future<Output = u64>>(mut count: impl FnMut() -> F) -> u64 {
    let last = std::cell::Cell::new(count().await);
    eventually("nothing is counted any more", || {
        let now = count();
        let last = &last;
        async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let now = now.await;
            last.replace(now) == now
        }
    })
    .await;
    last.get()
}

/// Two leaders at once, as after a pause that outlived a lease: each with a Lease of its own, and one of them without the
/// right to the Lease of the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_both_believe_to_lead_do_no_harm() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "believes").await;
    let with_lease = |lease| ["--publish-keys-for", "2s", "--lease", lease];
    let first = Operator::start("one", "believes", config().await, &with_lease("one"));
    let second = Operator::start("two", "believes", without_claim(&client, "two").await, &with_lease("two"));
    eventually("both lead", || async { first.leads().await && second.leads().await }).await;
    let metrics = second.page("/metrics").await.1;
    assert!(metrics.contains("sc_auth_operator_lease_forbidden 1"), "{metrics}");
    let fleet: Vec<_> = (0..8).map(|number| format!("both-{number}")).collect();
    for name in &fleet {
        apply(&client, manifest(name, spec())).await;
    }
    for name in &fleet {
        eventually("all children are there", || exists(&client, Child::Deployment, name)).await;
    }
    let mut made = Vec::new();
    for name in &fleet {
        made.push(generated(&client, name).await);
        let mut changed = manifest(name, spec());
        changed["spec"]["replicas"] = json!(3);
        changed["metadata"]["annotations"] = json!({"sc-auth.io/rotate-keys": "once"});
        apply(&client, changed).await;
    }
    for (name, made) in fleet.iter().zip(&made) {
        let states = || async {
            let status = scauths(&client).get(name).await.unwrap().status.unwrap();
            let mut found: Vec<_> = status.keys.iter().map(|key| format!("{} {}", key.purpose, key.state)).collect();
            found.sort();
            found
        };
        let rotated = ["access current", "access retired", "refresh current", "refresh retired"];
        eventually("the keys have rotated once", || async { states().await == rotated }).await;
        assert_eq!(generated(&client, name).await, *made, "no Secret was made twice");
        let names = Names { scauth: name.clone(), namespace: name.clone() };
        let deployment = Child::Deployment.api(&client, &names.namespace).get(name).await.unwrap();
        assert_eq!(deployment.data["spec"]["replicas"], 3);
    }
    let writes = || async {
        let [one, two] = [first.page("/metrics").await.1, second.page("/metrics").await.1];
        requests(&one, &["patch", "create"]) + requests(&two, &["patch", "create"])
    };
    // Nothing changes, nothing is written.
    settled(writes).await;
    first.stop().await;
    second.stop().await;
}

/// How long it takes from a new ScAuth to its children.
async fn time_to_children(client: &Client, name: &str) -> Duration {
    let applied = std::time::Instant::now();
    apply(client, manifest(name, spec())).await;
    eventually("all children are there", || exists(client, Child::DisruptionBudget, name)).await;
    applied.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_broken_never_delays_another() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "broken-lease").await;
    let operator = Operator::start("one", "broken-lease", config().await, &[]);
    eventually("it leads", || operator.leads()).await;
    let alone = time_to_children(&client, "alone").await;
    // Thirty that fail each time: their namespaces belong to somebody else's ScAuth.
    for number in 0..30 {
        let name = format!("broken-{number}");
        let mut broken = manifest(&name, spec());
        broken["spec"]["namespace"] = json!("broken-lease");
        apply(&client, broken).await;
    }
    let among_them = time_to_children(&client, "healthy").await;
    // A shared delay grows with each failure; the machine's speed counts for both.
    assert!(among_them < alone * 10 + Duration::from_secs(5), "alone {alone:?}, among them {among_them:?}");
    let metrics = operator.page("/metrics").await.1;
    for name in [
        "sc_auth_operator_reconciles_total{outcome=\"done\"}",
        "sc_auth_operator_reconcile_duration_seconds_count",
        "sc_auth_operator_queue",
        "sc_auth_operator_scauths{condition=\"Ready\",status=\"False\"}",
        "sc_auth_operator_api_requests_total{verb=\"patch\",code=\"201\"}",
        "sc_auth_operator_watch_silence_seconds{resource=\"deployments\"}",
    ] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
    operator.stop().await;
}
