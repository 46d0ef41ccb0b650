//! Measures the operator with a thousand ScAuths, and prints a table. It uses an API server without nodes, so that no
//! other component is busy. `dev/bench operator` runs it.

#![expect(clippy::print_stdout, reason = "a table for a person")]

mod operator;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};

use operator::Operator;

#[derive(Debug, Parser)]
struct Args {
    /// The operator's program, from a release build.
    #[arg(long)]
    operator: PathBuf,
    /// The number of ScAuths.
    #[arg(long, default_value_t = 1_000)]
    scauths: usize,
    /// The number of children to delete or edit.
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// The number of rounds in which the operator and the bare clients take turns: the machine's speed varies.
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Measure only how long it takes to create them.
    #[arg(long)]
    only_create: bool,
}

/// The number of ScAuths that the operator reconciles at once.
const WORKERS: usize = 16;
const NAMESPACE: &str = "sc-auth-system";
const GROUP: &str = "sc-auth.io";
/// The same kind in another group: the bare clients create ScAuths too, which the operator must not see.
const COPIED_GROUP: &str = "bench.example.com";
/// The uid of a ScAuth that does not exist yet, as `render` prints it.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

fn row(what: &str, value: &str) {
    println!("{what:<64} {value}");
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    let plural = match kind {
        "NetworkPolicy" => "networkpolicies",
        "Ingress" => "ingresses",
        _ => "",
    };
    let gvk = GroupVersionKind::gvk(group, version, kind);
    if plural.is_empty() { ApiResource::from_gvk(&gvk) } else { ApiResource::from_gvk_with_plural(&gvk, plural) }
}

fn scauth(group: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{group}/v1alpha1"), "kind": "ScAuth", "metadata": {"name": name},
        "spec": {
            "database": {"embedded": {}},
            "expose": {"ingress": {"host": format!("{name}.example.com")}},
        },
    })
}

async fn prepare(client: &Client) -> anyhow::Result<()> {
    let namespaces: Api<DynamicObject> = Api::all_with(client.clone(), &resource("", "v1", "Namespace"));
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    namespaces.patch(NAMESPACE, &PatchParams::apply("bench").force(), &Patch::Apply(&namespace)).await?;
    let kind = resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let definition = std::fs::read_to_string("crds/sc-auth.io_scauths.yaml")?;
    let params = PatchParams::apply("bench").force();
    for group in [GROUP, COPIED_GROUP] {
        let definition: Value = serde_yaml::from_str(&definition.replace(GROUP, group))?;
        definitions.patch(&format!("scauths.{group}"), &params, &Patch::Apply(&definition)).await?;
    }
    Ok(())
}

/// A copy of a ScAuth and the objects that `render` prints for it, as templates for others. The Secrets have placeholders.
async fn templates(program: &Path, name: &str) -> anyhow::Result<Vec<(ApiResource, Value)>> {
    let rendered = operator::render(program, &scauth(GROUP, name)).await?;
    // Not our labels: the operator watches objects that have them.
    let rendered = rendered.replace(GROUP, COPIED_GROUP);
    let mut found = vec![scauth(COPIED_GROUP, name)];
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        found.push(Value::deserialize(document)?);
    }
    found.into_iter().map(|object| Ok((resource_of(&object)?, object))).collect()
}

fn resource_of(object: &Value) -> anyhow::Result<ApiResource> {
    let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
    let (version, kind) = version.zip(kind).context("no object")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(resource(group, version, kind))
}

/// How a bare client writes an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Create,
    /// By server-side apply, as the operator does.
    Apply,
}

/// A bare client writes the same objects, with the same number of workers.
async fn bare(
    client: &Client,
    templates: &[(ApiResource, Value)],
    from: &str,
    numbers: Range<usize>,
    write: Write,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let prefix = if write == Write::Create { "created" } else { "applied" };
    stream::iter(numbers)
        .map(|number| async move {
            let (name, mut owner) = (format!("{prefix}-{number}"), None);
            for (resource, template) in templates {
                let text =
                    template.to_string().replace(from, &name).replace(NO_UID, owner.as_deref().unwrap_or(NO_UID));
                let object: DynamicObject = serde_json::from_str(&text)?;
                let api: Api<DynamicObject> = match object.namespace() {
                    Some(namespace) => Api::namespaced_with(client.clone(), &namespace, resource),
                    None => Api::all_with(client.clone(), resource),
                };
                let written = if write == Write::Create {
                    api.create(&PostParams::default(), &object).await?
                } else {
                    let params = PatchParams::apply("bench").validation_ignore();
                    api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await?
                };
                // The first one is the ScAuth.
                owner = owner.or(written.metadata.uid);
            }
            anyhow::Ok(())
        })
        .buffer_unordered(WORKERS)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(began.elapsed())
}

/// Creates ScAuths, and waits for their children.
async fn ours(api: &Api<DynamicObject>, operator: &Operator, numbers: Range<usize>) -> anyhow::Result<Duration> {
    let (began, all) = (Instant::now(), numbers.end);
    stream::iter(numbers)
        .map(|number| async move {
            let object: DynamicObject = serde_json::from_value(scauth(GROUP, &format!("bench-{number}")))?;
            api.create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(WORKERS)
        .try_collect::<Vec<_>>()
        .await?;
    operator.has_done(all).await?;
    Ok(began.elapsed())
}

/// The CPU time that the API server has used, from its metrics.
async fn cpu_of_server(client: &Client) -> anyhow::Result<f64> {
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let line = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    Ok(line.context("no such metric")?.parse()?)
}

/// What the creations of one kind took.
#[derive(Default)]
struct Taken {
    time: Duration,
    server: f64,
}

impl Taken {
    fn row(&self, what: &str, count: usize) {
        let each = self.server * 1_000.0 / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        row(what, &format!("{}; {each:.1} ms of the API server's CPU time each", seconds(self.time)));
    }
}

/// The operator and two bare clients create the same objects, in turns. What the API server has stored before makes it
/// slower, so that each begins a third of the rounds.
async fn create(client: &Client, api: &Api<DynamicObject>, operator: &Operator, args: &Args) -> anyhow::Result<()> {
    let templates = templates(&args.operator, "bench-0").await?;
    let cpu = operator.cpu()?;
    let mut turns = [None, Some(Write::Create), Some(Write::Apply)].map(|write| (write, Taken::default()));
    for round in 0..args.rounds {
        let numbers = args.scauths * round / args.rounds..args.scauths * (round + 1) / args.rounds;
        turns.rotate_left(1);
        for (write, taken) in &mut turns {
            let mut before = cpu_of_server(client).await?;
            taken.time += match *write {
                None => ours(api, operator, numbers.clone()).await?,
                Some(write) => bare(client, &templates, "bench-0", numbers.clone(), write).await?,
            };
            taken.server += since(&mut before, client).await?;
        }
    }
    let of = |wanted| turns.iter().find(|(write, _)| *write == wanted).map(|(_, taken)| taken);
    let (own, created, applied) = (of(None), of(Some(Write::Create)), of(Some(Write::Apply)));
    let (own, (created, applied)) = own.zip(created.zip(applied)).context("no turn")?;
    let (count, children, cpu) = (args.scauths, templates.len() - 1, operator.cpu()? - cpu);
    own.row(&format!("{count} ScAuths with {children} children each: until the last child"), count);
    applied.row(&format!("a bare client with {WORKERS} workers applies the same objects"), count);
    created.row(&format!("a bare client with {WORKERS} workers creates the same objects"), count);
    let ratio = |bare: &Taken| own.time.as_secs_f64() / bare.time.as_secs_f64();
    row("the operator takes, of their time", &format!("{:.2}, {:.2}", ratio(applied), ratio(created)));
    row("the operator's own CPU time", &format!("{cpu:.1} s"));
    row("the operator's requests", &requests(operator).await);
    Ok(())
}

/// The CPU time that the API server has used since then.
async fn since(before: &mut f64, client: &Client) -> anyhow::Result<f64> {
    let now = cpu_of_server(client).await?;
    Ok(now - std::mem::replace(before, now))
}

/// The time until a deleted or edited child is restored.
async fn repair(client: &Client, number: usize) -> anyhow::Result<Duration> {
    let name = format!("bench-{number}");
    let deployments: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &name, &resource("apps", "v1", "Deployment"));
    let services: Api<DynamicObject> = Api::namespaced_with(client.clone(), &name, &resource("", "v1", "Service"));
    let service = format!("{name}-svc");
    if number.is_multiple_of(2) {
        let uid = services.get(&service).await?.uid();
        services.delete(&service, &DeleteParams::default()).await?;
        let began = Instant::now();
        while services.get_opt(&service).await?.is_none_or(|service| service.uid() == uid) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        return Ok(began.elapsed());
    }
    let edit = json!({"spec": {"replicas": 7}});
    deployments.patch(&name, &PatchParams::default(), &Patch::Merge(&edit)).await?;
    let began = Instant::now();
    while deployments.get(&name).await?.data["spec"]["replicas"] != 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(began.elapsed())
}

fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted.get((sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let client = Client::try_default().await.context("KUBECONFIG; dev/bench operator sets it")?;
    prepare(&client).await?;
    let operator = Operator::start(&args.operator)?;
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(GROUP, "v1alpha1", "ScAuth"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    row("memory, no ScAuth", &format!("{:.1} MiB", operator.memory("VmRSS")?));

    create(&client, &api, &operator, &args).await?;
    row(
        "memory then, and at its highest",
        &format!("{:.1}, {:.1} MiB", operator.memory("VmRSS")?, operator.memory("VmHWM")?),
    );

    if args.only_create {
        return Ok(());
    }
    let mut repairs = Vec::new();
    for number in 0..args.edits {
        repairs.push(repair(&client, number * args.scauths / args.edits).await?);
    }
    repairs.sort();
    let [median, slow, worst] = [50, 99, 100].map(|hundredths| percentile(&repairs, hundredths).as_millis());
    row(
        &format!("{} children deleted or edited: back after p50, p99, most", args.edits),
        &format!("{median}, {slow}, {worst} ms"),
    );

    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = quiet_minute(&operator).await?;
    row("calls in a quiet minute, the Lease's among them", &calls);

    drop(operator);
    let operator = Operator::start(&args.operator)?;
    let began = Instant::now();
    operator.has_done(args.scauths).await?;
    row("a restart: until all have been looked at (the Lease's 15 s among it)", &seconds(began.elapsed()));
    let writes = operator.metric("sc_auth_operator_api_requests_total", "verb=\"patch\"").await;
    ensure!(writes < 0.5, "a restart wrote {writes} times");
    row(
        "memory then, and at its highest",
        &format!("{:.1}, {:.1} MiB", operator.memory("VmRSS")?, operator.memory("VmHWM")?),
    );
    drop(operator);

    Ok(())
}

/// The number of requests by verb, so far.
async fn count(operator: &Operator) -> BTreeMap<&'static str, f64> {
    let mut counts = BTreeMap::new();
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
        let labels = format!("verb=\"{verb}\"");
        counts.insert(verb, operator.metric("sc_auth_operator_api_requests_total", &labels).await);
    }
    counts
}

async fn requests(operator: &Operator) -> String {
    let counts = count(operator).await.into_iter().filter(|(_, count)| *count > 0.5);
    counts.map(|(verb, count)| format!("{verb} {count:.0}")).collect::<Vec<_>>().join(", ")
}

/// The number of requests by verb.
async fn quiet_minute(operator: &Operator) -> anyhow::Result<String> {
    let before = count(operator).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let after = count(operator).await;
    let grown = after.into_iter().filter_map(|(verb, after)| {
        let grown = after - before.get(verb).copied().unwrap_or_default();
        (grown > 0.5).then(|| format!("{verb} {grown:.0}"))
    });
    Ok(grown.collect::<Vec<_>>().join(", "))
}
