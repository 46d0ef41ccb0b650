//! What is wrong with the content of a Secret or ConfigMap, which the operator does not read: the server names a file, the
//! kubelet a volume, and the database a user. Users need the object, the key, and what to do.

mod volumes;

use crate::scauth::references::Kind;
use crate::scauth::resolved::{Address, Database, Resolved};
use volumes::Key;

/// How PostgreSQL, MySQL and MariaDB refuse a password.
const DENIED: [&str; 3] = ["password authentication failed", "access denied for user", "28p01"];

/// Rewrites a message about a missing or empty key to name the object and the key.
pub fn explain(resolved: &Resolved, words: &str) -> String {
    let of_volume = || of_kubelet_volume(resolved, words);
    let problem = of_file(resolved, words).or_else(|| of_kubelet_variable(words)).or_else(of_volume);
    problem.unwrap_or_else(|| words.to_owned()) + encoding(resolved, words)
}

/// An unencoded password in a URL is parsed differently.
fn encoding(resolved: &Resolved, words: &str) -> &'static str {
    let words = words.to_ascii_lowercase();
    let has_url = matches!(resolved.database, Database::External(Address::Url));
    if has_url && DENIED.iter().any(|denied| words.contains(denied)) {
        "; in the URL, special characters of the password are percent-encoded: %25 for %, %40 for @, %2F for /, %23 for #"
    } else {
        ""
    }
}

/// `DB_USER_FILE: /run/sc-auth/database/user: No such file or directory`.
fn of_file(resolved: &Resolved, words: &str) -> Option<String> {
    let (until, is_empty) = match words.split_once(": No such file") {
        Some((until, _)) => (until, false),
        None => (words.split_once(" is empty")?.0, true),
    };
    let (before, file) = until.rsplit_once(' ').unwrap_or(("", until));
    let own = resolved.secrets.iter().find_map(|mount| {
        let name = file.strip_prefix(mount.mount.path)?.strip_prefix('/').filter(|key| !key.contains('/'))?;
        Some(Key { kind: Kind::Secret, object: &mount.secret, name })
    });
    let field = if own.is_some() { "key" } else { "path" };
    let Key { kind, object, name } = own.or_else(|| volumes::key_of(&resolved.pod_template, file))?;
    let problem = if is_empty {
        format!("key {name} of {kind} {object} is empty: give it a value")
    } else {
        lacks(kind, object, name, field)
    };
    // Without the server's name for the file, which is no field of the spec.
    let before = before.trim_end_matches(':');
    let (rest, setting) = before.rsplit_once(' ').unwrap_or(("", before));
    let before = if setting.ends_with("_FILE") { rest } else { &until[..until.len() - file.len()] }.trim_end();
    Some(if before.is_empty() { problem } else { format!("{before} {problem}") })
}

/// `field` is what the spec may have wrong.
fn lacks(kind: Kind, name: &str, key: &str, field: &str) -> String {
    format!("{kind} {name} has no key {key}: add it, or correct the {field} in the spec")
}

/// `couldn't find key KEY in Secret NAMESPACE/NAME`.
fn of_kubelet_variable(words: &str) -> Option<String> {
    let (before, rest) = words.split_once("couldn't find key ")?;
    [Kind::Secret, Kind::ConfigMap].into_iter().find_map(|kind| {
        let (key, rest) = rest.split_once(&format!(" in {kind} "))?;
        let name = rest.split([' ', ',', ';']).next()?.rsplit('/').next()?;
        Some(format!("{before}{}", lacks(kind, name, key, "key")))
    })
}

/// A file of a volume in `spec.podTemplate`.
fn of_kubelet_volume(resolved: &Resolved, words: &str) -> Option<String> {
    let (before, key) = volumes::of_kubelet(&resolved.pod_template, words)?;
    Some(format!("{before}{}", lacks(key.kind, key.object, key.name, "key")))
}
