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
    /// The most pods that there may be.
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) | Self::Theirs { replicas, .. } => *replicas,
            Self::Auto { max, .. } => *max,
        }
    }
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
