//! The settings of the server that the spec decides.

use sc_auth_contract::places::{self, DATABASE_FILE};
use sc_auth_contract::settings::{self, LegacyTokens, Setting, Switch};

use crate::api::{Auth, External, ScAuthSpec};

/// By the container that they are for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For each container: the database, and how passwords are checked and stored.
    pub common: Vec<(Setting, String)>,
    /// For the one that serves.
    pub serve: Vec<(Setting, String)>,
}

impl Settings {
    pub fn of(spec: &ScAuthSpec, issuer: &str) -> Self {
        let auth = spec.auth.clone().unwrap_or_default();
        let mut common = match &spec.database.external {
            Some(external) => database(external),
            None => vec![(settings::DATABASE_URL, format!("sqlite:{}", places::DATA.file(DATABASE_FILE)))],
        };
        common.push((settings::BOOTSTRAP_ADMIN, places::ADMIN.path.to_owned()));
        common.extend(passwords(&auth));
        let mut serve = tokens(&auth, issuer);
        serve.extend(clients(&auth));
        let proxies = spec.expose.as_ref().map(|expose| expose.trusted_proxies.join(","));
        serve.extend(proxies.filter(|proxies| !proxies.is_empty()).map(|proxies| (settings::TRUSTED_PROXIES, proxies)));
        Self { common, serve }
    }
}

fn tokens(auth: &Auth, issuer: &str) -> Vec<(Setting, String)> {
    let mut settings =
        vec![(settings::KEYS_FILE, places::KEYS.file(places::KEYS_FILE)), (settings::ISSUER, issuer.to_owned())];
    if !auth.audiences.is_empty() {
        settings.push((settings::AUDIENCE, auth.audiences.join(",")));
    }
    settings.extend(auth.access_token_ttl.clone().map(|ttl| (settings::ACCESS_TOKEN_TTL, ttl)));
    settings.extend(auth.refresh_token_ttl.clone().map(|ttl| (settings::REFRESH_TOKEN_TTL, ttl)));
    settings.extend(auth.session_ttl.clone().map(|ttl| (settings::SESSION_TTL, ttl)));
    settings
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
