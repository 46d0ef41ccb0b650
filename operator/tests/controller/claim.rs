//! Two installations in one cluster, each with a Lease of its own for its replicas. They are processes of their own.

use std::net::TcpListener;
use std::process::{Child as Started, Command, Stdio};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::DeleteParams;
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::json;

use crate::harness::{admin, apply, config, eventually, make, manifest};
use crate::operators::{Operator, clean, exists, namespace, page, requests, spec};
use crate::rights::without_claim;

/// An installation: a process with its own namespace, and a release of the server.
struct Installation {
    process: Started,
    address: String,
}

impl Installation {
    fn start(namespace: &str, image: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let process = Command::new(env!("CARGO_BIN_EXE_sc-auth-operator"))
            .args(["run", "--namespace", namespace, "--listen", &address, "--server-image", image])
            .env("KUBECONFIG", std::env::var("SCDEV_API_KUBECONFIG").unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address }
    }

    async fn page(&self, path: &str) -> (u16, String) {
        page(&self.address, path).await
    }

    async fn has(&self, metric: &str) -> bool {
        self.page("/metrics").await.1.lines().any(|line| line == metric)
    }

    async fn leads(&self) -> bool {
        self.has("sc_auth_operator_leader 1").await
    }

    /// Whether it waits, and says for whom.
    async fn waits_for(&self, holder: &str) -> bool {
        let (status, text) = self.page("/readyz").await;
        status == 503 && text.contains(holder) && self.has("sc_auth_operator_other_operator 1").await
    }

    /// Its writes of children and statuses; Leases are not patched.
    async fn patches(&self) -> u64 {
        requests(&self.page("/metrics").await.1, &["patch"])
    }

    /// As the kubelet does.
    fn terminate(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn image(client: &Client, name: &str) -> String {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let deployment = Child::Deployment.api(client, &names.namespace).get(name).await.unwrap();
    deployment.data["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

async fn create(client: &Client, name: &str) {
    apply(client, manifest(name, spec())).await;
    eventually("all children are there", || exists(client, Child::DisruptionBudget, name)).await;
}

async fn claim(client: &Client) -> Option<LeaseSpec> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    leases.get_opt("scauths.sc-auth.io").await.unwrap()?.spec
}

async fn holder(client: &Client) -> Option<String> {
    claim(client).await?.holder_identity
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_installations_the_second_waits_until_the_first_is_gone() {
    let client = admin().await;
    clean(&client).await;
    let (old, new) = ("registry.test/sc-auth-server:8", "registry.test/sc-auth-server:9");
    for name in ["claim-first", "claim-second"] {
        namespace(&client, name).await;
    }
    let first = Installation::start("claim-first", old);
    eventually("the first leads", || first.leads()).await;
    let second = Installation::start("claim-second", new);
    eventually("the second waits", || second.waits_for("claim-first/sc-auth-operator")).await;
    create(&client, "claimed-a").await;
    assert_eq!((image(&client, "claimed-a").await.as_str(), second.patches().await), (old, 0));

    assert!(first.patches().await > 0, "those of the first are counted");

    // Gone without a word, as with its node.
    drop(first);
    eventually("the second leads", || second.leads()).await;
    assert_eq!(second.page("/readyz").await.0, 200);
    create(&client, "claimed-b").await;
    assert_eq!(image(&client, "claimed-b").await, new);

    let first = Installation::start("claim-first", old);
    eventually("now the first waits", || first.waits_for("claim-second/sc-auth-operator")).await;
    second.terminate();
    eventually("the first leads", || first.leads()).await;
    assert!(first.has("sc_auth_operator_other_operator 0").await);
    first.terminate();
}

/// A replica of the same installation does not wait for the other Lease to expire, and another installation does not get
/// it in between, after a crash or a rolling update.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_inherits_the_claim() {
    let client = admin().await;
    clean(&client).await;
    namespace(&client, "claim-replicas").await;
    let first = Operator::start("one", "claim-replicas", config().await, &[]);
    eventually("the first leads", || first.leads()).await;
    namespace(&client, "claim-foreign").await;
    let foreign = Operator::start("one", "claim-foreign", config().await, &[]);
    eventually("another installation waits", || async { foreign.page("/readyz").await.1.contains("claim-replicas") })
        .await;
    let claimed = holder(&client).await;

    let second = Operator::start("two", "claim-replicas", config().await, &[]);
    eventually("a replica that waits is ready", || async { second.page("/readyz").await.0 == 200 }).await;
    first.kill();
    inherits(&client, &second, claimed.as_ref()).await;

    let third = Operator::start("three", "claim-replicas", config().await, &[]);
    eventually("a replica that waits is ready", || async { third.page("/readyz").await.0 == 200 }).await;
    second.stop().await;
    inherits(&client, &third, claimed.as_ref()).await;

    assert_eq!(foreign.page("/readyz").await.0, 503, "the other installation still waits");
    third.stop().await;
    eventually("the other installation leads", || foreign.leads()).await;
    foreign.stop().await;
}

/// Waits until that replica leads, and the claim has its full time again.
async fn inherits(client: &Client, replica: &Operator, claimed: Option<&String>) {
    eventually("the replica leads", || async {
        let claim = claim(client).await.unwrap();
        assert_eq!(claim.holder_identity.as_ref(), claimed, "the claim is that of the installation");
        assert_eq!(replica.page("/readyz").await.0, 200, "it waits for no other installation");
        replica.leads().await && claim.lease_duration_seconds == Some(60)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_because_the_claim_is_deleted() {
    let client = admin().await;
    clean(&client).await;
    for name in ["claim-holds", "claim-waits"] {
        namespace(&client, name).await;
    }
    let first = Operator::start("one", "claim-holds", config().await, &[]);
    eventually("the first leads", || first.leads()).await;
    let second = Operator::start("one", "claim-waits", config().await, &[]);
    eventually("the second waits", || async { second.page("/readyz").await.1.contains("claim-holds") }).await;
    let claimed = holder(&client).await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    leases.delete("scauths.sc-auth.io", &DeleteParams::default()).await.unwrap();
    eventually("the first creates it again", || async { holder(&client).await == claimed }).await;
    assert!(first.leads().await);
    assert_eq!(second.page("/readyz").await.0, 503);
    second.stop().await;
    first.stop().await;
}

/// As with the ClusterRole of release 0.2.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_the_claim_it_makes_way_for_another_operator() {
    let client = admin().await;
    clean(&client).await;
    for name in ["claim-less", "claim-beside"] {
        namespace(&client, name).await;
    }
    let limited = without_claim(&client, "claimless").await;
    let start = || Operator::start("one", "claim-less", limited.clone(), &["--lease", "claimless"]);
    let alone = start();
    eventually("it leads", || alone.leads()).await;
    let labels = json!({"app.kubernetes.io/name": "sc-auth-operator"});
    let pod =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "registry.test/a:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "another", "namespace": "claim-beside", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod}});
    make(&client, "deployments", deployment).await;
    let error = alone.end().await.unwrap_err();
    assert!(error.to_string().contains("was lost"), "{error}");
    // As the kubelet starts it again.
    let again = start();
    let says = "namespace claim-beside has another operator";
    eventually("it waits, and says why", || async { again.page("/readyz").await.1.contains(says) }).await;
    assert!(!again.leads().await);
    let deployments = Child::Deployment.api(&client, "claim-beside");
    deployments.delete("another", &DeleteParams::default()).await.unwrap();
    eventually("it leads again", || again.leads()).await;
    again.stop().await;
}
