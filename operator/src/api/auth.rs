//! What a user asks for of accounts, sessions and tokens.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::SecretKey;

/// Who issues tokens, for whom, and for how long.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.accessTokenTtl) || {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [self.accessTokenTtl.substring(self.accessTokenTtl.size() - 1)] \
        * int(self.accessTokenTtl.substring(0, self.accessTokenTtl.size() - 1)) <= 86400").message(
        "spec.auth.accessTokenTtl is at most 1d: services that verify tokens by themselves learn of a logout only when they expire"),
    validation = Rule::new("!has(self.refreshTokenTtl) || {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [self.refreshTokenTtl.substring(self.refreshTokenTtl.size() - 1)] \
        * int(self.refreshTokenTtl.substring(0, self.refreshTokenTtl.size() - 1)) <= 31622400").message(
        "spec.auth.refreshTokenTtl is at most 366d"),
    validation = Rule::new("{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [(has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').substring((has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').size() - 1)] \
        * int((has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').substring(0, (has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').size() - 1)) \
        >= {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [(has(self.accessTokenTtl) ? self.accessTokenTtl : '1h').substring((has(self.accessTokenTtl) ? self.accessTokenTtl : '1h').size() - 1)] \
        * int((has(self.accessTokenTtl) ? self.accessTokenTtl : '1h').substring(0, (has(self.accessTokenTtl) ? self.accessTokenTtl : '1h').size() - 1))").message(
        "spec.auth.refreshTokenTtl (30d by default) must not be shorter than accessTokenTtl (1h by default)"),
    validation = Rule::new("!has(self.sessionTtl) || {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [self.sessionTtl.substring(self.sessionTtl.size() - 1)] \
        * int(self.sessionTtl.substring(0, self.sessionTtl.size() - 1)) <= 31622400").message(
        "spec.auth.sessionTtl is at most 366d"),
    validation = Rule::new("!has(self.sessionTtl) || {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [self.sessionTtl.substring(self.sessionTtl.size() - 1)] \
        * int(self.sessionTtl.substring(0, self.sessionTtl.size() - 1)) \
        >= {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}\
        [(has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').substring((has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').size() - 1)] \
        * int((has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').substring(0, (has(self.refreshTokenTtl) ? self.refreshTokenTtl : '30d').size() - 1))").message(
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

/// Whether a refresh token is good once, each refresh giving the next (`Rotating`), or until it expires (`Reusable`). By
/// default `Reusable` where legacyTokens is set or the database was taken over from the service before this one, else
/// `Rotating`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RefreshTokens {
    /// Each refresh gives the next refresh token; a second use ends the session.
    Rotating,
    /// Good until it expires, as clients of the service before this one expect.
    Reusable,
}

/// Who may make an account: anybody (`Open`, the default), nobody but Admins (`Closed`), or whoever has an e-mail address
/// of one of registrationDomains (`Domains`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Nobody: Admins make the accounts.
    Closed,
    /// Whoever has an e-mail address of one of registrationDomains.
    Domains,
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
    /// See [`Names`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
}

/// Which passwords are refused for being common: those on a built-in list of 19,640 (`Common`, the default), or `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Blocklist {
    /// Those on the built-in list.
    Common,
    /// None.
    None,
}

/// Whether a password that is the user's own name or e-mail address is `Refused` (the default) or `Allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Names {
    /// It may not.
    Refused,
    /// It may.
    Allowed,
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
