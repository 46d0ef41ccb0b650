//! What a user asks for of accounts, sessions and tokens.

use kube::KubeSchema;
use sc_auth_contract::limits::{ACCESS_TOKEN_TTL_MAX, SESSION_TTL_MAX};
use sc_auth_contract::settings::{
    ACCESS_TOKEN_TTL, Blocklist, PasswordNames, REFRESH_TOKEN_TTL, RefreshTokens, Registration,
};
use serde::{Deserialize, Serialize};

use super::rules::seconds;
use super::spec::SecretKey;

/// Who issues tokens, for whom, and for how long.
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
    /// The claim `iss`: by default the address of the Ingress, or of the Service where there is none. Tokens that
    /// were issued under an earlier one stay good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^https?://[!-~]+$')").message("write an address such as https://auth.example.com"))]
    #[schemars(length(max = 512))]
    pub issuer: Option<String>,
    /// The claim `aud` of access tokens: the issuer by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[!-+.-~-]{1,256}$'))").message(
        "an audience has 1 to 256 characters, without spaces and commas"))]
    #[schemars(length(max = 10), inner(length(min = 1, max = 256)))]
    pub audiences: Vec<String>,
    /// How long an access token is good: a number and s, m, h or d; 1h by default, at most 1d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 90s, 15m or 1h"))]
    #[schemars(length(min = 2, max = 9))]
    pub access_token_ttl: Option<String>,
    /// How long a session lasts without a refresh: 30d by default, at most 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 12h or 30d"))]
    #[schemars(length(min = 2, max = 9))]
    pub refresh_token_ttl: Option<String>,
    /// How long a session lasts at the most, however often it is refreshed: by default 90d, or as long as a refresh
    /// token where that is longer; at most 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,7}[smhd]$')").message("write a duration such as 12h or 90d"))]
    #[schemars(length(min = 2, max = 9))]
    pub session_ttl: Option<String>,
    /// See [`RefreshTokens`], whose text is the one that `kubectl explain` prints; so for the other choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_tokens: Option<RefreshTokens>,
    /// See [`Registration`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// With `registration: Domains`, the domains of e-mail addresses that may register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(domain, domain.matches('^[a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?$'))").message(
        "write domains such as example.com, without @"))]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 253)))]
    pub registration_domains: Vec<String>,
    /// Origins of web pages that may call the API from a browser; none by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(origin, origin.matches('^https?://[-.:a-zA-Z0-9\\\\[\\\\]]+$'))").message(
        "write origins such as https://app.example.com, without a path"))]
    #[schemars(length(max = 20), inner(length(min = 1, max = 256)))]
    pub cors_origins: Vec<String>,
    /// The rules for new passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordRules>,
    /// Tokens of the service before this one are honoured until they expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_tokens: Option<LegacyTokens>,
    /// Set while the service before this one works on the same database: passwords are then written as it reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coexist: Option<bool>,
}

/// The rules for new passwords.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordRules {
    /// The fewest characters: 8 by default, 15 are advised.
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

/// Tokens of the service before this one.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyTokens {
    /// Where its SECRET_KEY is.
    pub secret_key_from: SecretKey,
    /// Set where that has fewer than 32 bytes, and so can be guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_weak: Option<bool>,
}
