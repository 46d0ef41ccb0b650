//! Names of environment variables that are not settings, but were probably meant as one.

use strsim::damerau_levenshtein;

const PREFIX: &str = "SC_AUTH_";
/// What other programs call our settings.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("DB_PASSWORD", "DB_PASS"),
    ("DB_PASSWD", "DB_PASS"),
    ("DB_PWD", "DB_PASS"),
    ("DB_PASSWORD_FILE", "DB_PASS_FILE"),
    ("DB_USERNAME", "DB_USER"),
    ("DB_USERNAME_FILE", "DB_USER_FILE"),
    ("DB_HOSTNAME", "DB_HOST"),
    ("DB_SERVER", "DB_HOST"),
    ("DB_DATABASE", "DB_NAME"),
    ("DB_DBNAME", "DB_NAME"),
    ("DB_DRIVER", "DB_ENGINE"),
    ("DB_SSLMODE", "DB_TLS"),
    ("DB_URL", "DATABASE_URL"),
    ("DATABASE_URI", "DATABASE_URL"),
];

/// What other programs call our settings that have the prefix.
const OTHER_OURS: [(&str, &str); 6] = [
    ("PORT", "SC_AUTH_LISTEN"),
    ("HOST", "SC_AUTH_LISTEN"),
    ("BIND", "SC_AUTH_LISTEN"),
    ("ADDRESS", "SC_AUTH_LISTEN"),
    ("URL", "SC_AUTH_ISSUER"),
    ("ORIGINS", "SC_AUTH_CORS_ORIGINS"),
];
/// The settings that count beside `DATABASE_URL`.
const BESIDE_URL: [&str; 2] = ["DB_TLS", "DB_POOL_SIZE"];

/// The problem of names that begin like a setting, but are none.
pub fn unknown(known: &[String], names: &[&str]) -> Option<String> {
    let is_unknown = |name: &&str| name.starts_with(PREFIX) && !known.iter().any(|known| known == name);
    let unknown: Vec<_> = names.iter().copied().filter(is_unknown).map(|name| with_suggestion(known, name)).collect();
    let ours: Vec<_> = known.iter().map(String::as_str).filter(|name| name.starts_with(PREFIX)).collect();
    (!unknown.is_empty())
        .then(|| format!("unknown settings: {}; the settings are {}", unknown.join(", "), ours.join(", ")))
}

fn with_suggestion(known: &[String], name: &str) -> String {
    match suggestion(known, name) {
        Some(meant) => format!("{name} (did you mean {meant}?)"),
        None => name.to_owned(),
    }
}

/// The setting that a name with our prefix was meant as.
fn suggestion<'a>(known: &'a [String], name: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    if let Some(other) = known.iter().find(|known| *known == rest).map(String::as_str).or_else(|| synonym(rest)) {
        return known.iter().map(String::as_str).find(|known| *known == other);
    }
    if let Some((_, meant)) = OTHER_OURS.iter().find(|(other, _)| *other == rest) {
        return known.iter().map(String::as_str).find(|known| known == meant);
    }
    let ours = known.iter().filter_map(|known| Some((known.as_str(), known.strip_prefix(PREFIX)?)));
    let near = ours.clone().map(|(known, meant)| (damerau_levenshtein(rest, meant), known));
    let (distance, nearest) = near.min()?;
    if distance <= (rest.len() / 4).clamp(1, 3) {
        return Some(nearest);
    }
    // A name that is cut off, at its end or its beginning.
    let is_part = |meant: &str| meant.starts_with(rest) || meant.ends_with(&format!("_{rest}"));
    let mut longer = ours.filter(|(_, meant)| rest.len() >= 4 && is_part(meant));
    longer.next().filter(|_| longer.next().is_none()).map(|(known, _)| known)
}

fn synonym(name: &str) -> Option<&'static str> {
    let plain = name.replace('_', "");
    OTHER_NAMES.iter().find(|(other, _)| other.replace('_', "") == plain).map(|(_, meant)| *meant)
}

/// Warnings about names without our prefix that are nearly those of settings which are not set. Other programs have
/// variables too, so that they do not prevent a start.
pub fn misspelt(known: &[String], names: &[&str]) -> Vec<String> {
    let is_set = |setting: &str| {
        let plain = setting.trim_end_matches("_FILE");
        names.iter().any(|name| *name == plain || name.strip_suffix("_FILE") == Some(plain))
    };
    let uses_url = is_set("DATABASE_URL");
    let mut warnings = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with(PREFIX) && !known.iter().any(|known| known == *name)) {
        let Some(meant) = meant(known, name) else { continue };
        let is_beside = BESIDE_URL.iter().any(|beside| meant.starts_with(beside));
        let is_moot = is_set(meant) || (uses_url && meant.starts_with("DB_") && !is_beside);
        if !is_moot {
            warnings.push(format!("{name} is not a setting and is ignored; did you mean {meant}?"));
        }
    }
    warnings
}

/// The setting that a name without our prefix is nearly the name of.
fn meant<'a>(known: &'a [String], name: &str) -> Option<&'a str> {
    let upper = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let plain = |name: &str| name.replace('_', "");
    let same = |setting: &&String| plain(setting) == plain(&upper);
    if let Some(setting) = known.iter().find(same) {
        return Some(setting);
    }
    if let Some(meant) = synonym(&upper) {
        return known.iter().map(String::as_str).find(|known| *known == meant);
    }
    // One slip, and the rest is ours: `DB_HOTS`, `SECRET_KEYS`, `SC_ATUH_ISSUER`.
    let known = known.iter().map(String::as_str);
    let mut near = known.filter(|setting| damerau_levenshtein(setting, &upper) == 1);
    near.find(|setting| !is_plural(setting, &upper))
}

/// Other programs have lists of hosts or names.
fn is_plural(setting: &str, name: &str) -> bool {
    setting.starts_with("DB_") && name.strip_suffix('S') == Some(setting)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::{Cli, known_names};

    #[test]
    fn a_setting_is_suggested_for_an_unknown_name() {
        let known = known_names(&Cli::command());
        for (name, meant) in [
            ("SC_AUTH_ISUER", Some("SC_AUTH_ISSUER")),
            ("SC_AUTH_LISTNE", Some("SC_AUTH_LISTEN")),
            ("SC_AUTH_TRUSTED_PROXY", Some("SC_AUTH_TRUSTED_PROXIES")),
            ("SC_AUTH_CORS", Some("SC_AUTH_CORS_ORIGINS")),
            ("SC_AUTH_AUDIENCES", Some("SC_AUTH_AUDIENCE")),
            ("SC_AUTH_RATE_LIMIT", Some("SC_AUTH_RATE_LIMITS")),
            ("SC_AUTH_DATABASE_URL", Some("DATABASE_URL")),
            ("SC_AUTH_DB_HOST", Some("DB_HOST")),
            ("SC_AUTH_DB_PASSWORD", Some("DB_PASS")),
            ("SC_AUTH_SECRET_KEY", Some("SECRET_KEY")),
            ("SC_AUTH_PORT", Some("SC_AUTH_LISTEN")),
            ("SC_AUTH_HOST", Some("SC_AUTH_LISTEN")),
            ("SC_AUTH_PROXIES", Some("SC_AUTH_TRUSTED_PROXIES")),
            ("SC_AUTH_ORIGINS", Some("SC_AUTH_CORS_ORIGINS")),
            ("SC_AUTH_DB_SSL_MODE", Some("DB_TLS")),
            ("SC_AUTH_TOKEN_TTL", None),
            ("SC_AUTH_", None),
            ("SC_AUTH_PASSWORD", None),
            ("SC_AUTH_SVC_HOST", None),
            ("SC_AUTH_COLOUR", None),
        ] {
            assert_eq!(suggestion(&known, name), meant, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_a_setting_is_warned_about() {
        let known = known_names(&Cli::command());
        for (name, meant) in [
            ("DB_HOTS", "DB_HOST"),
            ("DB_HSOT", "DB_HOST"),
            ("DB_PASSWORD", "DB_PASS"),
            ("DB_USERNAME", "DB_USER"),
            ("DB_PASWS", "DB_PASS"),
            ("DB_NAMR", "DB_NAME"),
            ("db_host", "DB_HOST"),
            ("DBHOST", "DB_HOST"),
            ("DB_SSLMODE", "DB_TLS"),
            ("DB_SSL_MODE", "DB_TLS"),
            ("DB_POOLSIZE", "DB_POOL_SIZE"),
            ("DB_PASS_WORD", "DB_PASS"),
            ("DB-HOST", "DB_HOST"),
            ("DATABASE_ULR", "DATABASE_URL"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("SECRETKEY", "SECRET_KEY"),
            ("SCAUTH_ISSUER", "SC_AUTH_ISSUER"),
            ("sc_auth_issuer", "SC_AUTH_ISSUER"),
            ("SC_ATUH_LISTEN", "SC_AUTH_LISTEN"),
        ] {
            let warnings = misspelt(&known, &[name, "PATH"]);
            assert_eq!(warnings, [format!("{name} is not a setting and is ignored; did you mean {meant}?")]);
        }
    }

    #[test]
    fn beside_an_address_other_settings_of_the_database_count() {
        let known = known_names(&Cli::command());
        for (name, count) in [("DB_SSL_MODE", 1), ("DB_POOLSIZE", 1), ("DB_TLS_CA_FIEL", 1), ("DB_HOTS", 0)] {
            assert_eq!(misspelt(&known, &[name, "DATABASE_URL"]).len(), count, "{name}");
        }
    }

    #[test]
    fn there_is_no_warning_about_other_programs_variables() {
        let known = known_names(&Cli::command());
        for name in [
            "DB_INSTANCE",
            "DB_HOSTS",
            "DB_NAMES",
            "DB_POOL",
            "DB_TYPE",
            "DB_ENV",
            "DB_PATH",
            "DB",
            "DEBUG",
            "DATABASE",
            "DATABASE_POOL",
            "SECRET",
            "SECRET_KEY_BASE",
            "API_KEY",
            "PORT",
            "HOST",
            "LISTEN",
            "HOSTNAME",
            "MYSQL_HOST",
            "PGHOST",
            "RUST_LOG",
            "TZ",
        ] {
            assert_eq!(misspelt(&known, &[name]), Vec::<String>::new(), "{name}");
        }
        for names in [["DB_PASSWORD", "DB_PASS"], ["DB_PASSWORD", "DB_PASS_FILE"], ["DB_HOTS", "DATABASE_URL_FILE"]] {
            assert_eq!(misspelt(&known, &names), Vec::<String>::new(), "{names:?}");
        }
    }
}
