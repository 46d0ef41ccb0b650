//! Names, labels and annotations that we give and look for.

/// Who applies, for server-side apply.
pub const FIELD_MANAGER: &str = "sc-auth-operator";

/// On each child: the ScAuth that it belongs to.
pub const LABEL_SCAUTH: &str = "sc-auth.io/scauth";
/// On children that stay when their ScAuth goes: the name of the one that may take them up again.
pub const LABEL_RETAINED: &str = "sc-auth.io/retained-by";
/// On a namespace, by its owner: the names of the ScAuths that may use it, separated by commas, or `*`.
pub const ANNOTATION_ALLOW: &str = "sc-auth.io/allow";
/// On each applied child: a digest of what was applied, so that an omission is noticed too.
pub const ANNOTATION_APPLIED: &str = "sc-auth.io/applied";

pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The children's names.
#[derive(Debug, Clone)]
pub struct Names {
    pub scauth: String,
    pub namespace: String,
}

impl Names {
    pub fn deployment(&self) -> &str {
        &self.scauth
    }

    pub fn service_account(&self) -> &str {
        &self.scauth
    }

    pub fn service(&self) -> String {
        format!("{}-svc", self.scauth)
    }

    pub fn secret(&self) -> String {
        format!("{}-secret", self.scauth)
    }

    pub fn admin_secret(&self) -> String {
        format!("{}-admin", self.scauth)
    }

    pub fn ingress(&self) -> String {
        format!("{}-ingress", self.scauth)
    }

    pub fn volume_claim(&self) -> String {
        format!("{}-data", self.scauth)
    }
}
