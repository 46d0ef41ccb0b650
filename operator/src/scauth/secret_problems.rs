//! What is wrong with the content of a Secret, which the operator does not read: the server names a file, the kubelet a
//! volume, and the database a user. Users need the Secret, the key, and what to do.

use crate::api::PodTemplate;
use crate::scauth::mounts::SecretMount;
use crate::scauth::resolved::{Address, Database, Resolved};

/// How PostgreSQL, MySQL and MariaDB refuse a password.
const DENIED: [&str; 3] = ["password authentication failed", "access denied for user", "28p01"];

/// Rewrites a message about a missing or empty key to name the Secret and the key.
pub fn explain(resolved: &Resolved, words: &str) -> String {
    let of_file = || resolved.secrets.iter().find_map(|mount| of_server(mount, words));
    let of_volume = || of_kubelet_volume(&resolved.pod_template, words);
    let problem = of_file().or_else(|| of_kubelet_variable(words)).or_else(of_volume);
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
fn of_server(mount: &SecretMount, words: &str) -> Option<String> {
    let (before, file) = words.split_once(&format!("{}/", mount.mount.path))?;
    let key = |end: &str| file.split_once(end).map(|(key, _)| key).filter(|key| !key.contains([':', ' ', '/']));
    let secret = &mount.secret;
    let problem = match (key(": No such file"), key(" is empty")) {
        (Some(key), _) => lacks(secret, key),
        (None, Some(key)) => format!("key {key} of Secret {secret} is empty: give it a value"),
        (None, None) => return None,
    };
    // Without the server's name for the file, which is no field of the spec.
    let setting = before.trim_end_matches(": ").rsplit(' ').next().filter(|word| word.ends_with("_FILE"));
    let before = setting.and_then(|setting| before.trim_end_matches(": ").strip_suffix(setting)).unwrap_or(before);
    Some(format!("{before}{problem}"))
}

fn lacks(secret: &str, key: &str) -> String {
    format!("Secret {secret} has no key {key}: add it, or correct the key in the spec")
}

/// `couldn't find key KEY in Secret NAMESPACE/NAME`.
fn of_kubelet_variable(words: &str) -> Option<String> {
    let (before, rest) = words.split_once("couldn't find key ")?;
    let (key, rest) = rest.split_once(" in Secret ")?;
    let secret = rest.split([' ', ',', ';']).next()?.rsplit('/').next()?;
    Some(format!("{before}{}", lacks(secret, key)))
}

/// `MountVolume.SetUp failed for volume "NAME" : references non-existent secret key: KEY`.
fn of_kubelet_volume(template: &PodTemplate, words: &str) -> Option<String> {
    let (before, rest) = words.split_once("MountVolume.SetUp failed for volume \"")?;
    let (volume, rest) = rest.split_once('"')?;
    let key = rest.split_once("references non-existent secret key: ")?.1.split([' ', ',', ';']).next()?;
    let volume = template.volumes.iter().find(|other| other.name == volume)?;
    let of_volume = volume.secret.iter().filter_map(|secret| secret.secret_name.as_deref());
    let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
    let sources = sources.filter_map(|source| source.secret.as_ref());
    let asking = sources.filter(|secret| secret.items.iter().flatten().any(|item| item.key == key));
    let secret = of_volume.chain(asking.map(|secret| secret.name.as_str())).next()?;
    Some(format!("{before}{}", lacks(secret, key)))
}
