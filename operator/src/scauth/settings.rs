//! The server's settings that the spec determines.

use sc_auth_contract::places::{self, DATABASE_FILE};
use sc_auth_contract::settings::{self, LegacyTokens as Strength, Setting, Switch};

use crate::api::{
    AccentColor, Auth, Credentials, Database, DatabaseTls, Expose, External, LegacyTokens, Login, LoginSession, Logo,
    PasswordRules, ScAuthSpec, SecretKey,
};

/// The settings of each container.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For all containers: the database, and how passwords are verified and stored.
    pub common: Vec<(Setting, String)>,
    /// For the container that serves.
    pub serve: Vec<(Setting, String)>,
    /// For that container too, if its server is not of release 0.2, which does not know them.
    pub recent: Vec<(Setting, String)>,
}

impl Settings {
    /// Each struct is taken apart without `..`: a field that is added does not compile until it is here, as a setting or
    /// as `_`, which the operator obeys.
    pub fn of(spec: &ScAuthSpec, issuer: &str) -> Self {
        let ScAuthSpec {
            database: Database { embedded: _, external },
            auth,
            login,
            expose,
            namespace: _,
            namespace_labels: _,
            namespace_annotations: _,
            service: _,
            service_account_annotations: _,
            replicas: _,
            autoscaling: _,
            resources: _,
            pod_template: _,
            network_policy: _,
            monitoring: _,
            image: _,
            image_pull_policy: _,
            upgrade: _,
            keys: _,
            bootstrap_admin: _,
            deletion_policy: _,
            suspend: _,
            unreadable: _,
        } = spec;
        let mut common = match external {
            Some(external) => database(external),
            None => vec![(settings::DATABASE_URL, format!("sqlite:{}", places::DATA.file(DATABASE_FILE)))],
        };
        common.push((settings::BOOTSTRAP_ADMIN, places::ADMIN.path.to_owned()));
        let accounts = Self::of_accounts(auth.clone().unwrap_or_default(), issuer);
        common.extend(accounts.common);
        let mut serve = accounts.serve;
        serve.extend(expose.as_ref().and_then(proxies));
        let mut recent = accounts.recent;
        recent.extend(login.clone().map(of_login).unwrap_or_default());
        Self { common, serve, recent }
    }

    fn of_accounts(auth: Auth, issuer: &str) -> Self {
        let Auth {
            issuer: _, // The argument has its default.
            audiences,
            access_token_ttl,
            refresh_token_ttl,
            session_ttl,
            max_sessions,
            refresh_tokens,
            registration,
            registration_domains,
            cors_origins,
            name_min_length,
            password,
            legacy_tokens,
            coexist,
        } = auth;
        let mut common = password.as_ref().map(passwords).unwrap_or_default();
        common.extend((coexist == Some(true)).then(|| (settings::COEXIST, Switch::On.as_setting().to_owned())));
        let mut serve =
            vec![(settings::KEYS_FILE, places::KEYS.file(places::KEYS_FILE)), (settings::ISSUER, issuer.to_owned())];
        serve.extend(list(settings::AUDIENCE, &audiences));
        serve.extend(access_token_ttl.map(|ttl| (settings::ACCESS_TOKEN_TTL, ttl)));
        serve.extend(refresh_token_ttl.map(|ttl| (settings::REFRESH_TOKEN_TTL, ttl)));
        serve.extend(session_ttl.map(|ttl| (settings::SESSION_TTL, ttl)));
        serve.extend(refresh_tokens.map(|tokens| (settings::REFRESH_TOKENS, tokens.as_setting().to_owned())));
        let who = registration.map(|registration| registration.as_setting(&registration_domains));
        serve.extend(who.map(|who| (settings::REGISTRATION, who)));
        serve.extend(list(settings::CORS_ORIGINS, &cors_origins));
        serve.extend(legacy_tokens.map(old_tokens).unwrap_or_default());
        let most = max_sessions.map(|most| (settings::MAX_SESSIONS, most.to_string()));
        let length = name_min_length.map(|length| (settings::NAME_MIN_LENGTH, length.to_string()));
        Self { common, serve, recent: most.into_iter().chain(length).collect() }
    }
}

fn of_login(login: Login) -> Vec<(Setting, String)> {
    let Login { title, logo, accent_color, language, session } = login;
    let AccentColor { light, dark } = accent_color.unwrap_or_default();
    let LoginSession { idle, maximum } = session.unwrap_or_default();
    let logo = logo.map(|Logo { config_map: _, key: _ }| places::LOGO.file(places::LOGO_FILE));
    let settings = [
        // Kubernetes replaces `$(NAME)` in the value of a variable, and takes `$$` for `$`.
        (settings::LOGIN_TITLE, title.map(|title| title.replace('$', "$$"))),
        (settings::LOGIN_LOGO, logo),
        (settings::LOGIN_ACCENT_LIGHT, light),
        (settings::LOGIN_ACCENT_DARK, dark),
        (settings::LOGIN_LANGUAGE, language.map(|language| language.as_setting().to_owned())),
        (settings::LOGIN_SESSION_IDLE, idle),
        (settings::LOGIN_SESSION_MAXIMUM, maximum),
    ];
    settings.into_iter().filter_map(|(setting, value)| Some((setting, value?))).collect()
}

fn list(setting: Setting, values: &[String]) -> Option<(Setting, String)> {
    (!values.is_empty()).then(|| (setting, values.join(",")))
}

fn proxies(expose: &Expose) -> Option<(Setting, String)> {
    let Expose { ingress: _, http_route: _, none: _, labels: _, trusted_proxies } = expose;
    list(settings::TRUSTED_PROXIES, trusted_proxies)
}

/// How passwords are verified and stored.
fn passwords(rules: &PasswordRules) -> Vec<(Setting, String)> {
    let PasswordRules { min_length, blocklist, names } = rules;
    let mut settings = Vec::new();
    settings.extend(min_length.map(|length| (settings::PASSWORD_MIN_LENGTH, length.to_string())));
    settings.extend(blocklist.map(|list| (settings::PASSWORD_BLOCKLIST, list.as_setting().to_owned())));
    settings.extend(names.map(|names| (settings::PASSWORD_NAMES, names.as_setting().to_owned())));
    settings
}

/// Registration, sessions, and the tokens of legacy clients.
fn old_tokens(tokens: LegacyTokens) -> Vec<(Setting, String)> {
    let LegacyTokens { secret_key_from: SecretKey { name: _, key }, allow_weak } = tokens;
    let mut settings = vec![(settings::SECRET_KEY_FILE, places::LEGACY.file(&key))];
    let weak = (allow_weak == Some(true)).then_some(Strength::Weak);
    settings.extend(weak.map(|weak| (settings::LEGACY_TOKENS, weak.as_setting().to_owned())));
    settings
}

fn database(external: &External) -> Vec<(Setting, String)> {
    let External {
        url_from,
        url_file,
        engine,
        host,
        port,
        name,
        credentials_from,
        user_file,
        password_file,
        pool_size,
        tls,
    } = external;
    let mut settings = Vec::new();
    settings.extend(pool_size.map(|size| (settings::DB_POOL_SIZE, size.to_string())));
    if let Some(SecretKey { name: _, key }) = url_from {
        settings.push((settings::DATABASE_URL_FILE, places::DATABASE.file(key)));
    }
    settings.extend(url_file.clone().map(|file| (settings::DATABASE_URL_FILE, file)));
    if let Some(host) = host {
        settings.push((settings::DB_ENGINE, engine.unwrap_or_default().as_setting().to_owned()));
        settings.push((settings::DB_HOST, host.clone()));
        settings.extend(port.map(|port| (settings::DB_PORT, port.to_string())));
        settings.extend(name.clone().map(|name| (settings::DB_NAME, name)));
        if let Some(Credentials { name: _, user_key, password_key }) = credentials_from {
            let file = |key: &Option<String>, default: &str| places::DATABASE.file(key.as_deref().unwrap_or(default));
            settings.push((settings::DB_USER_FILE, file(user_key, "username")));
            settings.push((settings::DB_PASS_FILE, file(password_key, "password")));
        }
        settings.extend(user_file.clone().map(|file| (settings::DB_USER_FILE, file)));
        settings.extend(password_file.clone().map(|file| (settings::DB_PASS_FILE, file)));
    }
    if let Some(DatabaseTls { mode, ca_from, ca_file }) = tls {
        settings.push((settings::DB_TLS, mode.as_setting().to_owned()));
        settings.extend(ca_from.as_ref().map(|ca| (settings::DB_TLS_CA_FILE, places::DATABASE_CA.file(&ca.key))));
        settings.extend(ca_file.clone().map(|file| (settings::DB_TLS_CA_FILE, file)));
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sc_auth_contract::settings::DecidedBy;
    use serde_json::{Value, json};

    use super::*;

    /// Specs that together set each field that the server obeys.
    fn specs() -> [Value; 3] {
        let key = json!({"name": "secret", "key": "key"});
        let auth = json!({
            "issuer": "https://a", "audiences": ["a"], "accessTokenTtl": "1m", "refreshTokenTtl": "1h", "sessionTtl": "1d",
            "maxSessions": 100, "refreshTokens": "Reusable", "registration": "Domains", "registrationDomains": ["a"], "corsOrigins": ["https://a"],
            "nameMinLength": 1,
            "password": {"minLength": 9, "blocklist": "None", "names": "Allowed"}, "coexist": true,
            "legacyTokens": {"secretKeyFrom": key, "allowWeak": true},
        });
        let login = json!({
            "title": "Example", "logo": {"configMap": "logo", "key": "logo.png"}, "language": "id",
            "accentColor": {"light": "#0b57d0", "dark": "#8ab4f8"}, "session": {"idle": "1h", "maximum": "1d"},
        });
        let parts = json!({
            "engine": "postgresql", "host": "a", "port": 1, "name": "a", "credentialsFrom": {"name": "secret"},
            "poolSize": 4, "tls": {"mode": "verify-ca", "caFrom": key},
        });
        [
            json!({"database": {"embedded": {}}, "auth": auth, "login": login, "expose": {"none": {}, "trustedProxies": ["10.0.0.0/8"]}}),
            json!({"database": {"external": {"urlFrom": key}}}),
            json!({"database": {"external": parts}}),
        ]
    }

    #[test]
    fn each_field_that_decides_a_setting_is_in_the_schema_and_sent() {
        let schema = crate::api::schema().unwrap();
        let sent = specs().into_iter().flat_map(|spec| {
            let settings = Settings::of(&serde_json::from_value(spec).unwrap(), "https://a");
            [settings.common, settings.serve, settings.recent].concat()
        });
        let sent: BTreeSet<_> = sent.map(|(setting, _)| setting.name.trim_end_matches("_FILE")).collect();
        for setting in settings::ALL {
            let DecidedBy::Spec(path) = setting.decided_by else { continue };
            let field = path.split('.').fold(&schema, |schema, name| &schema["properties"][name]);
            assert!(!field.is_null(), "{}: {path} is not in the schema", setting.name);
            // A pod reads from a file what others put into the variable.
            assert!(sent.contains(setting.name.trim_end_matches("_FILE")), "{}: {path} is not sent", setting.name);
        }
    }
}
