//! What a user asks for of accounts, sessions and tokens.

use kube::KubeSchema;
use sc_auth_contract::limits::{ACCESS_TOKEN_TTL_MAX, MAX_SESSIONS_MAX, SESSION_TTL_MAX};
use sc_auth_contract::settings::{
    ACCESS_TOKEN_TTL, Blocklist, PasswordNames, REFRESH_TOKEN_TTL, RefreshTokens, Registration,
};
use serde::{Deserialize, Serialize};

use super::references::SecretKey;
use super::rules::{domains, issuer, origins, seconds};

/// Issuer, audiences and lifetimes of tokens, and rules for accounts.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(format!("!has(self.accessTokenTtl) || {} <= {ACCESS_TOKEN_TTL_MAX}", seconds("accessTokenTtl", None))).message(
        "spec.auth.accessTokenTtl is at most 1d: services that verify tokens by themselves learn of a logout only when they expire"),
    validation = Rule::new(format!("!has(self.refreshTokenTtl) || {} <= {SESSION_TTL_MAX}", seconds("refreshTokenTtl", None))).message(
        "spec.auth.refreshTokenTtl is at most 366d"),
    validation = Rule::new(format!("{} >= {}", seconds("refreshTokenTtl", Some(REFRESH_TOKEN_TTL)), seconds("accessTokenTtl", Some(ACCESS_TOKEN_TTL)))).message(
        "spec.auth.refreshTokenTtl (30d by default) must not be shorter than accessTokenTtl (1h by default)"),
    validation = Rule::new(format!("!has(self.sessionTtl) || {} <= {SESSION_TTL_MAX}", seconds("sessionTtl", None))).message(
        "spec.auth.sessionTtl is at most 366d"),
    validation = Rule::new(format!("!has(self.sessionTtl) || {} >= {}", seconds("sessionTtl", None), seconds("refreshTokenTtl", Some(REFRESH_TOKEN_TTL)))).message(
        "spec.auth.sessionTtl must not be shorter than refreshTokenTtl (30d by default)"),
    validation = Rule::new("(has(self.registration) && self.registration == 'Domains') == has(self.registrationDomains)").message(
        "spec.auth.registrationDomains goes together with registration: Domains")
)]
pub struct Auth {
    /// The claim `iss`. Defaults to the address of the Ingress or HTTPRoute, or of the Service if neither is set.
    /// Tokens that were issued under an earlier issuer stay valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(issuer()).message(
        "write an address such as https://auth.example.com, without a query and a fragment"))]
    #[schemars(length(max = 512))]
    pub issuer: Option<String>,
    /// The claim `aud` of access tokens. Defaults to the issuer. `sc-auth/refresh` is reserved for refresh tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[!-+.-~-]{1,256}$'))").message(
        "an audience has 1 to 256 characters, without spaces and commas"))]
    #[x_kube(validation = Rule::new("self.all(name, name != 'sc-auth/refresh')").message(
        "sc-auth/refresh is the audience of refresh tokens; name the services that accept access tokens"))]
    #[schemars(length(max = 10), inner(length(min = 1, max = 256)))]
    pub audiences: Vec<String>,
    /// Lifetime of an access token: a number and s, m, h or d. Defaults to 1h; at most 1d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 90s, 15m or 1h"))]
    #[schemars(length(min = 2, max = 9))]
    pub access_token_ttl: Option<String>,
    /// Lifetime of a refresh token, and of a session that is not refreshed. Defaults to 30d; at most 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 12h or 30d"))]
    #[schemars(length(min = 2, max = 9))]
    pub refresh_token_ttl: Option<String>,
    /// Longest lifetime of a session, however often it is refreshed. Defaults to 90d, or to refreshTokenTtl if that
    /// is longer; at most 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 12h or 90d"))]
    #[schemars(length(min = 2, max = 9))]
    pub session_ttl: Option<String>,
    /// The most sessions of a user. A login beyond them ends the least recently used session that has no valid access
    /// token any more, or is refused if all have one. Defaults to 1000; at most 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_SESSIONS_MAX))]
    pub max_sessions: Option<i32>,
    /// See [`RefreshTokens`], whose text is the one that `kubectl explain` prints; so for the other choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_tokens: Option<RefreshTokens>,
    /// See [`Registration`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// Domains of the e-mail addresses that can register, with `registration: Domains`. Addresses are not verified:
    /// anybody can register with any address of these domains, so do not take one as proof of who a user is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(domains()).message("write domains such as example.com, without @"))]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 253)))]
    pub registration_domains: Vec<String>,
    /// Origins of web pages that can call the API from a browser. Defaults to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(origins()).message(
        "write each origin, such as https://app.example.com, without a path"))]
    #[schemars(length(max = 20), inner(length(min = 1, max = 256)))]
    pub cors_origins: Vec<String>,
    /// Minimum length of a user's full name, in characters. Defaults to 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 125))]
    pub name_min_length: Option<i32>,
    /// Rules for new passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordRules>,
    /// Accept tokens of the legacy (Flask) service until they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_tokens: Option<LegacyTokens>,
    /// Set to true while the legacy service uses the same database: passwords are stored in its format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coexist: Option<bool>,
}

/// Rules for new passwords.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordRules {
    /// Minimum length in characters. Defaults to 8; 15 is recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub min_length: Option<i32>,
    /// See [`Blocklist`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocklist: Option<Blocklist>,
    /// See [`PasswordNames`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<PasswordNames>,
}

/// Tokens of the legacy (Flask) service.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyTokens {
    /// The key of a Secret that contains the legacy service's SECRET_KEY.
    pub secret_key_from: SecretKey,
    /// Accept a SECRET_KEY shorter than 32 bytes. It can be brute-forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_weak: Option<bool>,
}
