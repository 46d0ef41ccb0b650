//! `{SCHEME}…`: directories, Dovecot, and Spring Security.

use super::super::bcrypted::{Bcrypt, Input};
use super::super::digest::{Digest, Function, Salting};
use super::super::encoding::{from_base64, from_hex, is_hex};
use super::super::stored::Stored;
use super::functions::{argon2, base64, digest, hex, number, parts, pbkdf2, scrypt_packed, scrypt_phc, split_scheme};
use super::{crypt, unsupported};
use crate::auth::password::derive::HashError;

pub fn parse(scheme: &str, rest: &str) -> Result<Stored, HashError> {
    let scheme = scheme.to_ascii_uppercase();
    match scheme.as_str() {
        // Spring's name for what a directory stores.
        "LDAP" => match split_scheme(rest) {
            Some((inner, rest)) if !inner.eq_ignore_ascii_case("ldap") => parse(inner, rest),
            _ => Err(unsupported::by_scheme("LDAP")),
        },
        "CRYPT" | "BLF-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" => crypt_3(rest),
        "BCRYPT" => Bcrypt::parse(rest, Input::Password).map(Stored::Bcrypt),
        "PKCS5S2" => atlassian(rest),
        _ if scheme.starts_with("ARGON2") => argon2(rest),
        _ if scheme.starts_with("SCRYPT") => match rest.strip_prefix("$scrypt$") {
            Some(rest) => scrypt_phc(rest),
            None => scrypt_packed(rest.trim_start_matches('$')),
        },
        _ if scheme.starts_with("PBKDF2") => of_pbkdf2(&scheme, rest),
        _ => of_digest(&scheme, rest),
    }
}

/// What crypt(3) returns: traditionally a hash by DES.
fn crypt_3(rest: &str) -> Result<Stored, HashError> {
    if rest.starts_with('$') {
        crypt::parse(rest)
    } else {
        Err(unsupported::unsupported("the traditional crypt (DES)"))
    }
}

/// 16 bytes of salt and 32 of the value.
fn atlassian(rest: &str) -> Result<Stored, HashError> {
    let (salt, value) = split(&base64(rest)?, 16)?;
    pbkdf2(Function::Sha1, 10_000, salt, value, Some(32))
}

fn split(bytes: &[u8], place: usize) -> Result<(Vec<u8>, Vec<u8>), HashError> {
    let parts = bytes.split_at_checked(place).ok_or(HashError::of("bad length"))?;
    Ok((parts.0.to_vec(), parts.1.to_vec()))
}

/// `{PBKDF2-SHA256}1000$salt$value`; `{PBKDF2}$1$salt$1000$hex` of Dovecot; and Spring's, with the defaults of two of its
/// releases.
fn of_pbkdf2(scheme: &str, rest: &str) -> Result<Stored, HashError> {
    if let Some(rest) = rest.strip_prefix("$1$") {
        let [salt, iterations, value] = parts(rest)?;
        return pbkdf2(Function::Sha1, number(iterations)?, salt.as_bytes().to_vec(), hex(value)?, None);
    }
    if scheme == "PBKDF2@SPRINGSECURITY_V5_8" {
        let (salt, value) = split(&hex(rest)?, 16)?;
        return pbkdf2(Function::Sha256, 310_000, salt, value, None);
    }
    if is_hex(rest, 80) {
        let (salt, value) = split(&hex(rest)?, 8)?;
        return pbkdf2(Function::Sha1, 185_000, salt, value, Some(32));
    }
    if rest.split_once(':').is_some_and(|(iterations, _)| number(iterations).is_ok()) {
        return Err(unsupported::unsupported("the PBKDF2 of OpenDJ"));
    }
    let digest = scheme.trim_start_matches("PBKDF2").trim_start_matches(['-', '_']).to_ascii_lowercase();
    crypt::of_pbkdf2(if digest.is_empty() { "sha1" } else { &digest }, rest)
}

/// `{SHA…}` and, with a salt behind the digest, `{SSHA…}`; and Spring's, in hexadecimal digits.
fn of_digest(scheme: &str, rest: &str) -> Result<Stored, HashError> {
    // Dovecot names the encoding.
    let name = scheme.trim_end_matches(".HEX").trim_end_matches(".B64").trim_end_matches(".BASE64");
    let (salted, plain) = (name.strip_prefix('S').and_then(Function::named), Function::named(name));
    if let (Some(function), Some((salt, value))) = (plain, split_scheme(rest)) {
        // Spring appends the salt with its braces.
        return digest(function, Salting::After, format!("{{{salt}}}").into_bytes(), hex(value)?);
    }
    if name == "SHA256" && is_hex(rest, 80) {
        let (salt, expected) = split(&hex(rest)?, 8)?;
        let rounds = 1_024;
        let salting = Salting::Before;
        return Ok(Stored::Digest(Digest { function: Function::Sha256, salting, salt, rounds, expected }));
    }
    // `{SHA}` begins with an S too: it is no salted `{HA}`.
    let function = plain.or(salted).ok_or_else(|| unsupported::by_scheme(scheme))?;
    let bytes = from_hex(rest).or_else(|| from_base64(rest)).ok_or(HashError::of("neither base64 nor hexadecimal"))?;
    let (expected, salt) = split(&bytes, function.length())?;
    if plain.is_some() != salt.is_empty() {
        return Err(HashError::of("bad length"));
    }
    digest(function, Salting::After, salt, expected)
}
