//! Addresses of MySQL and MariaDB.

use std::str::FromStr as _;

use sc_auth_contract::settings::TlsMode;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::parameters::{ignore, mode, plain, switch};
use super::parts::{Parsed, Parts, Problem, without_brackets};
use crate::store::Database;

/// The parameters for encryption, as [`plain`] returns them.
const ENCRYPTION: [&str; 4] = ["sslmode", "ssl", "usessl", "tls"];
const MODES: &str = "ssl-mode=DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";

pub fn parse(url: &str) -> Parsed {
    let parts = Parts::of(url).ok_or(Problem::Invalid)?;
    let [host] = parts.hosts.as_slice() else {
        return Err(Problem::Parameter(
            "an address of MySQL has one host; for several servers, put a proxy in front of them".into(),
        ));
    };
    let mut options = MySqlConnectOptions::from_str(&parts.with_host(host)).map_err(|_| Problem::Invalid)?;
    let host = without_brackets(options.get_host()).to_owned();
    options = options.host(&host);
    if let Some(mode) = strictest(&parts)? {
        options = options.ssl_mode(mysql_mode(mode));
    }
    let mut warnings = Vec::new();
    for (name, value) in &parts.parameters {
        options = apply(options, name, value, &mut warnings)?;
    }
    Ok((Database::MySql(Box::new(options)), warnings))
}

/// The strictest mode of encryption that a parameter asks for, in whatever order they are.
fn strictest(parts: &Parts<'_>) -> Result<Option<TlsMode>, Problem> {
    let mut strictest = None;
    for (name, value) in parts.parameters.iter().filter(|(name, _)| ENCRYPTION.contains(&plain(name).as_str())) {
        strictest = strictest.max(Some(encryption(name, value)?));
    }
    Ok(strictest)
}

fn apply(
    options: MySqlConnectOptions,
    name: &str,
    value: &str,
    warnings: &mut Vec<String>,
) -> Result<MySqlConnectOptions, Problem> {
    Ok(match plain(name).as_str() {
        name if ENCRYPTION.contains(&name) => options,
        "sslca" => options.ssl_ca(value),
        "sslcert" => options.ssl_client_cert(value),
        "sslkey" => options.ssl_client_key(value),
        "socket" => options.socket(value),
        "statementcachecapacity" => options.statement_cache_capacity(
            value.parse().map_err(|_| Problem::Parameter(format!("the parameter {name} is not a number")))?,
        ),
        // Any other cannot store every character.
        "charset" | "characterset" | "characterencoding" => {
            if !["utf8mb4", "utf-8"].contains(&value.to_ascii_lowercase().as_str()) {
                warnings.push(format!("the parameter {name} is ignored: the character set is always utf8mb4"));
            }
            options
        }
        "collation" if value.starts_with("utf8mb4_") && value.chars().all(is_of_a_name) => options.collation(value),
        "collation" => {
            warnings.push(format!("the parameter {name} is ignored: it is not a utf8mb4 collation"));
            options
        }
        "timezone" | "servertimezone" => {
            warnings.push(format!("the parameter {name} is ignored: times are always UTC"));
            options
        }
        _ => {
            warnings.push(ignore(name, value, MODES)?);
            options
        }
    })
}

pub const fn mysql_mode(mode: TlsMode) -> MySqlSslMode {
    match mode {
        TlsMode::Disabled => MySqlSslMode::Disabled,
        TlsMode::Preferred => MySqlSslMode::Preferred,
        TlsMode::Required => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
    }
}

fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// `ssl-mode` has MySQL's own words; `tls` is that of Go, where `true` verifies, `ssl` and `useSSL` are of others.
fn encryption(name: &str, value: &str) -> Result<TlsMode, Problem> {
    let is_of_go = plain(name) == "tls";
    match (switch(value), plain(value).as_str()) {
        _ if plain(name) == "sslmode" => mode(value),
        (Some(true), _) => Some(if is_of_go { TlsMode::VerifyIdentity } else { TlsMode::Required }),
        (Some(false), _) => Some(TlsMode::Disabled),
        (None, "skipverify") => Some(TlsMode::Required),
        _ => mode(value),
    }
    .ok_or_else(|| Problem::Parameter(format!("the value of {name} is unknown; use {MODES}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> MySqlConnectOptions {
        let Database::MySql(options) = parse(url).unwrap().0 else { panic!() };
        *options
    }

    #[test]
    fn the_character_set_is_always_utf8mb4() {
        for charset in ["utf8", "utf8mb3", "latin1", "utf8mb4"] {
            let url = format!("mysql://u:p@h/n?charset={charset}&collation={charset}_general_ci");
            assert_eq!(options(&url).get_charset(), "utf8mb4", "{charset}");
            assert_eq!(parse(&url).unwrap().1.len(), if charset == "utf8mb4" { 0 } else { 2 }, "{charset}");
        }
        assert_eq!(options("mysql://u:p@h/n?collation=utf8mb4_bin;x").get_collation(), None);
    }

    #[test]
    fn other_programs_words_for_encryption_are_understood() {
        for (parameter, expected) in [
            ("ssl-mode=VERIFY_IDENTITY", "VerifyIdentity"),
            ("ssl_mode=verify-ca", "VerifyCa"),
            ("sslMode=REQUIRED", "Required"),
            ("sslmode=require", "Required"),
            ("ssl=true", "Required"),
            ("useSSL=true", "Required"),
            ("tls=true", "VerifyIdentity"),
            ("tls=skip-verify", "Required"),
            ("tls=false", "Disabled"),
        ] {
            let mode: MySqlSslMode = options(&format!("mysql://u:p@h/n?{parameter}")).get_ssl_mode();
            assert_eq!(format!("{mode:?}"), expected, "{parameter}");
        }
    }

    #[test]
    fn the_strictest_wish_for_encryption_counts_in_any_order_and_case() {
        for (wishes, expected) in [
            (&["sslMode=VERIFY_IDENTITY", "useSSL=true"][..], "VerifyIdentity"),
            (&["ssl-mode=verify_identity", "usessl=false", "SSL=true"], "VerifyIdentity"),
            (&["SSL_MODE=DISABLED", "tls=true", "ssl=1"], "VerifyIdentity"),
            (&["ssl-mode=VERIFY_CA", "tls=skip-verify", "ssl-mode=PREFERRED"], "VerifyCa"),
            (&["sslmode=preferred", "useSSL=false"], "Preferred"),
            (&["tls=false", "useSSL=false"], "Disabled"),
        ] {
            for parameters in super::super::permutations(wishes) {
                let mode: MySqlSslMode = options(&format!("mysql://u:p@h/n?{parameters}")).get_ssl_mode();
                assert_eq!(format!("{mode:?}"), expected, "{parameters}");
            }
        }
    }

    #[test]
    fn an_ipv6_address_has_brackets_only_in_the_url() {
        let options = options("mysql://u:p@[::1]:3307/n");
        assert_eq!((options.get_host(), options.get_port()), ("::1", 3307));
    }
}
