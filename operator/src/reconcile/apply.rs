//! Makes the cluster as it is to be, with server-side apply, and only where it is not so already.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::build::{self, Children};
use super::difference::is_within;
use super::observe::Observed;
use super::validate::Validated;
use crate::api::DeletionPolicy;
use crate::names::{ANNOTATION_APPLIED, FIELD_MANAGER, LABEL_RETAINED};

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server's answer.
    #[error("{kind} {name}: {}", explain(source))]
    Refused { kind: String, name: String, source: kube::Error },
    #[error("generating keys: {0}")]
    Keys(#[from] sc_auth_keys::KeysError),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// What is there after the apply; the status is computed from it and from nothing else.
#[derive(Debug)]
pub struct Applied {
    pub deployment: Deployment,
    pub ingress: Option<Ingress>,
    /// Whether the Secret with the keys had vanished, and every token with it.
    pub keys_were_lost: bool,
}

pub async fn apply(
    client: &Client,
    validated: &Validated,
    children: Children,
    observed: &Observed,
    now: Timestamp,
) -> Result<Applied, ApplyError> {
    // Without `..`: a new child that nobody applies does not compile.
    let Children { namespace, service_account, volume_claim, service, ingress, deployment } = children;
    if let Some(namespace) = namespace {
        one(&Api::<Namespace>::all(client.clone()), namespace, observed.namespace.as_ref()).await?;
    }
    namespaced(client, service_account, observed.service_account.as_ref()).await?;
    let keys_were_lost = secrets(client, validated, observed, now).await?;
    if let Some(volume_claim) = volume_claim {
        namespaced(client, volume_claim, observed.volume_claim.as_ref()).await?;
    }
    namespaced(client, service, observed.service.as_ref()).await?;
    let ingress = match (ingress, &observed.ingress) {
        (Some(ingress), live) => Some(namespaced(client, ingress, live.as_ref()).await?),
        (None, Some(live)) => {
            delete(client, live).await?;
            None
        }
        (None, None) => None,
    };
    let deployment = namespaced(client, deployment, observed.deployment.as_ref()).await?;
    Ok(Applied { deployment, ingress, keys_were_lost })
}

async fn namespaced<K>(client: &Client, desired: K, live: Option<&K>) -> Result<K, ApplyError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let namespace = desired.namespace().unwrap_or_default();
    one(&Api::namespaced(client.clone(), &namespace), desired, live).await
}

/// Applies one child, unless it is as it is to be and was applied just so.
async fn one<K>(api: &Api<K>, mut desired: K, live: Option<&K>) -> Result<K, ApplyError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(serde_json::to_vec(&desired)?));
    desired.annotations_mut().insert(ANNOTATION_APPLIED.to_owned(), digest);
    if let Some(live) = live {
        if is_within(&serde_json::to_value(&desired)?, &serde_json::to_value(live)?) {
            return Ok(live.clone());
        }
        // The server then refuses to apply onto another object of that name.
        desired.meta_mut().uid = live.uid();
    }
    // Without force where there was nothing: a conflict means that someone made it meanwhile.
    let params = PatchParams { force: live.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
    let name = desired.name_any();
    tracing::info!(kind = %K::kind(&()), name, "applying");
    api.patch(&name, &params, &Patch::Apply(&desired)).await.map_err(|source| refused::<K>(&name, source))
}

async fn delete<K>(client: &Client, live: &K) -> Result<(), ApplyError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &live.namespace().unwrap_or_default());
    let same = Preconditions { uid: live.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
    tracing::info!(kind = %K::kind(&()), name = live.name_any(), "deleting");
    match api.delete(&live.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(refused::<K>(&live.name_any(), source)),
    }
}

/// The API server's own sentence, where it gave one; the library's text repeats it with all that came along.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) if !answer.message.is_empty() => answer.message.clone(),
        other => other.to_string(),
    }
}

fn refused<K: Resource<DynamicType = ()>>(name: &str, source: kube::Error) -> ApplyError {
    ApplyError::Refused { kind: K::kind(&()).into_owned(), name: name.to_owned(), source }
}

/// Makes the generated Secrets where they are missing. Returns whether the keys had been there before.
async fn secrets(
    client: &Client,
    validated: &Validated,
    observed: &Observed,
    now: Timestamp,
) -> Result<bool, ApplyError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &validated.names.namespace);
    // A Deployment means that there were keys, and an Admin, before.
    let is_first = observed.secret.is_none() && observed.deployment.is_none();
    // The first Admin's before the keys': that the latter exist is the mark that the former was made.
    if is_first && observed.admin_secret.is_none() {
        let secret = build::admin_secret(validated, &mut rand::rng());
        create(&api, &secret).await?;
    }
    match &observed.secret {
        None => {
            let secret = build::keys_secret(validated, now.as_second(), &mut rand::rng())?;
            create(&api, &secret).await?;
        }
        Some(metadata) => keep(&api, validated, metadata).await?,
    }
    if let Some(metadata) = &observed.admin_secret {
        keep(&api, validated, metadata).await?;
    }
    Ok(observed.secret.is_none() && !is_first)
}

async fn create(api: &Api<Secret>, secret: &Secret) -> Result<(), ApplyError> {
    tracing::info!(kind = "Secret", name = secret.name_any(), "creating");
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    api.create(&params, secret).await.map(|_| ()).map_err(|source| refused::<Secret>(&secret.name_any(), source))
}

/// Whether a Secret stays follows `deletionPolicy`; its content is never touched.
async fn keep(
    api: &Api<Secret>,
    validated: &Validated,
    live: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Result<(), ApplyError> {
    let is_owned = live.owner_references.iter().flatten().any(|owner| owner.uid == validated.owner.uid);
    let is_retained = live.labels.iter().flatten().any(|(name, _)| name == LABEL_RETAINED);
    let (owners, retained): (Value, Value) = match validated.policy {
        DeletionPolicy::Retain if !is_owned && is_retained => return Ok(()),
        DeletionPolicy::Delete if is_owned && !is_retained => return Ok(()),
        DeletionPolicy::Retain => (Value::Null, json!(validated.names.scauth)),
        DeletionPolicy::Delete => (json!([validated.owner]), Value::Null),
    };
    let name = live.name.clone().unwrap_or_default();
    let patch = json!({"metadata": {
        "resourceVersion": live.resource_version, "ownerReferences": owners, "labels": {LABEL_RETAINED: retained},
    }});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = api.patch_metadata(&name, &params, &Patch::Merge(&patch)).await;
    patched.map(|_| ()).map_err(|source| refused::<Secret>(&name, source))
}
