//! The settings of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::{Args, value_parser};
use sc_auth_contract::issuer::canonical;
use sc_auth_contract::limits::{ACCESS_TOKEN_TTL_MAX, MAX_SESSIONS_MAX, NAME_MAX, SESSION_TTL_MAX};
use sc_auth_contract::settings::{self, LegacyTokens, RefreshTokens, Switch};
use secrecy::SecretString;

use super::database::{DatabaseArgs, secret};
use super::groups::{BootstrapArgs, DeclaredArgs, DeploymentArgs, OpsArgs};
use super::login::LoginArgs;
use super::origin::Origin;
use super::passwords::{HashArgs, PasswordArgs};
use super::trimmed::{path, trimmed, word};
use super::values::{List, audiences, duration, issuer, issuer_problem, listen, origins};
use crate::auth::old_tokens::OldTokens;
use crate::auth::proxies::TrustedProxies;
use crate::auth::registration::Registration;
use crate::auth::session::Lifetimes;
use crate::auth::token::REFRESH_AUDIENCE;
use crate::store::Engine;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port of the API.
    #[arg(long, env = settings::LISTEN.name, default_value = settings::LISTEN.default, value_parser = listen, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub ops: OpsArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub declared: DeclaredArgs,
    /// File of certificates (PEM) of further authorities, besides the public ones, for the servers that logout tokens are sent
    /// to. It is read when the server starts.
    #[arg(long, env = settings::BACKCHANNEL_CA_FILE.name, value_parser = path(), value_name = "FILE")]
    pub backchannel_ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub login: LoginArgs,
    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub old_tokens: OldTokenArgs,
    #[command(flatten)]
    pub guards: GuardArgs,
    /// How long the server accepts requests after SIGTERM, until proxies have noticed: 0s to 5m [default: 10s; 0s
    /// with an embedded database, whose next server waits for this one]
    #[arg(long, env = settings::DRAIN.name, value_parser = duration::<0, 300>)]
    pub drain: Option<Duration>,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub hash: HashArgs,
    #[command(flatten)]
    pub bootstrap: BootstrapArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The claim `iss` of all tokens: the address of this service as clients know it.
    #[arg(long, env = settings::ISSUER.name, default_value = settings::ISSUER.default, value_parser = issuer)]
    pub issuer: String,
    /// The claim `aud` of access tokens, separated by commas [default: the issuer]
    #[arg(long, env = settings::AUDIENCE.name, value_parser = audiences)]
    pub audience: Vec<List<String>>,
    /// Lifetime of an access token, 1s to 1d.
    #[arg(long, env = settings::ACCESS_TOKEN_TTL.name, default_value = settings::ACCESS_TOKEN_TTL.default, value_parser = duration::<1, ACCESS_TOKEN_TTL_MAX>)]
    pub access_token_ttl: Duration,
    /// Lifetime of a refresh token, and of a session that is not refreshed: 1s to 366d, not shorter than that of
    /// an access token.
    #[arg(long, env = settings::REFRESH_TOKEN_TTL.name, default_value = settings::REFRESH_TOKEN_TTL.default, value_parser = duration::<1, SESSION_TTL_MAX>)]
    pub refresh_token_ttl: Duration,
    /// Longest lifetime of a session, however often it is refreshed: 1s to 366d, not shorter than that of a
    /// refresh token [default: 90d, or the lifetime of a refresh token if that is longer]
    #[arg(long, env = settings::SESSION_TTL.name, value_parser = duration::<1, SESSION_TTL_MAX>)]
    pub session_ttl: Option<Duration>,
    /// The most sessions of a user, 1 to 10000. A login beyond them ends the least recently used session that has no
    /// valid access token any more, or is refused with 429 if all have one.
    #[arg(long, env = settings::MAX_SESSIONS.name, default_value = settings::MAX_SESSIONS.default, value_name = "COUNT", value_parser = trimmed(value_parser!(u32).range(1..=i64::from(MAX_SESSIONS_MAX))))]
    pub max_sessions: u32,
    /// Whether a refresh token can be used once (`rotating`) or until it expires (`reusable`) [default: reusable
    /// if legacy tokens are accepted or the database was taken over, otherwise rotating]
    #[arg(long, env = settings::REFRESH_TOKENS.name, value_parser = word::<RefreshTokens>(), value_name = "WHAT")]
    pub refresh_tokens: Option<RefreshTokens>,
    /// Allowed clock difference between replicas, for `nbf` and `iat`: 0s to 1m. Expired tokens are never
    /// accepted.
    #[arg(long, env = settings::LEEWAY.name, default_value = settings::LEEWAY.default, value_parser = duration::<0, 60>)]
    pub leeway: Duration,
}

#[derive(Debug, Args)]
pub struct OldTokenArgs {
    /// SECRET_KEY of the legacy (Flask) service, whose tokens are accepted until they expire.
    #[arg(long, env = settings::SECRET_KEY.name, hide_env_values = true, value_name = "SECRET")]
    pub secret_key: Option<SecretString>,
    /// File that contains SECRET_KEY.
    #[arg(long, env = settings::SECRET_KEY_FILE.name, value_parser = path(), value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// `weak` accepts legacy tokens even if SECRET_KEY has fewer than 32 bytes and can be brute-forced.
    #[arg(long, env = settings::LEGACY_TOKENS.name, default_value = settings::LEGACY_TOKENS.default, value_parser = word::<LegacyTokens>(), value_name = "WHAT")]
    pub legacy_tokens: LegacyTokens,
}

impl OldTokenArgs {
    /// # Errors
    /// If the secret cannot be read or can be guessed.
    pub fn resolve(&self) -> anyhow::Result<Option<OldTokens>> {
        let secret = secret("SECRET_KEY", self.secret_key.as_ref(), self.secret_key_file.as_deref());
        let secret = secret.map_err(anyhow::Error::msg)?;
        secret.map(|secret| OldTokens::new(&secret, self.legacy_tokens == LegacyTokens::Weak)).transpose()
    }
}

#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Who can register: `open` (anybody), `closed` (nobody), or the domains of allowed e-mail addresses,
    /// separated by commas. Addresses are not verified.
    #[arg(long, env = settings::REGISTRATION.name, default_value = settings::REGISTRATION.default, value_name = "WHO")]
    pub registration: Registration,
    /// Minimum length of a user's full name, in characters.
    #[arg(
        long,
        env = settings::NAME_MIN_LENGTH.name,
        default_value = settings::NAME_MIN_LENGTH.default,
        value_parser = trimmed(value_parser!(u16).range(1..=i64::from(NAME_MAX))),
        value_name = "COUNT"
    )]
    pub name_min_length: u16,
    /// Networks of the proxies whose X-Forwarded-For is trusted, separated by commas, or `direct` if clients
    /// connect without a proxy. Without it, nothing is limited by client address, since all clients may share the
    /// address of a proxy.
    #[arg(long, env = settings::TRUSTED_PROXIES.name, default_value = "", value_name = "NETWORKS")]
    pub trusted_proxies: TrustedProxies,
    /// `off` disables the rate limits, for tests and benchmarks.
    #[arg(long, env = settings::RATE_LIMITS.name, default_value = settings::RATE_LIMITS.default, value_parser = word::<Switch>(), value_name = "SWITCH")]
    pub rate_limits: Switch,
    /// Origins of web pages that can call the API from a browser, separated by commas.
    #[arg(long, env = settings::CORS_ORIGINS.name, value_parser = origins, value_name = "ORIGINS")]
    pub cors_origins: Vec<List<Origin>>,
    /// How long audit events are kept, 1d to 3650d.
    #[arg(long, env = settings::AUDIT_RETENTION.name, default_value = settings::AUDIT_RETENTION.default, value_parser = duration::<86_400, 315_360_000>)]
    pub audit_retention: Duration,
    /// The most audit events to keep besides what Admins and commands do, 1000 to 1000000000. Refused logins and
    /// requests are deleted first, then what users do with their own accounts, the oldest first.
    #[arg(long, env = settings::AUDIT_MAX_EVENTS.name, default_value = settings::AUDIT_MAX_EVENTS.default, value_name = "COUNT", value_parser = trimmed(value_parser!(u64).range(1_000..=1_000_000_000)))]
    pub audit_max_events: u64,
    /// While there are so many users, nobody can register; Admins can still create users [default: 200000 with an
    /// embedded database, otherwise no limit]
    #[arg(long, env = settings::MAX_USERS.name, value_name = "COUNT", value_parser = trimmed(value_parser!(u64).range(1..)))]
    pub max_users: Option<u64>,
}

/// The users of an embedded database at which the registration ends: about 150 MB.
const EMBEDDED_USERS: u64 = 200_000;

impl GuardArgs {
    /// The number of users at which the registration ends.
    pub fn max_users(&self, engine: Engine) -> Option<u64> {
        self.max_users.or((engine == Engine::Sqlite).then_some(EMBEDDED_USERS))
    }
}

const DAY: u64 = 86_400;

impl ServeArgs {
    /// The claim `aud`: the configured audiences, or the issuer. Release 0.2 accepted the audience of refresh tokens,
    /// which access tokens must not have.
    pub fn audience(&self) -> Vec<String> {
        let configured: Vec<_> = self.tokens.audience.iter().flat_map(|list| list.0.iter().cloned()).collect();
        let mut audience = configured.clone();
        audience.retain(|name| name != REFRESH_AUDIENCE);
        if audience.len() < configured.len() {
            tracing::warn!(
                "SC_AUTH_AUDIENCE: {REFRESH_AUDIENCE} is the audience of refresh tokens; access tokens are signed without it"
            );
        }
        if audience.is_empty() { vec![self.tokens.issuer.clone()] } else { audience }
    }

    /// All audiences of the API's tokens, and the issuer.
    pub fn own_audiences(&self) -> Vec<String> {
        let configured = self.tokens.audience.iter().flat_map(|list| list.0.iter().cloned());
        configured.chain([self.tokens.issuer.clone()]).collect()
    }

    /// How long requests are accepted after SIGTERM. With an embedded database no other server can serve them: the
    /// sooner this one ends, the sooner the next one starts.
    pub fn drain(&self, engine: Engine) -> Duration {
        self.drain.unwrap_or(if engine == Engine::Sqlite { Duration::ZERO } else { Duration::from_secs(10) })
    }

    pub fn lifetimes(&self) -> Lifetimes {
        let refresh = self.tokens.refresh_token_ttl;
        let session = self.tokens.session_ttl.unwrap_or(Duration::from_secs(90 * DAY).max(refresh));
        Lifetimes { access: self.tokens.access_token_ttl, refresh, session }
    }

    /// The configured mode, or the default that suits the existing clients.
    pub fn refresh_tokens(&self, has_old_clients: bool) -> RefreshTokens {
        let default = if has_old_clients { RefreshTokens::Reusable } else { RefreshTokens::Rotating };
        self.tokens.refresh_tokens.unwrap_or(default)
    }

    /// The origins of web pages that can call the API.
    pub fn cors_origins(&self) -> Vec<HeaderValue> {
        let origins = self.guards.cors_origins.iter().flat_map(|list| &list.0);
        let usable = origins.filter_map(|origin| match origin {
            Origin::Usable(value) => Some(value.clone()),
            Origin::Useless { .. } => None,
        });
        usable.collect()
    }

    /// The problems of settings that depend on each other.
    pub fn problems(&self) -> Vec<String> {
        let Lifetimes { access, refresh, session } = self.lifetimes();
        let mut problems = Vec::new();
        if refresh < access {
            problems.push(
                "SC_AUTH_REFRESH_TOKEN_TTL is shorter than SC_AUTH_ACCESS_TOKEN_TTL; a session must outlast its access \
                 tokens"
                    .to_owned(),
            );
        }
        if session < refresh {
            problems.push(
                "SC_AUTH_SESSION_TTL is shorter than SC_AUTH_REFRESH_TOKEN_TTL; a session must outlast its refresh tokens"
                    .to_owned(),
            );
        }
        if self.login.login_session_maximum < self.login.login_session_idle {
            problems.push("SC_AUTH_LOGIN_SESSION_MAXIMUM is shorter than SC_AUTH_LOGIN_SESSION_IDLE".to_owned());
        }
        if share_a_port(self.listen, self.ops.ops_listen) {
            problems.push(format!(
                "SC_AUTH_LISTEN and SC_AUTH_OPS_LISTEN both have port {}; choose another one",
                self.listen.port()
            ));
        }
        problems
    }

    /// Checks the settings that depend on each other.
    pub fn check(&self) -> Result<(), String> {
        match self.problems() {
            problems if problems.is_empty() => Ok(()),
            problems => Err(problems.join("; ")),
        }
    }

    /// What release 0.2 accepted although it has no effect, or not the expected one.
    pub fn warnings(&self) -> Vec<String> {
        let guards = &self.guards;
        let mut warnings = Vec::new();
        for origin in guards.cors_origins.iter().flat_map(|list| &list.0) {
            if let Origin::Useless { text, advice } = origin {
                warnings.push(format!("SC_AUTH_CORS_ORIGINS: no browser sends the origin {text:?}: {advice}"));
            }
        }
        if let Some(problem) = issuer_problem(&self.tokens.issuer) {
            warnings.push(format!("SC_AUTH_ISSUER: {problem}"));
        }
        let domains: Vec<_> = guards.registration.useless().map(|domain| format!("{domain:?}")).collect();
        if !domains.is_empty() {
            warnings.push(format!(
                "SC_AUTH_REGISTRATION: no e-mail address has the domain {}; write open, closed, or whole domains such as \
                 example.com, separated by commas",
                domains.join(", ")
            ));
        }
        if guards.registration.is_empty() {
            warnings
                .push("SC_AUTH_REGISTRATION is empty: nobody can register; write open, closed, or domains".to_owned());
        }
        if self.declared.declared.is_some() {
            warnings.extend(openid_problem(&self.tokens.issuer));
        }
        if guards.trusted_proxies.are_all() {
            warnings.push(
                "SC_AUTH_TRUSTED_PROXIES trusts every address: clients can choose the address that they are limited by; \
                 write the networks of the proxies"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// What is wrong with an issuer for OpenID Connect, which release 0.2 did not have.
fn openid_problem(issuer: &str) -> Option<String> {
    match canonical(issuer) {
        None => Some(
            "SC_AUTH_ISSUER: OpenID Connect needs an https address without a path, in lower case, or http on \
             localhost; SC_AUTH_DECLARED has no effect"
                .to_owned(),
        ),
        Some(canonical) if canonical != issuer => Some(format!(
            "SC_AUTH_ISSUER: OpenID Connect needs the address as browsers send it, {canonical}; SC_AUTH_DECLARED has no \
             effect"
        )),
        Some(_) if issuer == settings::ISSUER.default => Some(format!(
            "SC_AUTH_ISSUER has its default: users can log in to applications only at {issuer}; write the address of this \
             service that browsers use"
        )),
        Some(_) => None,
    }
}

/// Whether the second of two listeners could not start.
fn share_a_port(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}
