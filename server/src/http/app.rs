//! The state and the settings of the handlers.

use std::sync::Arc;

use axum::http::HeaderValue;
use sc_auth_contract::time::UnixTime;

use super::address_changes::AddressChanges;
use super::error::ApiError;
use super::look::Look;
use super::proxy_warnings::ProxyWarnings;
use super::rate_limits::{Limited, RateLimits};
use super::refused::Refusals;
use super::user_limit::UserLimit;
use super::warnings::Warnings;
use crate::account::Rule;
use crate::auth::client::Client;
use crate::auth::oidc::OpenId;
use crate::auth::password::policy::Policy;
use crate::auth::proxies::TrustedProxies;
use crate::auth::registration::Registration;
use crate::auth::session::Sessions;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// The state of all handlers.
#[derive(Clone)]
pub struct App {
    pub sessions: Arc<Sessions>,
    pub metrics: Metrics,
    pub clock: Clock,
    pub settings: Arc<Settings>,
    /// `None` without declared clients, or with an issuer that cannot be used.
    pub openid: Option<Arc<OpenId>>,
    pub look: Arc<Look>,
}

impl App {
    pub fn now(&self) -> UnixTime {
        (self.clock)()
    }
}

/// The settings by which the API refuses requests.
pub struct Settings {
    pub policy: Policy,
    /// The rule for a user's full name.
    pub name: Rule,
    pub registration: Registration,
    pub trusted_proxies: TrustedProxies,
    /// Warnings about proxies that hide the addresses of clients.
    pub proxy_warnings: ProxyWarnings,
    /// `None` if they are off.
    pub rate_limits: Option<RateLimits>,
    /// The number of users at which the registration ends.
    pub user_limit: Option<UserLimit>,
    pub cors_origins: Vec<HeaderValue>,
    pub refusals: Refusals,
    /// `None` if rate limits are off.
    pub address_changes: Option<AddressChanges>,
    /// Warnings about invalid queries to `verify`.
    pub verify_warnings: Warnings,
    /// Warnings about pages under another host.
    pub host_warnings: Warnings,
}

impl Settings {
    pub fn check_rate(&self, limited: Limited, client: &Client) -> Result<(), ApiError> {
        self.rate_limits.as_ref().map_or(Ok(()), |limits| limits.check(limited, client))
    }
}
