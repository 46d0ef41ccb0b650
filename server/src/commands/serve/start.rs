//! Builds the application from the settings.

use std::sync::Arc;

use sc_auth_contract::issuer;
use tokio_util::sync::CancellationToken;

use super::imported::{self, Count};
use crate::account::NAME;
use crate::auth::audit::EventLimiter;
use crate::auth::declared::DeclaredFile;
use crate::auth::hasher::Hasher;
use crate::auth::keys::KeyRing;
use crate::auth::oidc::OpenId;
use crate::auth::oidc::keys::OidcKeyRing;
use crate::auth::old_tokens::OldTokens;
use crate::auth::parties::KnownParties;
use crate::auth::password::policy::Policy;
use crate::auth::session::{RepeatedRefreshes, Sessions};
use crate::auth::throttle::CounterKeys;
use crate::backchannel::Sender;
use crate::clock;
use crate::commands::first_admin;
use crate::commands::open::{self, Opened, Ready};
use crate::config::{LoginArgs, ServeArgs};
use crate::deployment::DeploymentFile;
use crate::files::beside_requests;
use crate::http::address_changes::AddressChanges;
use crate::http::look::{LogoFile, Look};
use crate::http::proxy_warnings::ProxyWarnings;
use crate::http::rate_limits::RateLimits;
use crate::http::refused::Refusals;
use crate::http::user_limit::UserLimit;
use crate::http::warnings::Warnings;
use crate::http::{App, Settings};
use crate::metrics::Metrics;
use crate::store::{Database, Engine, Store};

/// The most sessions of all users in an embedded database: about 400 MB.
const MAX_EMBEDDED_SESSIONS: u64 = 1_000_000;

/// The settings and files that are read before the database, so that a mistake in them is reported at once.
pub struct Start<'a> {
    args: &'a ServeArgs,
    pub metrics: Metrics,
    pub keys: Arc<KeyRing>,
    pub deployment: Arc<DeploymentFile>,
    pub declared: Option<Arc<DeclaredFile>>,
    pub openid: Option<Arc<OpenId>>,
    pub look: Arc<Look>,
    pub sender: Arc<Sender>,
    policy: Policy,
    old_tokens: Option<OldTokens>,
}

/// The application, and what it has not finished.
pub struct Begun {
    pub app: App,
    pub count: Count,
}

impl<'a> Start<'a> {
    pub async fn read(args: &'a ServeArgs, metrics: Metrics) -> anyhow::Result<Self> {
        let keys_file = args.deployment.keys.keys_file.clone();
        let load = move || KeyRing::load(&keys_file, clock::system(), &mut rand::rng());
        let keys = beside_requests(load).await??;
        let (declared, openid) = clients(args).await?;
        let ca_file = args.backchannel_ca_file.clone();
        let sender = beside_requests(move || Sender::new(ca_file.as_deref())).await??;
        // Such clients are refused when the file is read. Those who declare them need not have access to the pod's processes.
        let is_in_pod = args.declared.place().is_none_or(|place| place.is_in_pod());
        let sender = if is_in_pod { sender.without_loopback() } else { sender };
        Ok(Self {
            args,
            metrics,
            policy: args.password.policy()?,
            old_tokens: args.old_tokens.resolve()?,
            deployment: Arc::new(args.deployment.load()?),
            keys: Arc::new(keys),
            declared,
            openid,
            look: Arc::new(look(&args.login).await?),
            sender: Arc::new(sender),
        })
    }

    pub fn database(&self) -> anyhow::Result<Database> {
        self.args.database.resolve().map_err(anyhow::Error::msg)
    }

    /// Opens the database, if it is the expected one.
    pub async fn open(&self, database: &Database) -> anyhow::Result<Opened> {
        open::open(database, self.args.database.pool_size(), self.deployment.expected().as_deref()).await
    }

    /// Migrates the schema to this version and builds the application. Do not drop it: a migration must finish. `stop`
    /// ends what can be interrupted.
    pub async fn app(&self, ready: Ready, database: &Database, stop: &CancellationToken) -> anyhow::Result<Begun> {
        let args = self.args;
        let store = ready.migrate(database, stop).await?;
        tracing::info!(
            engine = store.engine().name(),
            identity = store.own_identity(),
            "the database is ready and its schema is up to date"
        );
        let now = clock::system();
        self.keys.get().remembered.extend(store.remembered_keys().await?);
        let counter_keys = CounterKeys::load(&store, &self.keys.get(), rand::random(), now).await?;
        let hasher = Hasher::start(args.hash.settings(), self.metrics.hash(), &mut rand::rng())?;
        self.first_admin(&store, &hasher, database).await?;
        let refresh_tokens = args.refresh_tokens(self.old_tokens.is_some() || store.has_old_tables());
        tracing::info!(
            ?refresh_tokens,
            accepts_legacy_tokens = self.old_tokens.is_some(),
            coexists = args.hash.coexist.is_on(),
            "compatibility with the legacy service"
        );
        // An embedded database is on a volume, which must not become full.
        let most = (store.engine() == Engine::Sqlite).then_some(MAX_EMBEDDED_SESSIONS);
        let sessions = Sessions {
            store,
            hasher,
            keys: Arc::clone(&self.keys),
            counter_keys,
            parties: KnownParties::new(args.tokens.issuer.clone(), args.audience()),
            repeated: RepeatedRefreshes::default(),
            metrics: self.metrics.clone(),
            lifetimes: args.lifetimes(),
            browser: args.login.lifetimes(),
            refresh_tokens,
            old_tokens: self.old_tokens.clone(),
            form: args.hash.form(),
            throttles: args.guards.rate_limits.is_on(),
            leeway: args.tokens.leeway,
            events: EventLimiter::default(),
            most_per_user: args.tokens.max_sessions,
            most,
        };
        let settings = Settings {
            policy: self.policy.clone(),
            name: NAME.at_least(usize::from(args.guards.name_min_length)),
            registration: args.guards.registration.clone(),
            trusted_proxies: args.guards.trusted_proxies.clone(),
            proxy_warnings: ProxyWarnings::default(),
            rate_limits: args.guards.rate_limits.is_on().then(RateLimits::new),
            user_limit: args.guards.max_users(sessions.store.engine()).map(UserLimit::new),
            cors_origins: args.cors_origins(),
            refusals: Refusals::default(),
            address_changes: args.guards.rate_limits.is_on().then(AddressChanges::new),
            verify_warnings: Warnings::default(),
            host_warnings: Warnings::default(),
        };
        let count = imported::count_at_start(&sessions, stop).await;
        let (sessions, settings) = (Arc::new(sessions), Arc::new(settings));
        let (openid, look) = (self.openid.clone(), Arc::clone(&self.look));
        let app = App { sessions, metrics: self.metrics.clone(), clock: clock::system, settings, openid, look };
        Ok(Begun { app, count })
    }

    async fn first_admin(&self, store: &Store, hasher: &Hasher, database: &Database) -> anyhow::Result<()> {
        match (&self.args.bootstrap.bootstrap_admin, database.folder()) {
            (Some(folder), _) => first_admin::from_folder(store, hasher, folder, &self.policy, clock::system()).await,
            (None, Some(folder)) => first_admin::generated(store, hasher, &folder, &self.policy, clock::system()).await,
            (None, None) => Ok(()),
        }
    }
}

/// The file of declared clients, and what else serves them if the issuer can be used.
async fn clients(args: &ServeArgs) -> anyhow::Result<(Option<Arc<DeclaredFile>>, Option<Arc<OpenId>>)> {
    let Some(place) = args.declared.place() else { return Ok((None, None)) };
    let (creates_keys, reserved) = (place.creates_keys(), args.own_audiences());
    let load = move || DeclaredFile::load(place.path().to_owned(), place.missing(), place.is_in_pod(), reserved);
    let declared = Arc::new(beside_requests(load).await?);
    if !issuer::is_usable(&args.tokens.issuer) {
        return Ok((Some(declared), None));
    }
    let keys_file = args.deployment.keys.keys_file.clone();
    let load = move || OidcKeyRing::load(&keys_file, creates_keys, clock::system(), &mut rand::rng());
    let keys = Arc::new(beside_requests(load).await?);
    let openid = OpenId { issuer: args.tokens.issuer.clone(), declared: Arc::clone(&declared), keys };
    Ok((Some(declared), Some(Arc::new(openid))))
}

async fn look(args: &LoginArgs) -> anyhow::Result<Look> {
    let logo = match args.login_logo.clone() {
        Some(path) => Some(Arc::new(beside_requests(move || LogoFile::load(path)).await?)),
        None => None,
    };
    let colors = [args.login_accent_light.as_deref(), args.login_accent_dark.as_deref()];
    Ok(Look::new(args.login_title.clone(), args.login_language, colors, logo))
}
