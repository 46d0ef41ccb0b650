//! Names, labels and annotations of all objects that the operator applies.

/// Who applies, for server-side apply.
pub const FIELD_MANAGER: &str = "sc-auth-operator";
/// On objects that stay when their owner goes: the owner that may adopt them, see [`super::ownership::retained_by`].
pub const LABEL_RETAINED: &str = "sc-auth.io/retained-by";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// On each applied object: a digest of what was applied, so that an omission is noticed too.
pub const ANNOTATION_APPLIED: &str = "sc-auth.io/applied";
