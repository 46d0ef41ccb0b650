//! Who decides how many pods serve.

use kube::ResourceExt as _;
use kube::core::DynamicObject;

use crate::api::ScAuthSpec;

/// Who decides how many pods serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    Fixed(i32),
    Auto {
        min: i32,
        max: i32,
        /// Target CPU usage, in per cent of the request.
        cpu: i32,
    },
    /// A HorizontalPodAutoscaler that somebody else made; the spec has `replicas`.
    Theirs {
        autoscaler: String,
        replicas: i32,
    },
}

impl Scale {
    /// The most pods that the spec allows.
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) | Self::Theirs { replicas, .. } => *replicas,
            Self::Auto { max, .. } => *max,
        }
    }
}

/// Whether the pods have a PodDisruptionBudget: of one pod that stays the only one it says nothing. How many pods an
/// autoscaler of somebody else makes, only that one knows; a budget of theirs beside it is enough, since Kubernetes evicts
/// no pod that has two.
pub fn has_budget(scale: &Scale, has_foreign_budget: bool) -> bool {
    scale.most() > 1 || (matches!(scale, Scale::Theirs { .. }) && !has_foreign_budget)
}

/// What the spec asks for.
pub fn scale(spec: &ScAuthSpec) -> Scale {
    let default = if spec.database.embedded.is_some() { 1 } else { 2 };
    match &spec.autoscaling {
        Some(autoscaling) => {
            Scale::Auto { min: autoscaling.min.unwrap_or(2), max: autoscaling.max, cpu: autoscaling.cpu.unwrap_or(400) }
        }
        None => Scale::Fixed(spec.replicas.unwrap_or(default)),
    }
}

/// Two controllers that set the number of replicas would undo each other's work. An embedded database has one writer,
/// even if a foreign autoscaler asks for more.
pub fn beside(scale: Scale, spec: &ScAuthSpec, foreign: Option<&DynamicObject>) -> Scale {
    match (scale, foreign) {
        (Scale::Fixed(replicas), Some(theirs)) if spec.database.embedded.is_none() => {
            Scale::Theirs { autoscaler: theirs.name_any(), replicas }
        }
        (scale, _) => scale,
    }
}
