//! The server's settings, as it finds them in its environment.

use k8s_openapi::api::core::v1::EnvVar;
use sc_auth_contract::places::{self, DATABASE_FILE};
use sc_auth_contract::settings::{self, LegacyTokens, Setting, Switch};

use super::Validated;
use crate::api::{Auth, External, PodTemplate};

pub fn environment(validated: &Validated, extra: &PodTemplate, command: &str) -> Vec<EnvVar> {
    let mut settings: Vec<(Setting, String)> = Vec::new();
    match &validated.spec.database.external {
        Some(external) => settings.extend(database(external)),
        None => settings.push((settings::DATABASE_URL, format!("sqlite:{}", places::DATA.file(DATABASE_FILE)))),
    }
    settings.push((settings::BOOTSTRAP_ADMIN, places::ADMIN.path.to_owned()));
    let auth = validated.spec.auth.clone().unwrap_or_default();
    settings.extend(passwords(&auth));
    if command == "serve" {
        settings.push((settings::KEYS_FILE, places::KEYS.file(places::KEYS_FILE)));
        settings.push((settings::ISSUER, validated.issuer.clone()));
        if !auth.audiences.is_empty() {
            settings.push((settings::AUDIENCE, auth.audiences.join(",")));
        }
        settings.extend(auth.access_token_ttl.clone().map(|ttl| (settings::ACCESS_TOKEN_TTL, ttl)));
        settings.extend(auth.refresh_token_ttl.clone().map(|ttl| (settings::REFRESH_TOKEN_TTL, ttl)));
        settings.extend(auth.session_ttl.clone().map(|ttl| (settings::SESSION_TTL, ttl)));
        settings.extend(clients(&auth));
        let proxies = validated.spec.expose.as_ref().map(|expose| expose.trusted_proxies.join(","));
        settings
            .extend(proxies.filter(|proxies| !proxies.is_empty()).map(|proxies| (settings::TRUSTED_PROXIES, proxies)));
    }
    let ours = settings.into_iter().map(|(setting, value)| EnvVar {
        name: setting.name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    let theirs = extra.env.iter().cloned();
    let theirs =
        theirs.map(|variable| EnvVar { name: variable.name, value: variable.value, value_from: variable.value_from });
    ours.chain(theirs).collect()
}

/// How passwords are checked and written.
fn passwords(auth: &Auth) -> Vec<(Setting, String)> {
    let mut settings = Vec::new();
    let rules = auth.password.clone().unwrap_or_default();
    settings.extend(rules.min_length.map(|length| (settings::PASSWORD_MIN_LENGTH, length.to_string())));
    settings.extend(rules.blocklist.map(|list| (settings::PASSWORD_BLOCKLIST, list.as_setting().to_owned())));
    settings.extend(rules.names.map(|names| (settings::PASSWORD_NAMES, names.as_setting().to_owned())));
    if auth.coexist == Some(true) {
        settings.push((settings::COEXIST, Switch::On.as_setting().to_owned()));
    }
    settings
}

/// Who may come, and what old clients bring along.
fn clients(auth: &Auth) -> Vec<(Setting, String)> {
    let mut settings = Vec::new();
    settings.extend(auth.refresh_tokens.map(|tokens| (settings::REFRESH_TOKENS, tokens.as_setting().to_owned())));
    settings.extend(
        auth.registration
            .map(|registration| (settings::REGISTRATION, registration.as_setting(&auth.registration_domains))),
    );
    if !auth.cors_origins.is_empty() {
        settings.push((settings::CORS_ORIGINS, auth.cors_origins.join(",")));
    }
    if let Some(legacy) = &auth.legacy_tokens {
        settings.push((settings::SECRET_KEY_FILE, places::LEGACY.file(&legacy.secret_key_from.key)));
        if legacy.allow_weak == Some(true) {
            settings.push((settings::LEGACY_TOKENS, LegacyTokens::Weak.as_setting().to_owned()));
        }
    }
    settings
}

/// Secrets are mounted and not put into the environment, which would not follow their changes.
fn database(external: &External) -> Vec<(Setting, String)> {
    let mut settings = Vec::new();
    if let Some(url) = &external.url_from {
        settings.push((settings::DATABASE_URL_FILE, places::DATABASE.file(&url.key)));
    }
    if let Some(host) = &external.host {
        let engine = external.engine.unwrap_or_default().as_setting();
        settings.push((settings::DB_ENGINE, engine.to_owned()));
        settings.push((settings::DB_HOST, host.clone()));
        settings.extend(external.port.map(|port| (settings::DB_PORT, port.to_string())));
        settings.extend(external.name.clone().map(|name| (settings::DB_NAME, name)));
        if let Some(credentials) = &external.credentials_from {
            let key = |key: &Option<String>, default: &str| key.clone().unwrap_or_else(|| default.to_owned());
            settings.push((settings::DB_USER_FILE, places::DATABASE.file(&key(&credentials.user_key, "username"))));
            settings.push((settings::DB_PASS_FILE, places::DATABASE.file(&key(&credentials.password_key, "password"))));
        }
    }
    if let Some(tls) = &external.tls {
        settings.push((settings::DB_TLS, tls.mode.as_setting().to_owned()));
        settings.extend(tls.ca_from.as_ref().map(|ca| (settings::DB_TLS_CA_FILE, places::DATABASE_CA.file(&ca.key))));
    }
    settings
}
