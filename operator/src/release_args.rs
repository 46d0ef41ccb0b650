//! The arguments that `run`, `render` and `diff` have in common.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use crate::scauth::release::{PodIds, ReleaseDefaults};
use crate::scauth::validate::Environment;

/// The settings of the operator that the children depend on.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// Image of the server's pods, for a ScAuth without spec.image. It has no default, since no public registry has it.
    #[arg(long, env = "SERVER_IMAGE")]
    server_image: Option<String>,
    /// The operator's own namespace, with the Lease. No ScAuth may use it.
    #[arg(long, env = "POD_NAMESPACE", default_value = "sc-auth-system")]
    namespace: String,
    /// Allowed prefixes of spec.image, separated by commas [default: any image]
    #[arg(long, env = "ALLOWED_IMAGES", value_delimiter = ',')]
    allowed_images: Vec<String>,
    /// Leave user and group ids out of the pods of a new or upgraded ScAuth, as OpenShift's SCC restricted-v2 requires.
    // A flag, not what discovery says: that fails now and then, `render` has none, and a cluster may have OpenShift's
    // API group without its admission.
    #[arg(long, env = "OPENSHIFT")]
    openshift: bool,
}

/// What to do if the server's image is unknown.
pub const NO_SERVER_IMAGE: &str = concat!(
    "no image for the server's pods: set --server-image or SERVER_IMAGE to the one in your registry, such as ",
    "registry.example.com/sc-auth-server:",
    env!("CARGO_PKG_VERSION")
);

impl ReleaseArgs {
    /// # Errors
    /// If no image is named, or only the placeholder of the manifests: the operator would create pods that never start.
    pub fn ensure_image(&self) -> anyhow::Result<()> {
        let image = self.server_image.as_deref().unwrap_or_default().trim();
        ensure!(!image.is_empty(), NO_SERVER_IMAGE);
        let (registry, _) = image.split_once('/').unwrap_or_default();
        let host = registry.split(':').next().unwrap_or_default();
        let is_placeholder = host.rsplit('.').next() == Some("invalid");
        ensure!(!is_placeholder, "{image} is a placeholder that no registry has; {NO_SERVER_IMAGE}");
        Ok(())
    }

    /// The same in the form that a reconcile needs. `publish_keys_for` only matters where keys rotate.
    pub fn environment(self, publish_keys_for: Duration) -> Environment {
        let image = self.server_image.unwrap_or_default().trim().to_owned();
        let ids = if self.openshift { PodIds::Assigned } else { PodIds::Fixed };
        Environment {
            defaults: ReleaseDefaults { version: env!("CARGO_PKG_VERSION").to_owned(), image, ids },
            namespace: self.namespace,
            allowed_images: self.allowed_images.into_iter().filter(|start| !start.is_empty()).collect(),
            publish_keys_for,
        }
    }
}
