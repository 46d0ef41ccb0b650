//! Resolves spec and observed state into a plan, or into a reason for refusing. Pure functions.

mod colors;
mod namespace;
mod ownership;

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;

use ownership::check_children;

use super::capacity;
use super::exposure::{Exposure, url};
use super::identity::Expectation;
use super::mounts;
use super::observe::Observed;
use super::resolved::{Address, Admin, Database, Reported, Resolved};
use super::resources::PodResources;
use super::rotation::{OPENID, Plan, algorithm_of_new_keys};
use super::scale::{beside, has_budget, scale};
use super::settings::Settings;
use super::volume;
use crate::api::{ScAuth, ScAuthSpec};
use crate::scauth::child::Child;
use crate::scauth::names::Names;
use crate::scauth::release::{self, ReleaseDefaults, UpgradeTurn};
use crate::shared::conditions::{ConditionStatus, ConditionType, find};
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

/// Settings of the operator beside the objects.
#[derive(Debug, Clone)]
pub struct Environment {
    pub defaults: ReleaseDefaults,
    /// The operator's own namespace.
    pub namespace: String,
    /// The allowed prefixes of a ScAuth's image; empty allows any image.
    pub allowed_images: Vec<String>,
    /// How long a signing key is published before it signs.
    pub publish_keys_for: Duration,
}

/// # Errors
/// The first reason why this ScAuth cannot be built now.
pub fn validate(
    scauth: &ScAuth,
    observed: &Observed,
    environment: &Environment,
    turn: &UpgradeTurn,
) -> Result<Resolved, Refusal> {
    let owner = scauth.controller_owner_ref(&()).ok_or_else(|| Refusal {
        reason: Reason::Invalid,
        message: "the object does not have a uid yet".into(),
        is_final: false,
    })?;
    // While it is being deleted, nothing is applied that could be refused.
    if scauth.metadata.deletion_timestamp.is_none() {
        check(scauth, &owner, observed, environment)?;
    }
    Ok(resolve(scauth, owner, observed, environment, turn))
}

fn check(
    scauth: &ScAuth,
    owner: &OwnerReference,
    observed: &Observed,
    environment: &Environment,
) -> Result<(), Refusal> {
    let names = Names::of(scauth);
    check_readable(scauth)?;
    check_image(scauth, environment)?;
    colors::check(&scauth.spec)?;
    namespace::check_operators(&names, &environment.namespace)?;
    match observed.children.get(&Child::Namespace) {
        Some(live) => namespace::check(live, &names, owner)?,
        None => namespace::check_missing(&names, observed.rival.as_deref())?,
    }
    check_children(&observed.owned().collect::<Vec<_>>(), owner, volume::is_going(&observed.children))
}

/// Resolves a ScAuth that may have been refused: what exists is compared with it all the same.
pub fn resolve(
    scauth: &ScAuth,
    owner: OwnerReference,
    observed: &Observed,
    environment: &Environment,
    turn: &UpgradeTurn,
) -> Resolved {
    let names = Names::of(scauth);
    let spec = &scauth.spec;
    let issuer = spec.auth.as_ref().and_then(|auth| auth.issuer.clone()).unwrap_or_else(|| url(spec, &names));
    let scale = beside(scale(spec), spec, observed.foreign_autoscaler.as_ref());
    Resolved {
        namespace: namespace::found(observed.children.get(&Child::Namespace), &names, &owner),
        namespace_labels: spec.namespace_labels.clone(),
        namespace_annotations: spec.namespace_annotations.clone(),
        service: spec.service.clone().unwrap_or_default(),
        service_account_annotations: spec.service_account_annotations.clone(),
        image_pull_policy: spec.image_pull_policy.unwrap_or_default(),
        policy: spec.deletion_policy.unwrap_or_default(),
        release: release::choose(scauth, observed.children.get(&Child::Deployment), &environment.defaults, turn),
        unknown_upgrade: release::unknown_upgrade(scauth, &environment.defaults),
        spec_image: spec.image.clone(),
        has_budget: has_budget(&scale, observed.has_foreign_budget),
        scale,
        database: database(spec, observed),
        resources: PodResources::of(spec.resources.as_ref()),
        pod_template: spec.pod_template.clone().unwrap_or_default(),
        settings: Settings::of(spec, &issuer),
        secrets: mounts::named(&names).into_iter().chain(mounts::referenced(spec)).collect(),
        algorithm: algorithm_of_new_keys(scauth),
        plan: Plan::of(scauth, environment.publish_keys_for),
        admin: admin(spec),
        issuer,
        exposure: Exposure::of(spec, &names),
        exposure_labels: spec.expose.as_ref().map(|expose| expose.labels.clone()).unwrap_or_default(),
        has_trusted_proxies: spec.expose.as_ref().is_some_and(|expose| !expose.trusted_proxies.is_empty()),
        taken: observed.hosts.taken.clone(),
        network_policy: spec.network_policy.clone().unwrap_or_default(),
        monitoring: spec.monitoring.clone(),
        reported: reported(scauth),
        login: spec.login.clone(),
        expectation: Expectation::of(scauth, observed),
        operator_namespace: environment.namespace.clone(),
        names,
        owner,
    }
}

fn reported(scauth: &ScAuth) -> Reported {
    let keys = || scauth.status.iter().flat_map(|status| &status.keys);
    let conditions = scauth.status.iter().flat_map(|status| &status.conditions);
    Reported {
        has_keys: keys().next().is_some(),
        has_oidc_keys: keys().any(|key| key.purpose == OPENID),
        is_ready: find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == ConditionStatus::True),
    }
}

fn database(spec: &ScAuthSpec, observed: &Observed) -> Database {
    let claim = observed.children.get(&Child::VolumeClaim);
    let external = spec.database.external.as_ref();
    let has_url = external.is_some_and(|external| external.url_from.is_some() || external.url_file.is_some());
    match &spec.database.embedded {
        Some(embedded) => Database::Embedded(capacity::settle(embedded, claim)),
        None => Database::External(if has_url { Address::Url } else { Address::Parts }),
    }
}

fn admin(spec: &ScAuthSpec) -> Admin {
    let wanted = spec.bootstrap_admin.clone().unwrap_or_default();
    let rules = spec.auth.as_ref().and_then(|auth| auth.password.as_ref());
    let min_length = rules.and_then(|rules| rules.min_length).and_then(|length| usize::try_from(length).ok());
    Admin {
        username: wanted.username.unwrap_or_else(|| "admin".to_owned()),
        email: wanted.email,
        password_min_length: min_length.unwrap_or_default(),
    }
}

/// A release before this one stored values that no release can read.
fn check_readable(scauth: &ScAuth) -> Result<(), Refusal> {
    let Some(problem) = &scauth.spec.unreadable else { return Ok(()) };
    let message = format!("nothing is applied until this is corrected: {problem}");
    Err(Refusal { reason: Reason::Invalid, message, is_final: true })
}

fn check_image(scauth: &ScAuth, environment: &Environment) -> Result<(), Refusal> {
    let allowed = &environment.allowed_images;
    match &scauth.spec.image {
        Some(image) if !allowed.is_empty() && !allowed.iter().any(|start| image.starts_with(start)) => Err(Refusal {
            reason: Reason::ImageNotAllowed,
            message: format!(
                "spec.image is {image}; this operator only allows images that begin with {}",
                allowed.join(", ")
            ),
            is_final: true,
        }),
        _ => Ok(()),
    }
}
