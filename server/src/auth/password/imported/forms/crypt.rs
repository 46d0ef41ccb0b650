//! `$id$…`: crypt(3), PHC strings, passlib and Kratos.

use sha_crypt::Params;

use super::super::bcrypted::{Bcrypt, Input};
use super::super::digest::{Function, Salting};
use super::super::encoding::from_hex;
use super::super::stored::Stored;
use super::functions::{
    argon2, bad, base64, digest, firebase, function, named, number, parts, pbkdf2, scrypt_packed, scrypt_phc, supabase,
};
use super::unsupported::{self, unsupported};
use crate::auth::password::derive::HashError;

pub fn parse(stored: &str) -> Result<Stored, HashError> {
    let (id, rest) = stored.trim_start_matches('$').split_once('$').unwrap_or_default();
    match id {
        _ if stored.starts_with("$2") => Bcrypt::parse(stored, Input::Password).map(Stored::Bcrypt),
        _ if stored.starts_with("$argon2") => argon2(stored),
        "5" | "6" => sha_crypt(stored, rest, if id == "5" { 43 } else { 86 }),
        "scrypt" => scrypt_phc(rest),
        "s0" => scrypt_packed(rest),
        "firescrypt" => firebase(rest),
        "fbscrypt" => supabase(rest),
        "shiro2" => parse(stored.strip_prefix("$shiro2").unwrap_or_default()),
        "sha1" | "sha256" | "sha512" if rest.starts_with("pf=") => kratos(id, rest),
        _ if id.starts_with("hmac-") => kratos_hmac(&id[5..], rest),
        "pbkdf2" => of_pbkdf2("sha1", rest),
        "bcrypt-sha256" => bcrypt_sha256(rest),
        "wp" => Bcrypt::parse(&format!("${rest}"), Input::WordPress).map(Stored::Bcrypt),
        "p5k2" => p5k2(rest),
        _ => match id.strip_prefix("pbkdf2-") {
            Some(digest) => of_pbkdf2(digest, rest),
            None => Err(unsupported::by_id(stored)),
        },
    }
}

/// `pf=…$salt$value`, the first part of which says in base64 where the salt goes.
fn kratos(name: &str, rest: &str) -> Result<Stored, HashError> {
    let [format, salt, value] = parts(rest)?;
    let salting = match base64(format.trim_start_matches("pf="))?.as_slice() {
        b"{SALT}{PASSWORD}" => Salting::Before,
        b"{PASSWORD}{SALT}" => Salting::After,
        _ => return Err(unsupported("a digest in Kratos' form whose pf= has more than one salt and the password")),
    };
    digest(Function::named(name).ok_or(bad())?, salting, base64(salt)?, base64(value)?)
}

/// `value$key`: the value is the base64 of hexadecimal digits.
fn kratos_hmac(name: &str, rest: &str) -> Result<Stored, HashError> {
    let [value, key] = parts(rest)?;
    let Some(function) = Function::named(name) else { return Err(unsupported("an HMAC with another digest than SHA")) };
    let value = base64(value)?;
    let digits = str::from_utf8(&value).ok().and_then(from_hex);
    digest(function, Salting::KeyOrBefore, base64(key)?, digits.unwrap_or(value))
}

/// `1000$salt$value`, or `i=1000,l=32$salt$value` with the length of the value.
pub fn of_pbkdf2(digest: &str, rest: &str) -> Result<Stored, HashError> {
    let [numbers, salt, value] = parts(rest)?;
    let (function, salt, expected) = (function(digest)?, base64(salt)?, base64(value)?);
    if numbers.split(',').any(|pair| pair.contains('=') && !pair.starts_with(['i', 'l'])) {
        return Err(unsupported("PBKDF2 with other parameters than i= and l="));
    }
    let (iterations, length) = if numbers.contains(',') {
        let [iterations, length] = named(numbers, ["i", "l"])?;
        (iterations, Some(usize::try_from(length).map_err(|_| bad())?))
    } else {
        (number(numbers.trim_start_matches("i="))?, None)
    };
    pbkdf2(function, iterations, salt, expected, length)
}

/// `r=…$salt$value` in the order `v=2,t=2b,r=12`, or `2b,12$salt$value` of the first version.
fn bcrypt_sha256(rest: &str) -> Result<Stored, HashError> {
    let [numbers, salt, value] = parts(rest)?;
    let (kind, cost, input) = match numbers.split(',').collect::<Vec<_>>().as_slice() {
        ["v=2", kind, cost] => {
            let (kind, cost) = (kind.strip_prefix("t=").ok_or(bad())?, cost.strip_prefix("r=").ok_or(bad())?);
            (kind, number(cost)?, Input::Base64HmacSha256(salt.to_owned()))
        }
        [kind, cost] => (*kind, number(cost)?, Input::Base64Sha256),
        _ => return Err(bad()),
    };
    Bcrypt::parse(&format!("${kind}${cost:02}${salt}{value}"), input).map(Stored::Bcrypt)
}

/// `3e8$salt$value`: with a hexadecimal number of iterations of SHA-1. dlitz' form has the salt as text, and feeds all
/// of it with its prefix to the function; that of CryptAcl (cta) has it in base64.
fn p5k2(rest: &str) -> Result<Stored, HashError> {
    let [iterations, salt, value] = parts(rest)?;
    let expected = base64(value)?;
    let salt = if expected.len() == 24 { format!("$p5k2${iterations}${salt}").into_bytes() } else { base64(salt)? };
    let count = if iterations.is_empty() { 400 } else { u32::from_str_radix(iterations, 16).map_err(|_| bad())? };
    let length = expected.len();
    pbkdf2(function("sha1")?, count, salt, expected, Some(length).filter(|length| *length == 24))
}

/// `rounds=5000$salt$value`, the first part of which can be missing. `length` is that of the value.
fn sha_crypt(stored: &str, rest: &str, length: usize) -> Result<Stored, HashError> {
    let fields: Vec<_> = rest.split('$').collect();
    let (rounds, salt, value) = match fields.as_slice() {
        [rounds, salt, value] => (number(rounds.strip_prefix("rounds=").ok_or(bad())?)?, salt, value),
        [salt, value] => (Params::RECOMMENDED_ROUNDS, salt, value),
        _ => return Err(HashError::of("a part is missing, or there is one too many")),
    };
    let is_crypt = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    let is_hash = is_crypt(value) && value.len() == length;
    if is_hash && (salt.is_empty() || salt.len() <= 16 && !is_crypt(salt)) {
        return Err(unsupported(
            "SHA-crypt without a salt, or with other characters in it than letters, digits, . and /",
        ));
    }
    if !is_hash || !is_crypt(salt) || salt.len() > 16 {
        return Err(HashError::of("not a hash of SHA-crypt"));
    }
    Params::new(rounds).map_err(|_| bad())?;
    Ok(Stored::ShaCrypt { hash: stored.to_owned(), rounds })
}
