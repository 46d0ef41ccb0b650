//! The names of hashes that cannot be verified here.

use super::super::encoding::is_hex;
use crate::auth::password::derive::HashError;

/// Of a text that is like no hash.
pub const UNKNOWN: HashError = HashError::of("unknown algorithm, or a password in plain text");

pub fn unsupported(kind: &str) -> HashError {
    HashError(format!("{kind} is not supported; import the user without a hash, and set a new password").into())
}

/// Of `$id$…`.
pub fn by_id(stored: &str) -> HashError {
    let kinds = [
        ("$1$", "md5-crypt"),
        ("$apr1$", "Apache's md5-crypt"),
        ("$md5$pf=", "the salted MD5 of Kratos"),
        ("$md5", "md5-crypt of Solaris"),
        ("$P$", "PHPass (MD5, of older WordPress and phpBB)"),
        ("$H$", "PHPass (MD5, of older WordPress and phpBB)"),
        ("$S$", "the SHA-512 of Drupal 7"),
        ("$sha1$", "sha1-crypt"),
        ("$3$", "the NT hash (MD4)"),
        ("$7$", "crypt(3)'s scrypt"),
        ("$y$", "yescrypt"),
        ("$gy$", "gost-yescrypt"),
        ("$scram$", "SCRAM"),
        ("$ml$", "the PBKDF2 of macOS"),
        ("$8$", "the PBKDF2 of Cisco"),
        ("$9$", "the scrypt of Cisco"),
        ("$A$", "the hash of MySQL (caching_sha2_password)"),
        ("$shiro1$", "the digest of Shiro 1"),
    ];
    // Solaris' form has a salt, and so a further dollar sign.
    if stored.strip_prefix("$md5$").is_some_and(|rest| !rest.contains('$')) {
        return unsupported("the MD5 of Kratos");
    }
    find(&kinds, HashError::of("unknown algorithm"), |prefix| stored.starts_with(prefix))
}

/// Of `{SCHEME}…`, in upper case.
pub fn by_scheme(scheme: &str) -> HashError {
    let kinds = [
        ("MD5", "unsalted MD5"),
        ("MD4", "MD4"),
        ("SMD5", "salted MD5"),
        ("LDAP-MD5", "unsalted MD5"),
        ("PLAIN-MD5", "unsalted MD5"),
        ("PLAIN-MD4", "MD4"),
        ("MD5-CRYPT", "md5-crypt"),
        ("DES-CRYPT", "the traditional crypt (DES)"),
        ("CRAM-MD5", "CRAM-MD5"),
        ("HMAC-MD5", "CRAM-MD5"),
        ("DIGEST-MD5", "DIGEST-MD5"),
        ("NT", "the NT hash (MD4)"),
        ("NTHASH", "the NT hash (MD4)"),
        ("LANMAN", "the LAN Manager hash"),
        ("LM", "the LAN Manager hash"),
        ("LDAP", "Spring's {ldap} without a scheme behind it"),
        ("SASL", "a password that another service verifies ({SASL})"),
        ("NOOP", "a password in plain text"),
        ("PLAIN", "a password in plain text"),
        ("PLAINTEXT", "a password in plain text"),
        ("CLEAR", "a password in plain text"),
        ("CLEARTEXT", "a password in plain text"),
        ("NS-MTA-MD5", "salted MD5"),
        ("SMD4", "MD4"),
    ];
    if scheme.starts_with("SCRAM") {
        return unsupported("SCRAM");
    }
    if scheme.starts_with("FSHP") {
        return unsupported("FSHP");
    }
    kinds
        .iter()
        .find(|(name, _)| *name == scheme.trim_end_matches(".HEX").trim_end_matches(".B64"))
        .map_or(HashError::of("an unknown scheme in braces"), |(_, kind)| unsupported(kind))
}

/// Of a text without a prefix.
pub fn by_shape(stored: &str) -> HashError {
    if stored.starts_with('!') || stored.is_empty() {
        return HashError::of("the user has no password; an Admin can set one");
    }
    let hexadecimal = [
        (16, "MySQL's old hash (16 hexadecimal digits)"),
        (32, "MD5 or the NT hash (32 hexadecimal digits)"),
        (40, "an SHA-1 without a scheme ({SHA} in front says that it has no salt)"),
        (64, "an SHA-256 without a scheme ({SHA256} in front says that it has no salt)"),
        (96, "an SHA-384 without a scheme ({SHA384} in front says that it has no salt)"),
        (128, "an SHA-512 without a scheme ({SHA512} in front says that it has no salt)"),
    ];
    if let Some((_, kind)) = hexadecimal.iter().find(|(digits, _)| is_hex(stored, *digits)) {
        return unsupported(kind);
    }
    if stored.strip_prefix('*').is_some_and(|digits| is_hex(digits, 40)) {
        return unsupported("MySQL's hash (two SHA-1)");
    }
    if stored.strip_prefix("md5").is_some_and(|digits| is_hex(digits, 32)) {
        return unsupported("PostgreSQL's MD5");
    }
    if stored.split_once(':').is_some_and(|(digits, _)| is_hex(digits, 32)) {
        return unsupported("salted MD5");
    }
    if stored.split_once(':').is_some_and(|(digits, _)| is_hex(digits, 64)) {
        return unsupported("salted SHA-256 (of Magento)");
    }
    let is_des = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    if stored.len() == 13 && is_des(stored) {
        return unsupported("the traditional crypt (DES), or a password in plain text,");
    }
    if stored.len() == 20 && stored.strip_prefix('_').is_some_and(is_des) {
        return unsupported("the extended DES crypt of BSDi");
    }
    if stored.strip_prefix("S:").is_some_and(|digits| is_hex(digits.split(';').next().unwrap_or_default(), 60)) {
        return unsupported("the hash of Oracle (SHA-1)");
    }
    let kinds = [
        ("SCRAM-SHA-", "SCRAM"),
        ("0x0100", "the hash of SQL Server"),
        ("0x0200", "the hash of SQL Server"),
        ("U$", "a hash that Drupal 7 has upgraded"),
        ("sha1:", "SHA-1 with a colon"),
        ("md5:", "MD5"),
    ];
    find(&kinds, UNKNOWN, |prefix| stored.starts_with(prefix))
}

fn find(kinds: &[(&str, &str)], otherwise: HashError, is_it: impl Fn(&str) -> bool) -> HashError {
    let found = kinds.iter().find(|(prefix, _)| is_it(prefix));
    found.map_or(otherwise, |(_, kind)| unsupported(kind))
}
