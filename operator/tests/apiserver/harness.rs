//! A reconcile in process, with a client that can be told to fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request, Response};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::{Api, Client, Config};
use kube_runtime::events::{Recorder, Reporter};
use kube_runtime::reflector;
use sc_auth_contract::status::Status;
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::render::Manifest;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::health::{Health, HealthCache};
use sc_auth_operator::scauth::names::Names;
use sc_auth_operator::scauth::release::{PodIds, ReleaseDefaults};
use sc_auth_operator::scauth::validate::Environment;
use sc_auth_operator::scauth::{Context, Error, reconcile};
use sc_auth_operator::shared::attempts::Attempts;
use sc_auth_operator::shared::cache::ApplyCache;
use sc_auth_operator::shared::changes::Changes;
use sc_auth_operator::shared::locks::Locks;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use tokio::sync::{Notify, Semaphore};
use tower::{BoxError, service_fn};

pub const IMAGE: &str = "registry.test/server:2";

/// Where the API server is.
pub async fn config() -> Config {
    let path = std::env::var("SCDEV_API_KUBECONFIG").expect(
        "SCDEV_API_KUBECONFIG is not set. Run `make test`, or dev/apiserver up and eval \"$(dev/apiserver env)\".",
    );
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

/// As an administrator, with our CustomResourceDefinition in place.
pub async fn admin() -> Client {
    let client = Client::try_from(config().await).unwrap();
    for path in ["../crds/sc-auth.io_scauths.yaml".to_owned(), std::env::var("SCDEV_FOREIGN_CRDS").unwrap()] {
        define(&client, &path).await;
    }
    client
}

/// Applies the definitions in a file and waits until the API server serves them.
pub async fn define(client: &Client, path: &str) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    for document in text.split("\n---\n").filter(|document| document.contains("kind: CustomResourceDefinition")) {
        let definition: Value = serde_yaml::from_str(document).unwrap();
        let name = definition["metadata"]["name"].as_str().unwrap();
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.unwrap();
        eventually(&format!("{name} is established"), || async {
            let status = api.get(name).await.unwrap().status.unwrap_or_default();
            status
                .conditions
                .iter()
                .flatten()
                .any(|condition| condition.type_ == "Established" && condition.status == "True")
        })
        .await;
    }
    // Discovery follows a moment later.
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// How long a test waits for what it expects: longer than a slow machine takes, and shorter than the operator's resync,
/// which must not be what makes it come true.
const PATIENCE: Duration = Duration::from_mins(4);

/// Tries until it holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A manifest of one ScAuth.
pub fn of(scauth: ScAuth) -> Manifest {
    Manifest { scauths: vec![scauth], ..Manifest::default() }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process ends before it is sent.
    Kill,
    /// It is answered so, and nothing is done.
    Status(u16),
    /// Nobody answers, and nothing is done.
    TimeOut,
    /// It is done, and the answer is lost.
    LostAnswer,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::Kill,
        Self::Status(403),
        Self::Status(404),
        Self::Status(409),
        Self::Status(422),
        Self::Status(429),
        Self::Status(500),
        Self::Status(503),
        Self::TimeOut,
        Self::LostAnswer,
    ];
}

/// A client's requests, counted, and one of them disturbed.
#[derive(Default)]
pub struct Line {
    pub requests: AtomicUsize,
    pub writes: Mutex<Vec<String>>,
    fault: Option<(usize, Fault)>,
    killed: Notify,
}

impl Line {
    pub fn disturbed(at: usize, fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault: Some((at, fault)), ..Self::default() })
    }

    pub fn client(self: &Arc<Self>, inner: &Client) -> Client {
        let (line, inner) = (Arc::clone(self), inner.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (line, inner) = (Arc::clone(&line), inner.clone());
            async move { line.pass(inner, request).await }
        });
        Client::new(service, "default")
    }

    async fn pass(&self, inner: Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if request.method() != Method::GET {
            self.writes.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
        }
        match self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault) {
            None => Ok(inner.send(request).await?),
            Some(Fault::Kill) => {
                self.killed.notify_one();
                std::future::pending().await
            }
            Some(Fault::TimeOut) => Err("the connection timed out".into()),
            Some(Fault::LostAnswer) => {
                inner.send(request).await?;
                Err("the connection was reset".into())
            }
            Some(Fault::Status(code)) => Ok(Response::builder().status(code).body(status(code))?),
        }
    }
}

fn status(code: u16) -> Body {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Test", "message": "a test says no",
    });
    Body::from(status.to_string().into_bytes())
}

/// Two minutes ahead, so that what waits for its successor to be taken up, as nobody does here, may go at once.
#[expect(clippy::disallowed_methods, reason = "as in `run`")]
pub fn soon() -> Timestamp {
    Timestamp::now() + Duration::from_mins(2)
}

/// A fresh operator.
pub fn operator(client: Client) -> Arc<Context> {
    let reporter = Reporter { controller: "sc-auth-operator".into(), instance: Some("test".into()) };
    Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        environment: Environment {
            defaults: ReleaseDefaults { version: "0.2.0".into(), image: IMAGE.into(), ids: PodIds::Fixed },
            namespace: "sc-auth-system".into(),
            allowed_images: Vec::new(),
            // A rotation is a publication, and at the next look a promotion.
            publish_keys_for: Duration::ZERO,
        },
        clock: soon,
        resync: Duration::from_mins(5),
        patience: Duration::from_secs(25),
        fleet: reflector::store().0,
        health_cache: HealthCache::default(),
        attempts: Attempts::default(),
        changes: Changes::default(),
        apply_cache: ApplyCache::default(),
        namespaces: Locks::default(),
        oidc_keys: Semaphore::new(1),
    })
}

pub fn manifest(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "metadata": {"name": name}, "spec": spec})
}

pub fn scauths(client: &Client) -> Api<ScAuth> {
    Api::all(client.clone())
}

/// Applies a ScAuth as a person does.
pub async fn apply(client: &Client, manifest: Value) -> ScAuth {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    scauths(client).patch(name, &PatchParams::apply("person").force(), &Patch::Apply(&manifest)).await.unwrap()
}

/// Any object, as an administrator makes it.
pub async fn make(client: &Client, plural: &str, object: Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    api_of(client, plural, &object)
        .patch(name, &PatchParams::apply("admin").force(), &Patch::Apply(&object))
        .await
        .unwrap();
}

/// What the API server answers to a Service or Deployment of that name in `default`, which it does not store. It takes
/// up a policy a moment after the policy is stored, and this shows when.
pub async fn tried(client: &Client, plural: &str, name: &str) -> String {
    let metadata = json!({"name": name, "namespace": "default"});
    let labels = json!({"probe": name});
    let containers = json!([{"name": "probe", "image": "registry.test/probe:1"}]);
    let object = match plural {
        "services" => {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 1}]}})
        }
        _ => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        }}),
    };
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let api = api_of(client, plural, &object);
    match api.create(&params, &serde_json::from_value(object).unwrap()).await {
        Ok(object) => serde_json::to_string(&object).unwrap(),
        Err(error) => error.to_string(),
    }
}

fn api_of(client: &Client, plural: &str, object: &Value) -> Api<DynamicObject> {
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", "v1"));
    let resource = ApiResource {
        group: group.into(),
        version: version.into(),
        api_version: object["apiVersion"].as_str().unwrap().into(),
        kind: object["kind"].as_str().unwrap().into(),
        plural: plural.into(),
    };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// What the pods of a ScAuth answer, which has none here, as `/status` has it.
static SAID: Mutex<BTreeMap<String, Health>> = Mutex::new(BTreeMap::new());

/// Sets the answers of a ScAuth's pods from now on, for every operator that reconciles it.
pub fn say(name: &str, answers: Value) {
    let answers: Vec<Status> = serde_json::from_value(answers).unwrap();
    SAID.lock().unwrap().insert(name.to_owned(), Health::of(&answers).unwrap());
}

/// From now on no pod of that ScAuth answers.
pub fn silence(name: &str) {
    SAID.lock().unwrap().remove(name);
}

/// One reconcile of what is stored now; `None` where the process ended in it.
pub async fn once(client: &Client, name: &str, line: &Arc<Line>) -> Option<Result<(), Error>> {
    let scauth = Arc::new(scauths(client).get(name).await.unwrap());
    let context = operator(line.client(client));
    let said = SAID.lock().unwrap().get(name).cloned();
    if let Some(health) = said {
        context.health_cache.tell(name, health);
    }
    tokio::select! {
        result = reconcile(scauth, context) => Some(result.map(|_| ())),
        () = line.killed.notified() => None,
    }
}

/// A fresh operator reconciles until it has nothing more to do. Returns how often it looked.
pub async fn settle(client: &Client, name: &str) -> usize {
    for round in 1..200 {
        let line = Arc::new(Line::default());
        let result = once(client, name, &line).await.unwrap();
        let is_waiting =
            scauths(client).get(name).await.unwrap().status.is_some_and(|status| {
                status.conditions.iter().any(|condition| condition.reason == "GarbageCollecting")
            });
        if result.is_ok() && !is_waiting && line.writes.lock().unwrap().is_empty() {
            return round;
        }
        if result.is_err() || is_waiting {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let status = scauths(client).get(name).await.unwrap().status;
    panic!("{name} does not settle: {:#?}", status.map(|status| status.conditions));
}

/// All that there is of a ScAuth, without what differs from one run to the next.
pub async fn snapshot(client: &Client, name: &str) -> Value {
    let scauth = scauths(client).get(name).await.unwrap();
    let (uid, names) = (scauth.metadata.uid.clone().unwrap(), Names::of(&scauth));
    let mut all = json!({});
    for kind in Child::iter() {
        let child = kind.api(client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap();
        all[format!("{kind:?}")] = serde_json::to_value(child).unwrap();
    }
    for secret in [names.secret(), names.admin_secret()] {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &names.namespace, &resource);
        let mut secret_object = serde_json::to_value(api.get_opt(&secret).await.unwrap()).unwrap();
        if let Some(data) = secret_object["data"].as_object_mut() {
            data.iter_mut().for_each(|(name, value)| *value = without_secrets(name, value));
        }
        all[secret] = secret_object;
    }
    let status = serde_json::to_value(&scauth.status).unwrap();
    all["status"] = status;
    tidy(&mut all);
    let text = all.to_string().replace(&uid, "UID").replace(name, "NAME");
    serde_json::from_str(&text).unwrap()
}

/// Of what is generated, only the database is the same in each run.
fn without_secrets(name: &str, value: &Value) -> Value {
    use base64::Engine as _;
    let content = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    let file: Option<Value> = (name == "scauth.json").then(|| serde_json::from_slice(&content).unwrap());
    file.map_or(json!("generated"), |file| json!({"database": file["database"]}))
}

const CHANGING: [&str; 13] = [
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "managedFields",
    "generation",
    "clusterIP",
    "clusterIPs",
    "sc-auth.io/applied",
    "lastTransitionTime",
    "observedGeneration",
    "kid",
    "since",
    "kubernetes.io/metadata.name",
];

fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !CHANGING.contains(&name.as_str()));
            // The keys of a rotation are others in each run, but as many.
            if let Some(Value::String(rotating)) = object.get_mut("sc-auth.io/rotating-for") {
                let request: Value = serde_json::from_str(rotating).unwrap();
                *rotating = format!("{} keys for {}", request["kids"].as_array().unwrap().len(), request["for"]);
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// What was generated, by name: it must never be made anew.
pub async fn generated(client: &Client, name: &str) -> Vec<(String, String)> {
    use k8s_openapi::api::core::v1::Secret;
    let api: Api<Secret> = Api::namespaced(client.clone(), name);
    let secrets = api.list(&kube::api::ListParams::default()).await.unwrap();
    secrets.items.into_iter().map(|secret| (secret.metadata.name.unwrap(), secret.metadata.uid.unwrap())).collect()
}

/// Somebody with fewer rights.
pub async fn impersonating(user: &str) -> Client {
    let mut config = config().await;
    config.auth_info.impersonate = Some(user.into());
    Client::try_from(config).unwrap()
}
