//! The custom resource as Rust types. Its doc comments are what `kubectl explain scauth` prints.

mod auth;
mod crd;
mod expose;
mod spec;
mod status;
mod workload;

pub use auth::*;
pub use crd::to_yaml;
pub use expose::*;
pub use spec::*;
pub use status::*;
pub use workload::*;
