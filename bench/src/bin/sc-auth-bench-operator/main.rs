//! Measures the operator with a thousand ScAuths, and prints a table. It uses an API server without nodes: besides it,
//! only etcd and the garbage collector are busy. `dev/bench operator` runs it.

#![expect(clippy::print_stdout, reason = "a table for a person")]

mod bare;
mod objects;
mod operator;

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use bare::{Bare, Sample};
use objects::{COPIED_GROUP, GROUP, resource, scauth, templates};
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
    /// The number of rounds in which the operator and the bare clients take turns, since the machine's speed varies: a
    /// multiple of four, so that each of them is the first in as many rounds.
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Measure only how long it takes to create them.
    #[arg(long)]
    only_create: bool,
}

/// The number of ScAuths that the operator reconciles at once.
const WORKERS: usize = 16;
const NAMESPACE: &str = "sc-auth-system";
/// Who creates the objects: the operator, or a bare client.
const WRITERS: [Option<Bare>; 4] = [None, Some(Bare::Repeat), Some(Bare::Apply), Some(Bare::Create)];
/// The ScAuth that the bare clients copy.
const SAMPLE: &str = "bench-0";

fn row(what: &str, value: &str) {
    println!("{what:<64} {value}");
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
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

/// Creates ScAuths, and waits until the operator has written the status of each.
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

/// What the creations by one of them took.
#[derive(Default)]
struct Taken {
    time: Duration,
    /// The API server's CPU time, in seconds.
    server: f64,
    /// The operator's CPU time meanwhile, in seconds.
    operator: f64,
}

impl Taken {
    fn text(&self, scauths: usize) -> String {
        let each = |seconds: f64| seconds * 1_000.0 / f64::from(u32::try_from(scauths).unwrap_or(u32::MAX));
        let (server, operator) = (each(self.server), each(self.operator));
        format!("{}; CPU time for each: API server {server:.1} ms, operator {operator:.1} ms", seconds(self.time))
    }
}

/// The operator, which is `None`, and the bare clients create the same objects in turns. What the API server has stored
/// before makes it slower, so that another one is the first in each round.
async fn create(client: &Client, api: &Api<DynamicObject>, operator: &Operator, args: &Args) -> anyhow::Result<()> {
    ours(api, operator, 0..1).await?;
    let status = api.get(SAMPLE).await?.data["status"].clone();
    let objects = templates(client, &args.operator, SAMPLE).await?;
    let sample = Sample { status, objects };
    let mut turns = WRITERS.map(|writer| (writer, Taken::default()));
    for round in 0..args.rounds {
        let numbers = 1 + args.scauths * round / args.rounds..1 + args.scauths * (round + 1) / args.rounds;
        for (writer, taken) in &mut turns {
            let before = (cpu_of_server(client).await?, operator.cpu()?);
            taken.time += match writer {
                None => ours(api, operator, numbers.clone()).await?,
                Some(bare) => bare.run(client, &sample, numbers.clone()).await?,
            };
            taken.server += cpu_of_server(client).await? - before.0;
            taken.operator += operator.cpu()? - before.1;
        }
        turns.rotate_left(1);
    }
    let [(_, own), bares @ ..] = &turns;
    let (scauths, children) = (args.scauths, sample.objects.len());
    row(&format!("{scauths} ScAuths with {children} children each: until the last status"), &own.text(scauths));
    for (bare, taken) in bares {
        let ratio = own.time.as_secs_f64() / taken.time.as_secs_f64();
        let text = format!("{}; the operator takes {ratio:.2} times as long", taken.text(scauths));
        row(bare.map_or("", Bare::what), &text);
    }
    Ok(())
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
    ensure!(args.rounds.is_multiple_of(WRITERS.len()), "--rounds must be a multiple of {}", WRITERS.len());
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
        &format!("time to restore each of {} deleted or edited children: p50, p99, most", args.edits),
        &format!("{median}, {slow}, {worst} ms"),
    );

    tokio::time::sleep(Duration::from_secs(5)).await;
    let calls = quiet_minute(&operator).await;
    row("requests in a quiet minute, including those for the Leases", &calls);

    drop(operator);
    let operator = Operator::start(&args.operator)?;
    let began = Instant::now();
    operator.has_done(args.scauths + 1).await?;
    row("restart until all are reconciled, with 15 s for the Lease", &seconds(began.elapsed()));
    let writes = operator.metric("sc_auth_operator_api_requests_total", "verb=\"patch\"").await;
    ensure!(writes < 0.5, "a restart wrote {writes} times");
    row(
        "memory then, and at its highest",
        &format!("{:.1}, {:.1} MiB", operator.memory("VmRSS")?, operator.memory("VmHWM")?),
    );
    drop(operator);

    Ok(())
}

/// The number of requests by verb.
async fn quiet_minute(operator: &Operator) -> String {
    let before = operator.requests().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let grown = operator.requests().await.into_iter().filter_map(|(verb, after)| {
        let grown = after - before.get(verb).copied().unwrap_or_default();
        (grown > 0.5).then(|| format!("{verb} {grown:.0}"))
    });
    grown.collect::<Vec<_>>().join(", ")
}
