//! Writes the status of an object.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Patch;
use kube::core::{ClusterResourceScope, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::json;

use super::apply::applying;
use super::changes::Version;
use super::names::FIELD_MANAGER;

/// Applies the status of an object that is watched. Returns the stored version, unless anything but the status has
/// changed in it. Of the answer, only the metadata is read: the spec may have what this program cannot read.
pub async fn write<K>(client: &Client, object: &K, status: &(impl Serialize + Sync)) -> kube::Result<Option<Version>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug,
{
    let api: Api<PartialObjectMeta<K>> = Api::all(client.clone());
    let name = object.name_any();
    let patch = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name, "uid": object.uid()}, "status": status,
    });
    let params = applying(FIELD_MANAGER).force();
    match api.patch_status(&name, &params, &Patch::Apply(&patch)).await {
        Ok(stored) => Ok(Version::of(stored.meta()).filter(|_| is_same(object.meta(), stored.meta()))),
        // The object was deleted meanwhile.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether both have the same spec, and the same metadata as far as reconciles depend on it.
fn is_same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.generation == other.generation
        && one.annotations == other.annotations
        && one.labels == other.labels
        && one.finalizers == other.finalizers
        && one.deletion_timestamp == other.deletion_timestamp
}
