//! The custom resource as Rust types. Its doc comments are what `kubectl explain scauth` prints.

mod auth;
mod crd;
mod spec;
mod status;

pub use auth::*;
pub use crd::to_yaml;
pub use spec::*;
pub use status::ScAuthStatus;
