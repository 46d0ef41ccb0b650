//! The server's settings, as it finds them in its environment.

use k8s_openapi::api::core::v1::EnvVar;

use super::Validated;
use super::secret::KEYS_FILE;
use super::template::{DATA, RUN};
use crate::api::{Auth, Blocklist, Engine, External, Names, PodTemplate, RefreshTokens, Registration, TlsMode};

pub fn environment(validated: &Validated, extra: &PodTemplate, command: &str) -> Vec<EnvVar> {
    let mut settings: Vec<(&str, String)> = Vec::new();
    match &validated.spec.database.external {
        Some(external) => settings.extend(database(external)),
        None => settings.push(("DATABASE_URL", format!("sqlite:{DATA}/sc-auth.db"))),
    }
    settings.push(("SC_AUTH_BOOTSTRAP_ADMIN", format!("{RUN}/admin")));
    let auth = validated.spec.auth.clone().unwrap_or_default();
    settings.extend(passwords(&auth));
    if command == "serve" {
        settings.push(("SC_AUTH_KEYS_FILE", format!("{RUN}/keys/{KEYS_FILE}")));
        settings.push(("SC_AUTH_ISSUER", validated.issuer.clone()));
        if !auth.audiences.is_empty() {
            settings.push(("SC_AUTH_AUDIENCE", auth.audiences.join(",")));
        }
        settings.extend(auth.access_token_ttl.clone().map(|ttl| ("SC_AUTH_ACCESS_TOKEN_TTL", ttl)));
        settings.extend(auth.refresh_token_ttl.clone().map(|ttl| ("SC_AUTH_REFRESH_TOKEN_TTL", ttl)));
        settings.extend(auth.session_ttl.clone().map(|ttl| ("SC_AUTH_SESSION_TTL", ttl)));
        settings.extend(clients(&auth));
        let proxies = validated.spec.expose.as_ref().map(|expose| expose.trusted_proxies.join(","));
        settings
            .extend(proxies.filter(|proxies| !proxies.is_empty()).map(|proxies| ("SC_AUTH_TRUSTED_PROXIES", proxies)));
    }
    let ours = settings.into_iter().map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    let theirs = extra.env.iter().cloned();
    let theirs =
        theirs.map(|variable| EnvVar { name: variable.name, value: variable.value, value_from: variable.value_from });
    ours.chain(theirs).collect()
}

/// How passwords are checked and written.
fn passwords(auth: &Auth) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    let rules = auth.password.clone().unwrap_or_default();
    settings.extend(rules.min_length.map(|length| ("SC_AUTH_PASSWORD_MIN_LENGTH", length.to_string())));
    settings.extend(rules.blocklist.map(|list| {
        let value = match list {
            Blocklist::Common => "common",
            Blocklist::None => "off",
        };
        ("SC_AUTH_PASSWORD_BLOCKLIST", value.to_owned())
    }));
    settings.extend(rules.names.map(|names| {
        let value = match names {
            Names::Refused => "refused",
            Names::Allowed => "allowed",
        };
        ("SC_AUTH_PASSWORD_NAMES", value.to_owned())
    }));
    if auth.coexist == Some(true) {
        settings.push(("SC_AUTH_COEXIST", "on".to_owned()));
    }
    settings
}

/// Who may come, and what old clients bring along.
fn clients(auth: &Auth) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    settings.extend(auth.refresh_tokens.map(|tokens| {
        let value = match tokens {
            RefreshTokens::Rotating => "rotating",
            RefreshTokens::Reusable => "reusable",
        };
        ("SC_AUTH_REFRESH_TOKENS", value.to_owned())
    }));
    settings.extend(auth.registration.map(|registration| {
        let value = match registration {
            Registration::Open => "open".to_owned(),
            Registration::Closed => "closed".to_owned(),
            Registration::Domains => auth.registration_domains.join(","),
        };
        ("SC_AUTH_REGISTRATION", value)
    }));
    if !auth.cors_origins.is_empty() {
        settings.push(("SC_AUTH_CORS_ORIGINS", auth.cors_origins.join(",")));
    }
    if let Some(legacy) = &auth.legacy_tokens {
        settings.push(("SECRET_KEY_FILE", format!("{RUN}/legacy/{}", legacy.secret_key_from.key)));
        if legacy.allow_weak == Some(true) {
            settings.push(("SC_AUTH_LEGACY_TOKENS", "weak".to_owned()));
        }
    }
    settings
}

/// Secrets are mounted and not put into the environment, which would not follow their changes.
fn database(external: &External) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(url) = &external.url_from {
        settings.push(("DATABASE_URL_FILE", format!("{RUN}/database/{}", url.key)));
    }
    if let Some(host) = &external.host {
        let engine = match external.engine.unwrap_or_default() {
            Engine::Mysql | Engine::Mariadb => "mysql",
            Engine::Postgresql => "postgres",
        };
        settings.push(("DB_ENGINE", engine.to_owned()));
        settings.push(("DB_HOST", host.clone()));
        settings.extend(external.port.map(|port| ("DB_PORT", port.to_string())));
        settings.extend(external.name.clone().map(|name| ("DB_NAME", name)));
        if let Some(credentials) = &external.credentials_from {
            let key = |key: &Option<String>, default: &str| key.clone().unwrap_or_else(|| default.to_owned());
            settings.push(("DB_USER_FILE", format!("{RUN}/database/{}", key(&credentials.user_key, "username"))));
            settings.push(("DB_PASS_FILE", format!("{RUN}/database/{}", key(&credentials.password_key, "password"))));
        }
    }
    if let Some(tls) = &external.tls {
        let mode = match tls.mode {
            TlsMode::Disabled => "disabled",
            TlsMode::Preferred => "preferred",
            TlsMode::Required => "required",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyIdentity => "verify-identity",
        };
        settings.push(("DB_TLS", mode.to_owned()));
        settings.extend(tls.ca_from.as_ref().map(|ca| ("DB_TLS_CA_FILE", format!("{RUN}/database-ca/{}", ca.key))));
    }
    settings
}
