//! Server-side apply of one object; an object that already matches the last apply is skipped.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::cache::ApplyCache;
use super::difference::is_stored;
use super::error::{ApplyError, refused};
use super::names::{ANNOTATION_APPLIED, FIELD_MANAGER};

/// The object to apply or delete.
pub struct Target<'a> {
    pub api: Api<DynamicObject>,
    pub kind: &'a str,
    pub name: &'a str,
    /// The object as it was observed.
    pub live: Option<&'a DynamicObject>,
}

impl Target<'_> {
    /// Applies the object. Returns it as stored.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn apply(&self, cache: &ApplyCache, owner: &str, desired: Value) -> Result<DynamicObject, ApplyError> {
        let mut desired = with_digest(desired);
        if let Some(live) = self.live {
            if is_stored(&desired, live) || cache.is_known(owner, &desired, live)? {
                return Ok(live.clone());
            }
            // The server then refuses to apply onto another object of that name.
            desired["metadata"]["uid"] = json!(live.uid());
        }
        // Without force if the object did not exist: a conflict means that another client created it in between.
        let params = PatchParams { force: self.live.is_some(), ..applying(FIELD_MANAGER) };
        tracing::info!(kind = self.kind, name = self.name, "applying");
        let stored = self.api.patch(self.name, &params, &Patch::Apply(&desired)).await;
        let stored = stored.map_err(|source| refused(self.kind.to_owned(), self.name, source))?;
        cache.remember(owner, desired, &stored)?;
        Ok(stored)
    }

    /// Deletes the object that was observed, and no other object of that name.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn delete(&self) -> Result<(), ApplyError> {
        let same = Preconditions { uid: self.live.and_then(kube::ResourceExt::uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        tracing::info!(kind = self.kind, name = self.name, "deleting");
        match self.api.delete(self.name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
            Err(source) => Err(refused(self.kind.to_owned(), self.name, source)),
        }
    }
}

/// The parameters of an apply. The API server drops fields that it does not know in any case; without this directive it
/// reads the object a second time to warn about them, and nobody reads the warning.
pub fn applying(manager: &str) -> PatchParams {
    PatchParams::apply(manager).validation_ignore()
}

/// Whether a live object is in the desired state.
pub fn is_applied(desired: &Value, live: Option<&DynamicObject>) -> bool {
    live.is_some_and(|live| is_stored(&with_digest(desired.clone()), live))
}

/// The object has a digest of all that was applied: a field that is no longer sent changes it.
fn with_digest(mut desired: Value) -> Value {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(desired.to_string()));
    desired["metadata"]["annotations"][ANNOTATION_APPLIED] = json!(digest);
    desired
}
