//! Names, labels and annotations that the operator sets and reads.

use kube::ResourceExt as _;

use crate::api::ScAuth;
pub use crate::shared::names::{ANNOTATION_APPLIED, FIELD_MANAGER, LABEL_RETAINED, MANAGED_BY};

/// The field manager that keeps the number of replicas while nobody sends it, see `apply/handover.rs`.
pub const HANDOVER_MANAGER: &str = "sc-auth-operator-handover";

/// The field manager of the annotation that has Kubernetes try refused pods again, see `apply/quota.rs`.
pub const RETRY_MANAGER: &str = "sc-auth-operator-retry";
/// On a Deployment whose pods a quota refuses: when they were last tried again.
pub const ANNOTATION_RETRIED: &str = "sc-auth.io/retried";

/// On each child: the name of its ScAuth.
pub const LABEL_SCAUTH: &str = "sc-auth.io/scauth";

/// On each child that is deleted with the ScAuth, and on the pods: the name of the ScAuth.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";

/// On a namespace, by its owner: the names of the ScAuths that may use it, separated by commas, or `*`.
pub const ANNOTATION_ALLOW: &str = "sc-auth.io/allow";

/// On the Deployment: the revision of its pod template, its image, and the image in the spec.
pub const ANNOTATION_REVISION: &str = "sc-auth.io/template-revision";
pub const ANNOTATION_IMAGE: &str = "sc-auth.io/image";
pub const ANNOTATION_SPEC_IMAGE: &str = "sc-auth.io/spec-image";
/// On a Deployment whose pods have no user and group ids: `assigned`. Without it they have ours, as in release 0.2.
pub const ANNOTATION_POD_IDS: &str = "sc-auth.io/pod-ids";
/// On a ScAuth, by a person: the desired release of image and pod template.
pub const ANNOTATION_UPGRADE_TO: &str = "sc-auth.io/upgrade-to";

/// On a ScAuth, by a person: rotate the signing keys whenever this changes.
pub const ANNOTATION_ROTATE: &str = "sc-auth.io/rotate-keys";
/// On a ScAuth, by a person: the kid of a key that has leaked.
pub const ANNOTATION_REVOKE: &str = "sc-auth.io/revoke-key";
/// On the Secret with the keys: the completed requests of these two annotations.
pub const ANNOTATION_ROTATED: &str = "sc-auth.io/rotated-for";
pub const ANNOTATION_REVOKED: &str = "sc-auth.io/revoked-for";
/// On the same Secret: the request to rotate that is under way, and the keys that it replaces.
pub const ANNOTATION_ROTATING: &str = "sc-auth.io/rotating-for";

/// On a ScAuth, by a person: the identity of the database to use from now on.
pub const ANNOTATION_ACCEPT_DATABASE: &str = "sc-auth.io/accept-database";
/// On the Secret with the keys: the value of that annotation when it was accepted.
pub const ANNOTATION_ACCEPTED: &str = "sc-auth.io/accepted-database";
/// On the pod template, only after an acceptance: the identity that was accepted, so that the pods are replaced.
pub const ANNOTATION_DATABASE: &str = "sc-auth.io/database";
/// On the Secret with the first Admin's password: whether that Admin was created with it, `created` or `not-created`.
pub const ANNOTATION_ADMIN: &str = "sc-auth.io/admin";

/// The namespace of the children.
pub fn namespace(scauth: &ScAuth) -> &str {
    scauth.spec.namespace.as_ref().or(scauth.metadata.name.as_ref()).map_or("", String::as_str)
}

/// The children's names.
#[derive(Debug, Clone)]
pub struct Names {
    pub scauth: String,
    pub namespace: String,
}

impl Names {
    pub fn of(scauth: &ScAuth) -> Self {
        Self { namespace: namespace(scauth).to_owned(), scauth: scauth.name_any() }
    }

    pub fn service(&self) -> String {
        format!("{}-svc", self.scauth)
    }

    pub fn ops_service(&self) -> String {
        format!("{}-ops", self.scauth)
    }

    pub fn secret(&self) -> String {
        format!("{}-secret", self.scauth)
    }

    /// The applications that log users in.
    pub fn declared_secret(&self) -> String {
        format!("{}-declared", self.scauth)
    }

    pub fn admin_secret(&self) -> String {
        format!("{}-admin", self.scauth)
    }

    pub fn ingress(&self) -> String {
        format!("{}-ingress", self.scauth)
    }

    pub fn certificate(&self) -> String {
        format!("{}-tls", self.scauth)
    }

    pub fn volume_claim(&self) -> String {
        format!("{}-data", self.scauth)
    }
}
