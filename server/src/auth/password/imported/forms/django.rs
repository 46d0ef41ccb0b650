//! Django: the algorithm, its parameters, the salt as text and the value in base64. Its `sha1$salt$hex` is read with
//! werkzeug's.

use super::super::bcrypted::{Bcrypt, Input};
use super::super::stored::Stored;
use super::functions::{argon2, bad, base64, function, number, parts, pbkdf2, scrypt};
use super::unsupported::unsupported;
use crate::auth::password::derive::HashError;

/// `None` for other methods.
pub fn parse(method: &str, rest: &str) -> Option<Result<Stored, HashError>> {
    Some(match method {
        "argon2" => argon2(rest),
        "bcrypt" => Bcrypt::parse(inner(rest), Input::Password).map(Stored::Bcrypt),
        "bcrypt_sha256" => Bcrypt::parse(inner(rest), Input::HexSha256).map(Stored::Bcrypt),
        "scrypt" => of_scrypt(rest),
        "md5" | "unsalted_md5" => Err(unsupported("Django's MD5")),
        "unsalted_sha1" => Err(unsupported("Django's unsalted SHA-1")),
        "crypt" => Err(unsupported("the traditional crypt (DES)")),
        "plain" => Err(unsupported("a password in plain text")),
        _ => of_pbkdf2(method.strip_prefix("pbkdf2_")?, rest),
    })
}

/// The bcrypt hash behind a second dollar sign.
fn inner(rest: &str) -> &str {
    rest.strip_prefix('$').filter(|inner| inner.starts_with('$')).unwrap_or(rest)
}

fn of_pbkdf2(digest: &str, rest: &str) -> Result<Stored, HashError> {
    let [iterations, salt, value] = parts(rest)?;
    pbkdf2(function(digest)?, number(iterations)?, salt.as_bytes().to_vec(), base64(value)?, None)
}

fn of_scrypt(rest: &str) -> Result<Stored, HashError> {
    let [n, salt, r, p, value] = parts(rest).map_err(|_| bad())?;
    scrypt([number(n)?, number(r)?, number(p)?], salt.as_bytes().to_vec(), base64(value)?)
}
