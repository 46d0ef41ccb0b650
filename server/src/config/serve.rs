//! The settings of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::values::{Switch, audience, duration, issuer, origin};
use super::{BootstrapArgs, DatabaseArgs, DeploymentArgs, HashArgs, OpsArgs, PasswordArgs, secret};
use crate::auth::old_tokens::OldTokens;
use crate::auth::session::{Lifetimes, RefreshTokens};
use crate::http::client::TrustedProxies;
use crate::http::registration::Registration;
use crate::store::Engine;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where the API is served.
    #[arg(long, env = "SC_AUTH_LISTEN", default_value = "0.0.0.0:8000", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub ops: OpsArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub tokens: TokenArgs,
    #[command(flatten)]
    pub old_tokens: OldTokenArgs,
    #[command(flatten)]
    pub guards: GuardArgs,
    /// How long requests are still accepted after SIGTERM, until proxies have noticed, 0s to 5m [default: 10s, or 0s
    /// with an embedded database, whose next server waits for the end of this one]
    #[arg(long, env = "SC_AUTH_DRAIN", value_parser = duration::<0, 300>)]
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
    /// The claim `iss` of all tokens: this service's own address, as its clients know it.
    #[arg(long, env = "SC_AUTH_ISSUER", default_value = "http://localhost:8000", value_parser = issuer)]
    pub issuer: String,
    /// The claim `aud` of access tokens, several separated by commas. Default: the issuer.
    #[arg(long, env = "SC_AUTH_AUDIENCE", value_delimiter = ',', value_parser = audience)]
    pub audience: Vec<String>,
    /// How long an access token is good, 1s to 1d.
    #[arg(long, env = "SC_AUTH_ACCESS_TOKEN_TTL", default_value = "1h", value_parser = duration::<1, 86_400>)]
    pub access_token_ttl: Duration,
    /// How long a refresh token is good, and with it a session that is not refreshed, 1s to 366d; at least as long as
    /// an access token.
    #[arg(long, env = "SC_AUTH_REFRESH_TOKEN_TTL", default_value = "30d", value_parser = duration::<1, 31_622_400>)]
    pub refresh_token_ttl: Duration,
    /// How long a session lasts at the most, however often it is refreshed, 1s to 366d; at least as long as a refresh
    /// token [default: 90d, or the refresh token's lifetime where that is longer]
    #[arg(long, env = "SC_AUTH_SESSION_TTL", value_parser = duration::<1, 31_622_400>)]
    pub session_ttl: Option<Duration>,
    /// Whether a refresh token is good once or until it expires [default: reusable where old tokens are honoured or
    /// the database was taken over, else rotating]
    #[arg(long, env = "SC_AUTH_REFRESH_TOKENS", value_name = "WHAT")]
    pub refresh_tokens: Option<RefreshTokensArg>,
    /// How far the clocks of replicas may differ, for `nbf` and `iat`, 0s to 1m. An expired token is never good.
    #[arg(long, env = "SC_AUTH_LEEWAY", default_value = "5s", value_parser = duration::<0, 60>)]
    pub leeway: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefreshTokensArg {
    Rotating,
    Reusable,
}

#[derive(Debug, Args)]
pub struct OldTokenArgs {
    /// The old service's SECRET_KEY: its tokens are honoured until they expire.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true, value_name = "SECRET")]
    pub secret_key: Option<SecretString>,
    /// A file that holds it.
    #[arg(long, env = "SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// `weak` to honour old tokens although SECRET_KEY is short enough to be guessed.
    #[arg(long, env = "SC_AUTH_LEGACY_TOKENS", default_value = "strong", value_name = "WHAT")]
    pub legacy_tokens: LegacyTokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LegacyTokens {
    Strong,
    Weak,
}

impl OldTokenArgs {
    /// # Errors
    /// Where the secret cannot be read or could be guessed.
    pub fn resolve(&self) -> anyhow::Result<Option<OldTokens>> {
        let secret = secret("SECRET_KEY", self.secret_key.as_ref(), self.secret_key_file.as_deref());
        let secret = secret.map_err(anyhow::Error::msg)?;
        secret.map(|secret| OldTokens::new(&secret, self.legacy_tokens == LegacyTokens::Weak)).transpose()
    }
}

#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Who may make an account: `open`, `closed`, or the domains of their e-mail addresses, separated by commas.
    #[arg(long, env = "SC_AUTH_REGISTRATION", default_value = "open", value_name = "WHO")]
    pub registration: Registration,
    /// Networks of the proxies whose X-Forwarded-For counts, separated by commas, or `direct` where clients connect by
    /// themselves. Without it nobody is limited by address, since all may share a proxy's.
    #[arg(long, env = "SC_AUTH_TRUSTED_PROXIES", default_value = "", value_name = "NETWORKS")]
    pub trusted_proxies: TrustedProxies,
    /// `off` for tests and benchmarks: nobody is slowed down.
    #[arg(long, env = "SC_AUTH_RATE_LIMITS", default_value = "on", value_name = "SWITCH")]
    pub rate_limits: Switch,
    /// Origins of web pages that may call the API from a browser, separated by commas.
    #[arg(long, env = "SC_AUTH_CORS_ORIGINS", value_delimiter = ',', value_parser = origin, value_name = "ORIGINS")]
    pub cors_origins: Vec<HeaderValue>,
    /// How long audit events are kept, 1d to 3650d.
    #[arg(long, env = "SC_AUTH_AUDIT_RETENTION", default_value = "90d", value_parser = duration::<86_400, 315_360_000>)]
    pub audit_retention: Duration,
}

const DAY: u64 = 86_400;

impl ServeArgs {
    /// The claim `aud`: the audiences that were set, else the issuer.
    pub fn audience(&self) -> Vec<String> {
        if self.tokens.audience.is_empty() { vec![self.tokens.issuer.clone()] } else { self.tokens.audience.clone() }
    }

    /// How long requests are accepted after SIGTERM. With an embedded database nobody else serves them, and the sooner
    /// this server ends, the sooner the next one begins.
    pub fn drain(&self, engine: Engine) -> Duration {
        self.drain.unwrap_or(if engine == Engine::Sqlite { Duration::ZERO } else { Duration::from_secs(10) })
    }

    pub fn lifetimes(&self) -> Lifetimes {
        let refresh = self.tokens.refresh_token_ttl;
        let session = self.tokens.session_ttl.unwrap_or(Duration::from_secs(90 * DAY).max(refresh));
        Lifetimes { access: self.tokens.access_token_ttl, refresh, session }
    }

    /// What was set, else what suits the clients that there are.
    pub fn refresh_tokens(&self, has_old_clients: bool) -> RefreshTokens {
        match self.tokens.refresh_tokens {
            Some(RefreshTokensArg::Reusable) => RefreshTokens::Reusable,
            None if has_old_clients => RefreshTokens::Reusable,
            Some(RefreshTokensArg::Rotating) | None => RefreshTokens::Rotating,
        }
    }

    /// Checks what one setting alone cannot tell.
    pub fn check(&self) -> Result<(), String> {
        let Lifetimes { access, refresh, session } = self.lifetimes();
        if refresh < access {
            return Err("SC_AUTH_REFRESH_TOKEN_TTL is shorter than SC_AUTH_ACCESS_TOKEN_TTL; a session must outlast \
                        its access tokens"
                .into());
        }
        if session < refresh {
            return Err("SC_AUTH_SESSION_TTL is shorter than SC_AUTH_REFRESH_TOKEN_TTL; a session must outlast its \
                        refresh tokens"
                .into());
        }
        Ok(())
    }
}
