//! What these routes report on.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::auth::declared::DeclaredFile;
use crate::auth::keys::KeyRing;
use crate::auth::oidc::keys::OidcKeyRing;
use crate::auth::session::Sessions;
use crate::clock::Clock;
use crate::deployment::DeploymentFile;
use crate::http::layers::Draining;
use crate::http::look::LogoFile;
use crate::metrics::Metrics;
use crate::report::Report;

/// The state that these routes report.
#[derive(Clone)]
pub struct Ops {
    pub metrics: Metrics,
    pub draining: Draining,
    pub report: Report,
    pub keys: Arc<KeyRing>,
    pub deployment: Arc<DeploymentFile>,
    /// `None` without OpenID Connect.
    pub oidc_keys: Option<Arc<OidcKeyRing>>,
    /// `None` without declared clients.
    pub declared: Option<Arc<DeclaredFile>>,
    /// The logo of the pages.
    pub logo: Option<Arc<LogoFile>>,
    /// The folder of the first Admin's Secret.
    pub bootstrap: Option<PathBuf>,
    pub clock: Clock,
    /// About settings.
    pub warnings: Arc<[String]>,
    /// Set once the API is served.
    pub sessions: Arc<OnceLock<Arc<Sessions>>>,
}
