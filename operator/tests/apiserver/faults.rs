//! Every request of a reconcile fails once, in every way, and the process ends before each. Whatever happened, a fresh
//! operator reaches the end that an undisturbed one reaches, makes nothing twice, and then writes nothing more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt as _, stream};
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::harness::{
    Fault, Line, admin, apply, eventually, generated, manifest, once, say, scauths, settle, snapshot,
};

/// Cases tried at once.
const AT_ONCE: usize = 8;

/// What happens to a ScAuth, and what there was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// There was nothing.
    Create,
    /// Size, limits, pod template and metrics change.
    Change,
    /// An autoscaler takes the number of replicas over.
    Autoscale,
    /// And gives it back.
    Unscale,
    /// The signing keys rotate: published, promoted.
    Rotate,
    /// From an Ingress to an HTTPRoute.
    Switch,
    /// What was to stay is to go.
    Disown,
    /// Pods found another database, which is accepted, and did not make the first Admin.
    Accept,
    /// It is deleted, and what stayed is taken up again by another one of its name.
    Recreate,
}

fn spec() -> Value {
    json!({
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "expose": {"ingress": {"host": "auth.example.com", "className": "traefik"}},
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = spec();
    spec[field] = value;
    spec
}

impl Scenario {
    /// What there is before.
    fn before(self) -> Option<Value> {
        match self {
            Self::Create => None,
            Self::Unscale => Some(with("autoscaling", json!({"max": 5}))),
            _ => Some(spec()),
        }
    }

    /// What is done then.
    async fn act(self, client: &Client, name: &str) {
        let spec = match self {
            Self::Create | Self::Unscale => spec(),
            Self::Change => {
                let mut spec = with("replicas", json!(3));
                spec["resources"] = json!({"limits": {"memory": "256Mi"}});
                spec["podTemplate"] = json!({"labels": {"team": "billing"}});
                spec["monitoring"] = json!({"interval": "30s"});
                spec
            }
            Self::Autoscale => with("autoscaling", json!({"min": 2, "max": 5})),
            Self::Switch => with(
                "expose",
                json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["auth.example.com"]}}),
            ),
            Self::Disown => with("deletionPolicy", json!("Delete")),
            Self::Rotate => {
                let patch = json!({"metadata": {"annotations": {"sc-auth.io/rotate-keys": "now"}}});
                scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
                return;
            }
            Self::Accept => {
                say(name, pods("one", Some("two"), Some(false)));
                let patch = json!({"metadata": {"annotations": {"sc-auth.io/accept-database": "two"}}});
                scauths(client).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
                return;
            }
            Self::Recreate => {
                scauths(client).delete(name, &DeleteParams::default()).await.unwrap();
                // So that each run has as many requests as the undisturbed one.
                collected(client, name).await;
                spec()
            }
        };
        apply(client, manifest(name, spec)).await;
    }
}

/// Waits until what the ScAuth owned is gone; the garbage collector notices new kinds every half minute.
pub async fn collected(client: &Client, name: &str) {
    let names = Names { scauth: name.into(), namespace: name.into() };
    for kind in Child::iter().filter(|kind| *kind != Child::Namespace) {
        eventually("the garbage is collected", || async {
            kind.api(client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap().is_none()
        })
        .await;
    }
}

/// What pods say that serve from `database`.
fn pods(database: &str, offered: Option<&str>, made: Option<bool>) -> Value {
    let offered = offered.map(|id| json!({"identity": id}));
    json!([{"database": {"reachable": true, "identity": database, "offered": offered}, "admin": {"made": made}}])
}

async fn prepare(client: &Client, scenario: Scenario, name: &str) {
    if scenario == Scenario::Accept {
        say(name, pods("one", None, None));
    }
    if let Some(spec) = scenario.before() {
        apply(client, manifest(name, spec)).await;
        settle(client, name).await;
    }
    scenario.act(client, name).await;
}

/// One disturbed run, and what a fresh operator makes of it.
async fn case(client: &Client, scenario: Scenario, at: usize, fault: Fault, end: &Value) {
    let name = format!("{scenario:?}-{at}-{fault:?}").to_lowercase().replace(['(', ')'], "");
    prepare(client, scenario, &name).await;
    let kept = if scenario == Scenario::Create { Vec::new() } else { generated(client, &name).await };
    let line = Line::disturbed(at, fault);
    let disturbed = once(client, &name, &line).await;
    assert!(line.requests.load(Ordering::SeqCst) > at, "{name}: it was not reached");
    assert_eq!(disturbed.is_none(), fault == Fault::Kill, "{name}: {disturbed:?}");
    let made = generated(client, &name).await;
    settle(client, &name).await;
    let now = generated(client, &name).await;
    for secret in kept.iter().chain(&made) {
        assert!(now.contains(secret), "{name}: {secret:?} was made anew: {now:?}");
    }
    let reached = snapshot(client, &name).await;
    assert!(reached == *end, "{name}: {}", difference(&reached, end, ""));
}

/// Where two objects differ, for a reader.
fn difference(left: &Value, right: &Value, path: &str) -> String {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            let null = Value::Null;
            let of = |object: &serde_json::Map<String, Value>, name: &String| {
                object.get(name).cloned().unwrap_or(null.clone())
            };
            let found = names.into_iter().filter(|name| left.get(*name) != right.get(*name));
            found.map(|name| difference(&of(left, name), &of(right, name), &format!("{path}/{name}"))).collect()
        }
        _ => format!("\n  {path}: {left}, undisturbed {right}"),
    }
}

async fn every_request(scenario: Scenario) {
    let client = admin().await;
    let name = format!("{scenario:?}-undisturbed").to_lowercase();
    prepare(&client, scenario, &name).await;
    let line = Arc::new(Line::default());
    once(&client, &name, &line).await.unwrap().unwrap();
    let requests = line.requests.load(Ordering::SeqCst);
    settle(&client, &name).await;
    let end = snapshot(&client, &name).await;
    let cases: Vec<_> = (0..requests).flat_map(|at| Fault::ALL.map(|fault| (at, fault))).collect();
    let count = cases.len();
    stream::iter(cases).for_each_concurrent(AT_ONCE, |(at, fault)| case(&client, scenario, at, fault, &end)).await;
    eprintln!("{scenario:?}: {requests} requests, {count} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn creating() {
    every_request(Scenario::Create).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changing() {
    every_request(Scenario::Change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handing_the_replicas_over() {
    every_request(Scenario::Autoscale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_the_replicas_back() {
    every_request(Scenario::Unscale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating() {
    every_request(Scenario::Rotate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_another_database() {
    every_request(Scenario::Accept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_exposure() {
    every_request(Scenario::Switch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disowning() {
    every_request(Scenario::Disown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_and_making_anew() {
    every_request(Scenario::Recreate).await;
}
