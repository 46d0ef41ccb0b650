//! The custom resource as Rust types. Its doc comments are what `kubectl explain scauth` prints.

mod amount;
mod auth;
mod borrowed;
mod crd;
mod database;
mod expose;
mod login;
mod references;
mod rules;
mod spec;
mod status;
mod stored;
mod workload;

pub use amount::Amount;
pub use auth::*;
pub use crd::{schema, to_yaml};
pub use database::*;
pub use expose::*;
pub use login::*;
pub use references::*;
pub use sc_auth_contract::keys::AccessAlgorithm;
pub use sc_auth_contract::settings::{Blocklist, Engine, PasswordNames, RefreshTokens, Registration, TlsMode};
pub use spec::*;
pub use status::*;
pub use stored::StoredScAuth;
pub use workload::*;
