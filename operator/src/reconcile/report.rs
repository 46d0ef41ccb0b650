//! What a user sees: the status, from what was applied and what is there, and events. Only `report`, with the two
//! functions at the end, holds a client; the rest is pure.

use k8s_openapi::api::apps::v1::DeploymentStatus;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use kube_runtime::events::{Event, EventType};
use serde_json::{Value, json};

use super::Context;
use super::apply::{Applied, ApplyError};
use super::observe::Observed;
use super::validate::{Refusal, Validated, ingress, url};
use crate::api::{ScAuth, ScAuthStatus};
use crate::names::FIELD_MANAGER;

/// How a reconcile ended.
#[derive(Debug)]
pub enum Outcome {
    Applied(Box<(Validated, Applied)>),
    Refused(Refusal),
    Failed(ApplyError),
}

/// One condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: &'static str,
    pub status: &'static str,
    pub reason: &'static str,
    pub message: String,
}

fn finding(kind: &'static str, status: &'static str, reason: &'static str, message: impl Into<String>) -> Finding {
    Finding { kind, status, reason, message: message.into() }
}

/// Tells how it went: events first, since they are told by what the old status lacks, then the status.
pub async fn report(scauth: &ScAuth, observed: &Observed, outcome: &Outcome, context: &Context) -> kube::Result<()> {
    let status = status(scauth, observed, outcome, (context.clock)());
    publish(scauth, &status, outcome, context).await;
    write(scauth, status, &context.client).await
}

/// The status that a ScAuth is to have.
pub fn status(scauth: &ScAuth, observed: &Observed, outcome: &Outcome, now: Timestamp) -> ScAuthStatus {
    let old = scauth.status.clone().unwrap_or_default();
    let generation = scauth.metadata.generation;
    let mut status = match outcome {
        Outcome::Applied(applied) => of_applied(&applied.0, &applied.1),
        Outcome::Refused(_) | Outcome::Failed(_) => ScAuthStatus { conditions: Vec::new(), ..old.clone() },
    };
    status.observed_generation = generation;
    let findings = findings(observed, outcome);
    // What nobody could find out anew is as it was.
    let unchanged =
        old.conditions.iter().filter(|old| !findings.iter().any(|finding| finding.kind == old.type_)).cloned();
    let unchanged: Vec<_> = unchanged.collect();
    status.conditions = findings
        .into_iter()
        .map(|finding| condition(finding, &old.conditions, generation, now))
        .chain(unchanged)
        .collect();
    status
}

fn of_applied(validated: &Validated, applied: &Applied) -> ScAuthStatus {
    let ready = applied.deployment.status.as_ref().and_then(|live| live.ready_replicas);
    ScAuthStatus {
        url: Some(url(ingress(&validated.spec), &validated.names)),
        image: Some(validated.image.clone()),
        replicas: Some(validated.replicas),
        ready_replicas: Some(ready.unwrap_or(0)),
        ..ScAuthStatus::default()
    }
}

/// The time of a condition's last change stays where nothing changed.
fn condition(finding: Finding, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let before = old.iter().find(|old| old.type_ == finding.kind && old.status == finding.status);
    Condition {
        type_: finding.kind.to_owned(),
        status: finding.status.to_owned(),
        reason: finding.reason.to_owned(),
        message: finding.message,
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
    }
}

fn findings(observed: &Observed, outcome: &Outcome) -> Vec<Finding> {
    match outcome {
        Outcome::Refused(refusal) => blocked(refusal.reason, &refusal.message, refusal.is_final),
        Outcome::Failed(error) => blocked("ApplyFailed", &error.to_string(), false),
        Outcome::Applied(applied) => {
            let (validated, applied) = applied.as_ref();
            let live = applied.deployment.status.clone().unwrap_or_default();
            let database = database(observed, validated, &live);
            let is_observed = live.observed_generation >= applied.deployment.metadata.generation;
            let mut findings = rollout(validated.replicas, &live, is_observed, &database);
            findings.push(database);
            findings.push(exposed(validated, applied));
            findings
        }
    }
}

fn blocked(reason: &'static str, message: &str, is_final: bool) -> Vec<Finding> {
    let (reconciling, stalled) = if is_final { ("False", "True") } else { ("True", "False") };
    vec![
        finding("Ready", "False", reason, message),
        finding("Reconciling", reconciling, reason, message),
        finding("Stalled", stalled, reason, message),
    ]
}

fn rollout(wanted: i32, live: &DeploymentStatus, is_observed: bool, database: &Finding) -> Vec<Finding> {
    let (updated, available) = (live.updated_replicas.unwrap_or(0), live.available_replicas.unwrap_or(0));
    if is_observed && updated == wanted && available == wanted && live.replicas == Some(wanted) {
        return vec![
            finding("Ready", "True", "Serving", format!("{wanted} of {wanted} replicas serve")),
            finding("Reconciling", "False", "Done", ""),
            finding("Stalled", "False", "Done", ""),
        ];
    }
    let (reason, message) = if database.status == "False" {
        (database.reason, database.message.clone())
    } else {
        ("RollingOut", format!("{available} of {wanted} replicas are available, {updated} of the current spec"))
    };
    vec![
        finding("Ready", "False", reason, message.clone()),
        finding("Reconciling", "True", reason, message),
        finding("Stalled", "False", "Done", ""),
    ]
}

fn database(observed: &Observed, validated: &Validated, live: &DeploymentStatus) -> Finding {
    if !observed.missing_secrets.is_empty() {
        let names = observed.missing_secrets.join(", ");
        let message =
            format!("Secret {names} is missing in namespace {}; the pods wait for it", validated.names.namespace);
        return finding("DatabaseReady", "False", "SecretNotFound", message);
    }
    let failure = observed.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).find_map(failure);
    match failure {
        Some(message) if live.available_replicas.unwrap_or(0) < validated.replicas => {
            finding("DatabaseReady", "False", "StartFailed", message)
        }
        _ if live.available_replicas.unwrap_or(0) > 0 => finding("DatabaseReady", "True", "Migrated", ""),
        _ => finding("DatabaseReady", "Unknown", "Starting", "no pod has reached it yet"),
    }
}

/// Why a pod does not start, in the words of its last log lines.
fn failure(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let mut containers =
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let (container, message) = containers.find_map(|status| Some((status.name.clone(), last_words(status)?)))?;
    Some(format!("pod {}, {container}: {message}", pod.name_any()))
}

fn last_words(status: &ContainerStatus) -> Option<String> {
    let ends = [status.state.as_ref(), status.last_state.as_ref()];
    let ended =
        ends.into_iter().flatten().filter_map(|state| state.terminated.as_ref()).find(|ended| ended.exit_code != 0)?;
    let log = ended.message.as_deref().unwrap_or_default();
    let line = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended without a word");
    let event: Option<Value> = serde_json::from_str(line).ok();
    let message = event.as_ref().and_then(|event| event["message"].as_str()).unwrap_or(line);
    Some(message.chars().take(1_000).collect())
}

fn exposed(validated: &Validated, applied: &Applied) -> Finding {
    let Some(wanted) = ingress(&validated.spec) else {
        return finding("Exposed", "False", "NotWanted", "spec.expose is not set: only the Service reaches the API");
    };
    let balancer = applied.ingress.as_ref().and_then(|ingress| ingress.status.as_ref()?.load_balancer.as_ref());
    if balancer.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|addresses| !addresses.is_empty())) {
        return finding("Exposed", "True", "Admitted", format!("clients reach it as {}", wanted.host));
    }
    let class = wanted.class_name.as_deref().unwrap_or("the default class");
    let message = format!("no ingress controller has taken the Ingress up yet; is there one for {class}?");
    finding("Exposed", "Unknown", "NoAddress", message)
}

async fn write(scauth: &ScAuth, status: ScAuthStatus, client: &Client) -> kube::Result<()> {
    if scauth.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let patch = json!({
        "apiVersion": ScAuth::api_version(&()), "kind": ScAuth::kind(&()),
        "metadata": {"name": scauth.name_any(), "uid": scauth.uid()}, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let api: Api<ScAuth> = Api::all(client.clone());
    match api.patch_status(&scauth.name_any(), &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // It was deleted meanwhile.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// An event for each condition whose status or reason has changed.
async fn publish(scauth: &ScAuth, new: &ScAuthStatus, outcome: &Outcome, context: &Context) {
    let old = scauth.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let mut events: Vec<_> = new
        .conditions
        .iter()
        .filter(|new| matches!(new.type_.as_str(), "Ready" | "Exposed"))
        .filter(|new| {
            !old.iter().any(|old| old.type_ == new.type_ && old.status == new.status && old.reason == new.reason)
        })
        .map(|new| {
            let calm = new.status == "True" || matches!(new.reason.as_str(), "RollingOut" | "NotWanted" | "NoAddress");
            (
                if calm { EventType::Normal } else { EventType::Warning },
                new.reason.clone(),
                format!("{}={}: {}", new.type_, new.status, new.message),
            )
        })
        .collect();
    if matches!(outcome, Outcome::Applied(applied) if applied.1.keys_were_lost) {
        let message = "the Secret with the signing keys had vanished and was made anew: every token is void".to_owned();
        events.push((EventType::Warning, "KeysLost".to_owned(), message));
    }
    for (type_, reason, note) in events {
        let note = Some(note.chars().take(1_000).collect());
        let event = Event { type_, reason, note, action: "Reconcile".to_owned(), secondary: None };
        if let Err(error) = context.recorder.publish(&event, &scauth.object_ref(&())).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }
}
