//! Progress of the pods, and why they do not progress; from the Deployment, the pods and their events.

mod ended;
mod image;

use k8s_openapi::api::apps::v1::DeploymentStatus;
use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};
use kube::ResourceExt as _;
use kube::core::{DynamicObject, NotUsed, Object};
use serde_json::Value;

use crate::shared::error::is_over_quota;
use crate::shared::reasons::Reason;

/// The longest message of Kubernetes that is repeated, in characters.
const LONGEST: usize = 1_000;

/// A pod of which only the status is read.
pub type Pod = Object<NotUsed, PodStatus>;

/// Numbers and conditions of a Deployment.
#[derive(Debug, Clone, Default)]
pub struct Rollout {
    /// Whether the Deployment's controller has seen the current spec.
    pub is_observed: bool,
    /// Whether a person has paused the Deployment, so that its pods keep their template.
    pub is_paused: bool,
    pub wanted: i32,
    /// Of any template, including earlier ones.
    pub replicas: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    /// When the Deployment last became available or unavailable.
    pub available_since: Option<String>,
    /// Why no pod can be created, or why the rollout takes too long.
    pub trouble: Option<Trouble>,
}

/// Why pods do not run, the most specific reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    OutOfMemory,
    Migration,
    Start,
    Image,
    PodsRefused,
    StorageClass,
    Scheduling,
    Mount,
    /// The kubelet has given a pod up, as when it evicts it. Kubernetes replaces the pod, which stays as an object: what
    /// keeps another pod from running comes first.
    Failed,
    Deadline,
}

impl Cause {
    pub fn reason(self) -> Reason {
        match self {
            Self::OutOfMemory => Reason::OutOfMemory,
            Self::Migration => Reason::MigrationFailed,
            Self::Start => Reason::StartFailed,
            Self::Image => Reason::ImagePullFailed,
            Self::PodsRefused => Reason::PodsRefused,
            Self::StorageClass => Reason::StorageClassNotFound,
            Self::Scheduling => Reason::Unschedulable,
            Self::Mount => Reason::MountFailed,
            Self::Failed => Reason::PodFailed,
            Self::Deadline => Reason::RolloutStuck,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    pub cause: Cause,
    pub message: String,
}

impl Trouble {
    /// Whether a quota refuses the pods.
    pub fn is_quota(&self) -> bool {
        self.cause == Cause::PodsRefused && is_over_quota(&self.message)
    }
}

impl Rollout {
    pub fn of(deployment: &DynamicObject) -> Self {
        let status: DeploymentStatus = deployment
            .data
            .get("status")
            .and_then(|status| serde_json::from_value(status.clone()).ok())
            .unwrap_or_default();
        let wanted = deployment.data.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        Self {
            is_observed: status.observed_generation >= deployment.metadata.generation,
            is_paused: deployment.data.pointer("/spec/paused").and_then(Value::as_bool) == Some(true),
            wanted: i32::try_from(wanted).unwrap_or(i32::MAX),
            replicas: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            available_since: available_since(&status),
            trouble: of_conditions(&status),
        }
    }

    /// Whether all pods have the current template and serve, and no others are left. Without pods, this is false.
    pub fn is_done(&self) -> bool {
        self.is_observed
            && self.wanted > 0
            && self.updated == self.wanted
            && self.available == self.wanted
            && self.replicas == self.wanted
    }
}

fn available_since(status: &DeploymentStatus) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    let available = conditions.find(|condition| condition.type_ == "Available")?;
    available.last_transition_time.as_ref().map(|time| time.0.to_string())
}

fn of_conditions(status: &DeploymentStatus) -> Option<Trouble> {
    let conditions = status.conditions.iter().flatten();
    let troubles = conditions.filter_map(|condition| {
        let (cause, otherwise) = match (condition.type_.as_str(), condition.status.as_str()) {
            ("ReplicaFailure", "True") => (Cause::PodsRefused, "the API server refuses the pods"),
            ("Progressing", "False") => (Cause::Deadline, "the rollout takes longer than its deadline"),
            _ => return None,
        };
        let words = [condition.message.as_deref(), condition.reason.as_deref()];
        Some(Trouble { cause, message: first_words(words, otherwise) })
    });
    troubles.min()
}

/// The first text that is not empty.
fn first_words<const N: usize>(words: [Option<&str>; N], otherwise: &str) -> String {
    let words = words.into_iter().flatten().map(str::trim).find(|words| !words.is_empty());
    words.unwrap_or(otherwise).chars().take(LONGEST).collect()
}

/// Why a pod does not start; if a container failed, how it ended.
pub fn trouble(pod: &Pod) -> Option<Trouble> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    if has_failed(status) {
        return Some(given_up(pod, status));
    }
    let containers = || status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let in_pod = |cause, text: &str| Trouble { cause, message: format!("pod {}, {text}", pod.name_any()) };
    for container in containers().filter(|container| !container.ready) {
        if let Some(ended) = ended::last_failure(container) {
            let cause = match container.name.as_str() {
                _ if ended.is_out_of_memory => Cause::OutOfMemory,
                "migrate" => Cause::Migration,
                _ => Cause::Start,
            };
            return Some(in_pod(cause, &format!("{}: {}", container.name, ended.message)));
        }
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
        let text = first_words([waiting.and_then(|waiting| waiting.message.as_deref())], reason);
        if image::IS_NOT_PULLED.contains(&reason) {
            return Some(in_pod(Cause::Image, &image::problem(&container.image, &text)));
        }
        if matches!(reason, "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") {
            return Some(in_pod(Cause::Start, &format!("{}: {text}", container.name)));
        }
    }
    let mut conditions = status.conditions.iter().flatten();
    let unscheduled = conditions.find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let words = [unscheduled.message.as_deref(), unscheduled.reason.as_deref()];
    Some(in_pod(Cause::Scheduling, &first_words(words, "no node fits it")))
}

/// Whether the pod is over: pods of a Deployment restart their containers, so that only the kubelet, or the controller of
/// its node, ends one.
fn has_failed(status: &PodStatus) -> bool {
    status.phase.as_deref() == Some("Failed")
}

/// Its containers were killed, so that how they ended is not the cause.
fn given_up(pod: &Pod, status: &PodStatus) -> Trouble {
    let words = [status.message.as_deref()];
    let reason = status.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("Failed");
    let text = first_words(words, "the kubelet gave no message");
    Trouble { cause: Cause::Failed, message: format!("pod {} failed: {reason}: {text}", pod.name_any()) }
}

/// Whether the pod may be waiting for its volumes: its first container, which is the server if no other container has to
/// end before it.
pub fn is_being_created(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let is_waiting_for = |container: &ContainerStatus, reason: &str| {
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some(reason))
    };
    let mut before = status.init_container_statuses.iter().flatten();
    let mut containers = status.container_statuses.iter().flatten();
    pod.metadata.deletion_timestamp.is_none()
        && !has_failed(status)
        && (before.any(|container| is_waiting_for(container, "PodInitializing"))
            || containers.any(|container| is_waiting_for(container, "ContainerCreating")))
}

pub fn failed_mount(pod: &str, event: &DynamicObject) -> Trouble {
    let text = first_words([event.data["message"].as_str()], "a volume cannot be mounted");
    Trouble { cause: Cause::Mount, message: format!("pod {pod}: {text}") }
}
