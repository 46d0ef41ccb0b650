//! Identity of the database that contains the data. The pods report which one they found; the Secret with the keys
//! records the expected one, and no other is used until a person accepts it. Pure functions.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::deployment::{DEPLOYMENT_FILE, ScAuthRecord};
use sc_auth_contract::time::UnixTime;
use serde_json::{Value, json};

use super::observe::Observed;
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::health::Health;
use crate::scauth::names::{ANNOTATION_ACCEPT_DATABASE, ANNOTATION_ACCEPTED, ANNOTATION_ADMIN, ANNOTATION_DATABASE};

/// Values of the annotation on the Secret with the first Admin's password.
pub const ADMIN_CREATED: &str = "created";
pub const ADMIN_NOT_CREATED: &str = "not-created";

/// The database that the pods expect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The identity of the database, or the name that an empty one was accepted under; `None` until one is known.
    pub database: Option<String>,
    /// The identity in the annotation, once accepted. It is accepted once: an empty database always has the same name,
    /// and an annotation that was left must not accept the next one.
    pub accepted: Option<String>,
    /// The identity in the pod template, so that an acceptance replaces the pods.
    pub template: Option<String>,
    /// The value of an annotation that has no effect.
    pub unmet: Option<String>,
    /// When the ScAuth was created.
    pub created: UnixTime,
    /// Created once with the Secret.
    instance: Option<String>,
}

impl Expectation {
    pub fn of(scauth: &ScAuth, observed: &Observed) -> Self {
        let file = observed.secret.as_ref().and_then(record);
        let status = scauth.status.as_ref().and_then(|status| status.database.clone()).unwrap_or_default();
        // The Secret takes precedence. If it was lost, the status still has the identity.
        let known = file.as_ref().and_then(|file| file.database.clone()).or(status.identity);
        let met_before = observed.secret.as_ref().map_or(status.accepted, note);
        let asked = scauth.annotations().get(ANNOTATION_ACCEPT_DATABASE).map(|id| id.trim().to_owned());
        let asked = asked.filter(|id| !id.is_empty());
        let health = observed.reports.health();
        let found = health.map(|health| candidates(health, known.as_deref())).unwrap_or_default();
        // If no identity is known, the only one that the pods found is recorded without acceptance.
        let is_new = asked != met_before && (known.is_some() || found.len() > 1);
        let accepted_now = asked.clone().filter(|id| is_new && found.contains(id.as_str()));
        let accepted = accepted_now.clone().or_else(|| met_before.filter(|id| asked.as_ref() == Some(id)));
        let learned = || health.and_then(|health| learned(health, known.as_deref()));
        let unmet = asked.filter(|id| {
            accepted_now.is_none() && known.as_ref() != Some(id) && (accepted.is_none() || found.contains(id.as_str()))
        });
        Self {
            unmet,
            template: accepted.clone().or_else(|| of_template(observed.children.get(&Child::Deployment))),
            accepted,
            database: accepted_now.or_else(learned).or(known),
            created: scauth.creation_timestamp().map(|time| time.0.as_second().into()).unwrap_or_default(),
            instance: file.map(|file| file.instance),
        }
    }

    /// The file beside the keys. `instance` is random, for a Secret without one.
    pub fn file(&self, name: &str, uid: &str, instance: impl FnOnce() -> String) -> ScAuthRecord {
        ScAuthRecord {
            name: name.to_owned(),
            uid: uid.to_owned(),
            created: self.created,
            instance: self.instance.clone().unwrap_or_else(instance),
            database: self.database.clone(),
        }
    }

    /// The merge patch that updates the Secret; `None` if it is up to date. The version in it ensures that nothing else
    /// has changed meanwhile, and the keys are not part of it.
    ///
    /// # Errors
    /// If the file cannot be serialized as JSON.
    pub fn patch(&self, live: &Secret, wanted: &ScAuthRecord) -> serde_json::Result<Option<Value>> {
        use base64::Engine as _;
        if record(live).as_ref() == Some(wanted) && note(live) == self.accepted {
            return Ok(None);
        }
        let file = base64::engine::general_purpose::STANDARD.encode(wanted.to_json()?);
        Ok(Some(json!({
            "metadata": {
                "resourceVersion": live.metadata.resource_version,
                "annotations": {ANNOTATION_ACCEPTED: self.accepted},
            },
            "data": {DEPLOYMENT_FILE: file},
        })))
    }
}

/// The databases that pods found, or could use, instead of the expected one.
pub fn candidates<'a>(health: &'a Health, expected: Option<&str>) -> BTreeSet<&'a str> {
    let held = health.hold.iter().map(|hold| hold.found.as_str());
    let offered = health.offered.iter().filter_map(|offered| offered.identity.as_deref());
    let is_expected = |accepted_as: Option<&str>| expected.is_some() && accepted_as == expected;
    let served = health.served.iter().filter(|served| !is_expected(served.accepted_as.as_deref()));
    let served = served.map(|served| served.identity.as_str());
    held.chain(offered).chain(served).filter(|found| Some(*found) != expected).collect()
}

/// The databases of serving pods if none is expected yet, or an empty one was accepted.
fn learned(health: &Health, known: Option<&str>) -> Option<String> {
    let Some(known) = known else {
        let mut served = health.served.iter();
        return served.next().filter(|_| served.next().is_none()).map(|served| served.identity.clone());
    };
    let mut served = health.served.iter().filter(|served| served.accepted_as.as_deref() == Some(known));
    served.next().map(|served| served.identity.clone())
}

/// The Secret's file; `None` if it does not exist or is invalid.
pub fn record(secret: &Secret) -> Option<ScAuthRecord> {
    let content = secret.data.as_ref()?.get(DEPLOYMENT_FILE)?;
    ScAuthRecord::parse(std::str::from_utf8(&content.0).ok()?).ok()
}

/// The identity that was accepted last.
pub fn note(secret: &Secret) -> Option<String> {
    secret.metadata.annotations.as_ref()?.get(ANNOTATION_ACCEPTED).cloned()
}

/// A dry run reads no Secret.
fn of_template(deployment: Option<&DynamicObject>) -> Option<String> {
    let annotations = deployment?.data.pointer("/spec/template/metadata/annotations")?;
    annotations.get(ANNOTATION_DATABASE)?.as_str().map(str::to_owned)
}

/// Whether the first Admin was created with the Secret, as last recorded in its annotation.
pub fn admin_is_created(secret: &ObjectMeta) -> Option<bool> {
    match secret.annotations.as_ref()?.get(ANNOTATION_ADMIN)?.as_str() {
        ADMIN_CREATED => Some(true),
        ADMIN_NOT_CREATED => Some(false),
        _ => None,
    }
}
