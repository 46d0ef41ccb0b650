//! The Deployment around the pod template.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{owned, selector};
use super::template;
use crate::scauth::names::{ANNOTATION_IMAGE, ANNOTATION_POD_IDS, ANNOTATION_REVISION, ANNOTATION_SPEC_IMAGE};
use crate::scauth::resolved::Resolved;
use crate::scauth::scale::Scale;

pub fn build(resolved: &Resolved) -> Deployment {
    Deployment {
        metadata: metadata(resolved),
        spec: Some(DeploymentSpec {
            // Left to the autoscaler, if there is one.
            replicas: match resolved.scale {
                Scale::Fixed(replicas) => Some(replicas),
                Scale::Auto { .. } | Scale::Theirs { .. } => None,
            },
            revision_history_limit: Some(3),
            selector: LabelSelector { match_labels: Some(selector(resolved)), ..LabelSelector::default() },
            strategy: Some(strategy(resolved)),
            template: template::build(resolved),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Records the chosen image and revision for the next reconcile.
fn metadata(resolved: &Resolved) -> ObjectMeta {
    let release = &resolved.release;
    let chosen = [
        (ANNOTATION_REVISION, Some(release.revision.to_string())),
        (ANNOTATION_IMAGE, Some(release.image.clone())),
        (ANNOTATION_SPEC_IMAGE, resolved.spec_image.clone()),
        (ANNOTATION_POD_IDS, release.ids.as_annotation().map(str::to_owned)),
    ];
    let chosen = chosen.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    ObjectMeta { annotations: Some(chosen.collect()), ..owned(resolved, &resolved.names.scauth) }
}

/// A volume has one writer; otherwise a new pod serves before an old one stops.
fn strategy(resolved: &Resolved) -> DeploymentStrategy {
    if resolved.database.is_embedded() {
        return DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None };
    }
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}
