//! The Deployment around the pod template.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Validated, owned, selector, template};
use crate::scauth::names::{ANNOTATION_IMAGE, ANNOTATION_REVISION, ANNOTATION_SPEC_IMAGE};
use crate::scauth::scale::Scale;

pub fn build(validated: &Validated) -> Deployment {
    Deployment {
        metadata: metadata(validated),
        spec: Some(DeploymentSpec {
            // The autoscaler's, where there is one.
            replicas: match validated.scale {
                Scale::Fixed(replicas) => Some(replicas),
                Scale::Auto(_) | Scale::Theirs { .. } => None,
            },
            revision_history_limit: Some(3),
            selector: LabelSelector { match_labels: Some(selector(validated)), ..LabelSelector::default() },
            strategy: Some(strategy(validated)),
            template: template::build(validated),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// With what was chosen for the pods, so that the next reconcile finds it.
fn metadata(validated: &Validated) -> ObjectMeta {
    let release = &validated.release;
    let chosen = [
        (ANNOTATION_REVISION, Some(release.revision.to_string())),
        (ANNOTATION_IMAGE, Some(release.image.clone())),
        (ANNOTATION_SPEC_IMAGE, validated.spec.image.clone()),
    ];
    let chosen = chosen.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    ObjectMeta { annotations: Some(chosen.collect()), ..owned(validated, &validated.names.scauth) }
}

/// A volume has one writer; otherwise a new pod serves before an old one goes.
fn strategy(validated: &Validated) -> DeploymentStrategy {
    if validated.spec.database.embedded.is_some() {
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
