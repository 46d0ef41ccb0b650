//! The address of a database as one URL. Each parameter is understood, or ignored with a warning; one that asks for
//! safety and is not understood is an error, since the connection would be less safe than its owner believes.

mod mysql;
mod parameters;
mod parts;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::store::Database;
pub use mysql::mysql_mode;
pub use parts::without_brackets;
use parts::{Problem, is_unencoded};
pub use postgres::postgres_mode;

const ADVICE: &str = "write sqlite:FILE, mysql://USER:PASSWORD@HOST:PORT/NAME or \
                      postgres://USER:PASSWORD@HOST:PORT/NAME, with special characters percent-encoded";

const UNENCODED: &str = "the user name or the password has a special character that is not percent-encoded: write %2F for \
                         /, %23 for #, %3F for ?, %40 for @ and %25 for %";

/// # Errors
/// A message that never quotes the URL, which contains the password.
pub fn parse(url: &str) -> Result<Database, String> {
    let (scheme, rest) = url.trim().split_once(':').unwrap_or_default();
    let url = &format!("{}:{rest}", scheme.to_ascii_lowercase());
    let scheme = url.split(':').next();
    if scheme.is_some_and(|scheme| scheme != "sqlite") && is_unencoded(url) {
        return Err(format!("DATABASE_URL: {UNENCODED}"));
    }
    let parsed = match scheme {
        Some("sqlite") => sqlite::parse(url),
        Some("mysql" | "mariadb") => mysql::parse(url),
        Some("postgres" | "postgresql") => postgres::parse(url),
        _ => return Err(format!("DATABASE_URL has an unknown scheme; {ADVICE}")),
    };
    let (database, warnings) = parsed.map_err(|problem| match problem {
        Problem::Invalid => format!("DATABASE_URL is not a valid URL; {ADVICE}"),
        Problem::Parameter(text) => format!("DATABASE_URL: {text}"),
    })?;
    for warning in &warnings {
        warn_once(warning);
    }
    Ok(database)
}

/// The settings are read again and again.
fn warn_once(warning: &str) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.to_owned()) {
        tracing::warn!("DATABASE_URL: {warning}");
    }
}

/// The parameters in each order, as queries.
#[cfg(test)]
fn permutations(parameters: &[&str]) -> Vec<String> {
    let [first, rest @ ..] = parameters else { return vec![String::new()] };
    let mut all = Vec::new();
    for query in permutations(rest) {
        let words: Vec<_> = query.split('&').filter(|word| !word.is_empty()).collect();
        for place in 0..=words.len() {
            let mut words = words.clone();
            words.insert(place, first);
            all.push(words.join("&"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        let error = parse(url).expect_err(url);
        assert!(error.starts_with("DATABASE_URL") && !error.contains("s3cret"), "{error}");
        error
    }

    #[test]
    fn an_error_does_not_quote_an_invalid_url() {
        for url in
            ["mysql://u:s3cret@[h/n", "postgres://u:s3cret@h:notaport/n", "oracle://u:s3cret@h/n", "mysql:s3cret"]
        {
            error(url);
        }
    }

    #[test]
    fn a_password_that_is_not_percent_encoded_is_named() {
        for password in
            ["s3cret/a", "12/s3cret", "s3cret#a", "1#s3cret", "s3cret?a", "a@s3cret/b", "a@b#s3cret", "1?a=s3cret@b/c"]
        {
            for scheme in ["mysql", "mariadb", "postgres", "postgresql"] {
                let error = error(&format!("{scheme}://app:{password}@db.test:5432/app"));
                assert!(error.contains("not percent-encoded"), "{password}: {error}");
            }
        }
        for url in [
            "postgres://app:a@b@db.test/app",
            "postgres://app:a%2Fb%23c%25@db.test/app",
            "postgres://app:100%@db.test/app",
            "postgres://app@db.test/na@me",
            "postgres://db.test/app?user=app@example.com&password=a@b",
            "mysql://app:p@db.test/app?ssl-ca=/etc/a@b/ca.crt",
        ] {
            parse(url).unwrap();
        }
    }

    #[test]
    fn what_asks_for_safety_and_is_not_understood_is_an_error() {
        for parameter in [
            "channel_binding=require",
            "require_auth=scram-sha-256",
            "requirepeer=postgres",
            "gssencmode=require",
            "krbsrvname=x",
            "sslcrl=/x",
            "sslcertmode=require",
            "ssl_min_protocol_version=TLSv1.3",
            "sslaccept=strict",
            "rejectUnauthorized=true",
            "serverPubKey=/pem",
            "sslfactory=x",
            "ssl=maybe",
        ] {
            let error = error(&format!("postgres://u:s3cret@h/n?{parameter}"));
            let name = parameter.split('=').next().unwrap();
            assert!(error.contains(name), "{error}");
        }
        for parameter in
            ["verifyServerCertificate=true", "requireSSL=true", "tls=custom", "tls-version=TLSv1.3", "sslCipher=x"]
        {
            let error = error(&format!("mysql://u:s3cret@h/n?{parameter}"));
            let name = parameter.split('=').next().unwrap();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_ignored() {
        for url in [
            "postgres://u:p@h/n?connect_timeout=10&pgbouncer=true&schema=x&keepalives=1&gssencmode=disable",
            "postgres://u:p@h/n?channel_binding=prefer&sslcompression=0&sslsni=1&ssl_min_protocol_version=TLSv1.2",
            "postgres://u:p@h/n?client_encoding=latin1&ssl=false&sslcertmode=allow",
            "mysql://u:p@h/n?parseTime=true&loc=UTC&allowPublicKeyRetrieval=true&useSSL=false&timezone=%2B02:00",
        ] {
            parse(url).unwrap();
        }
    }

    #[test]
    fn modes_of_other_programs_have_messages_of_their_own() {
        assert!(error("postgres://u:s3cret@h/n?sslmode=no-verify").contains("sslmode=require"));
        assert!(error("postgres://u:s3cret@h/n?sslmode=strict").contains("verify-full"));
        assert!(error("mysql://u:s3cret@h/n?ssl-mode=x").contains("VERIFY_IDENTITY"));
        assert!(error("mysql://u:s3cret@a,b/n").contains("one host"));
        assert!(error("mysql://u:s3cret@a:3306,b:3307/n").contains("one host"));
        for parameter in ["journal_mode", "synchronous", "busy_timeout", "_journal_mode", "foreign_keys"] {
            assert!(error(&format!("sqlite:a.db?{parameter}=x")).contains(parameter));
        }
        assert!(error("sqlite:a.db?mode=x").contains("mode"));
    }

    #[test]
    fn an_embedded_database_has_a_file_that_outlasts_the_server() {
        for url in ["sqlite:", "sqlite://", "sqlite:?mode=rwc"] {
            assert!(error(url).contains("has no file"), "{url}");
        }
        for (url, is_lost) in [
            ("sqlite::memory:", true),
            ("sqlite://:memory:", true),
            ("sqlite:a.db?mode=memory", true),
            ("sqlite:a.db", false),
            ("sqlite:///a.db", false),
        ] {
            let (_, warnings) = sqlite::parse(url).unwrap();
            assert_eq!(warnings.iter().any(|warning| warning.contains("loses all users")), is_lost, "{url}");
        }
    }

    #[test]
    fn blanks_around_an_address_and_the_case_of_its_scheme_do_not_count() {
        for url in [" postgres://u:p@h/n\n", "POSTGRES://u:p@h/n", "MySQL://u:p@h/n", "SQLite:a.db"] {
            parse(url).unwrap();
        }
    }
}
