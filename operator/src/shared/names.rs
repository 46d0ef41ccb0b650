//! Names, labels and annotations of all objects that the operator applies.

/// The field manager for server-side apply.
pub const FIELD_MANAGER: &str = "sc-auth-operator";
/// On objects that are kept when their owner is deleted: the name of the owner that may adopt them.
pub const LABEL_RETAINED: &str = "sc-auth.io/retained-by";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// On each applied object: a digest of what was applied, so that a removed field is noticed too.
pub const ANNOTATION_APPLIED: &str = "sc-auth.io/applied";
