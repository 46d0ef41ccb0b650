//! The server's settings: the environment variable, the source of the value in a pod, and the default.

mod values;

pub use values::{
    Blocklist, Engine, Language, LegacyTokens, PasswordNames, RefreshTokens, Registration, Switch, TlsMode,
};

/// A setting of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The source of the value in a pod.
    pub decided_by: DecidedBy,
    /// The default, as a value of the variable; empty if the server decides.
    pub default: &'static str,
}

/// The source of a setting's value in a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// This field of the custom resource.
    Spec(&'static str),
    /// The operator.
    Operator,
    /// `spec.podTemplate.env`.
    PodTemplate,
    /// Nothing: the default applies, and `spec.podTemplate.env` cannot change it.
    Fixed,
}

use DecidedBy::{Fixed, Operator, PodTemplate, Spec};

macro_rules! settings {
    ($($constant:ident = $name:literal, $decided_by:expr, $default:expr;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Setting = Setting { name: $name, decided_by: $decided_by, default: $default };
        )*
        /// All settings.
        pub const ALL: &[Setting] = &[$($constant),*];
    };
}

settings! {
    DATABASE_URL = "DATABASE_URL", Spec("spec.database"), "sqlite:sc-auth.db";
    DATABASE_URL_FILE = "DATABASE_URL_FILE", Spec("spec.database.external.urlFrom"), "";
    DB_ENGINE = "DB_ENGINE", Spec("spec.database.external.engine"), "mysql";
    DB_HOST = "DB_HOST", Spec("spec.database.external.host"), "";
    DB_PORT = "DB_PORT", Spec("spec.database.external.port"), "";
    DB_USER = "DB_USER", Fixed, "";
    DB_USER_FILE = "DB_USER_FILE", Spec("spec.database.external.credentialsFrom"), "";
    DB_PASS = "DB_PASS", Fixed, "";
    DB_PASS_FILE = "DB_PASS_FILE", Spec("spec.database.external.credentialsFrom"), "";
    DB_NAME = "DB_NAME", Spec("spec.database.external.name"), "";
    DB_POOL_SIZE = "DB_POOL_SIZE", Spec("spec.database.external.poolSize"), "8";
    DB_TLS = "DB_TLS", Spec("spec.database.external.tls.mode"), "";
    DB_TLS_CA_FILE = "DB_TLS_CA_FILE", Spec("spec.database.external.tls.caFrom"), "";
    SECRET_KEY = "SECRET_KEY", Fixed, "";
    SECRET_KEY_FILE = "SECRET_KEY_FILE", Spec("spec.auth.legacyTokens"), "";
    LISTEN = "SC_AUTH_LISTEN", Fixed, "0.0.0.0:8000";
    OPS_LISTEN = "SC_AUTH_OPS_LISTEN", Fixed, "0.0.0.0:8001";
    KEYS_FILE = "SC_AUTH_KEYS_FILE", Operator, "sc-auth-keys.json";
    DECLARED = "SC_AUTH_DECLARED", Fixed, "";
    BACKCHANNEL_CA_FILE = "SC_AUTH_BACKCHANNEL_CA_FILE", PodTemplate, "";
    DEPLOYMENT_FILE = "SC_AUTH_DEPLOYMENT_FILE", Fixed, "";
    ISSUER = "SC_AUTH_ISSUER", Spec("spec.auth.issuer"), "http://localhost:8000";
    AUDIENCE = "SC_AUTH_AUDIENCE", Spec("spec.auth.audiences"), "";
    ACCESS_TOKEN_TTL = "SC_AUTH_ACCESS_TOKEN_TTL", Spec("spec.auth.accessTokenTtl"), "1h";
    REFRESH_TOKEN_TTL = "SC_AUTH_REFRESH_TOKEN_TTL", Spec("spec.auth.refreshTokenTtl"), "30d";
    SESSION_TTL = "SC_AUTH_SESSION_TTL", Spec("spec.auth.sessionTtl"), "";
    MAX_SESSIONS = "SC_AUTH_MAX_SESSIONS", Spec("spec.auth.maxSessions"), "1000";
    REFRESH_TOKENS = "SC_AUTH_REFRESH_TOKENS", Spec("spec.auth.refreshTokens"), "";
    LEEWAY = "SC_AUTH_LEEWAY", PodTemplate, "5s";
    REGISTRATION = "SC_AUTH_REGISTRATION", Spec("spec.auth.registration"), Registration::OPEN;
    TRUSTED_PROXIES = "SC_AUTH_TRUSTED_PROXIES", Spec("spec.expose.trustedProxies"), "";
    RATE_LIMITS = "SC_AUTH_RATE_LIMITS", PodTemplate, "on";
    CORS_ORIGINS = "SC_AUTH_CORS_ORIGINS", Spec("spec.auth.corsOrigins"), "";
    AUDIT_RETENTION = "SC_AUTH_AUDIT_RETENTION", PodTemplate, "90d";
    NAME_MIN_LENGTH = "SC_AUTH_NAME_MIN_LENGTH", Spec("spec.auth.nameMinLength"), "3";
    AUDIT_MAX_EVENTS = "SC_AUTH_AUDIT_MAX_EVENTS", PodTemplate, "200000";
    MAX_USERS = "SC_AUTH_MAX_USERS", PodTemplate, "";
    PASSWORD_MIN_LENGTH = "SC_AUTH_PASSWORD_MIN_LENGTH", Spec("spec.auth.password.minLength"), "8";
    PASSWORD_MAX_LENGTH = "SC_AUTH_PASSWORD_MAX_LENGTH", PodTemplate, "256";
    PASSWORD_BLOCKLIST = "SC_AUTH_PASSWORD_BLOCKLIST", Spec("spec.auth.password.blocklist"), Blocklist::COMMON;
    PASSWORD_NAMES = "SC_AUTH_PASSWORD_NAMES", Spec("spec.auth.password.names"), "refused";
    HASH_THREADS = "SC_AUTH_HASH_THREADS", PodTemplate, "";
    IMPORTED_HASH_MEMORY = "SC_AUTH_IMPORTED_HASH_MEMORY", PodTemplate, "32";
    COEXIST = "SC_AUTH_COEXIST", Spec("spec.auth.coexist"), "off";
    LEGACY_TOKENS = "SC_AUTH_LEGACY_TOKENS", Spec("spec.auth.legacyTokens.allowWeak"), "strong";
    LOGIN_TITLE = "SC_AUTH_LOGIN_TITLE", Spec("spec.login.title"), "";
    LOGIN_LOGO = "SC_AUTH_LOGIN_LOGO", Spec("spec.login.logo"), "";
    LOGIN_ACCENT_LIGHT = "SC_AUTH_LOGIN_ACCENT_LIGHT", Spec("spec.login.accentColor.light"), "";
    LOGIN_ACCENT_DARK = "SC_AUTH_LOGIN_ACCENT_DARK", Spec("spec.login.accentColor.dark"), "";
    LOGIN_LANGUAGE = "SC_AUTH_LOGIN_LANGUAGE", Spec("spec.login.language"), "en";
    LOGIN_SESSION_IDLE = "SC_AUTH_LOGIN_SESSION_IDLE", Spec("spec.login.session.idle"), "12h";
    LOGIN_SESSION_MAXIMUM = "SC_AUTH_LOGIN_SESSION_MAXIMUM", Spec("spec.login.session.maximum"), "7d";
    DRAIN = "SC_AUTH_DRAIN", Fixed, "";
    BOOTSTRAP_ADMIN = "SC_AUTH_BOOTSTRAP_ADMIN", Operator, "";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_only_those_of_the_legacy_service_lack_the_prefix() {
        let mut names: Vec<_> = ALL.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert!(["SC_AUTH_", "DB_", "DATABASE_URL", "SECRET_KEY"].iter().any(|start| name.starts_with(start)));
        }
    }
}
