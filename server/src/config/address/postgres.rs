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
    let mut warnings = Vec::new();
    let mut servers = Vec::new();
    for (host, port) in &hosts {
        warnings.clear();
        let mut options = PgConnectOptions::from_str(&parts.with_host(host)).map_err(|_| Problem::Invalid)?;
        options = options.extra_float_digits(None);
        if options.get_socket().is_none() {
            let host = without_brackets(options.get_host()).to_owned();
            options = options.host(&host);
        }
        for (name, value) in &parts.parameters {
            options = apply(options, name, value, &parts, &mut warnings)?;
        }
        servers.push(match port {
            Some(port) => options.port(*port),
            None => options,
        });
    }
    let needs = needs(&parts, servers.len())?;
    Ok((Database::Postgres(Arc::new(PostgresServers::new(servers, needs))), warnings))
}

fn value_of<'a>(parts: &'a Parts<'_>, wanted: &str) -> Option<&'a str> {
    parts.parameters.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
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
fn needs(parts: &Parts<'_>, hosts: usize) -> Result<SessionAttrs, Problem> {
    match value_of(parts, "target_session_attrs").or_else(|| value_of(parts, "targetServerType")).map(plain).as_deref()
    {
        Some("readwrite" | "primary" | "master") => Ok(SessionAttrs::ReadWrite),
        None if hosts > 1 => Ok(SessionAttrs::ReadWrite),
        Some("any") | None => Ok(SessionAttrs::Any),
        Some(_) => Err(Problem::Parameter(
            "target_session_attrs must be read-write, primary or any: the server has to write".into(),
        )),
    }
}

fn apply(
    options: PgConnectOptions,
    name: &str,
    value: &str,
    parts: &Parts<'_>,
    warnings: &mut Vec<String>,
) -> Result<PgConnectOptions, Problem> {
    if let Some(key) = name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
        return Ok(options.options([(key, value)]));
    }
    Ok(match plain(name).as_str() {
        "host" | "hostaddr" | "port" | "targetsessionattrs" | "targetservertype" => options,
        "sslmode" => options.ssl_mode(encryption(value)?),
        // As in libpq, for addresses of JDBC.
        "ssl" if value_of(parts, "sslmode").is_none() && switch(value) == Some(true) => {
            options.ssl_mode(PgSslMode::Require)
        }
        "ssl" if switch(value).is_some() => options,
        // The certificates of the system: the library has those of the well-known authorities.
        "sslrootcert" if value == "system" => options.ssl_mode(PgSslMode::VerifyFull),
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
        "options" => options.options(flags(value)),
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

/// The pairs of `-c name=value` in `options`.
fn flags(value: &str) -> Vec<(String, String)> {
    let words = value.split_whitespace().filter(|word| *word != "-c");
    let words = words.map(|word| word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word));
    words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
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
    fn options_are_passed_on() {
        let servers = servers("postgres://u:p@h/n?options=-c%20search_path%3Dx%20--work_mem%3D1MB&options[a.b]=c");
        let options = servers.hosts[0].get_options().unwrap().to_owned();
        for part in ["search_path=x", "work_mem=1MB", "a.b=c"] {
            assert!(options.contains(part), "{options}");
        }
    }
}
