//! What determines the number of pods.

use kube::ResourceExt as _;
use kube::core::DynamicObject;

use crate::api::ScAuthSpec;

/// What determines the number of pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    Fixed(i32),
    Auto {
        min: i32,
        max: i32,
        /// Target CPU usage, in per cent of the request.
        cpu: i32,
    },
    /// A HorizontalPodAutoscaler of another owner; the spec has `replicas`.
    Theirs {
        autoscaler: String,
        replicas: i32,
    },
}

impl Scale {
    /// The maximum number of pods in the spec.
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) | Self::Theirs { replicas, .. } => *replicas,
            Self::Auto { max, .. } => *max,
        }
    }
}

/// Whether the pods have a PodDisruptionBudget: a single pod gets none. Only another owner's autoscaler knows how many
/// pods it creates; a budget of that owner is enough, since Kubernetes does not evict a pod that has two.
pub fn has_budget(scale: &Scale, has_foreign_budget: bool) -> bool {
    scale.most() > 1 || (matches!(scale, Scale::Theirs { .. }) && !has_foreign_budget)
}

/// The scale in the spec.
pub fn scale(spec: &ScAuthSpec) -> Scale {
    let default = if spec.database.embedded.is_some() { 1 } else { 2 };
    match &spec.autoscaling {
        Some(autoscaling) => {
            Scale::Auto { min: autoscaling.min.unwrap_or(2), max: autoscaling.max, cpu: autoscaling.cpu.unwrap_or(400) }
        }
        None => Scale::Fixed(spec.replicas.unwrap_or(default)),
    }
}

/// Two controllers that set the number of replicas would undo each other's changes. An embedded database has one
/// writer, even if another owner's autoscaler asks for more.
pub fn beside(scale: Scale, spec: &ScAuthSpec, foreign: Option<&DynamicObject>) -> Scale {
    match (scale, foreign) {
        (Scale::Fixed(replicas), Some(theirs)) if spec.database.embedded.is_none() => {
            Scale::Theirs { autoscaler: theirs.name_any(), replicas }
        }
        (scale, _) => scale,
    }
}
