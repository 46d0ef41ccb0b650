//! The generated Secrets: created once with POST and never applied, since an apply removes fields that a later one
//! omits. Their keys rotate, and the keys of OpenID Connect are added, by patches that require the version that was read.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, ResourceExt as _};
use sc_auth_contract::keys::KeysError;
use sc_auth_contract::places::{ADMIN_EMAIL, ADMIN_PASSWORD, ADMIN_USERNAME, OIDC_KEYS_FILE};
use sc_auth_contract::time::UnixTime;
use serde_json::json;

use super::applied::Keys;
use super::context::ApplyContext;
use super::openid::{self, Step};
use crate::api::DeletionPolicy;
use crate::scauth::child::Child;
use crate::scauth::children;
use crate::scauth::identity::{ADMIN_CREATED, ADMIN_NOT_CREATED, admin_is_created};
use crate::scauth::names::{ANNOTATION_ADMIN, LABEL_INSTANCE};
use crate::scauth::observe::Observed;
use crate::scauth::resolved::Resolved;
use crate::scauth::retention::retained_by;
use crate::scauth::rotation::{self, Change, OidcKeys, Stored};
use crate::shared::error::ApplyError;
use crate::shared::reasons::Reason;
use crate::shared::secrets::{self, create, patch};

/// Creates missing generated Secrets, and rotates keys that are due.
pub async fn make_and_keep(
    context: &ApplyContext<'_>,
    resolved: &Resolved,
    observed: &Observed,
) -> Result<Keys, ApplyError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &resolved.names.namespace);
    // A Deployment means that keys and an Admin existed before.
    let is_first = observed.secret.is_none() && !observed.children.contains_key(&Child::Deployment);
    // The first Admin's Secret before the keys': if the latter exists, the former was created.
    if is_first && observed.admin_secret.is_none() {
        let secret = children::admin_secret(resolved, &mut rand::rng());
        create(&api, &secret).await?;
    }
    if let Some(metadata) = &observed.admin_secret {
        // After a change, the version that was read is outdated; the next reconcile does the rest.
        if !keep(&api, resolved, metadata).await? {
            note_admin(&api, metadata, observed).await?;
        }
    }
    let Some(live) = &observed.secret else {
        let secret = children::keys_secret(resolved, context.now.as_second().into(), &mut rand::rng())?;
        let made = create(&api, &secret).await?;
        return Ok(Keys { were_lost: !is_first || resolved.reported.has_keys, ..read(&made, resolved) });
    };
    if keep(&api, resolved, &live.metadata).await? {
        return Ok(read(live, resolved));
    }
    let live = &expect(&api, resolved, live).await?;
    rotate(context, resolved, observed, live).await
}

/// Whether a Secret is kept follows `deletionPolicy`. Removes a label of release 0.2. Returns whether a change was needed.
async fn keep(api: &Api<Secret>, resolved: &Resolved, live: &ObjectMeta) -> Result<bool, ApplyError> {
    let label = (resolved.policy == DeletionPolicy::Retain).then(|| retained_by(&resolved.owner));
    // After a change, the version that was read is outdated.
    Ok(secrets::keep(api, live, &resolved.owner, label).await?
        || secrets::remove_label(api, live, LABEL_INSTANCE).await?)
}

/// Updates the file beside the keys.
async fn expect(api: &Api<Secret>, resolved: &Resolved, live: &Secret) -> Result<Secret, ApplyError> {
    let wanted = children::record(resolved, &mut rand::rng());
    let Some(change) = resolved.expectation.patch(live, &wanted)? else { return Ok(live.clone()) };
    tracing::info!(name = live.name_any(), database = wanted.database, "recording the expected database");
    patch(api, &live.name_any(), &change).await
}

/// Records in the Secret whether its Admin was created, for readers of the Secret. If not, the Secret loses its
/// credentials, unless they have worked with an earlier database, to which the pods may return.
async fn note_admin(api: &Api<Secret>, live: &ObjectMeta, observed: &Observed) -> Result<(), ApplyError> {
    let Some(is_made) = observed.reports.health().and_then(|health| health.admin_made) else { return Ok(()) };
    let noted = admin_is_created(live);
    if noted == Some(is_made) {
        return Ok(());
    }
    let note = json!({ANNOTATION_ADMIN: if is_made { ADMIN_CREATED } else { ADMIN_NOT_CREATED }});
    let mut change = json!({"metadata": {"resourceVersion": live.resource_version, "annotations": note}});
    if !is_made && noted.is_none() {
        tracing::info!(name = live.name, "removing credentials that no Admin was created with");
        change["data"] = json!({ADMIN_USERNAME: null, ADMIN_PASSWORD: null, ADMIN_EMAIL: null});
    }
    patch(api, live.name.as_deref().unwrap_or_default(), &change).await.map(drop)
}

fn read(secret: &Secret, resolved: &Resolved) -> Keys {
    match Stored::read(secret) {
        Ok(stored) => found(&stored, resolved),
        Err(problem) => broken(secret, &problem),
    }
}

fn found(stored: &Stored, resolved: &Resolved) -> Keys {
    let next_step = Some(rotation::next_step(stored, &resolved.plan));
    Keys {
        status: stored.status(),
        next_step,
        oidc_broken: stored.oidc.problem().map(str::to_owned),
        ..Keys::default()
    }
}

fn broken(secret: &Secret, problem: &str) -> Keys {
    let name = secret.name_any();
    let broken =
        format!("Secret {name} has no usable keys: {problem}; restore the Secret, or delete it to get new keys");
    Keys { broken: Some(broken), ..Keys::default() }
}

async fn rotate(
    context: &ApplyContext<'_>,
    resolved: &Resolved,
    observed: &Observed,
    live: &Secret,
) -> Result<Keys, ApplyError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &resolved.names.namespace);
    let stored = match Stored::read(live) {
        Ok(stored) => stored,
        Err(problem) => return Ok(broken(live, &problem)),
    };
    let now = context.now.as_second().into();
    if matches!(stored.oidc, OidcKeys::Missing) {
        match openid::next(resolved, observed, context.oidc_keys) {
            Step::Nothing => {}
            Step::Look(retry_in) => {
                return Ok(Keys { retry_in: Some(retry_in), ..advance(&api, resolved, live, stored, now).await? });
            }
            Step::Create(_permit) => return add_oidc_keys(&api, resolved, live, now).await,
        }
    }
    advance(&api, resolved, live, stored, now).await
}

/// Performs the steps of the rotation that are due.
async fn advance(
    api: &Api<Secret>,
    resolved: &Resolved,
    live: &Secret,
    mut stored: Stored,
    now: UnixTime,
) -> Result<Keys, ApplyError> {
    if !rotation::is_due(&stored, &resolved.plan, now) {
        return Ok(found(&stored, resolved));
    }
    let plan = resolved.plan.clone();
    let (stored, change) = beside_reconciles(move || {
        let change = rotation::advance(&mut stored, &plan, now, &mut rand::rng())?;
        Ok((stored, change))
    })
    .await?;
    let Some(change) = change else { return Ok(found(&stored, resolved)) };
    tracing::info!(name = live.name_any(), steps = ?change.notes, "rotating keys");
    let patched = patch(api, &live.name_any(), &change.patch()).await?;
    Ok(Keys { notes: change.notes, ..read(&patched, resolved) })
}

/// Adds the second file, which has an RSA key.
async fn add_oidc_keys(
    api: &Api<Secret>,
    resolved: &Resolved,
    live: &Secret,
    now: UnixTime,
) -> Result<Keys, ApplyError> {
    let name = live.name_any();
    tracing::info!(name, "creating the keys of OpenID Connect");
    let version = live.metadata.resource_version.clone();
    let change = beside_reconciles(move || Change::of_first_oidc_keys(version, now, &mut rand::rng())).await?;
    let patched = patch(api, &name, &change.patch()).await?;
    let lost = resolved.reported.has_oidc_keys.then(|| {
        let note = format!(
            "key {OIDC_KEYS_FILE} of Secret {name} was missing and was created again: applications refuse the tokens that \
             were signed before"
        );
        (Reason::KeysLost, note)
    });
    Ok(Keys { notes: lost.into_iter().collect(), ..read(&patched, resolved) })
}

/// Generates keys on a thread of its own: an RSA key takes a fifth of a second, and other reconciles go on.
#[expect(
    clippy::disallowed_methods,
    reason = "each reconcile waits for its work, so there are only a few such threads"
)]
async fn beside_reconciles<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeysError> + Send + 'static,
) -> Result<T, ApplyError> {
    let ended = |_| KeysError::Generation("the thread ended");
    Ok(tokio::task::spawn_blocking(work).await.map_err(ended).and_then(|result| result)?)
}
