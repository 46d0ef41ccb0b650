//! The parts of an address, and what can be wrong with one.

use crate::store::Database;

/// What is wrong with an address.
#[derive(Debug)]
pub enum Problem {
    /// The library's own messages may quote a part of the URL.
    Invalid,
    /// What is wrong with a parameter, in our words.
    Parameter(String),
}

/// A database, and what was ignored.
pub type Parsed = Result<(Database, Vec<String>), Problem>;

/// The parts of an address of a database server.
#[derive(Debug)]
pub struct Parts<'a> {
    pub scheme: &'a str,
    /// User and password, with the `@`.
    pub user: &'a str,
    pub hosts: Vec<&'a str>,
    /// The name of the database, with the slash.
    pub path: &'a str,
    pub parameters: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    pub fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = (rest.get(..slash)?, rest.get(slash..)?);
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, hosts) = (authority.get(..at)?, authority.get(at..)?);
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Some(Self { scheme, user, hosts: hosts.split(',').collect(), path, parameters })
    }

    /// The URL with one host, and without parameters.
    pub fn with_host(&self, host: &str) -> String {
        format!("{}://{}{host}{}", self.scheme, self.user, self.path)
    }
}

/// Whether the user name or the password looks as if it had a `/`, `#` or `?` that is not percent-encoded. The address
/// then seems to end there, and its `@` comes too late. An `@` alone does no harm: the last one counts.
pub fn is_unencoded(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let end = rest.find(['/', '#', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut names = query.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
    // The name of a database may have an `@`, but no slash after it.
    let is_late = |text: &str| text.split_once('@').is_some_and(|(_, host)| host.contains('/'));
    let has_user = authority.contains('@');
    fragment.contains('@')
        || is_late(path)
        || names.any(|name| name.contains('@'))
        || !has_user && authority.contains(':') && (path.contains('@') || path.is_empty() && is_late(query))
}

/// An IPv6 address without its brackets, which only a URL needs.
pub fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
