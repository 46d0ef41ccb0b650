//! Addresses of PostgreSQL, with several hosts as libpq knows them.

use std::str::FromStr as _;
use std::sync::Arc;

use sc_auth_contract::settings::TlsMode;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::parameters::{ignore, mode, plain, switch};
use super::parts::{Parsed, Parts, Problem, without_brackets};
use crate::store::{Database, PostgresServers, SessionAttrs};

const MODES: &str = "sslmode=disable, prefer, require, verify-ca or verify-full";

pub fn parse(url: &str) -> Parsed {
    let parts = Parts::of(url).ok_or(Problem::Invalid)?;
    let hosts = hosts(&parts)?;
    let encryption = strictest(&parts)?;
    let mut warnings = Vec::new();
    let mut servers = Vec::new();
    for (host, port) in &hosts {
        warnings.clear();
        let mut options = PgConnectOptions::from_str(&with_options(&parts, host)).map_err(|_| Problem::Invalid)?;
        options = options.extra_float_digits(None);
        if let Some(mode) = encryption {
            options = options.ssl_mode(mode);
        }
        if options.get_socket().is_none() {
            let host = without_brackets(options.get_host()).to_owned();
            options = options.host(&host);
        }
        for (name, value) in &parts.parameters {
            options = apply(options, name, value, &mut warnings)?;
        }
        servers.push(match port {
            Some(port) => options.port(*port),
            None => options,
        });
    }
    let needs = needs(&parts, servers.len(), &mut warnings);
    Ok((Database::Postgres(Arc::new(PostgresServers::new(servers, needs))), warnings))
}

/// The last value of a parameter, whose name is given as [`plain`] returns it.
fn value_of<'a>(parts: &'a Parts<'_>, wanted: &str) -> Option<&'a str> {
    parts.parameters.iter().rev().find(|(name, _)| plain(name) == wanted).map(|(_, value)| value.as_str())
}

/// The URL with one host and with the parameters `options`, whose value the library passes on unchanged only from a URL.
fn with_options(parts: &Parts<'_>, host: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (_, value) in parts.parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("options")) {
        query.append_pair("options", value);
    }
    format!("{}?{}", parts.with_host(host), query.finish())
}

/// The hosts of the URL or of the parameter `host`, with their ports if the parameter `port` names them.
fn hosts(parts: &Parts<'_>) -> Result<Vec<(String, Option<u16>)>, Problem> {
    let given = value_of(parts, "hostaddr").or_else(|| value_of(parts, "host"));
    let hosts: Vec<String> = match given {
        Some(hosts) => hosts.split(',').map(as_in_a_url).collect(),
        None => parts.hosts.iter().map(ToString::to_string).collect(),
    };
    let numbers: Vec<&str> = value_of(parts, "port").map(|ports| ports.split(',').collect()).unwrap_or_default();
    if numbers.len() > 1 && numbers.len() != hosts.len() {
        return Err(Problem::Parameter("the parameter port has another number of ports than there are hosts".into()));
    }
    let port_of = |place: usize| match numbers.get(place).or(numbers.first()) {
        None | Some(&"") => Ok(None),
        Some(port) => {
            port.parse().map(Some).map_err(|_| Problem::Parameter("the parameter port is not a number".into()))
        }
    };
    hosts.into_iter().enumerate().map(|(place, host)| Ok((host, port_of(place)?))).collect()
}

/// In a URL, an IPv6 address has brackets, and the slashes of a socket's folder are encoded.
fn as_in_a_url(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.replace('/', "%2F") }
}

/// With several hosts, the one that accepts writes is the only one of use.
fn needs(parts: &Parts<'_>, hosts: usize, warnings: &mut Vec<String>) -> SessionAttrs {
    let default = if hosts > 1 { SessionAttrs::ReadWrite } else { SessionAttrs::Any };
    let given = value_of(parts, "targetsessionattrs").or_else(|| value_of(parts, "targetservertype"));
    match given.map(plain).as_deref() {
        Some("readwrite" | "primary" | "master") => SessionAttrs::ReadWrite,
        Some("any") => SessionAttrs::Any,
        None => default,
        // Release 0.2 ignored the parameter.
        Some(_) => {
            warnings.push(
                "the value of target_session_attrs is ignored: the server has to write; use read-write, primary or any"
                    .into(),
            );
            default
        }
    }
}

/// The strictest mode of encryption that a parameter asks for, in whatever order they are.
fn strictest(parts: &Parts<'_>) -> Result<Option<PgSslMode>, Problem> {
    let mut strictest = None;
    for (name, value) in &parts.parameters {
        let asked = match plain(name).as_str() {
            "sslmode" => Some(encryption(value)?),
            // As in libpq, for addresses of JDBC.
            "ssl" if switch(value) == Some(true) => Some(PgSslMode::Require),
            // The certificates of the system: the library has those of the well-known authorities.
            "sslrootcert" if value == "system" => Some(PgSslMode::VerifyFull),
            _ => None,
        };
        strictest = strictest.into_iter().chain(asked).max_by_key(|mode| strictness(*mode));
    }
    Ok(strictest)
}

const fn strictness(mode: PgSslMode) -> u8 {
    match mode {
        PgSslMode::Disable => 0,
        PgSslMode::Allow => 1,
        PgSslMode::Prefer => 2,
        PgSslMode::Require => 3,
        PgSslMode::VerifyCa => 4,
        PgSslMode::VerifyFull => 5,
    }
}

fn apply(
    options: PgConnectOptions,
    name: &str,
    value: &str,
    warnings: &mut Vec<String>,
) -> Result<PgConnectOptions, Problem> {
    if let Some(key) = name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
        return Ok(options.options([(key, value)]));
    }
    Ok(match plain(name).as_str() {
        // They are read before.
        "host" | "hostaddr" | "port" | "targetsessionattrs" | "targetservertype" | "sslmode" | "options" => options,
        "ssl" if switch(value).is_some() => options,
        "sslrootcert" if value == "system" => options,
        "sslrootcert" | "sslca" => options.ssl_root_cert(value),
        "sslcert" => options.ssl_client_cert(value),
        "sslkey" => options.ssl_client_key(value),
        "statementcachecapacity" => options.statement_cache_capacity(
            value.parse().map_err(|_| Problem::Parameter(format!("the parameter {name} is not a number")))?,
        ),
        "dbname" => options.database(value),
        "user" => options.username(value),
        "password" => options.password(value),
        "applicationname" => options.application_name(value),
        "clientencoding" => {
            if plain(value) != "utf8" {
                warnings.push(format!("the parameter {name} is ignored: the encoding is always UTF8"));
            }
            options
        }
        "channelbinding" if plain(value) == "require" => {
            return Err(Problem::Parameter(format!(
                "the server does not support {name}=require; remove it, and use sslmode=verify-full, which proves who the \
                 database server is"
            )));
        }
        _ => {
            warnings.push(ignore(name, value, MODES)?);
            options
        }
    })
}

pub const fn postgres_mode(mode: TlsMode) -> PgSslMode {
    match mode {
        TlsMode::Disabled => PgSslMode::Disable,
        TlsMode::Preferred => PgSslMode::Prefer,
        TlsMode::Required => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyIdentity => PgSslMode::VerifyFull,
    }
}

fn encryption(value: &str) -> Result<PgSslMode, Problem> {
    match plain(value).as_str() {
        "allow" => Ok(PgSslMode::Allow),
        "noverify" => Err(Problem::Parameter(
            "sslmode=no-verify is a word of node-postgres; use sslmode=require, which encrypts without verification, or \
             better verify-full"
                .into(),
        )),
        _ => mode(value)
            .map(postgres_mode)
            .ok_or_else(|| Problem::Parameter(format!("the value of sslmode is unknown; use {MODES}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> Arc<PostgresServers> {
        let Database::Postgres(servers) = parse(url).unwrap().0 else { panic!() };
        servers
    }

    fn addresses(url: &str) -> Vec<(String, u16)> {
        servers(url).hosts.iter().map(|host| (host.get_host().to_owned(), host.get_port())).collect()
    }

    #[test]
    fn there_may_be_several_hosts() {
        let expected = [("a".to_owned(), 5432), ("b".to_owned(), 5433)];
        for url in [
            "postgres://u:p@a,b:5433/n",
            "postgresql://u:p@a:5432,b:5433/n?target_session_attrs=read-write",
            "postgres://u:p@/n?host=a,b&port=5432,5433",
        ] {
            assert_eq!(addresses(url), expected, "{url}");
            assert_eq!(servers(url).needs, SessionAttrs::ReadWrite, "{url}");
        }
        assert_eq!(servers("postgres://u:p@a,b/n?target_session_attrs=any").needs, SessionAttrs::Any);
        assert_eq!(servers("postgres://u:p@a/n").needs, SessionAttrs::Any);
        assert_eq!(servers("postgres://u:p@a/n?target_session_attrs=primary").needs, SessionAttrs::ReadWrite);
        assert_eq!(addresses("postgres://u:p@a,b/n?port=6432"), [("a".to_owned(), 6432), ("b".to_owned(), 6432)]);
    }

    #[test]
    fn an_ipv6_address_has_brackets_only_in_the_url() {
        assert_eq!(addresses("postgres://u:p@[::1]:5433/n"), [("::1".to_owned(), 5433)]);
        assert_eq!(addresses("postgres://u:p@/n?host=::1"), [("::1".to_owned(), 5432)]);
        assert_eq!(addresses("postgres://u:p@[::1],[fe80::1]:1/n").len(), 2);
    }

    #[test]
    fn a_socket_is_a_folder() {
        for url in ["postgres://u@/n?host=/run/postgresql", "postgres://u@%2Frun%2Fpostgresql/n"] {
            let servers = servers(url);
            assert_eq!(servers.hosts[0].get_socket().unwrap().to_str(), Some("/run/postgresql"), "{url}");
        }
    }

    #[test]
    fn ssl_true_encrypts() {
        let mode = |url: &str| format!("{:?}", servers(url).hosts[0].get_ssl_mode());
        assert_eq!(mode("postgres://u:p@h/n?ssl=true"), "Require");
        assert_eq!(mode("postgres://u:p@h/n?ssl=true&sslmode=verify-full"), "VerifyFull");
        assert_eq!(mode("postgres://u:p@h/n?sslmode=VERIFY_CA"), "VerifyCa");
        assert_eq!(mode("postgres://u:p@h/n?sslrootcert=system"), "VerifyFull");
        assert_eq!(mode("postgres://u:p@h/n"), "Prefer");
    }

    #[test]
    fn the_strictest_wish_for_encryption_counts_in_any_order_and_case() {
        for (wishes, expected) in [
            (&["sslMode=verify-full", "ssl=true"][..], "VerifyFull"),
            (&["sslmode=verify-full", "SSL=true", "sslmode=disable"], "VerifyFull"),
            (&["sslrootcert=system", "ssl=true", "ssl_mode=require"], "VerifyFull"),
            (&["SSLMODE=verify-ca", "ssl=true", "sslmode=prefer"], "VerifyCa"),
            (&["sslmode=disable", "ssl=true"], "Require"),
            (&["sslmode=require", "ssl=false", "sslmode=allow"], "Require"),
            (&["sslmode=allow", "sslmode=disable"], "Allow"),
        ] {
            for parameters in super::super::permutations(wishes) {
                let servers = servers(&format!("postgres://u:p@h,i/n?{parameters}"));
                for host in &servers.hosts {
                    assert_eq!(format!("{:?}", host.get_ssl_mode()), expected, "{parameters}");
                }
            }
        }
    }

    #[test]
    fn options_are_passed_on_unchanged() {
        let options = |url: &str| servers(url).hosts[0].get_options().unwrap().to_owned();
        let given =
            options("postgres://u:p@h/n?options=-c%20search_path%3Da%5C%20b%20-B%201&options[a.b]=c&options=-e");
        assert_eq!(given, r"-c search_path=a\ b -B 1 -e -c a.b=c");
    }

    #[test]
    fn a_parameter_that_asks_for_a_standby_is_ignored() {
        for value in ["standby", "prefer-standby", "read-only"] {
            let (database, warnings) = parse(&format!("postgres://u:p@h/n?Target_Session_Attrs={value}")).unwrap();
            assert!(warnings.concat().contains("target_session_attrs"), "{warnings:?}");
            assert!(matches!(database, Database::Postgres(servers) if servers.needs == SessionAttrs::Any), "{value}");
        }
        let several = servers("postgres://u:p@a,b/n?target_session_attrs=standby");
        assert_eq!(several.needs, SessionAttrs::ReadWrite);
    }
}
