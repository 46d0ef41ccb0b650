//! The parts that several forms share, each checked.

use std::num::NonZeroU32;

use argon2::{Algorithm, ParamsBuilder, Version};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::digest::{Digest, Function, Salting};
use super::super::encoding::{from_base64, from_hex};
use super::super::firebase::Seal;
use super::super::stored::{Pbkdf2, Stored};
use super::unsupported::unsupported;
use crate::auth::password::derive::HashError;

/// The shortest value: a shorter one is a part of a hash, and other passwords would match it.
const SHORTEST: usize = 16;
const LONGEST: usize = 128;

pub const fn bad() -> HashError {
    HashError::of("bad parameters")
}

pub fn base64(text: &str) -> Result<Vec<u8>, HashError> {
    from_base64(text).ok_or(HashError::of("the salt or the value is not base64"))
}

pub fn hex(text: &str) -> Result<Vec<u8>, HashError> {
    from_hex(text).ok_or(HashError::of("the value is not hexadecimal"))
}

pub fn number(text: &str) -> Result<u32, HashError> {
    text.parse().map_err(|_| bad())
}

/// The function of a name such as `sha256`.
pub fn function(name: &str) -> Result<Function, HashError> {
    Function::named(name)
        .ok_or(HashError::of("PBKDF2 with an unknown digest; supported are sha1, sha256, sha384 and sha512"))
}

/// `length` is that of the value, if it differs from the digest's.
pub fn pbkdf2(
    function: Function,
    iterations: u32,
    salt: Vec<u8>,
    expected: Vec<u8>,
    length: Option<usize>,
) -> Result<Stored, HashError> {
    if expected.len() != length.unwrap_or(function.length()) || !(SHORTEST..=LONGEST).contains(&expected.len()) {
        return Err(HashError::of("bad length"));
    }
    let algorithm = match function {
        Function::Sha1 => PBKDF2_HMAC_SHA1,
        Function::Sha256 => PBKDF2_HMAC_SHA256,
        Function::Sha384 => PBKDF2_HMAC_SHA384,
        Function::Sha512 => PBKDF2_HMAC_SHA512,
    };
    let iterations = NonZeroU32::new(iterations).ok_or(bad())?;
    let blocks = u32::try_from(expected.len().div_ceil(function.length())).map_err(|_| bad())?;
    Ok(Stored::Pbkdf2(Pbkdf2 { algorithm, iterations, blocks, salt, expected }))
}

/// The parameters are N, r and p.
pub fn scrypt([n, r, p]: [u32; 3], salt: Vec<u8>, expected: Vec<u8>) -> Result<Stored, HashError> {
    if !(SHORTEST..=64).contains(&expected.len()) {
        return Err(bad());
    }
    Ok(Stored::Scrypt { params: scrypt_params([n, r, p])?, salt, expected, seal: None })
}

fn scrypt_params([n, r, p]: [u32; 3]) -> Result<scrypt::Params, HashError> {
    // RFC 7914, 2. The library does not check for an overflow.
    if n < 2 || !n.is_power_of_two() || u64::from(r) * u64::from(p) >= 1 << 30 {
        return Err(bad());
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| bad())?;
    scrypt::Params::new(log_n, r, p).map_err(|_| bad())
}

/// `ln=14,r=8,p=1`. Kratos writes N itself as `ln`, whose logarithm is never above 31.
fn scrypt_numbers(text: &str) -> Result<[u32; 3], HashError> {
    let [ln, r, p] = named(text, ["ln", "r", "p"])?;
    let n = if ln <= 31 { 1_u32.checked_shl(ln).ok_or(bad())? } else { ln };
    Ok([n, r, p])
}

/// `ln=14,r=8,p=1$salt$value`
pub fn scrypt_phc(rest: &str) -> Result<Stored, HashError> {
    let [numbers, salt, value] = parts(rest)?;
    scrypt(scrypt_numbers(numbers)?, base64(salt)?, base64(value)?)
}

/// `e0801$salt$value`: the hexadecimal digits are the logarithm of N, two of r, and two of p.
pub fn scrypt_packed(rest: &str) -> Result<Stored, HashError> {
    let [numbers, salt, value] = parts(rest)?;
    let packed = u32::from_str_radix(numbers, 16).map_err(|_| bad())?;
    let n = 1_u32.checked_shl(packed >> 16).ok_or(bad())?;
    scrypt([n, (packed >> 8) & 0xff, packed & 0xff], base64(salt)?, base64(value)?)
}

/// `ln=14,r=8,p=1$salt$value$separator$key`, as Kratos writes hashes of Firebase.
pub fn firebase(rest: &str) -> Result<Stored, HashError> {
    let [numbers, salt, value, separator, key] = parts(rest)?;
    let (expected, key) = (base64(value)?, base64(key)?);
    if expected.len() != key.len() || !(SHORTEST..=LONGEST).contains(&key.len()) {
        return Err(HashError::of("bad length"));
    }
    let salt = [base64(salt)?, base64(separator)?].concat();
    Ok(Stored::Scrypt { params: scrypt_params(scrypt_numbers(numbers)?)?, salt, expected, seal: Some(Seal(key)) })
}

/// `v=1,n=14,r=8,p=1,ss=separator,sk=key$salt$value`, as Supabase writes hashes of Firebase.
pub fn supabase(rest: &str) -> Result<Stored, HashError> {
    let [fields, salt, value] = parts(rest)?;
    let pairs: Vec<_> = fields.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let field = |name| pairs.iter().find(|(found, _)| *found == name).map(|(_, value)| *value).ok_or(bad());
    let (n, r, p) = (field("n")?, field("r")?, field("p")?);
    firebase(&format!("ln={n},r={r},p={p}${salt}${value}${}${}", field("ss")?, field("sk")?))
}

/// `N$r$p$salt$value` in hexadecimal digits, of Go's simple-scrypt.
pub fn scrypt_plain(n: &str, rest: &str) -> Result<Stored, HashError> {
    let [r, p, salt, value] = parts(rest)?;
    let (Some(salt), Some(value)) = (from_hex(salt), from_hex(value)) else {
        return Err(unsupported("scrypt without a scheme whose salt and value are not hexadecimal"));
    };
    scrypt([number(n)?, number(r)?, number(p)?], salt, value)
}

/// `$argon2id$v=19$m=19456,t=2,p=1$salt$value`. The library's own parser refuses padding and long salts.
pub fn argon2(stored: &str) -> Result<Stored, HashError> {
    let phc = HashError::of("not a PHC string");
    let mut fields = stored.trim_start_matches('$').split('$').peekable();
    let algorithm = Algorithm::new(fields.next().unwrap_or_default());
    let algorithm = algorithm.map_err(|_| HashError::of("unknown algorithm"))?;
    let version = match fields.next_if(|field| field.starts_with("v=")) {
        Some(version) => Version::try_from(number(&version[2..])?).map_err(|_| HashError::of("unknown version"))?,
        None => Version::V0x10,
    };
    let (Some(numbers), Some(salt), Some(value), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(phc);
    };
    if numbers.split(',').any(|pair| pair.starts_with("data=") || pair.starts_with("keyid=")) {
        return Err(unsupported("Argon2 with a key or with associated data"));
    }
    let ([m, t, p], salt, expected) = (named(numbers, ["m", "t", "p"])?, base64(salt)?, base64(value)?);
    let mut params = ParamsBuilder::new();
    let params = params.m_cost(m).t_cost(t).p_cost(p).output_len(expected.len()).build().map_err(|_| bad())?;
    if !(8..=LONGEST).contains(&salt.len()) || !(SHORTEST..=LONGEST).contains(&expected.len()) {
        return Err(HashError::of("bad length"));
    }
    Ok(Stored::Argon2 { algorithm, version, params, salt, expected })
}

/// `sha512.10000.SALT.VALUE`, in hexadecimal digits.
pub fn grub(rest: &str) -> Result<Stored, HashError> {
    let fields: Vec<_> = rest.split('.').collect();
    let [digest, iterations, salt, value] = fields.as_slice() else { return Err(bad()) };
    pbkdf2(function(digest)?, number(iterations)?, hex(salt)?, hex(value)?, None)
}

/// A hash of GRUB in passlib's form, since GRUB's own digits make it longer than the column.
pub fn shorter(stored: &str) -> Option<String> {
    let fields: Vec<_> = stored.strip_prefix("grub.pbkdf2.")?.split('.').collect();
    let [digest, iterations, salt, value] = fields.as_slice() else { return None };
    let (salt, value) = (STANDARD_NO_PAD.encode(from_hex(salt)?), STANDARD_NO_PAD.encode(from_hex(value)?));
    Some(format!("$pbkdf2-{digest}${iterations}${salt}${value}"))
}

/// A hash of ASP.NET Identity: base64 of a version, the parameters, the salt and 32 bytes. `None` for any other text.
pub fn asp_net(stored: &str) -> Option<Result<Stored, HashError>> {
    let is_long = (64..=LONGEST).contains(&stored.len()) && stored.len().is_multiple_of(4);
    let bytes = from_base64(stored).filter(|_| is_long)?;
    let big_endian = |place: usize| Some(u32::from_be_bytes(bytes.get(place..place + 4)?.try_into().ok()?));
    let (function, iterations, salt) = match bytes.first()? {
        0 if bytes.len() == 49 => (Function::Sha1, 1_000, 1..17),
        1 => {
            let function = match big_endian(1)? {
                0 => Function::Sha1,
                1 => Function::Sha256,
                2 => Function::Sha512,
                _ => return None,
            };
            let end = usize::try_from(big_endian(9)?).ok()?.checked_add(13)?;
            (function, big_endian(5)?, 13..end)
        }
        _ => return None,
    };
    let (salt, value) = (bytes.get(salt.clone())?.to_vec(), bytes.get(salt.end..)?.to_vec());
    Some(pbkdf2(function, iterations, salt, value, Some(32)))
}

pub fn digest(function: Function, salting: Salting, salt: Vec<u8>, expected: Vec<u8>) -> Result<Stored, HashError> {
    if expected.len() != function.length() {
        return Err(HashError::of("bad length"));
    }
    Ok(Stored::Digest(Digest { function, salting, salt, rounds: 1, expected }))
}

/// The fields between dollar signs.
pub fn parts<const COUNT: usize>(text: &str) -> Result<[&str; COUNT], HashError> {
    let fields: Vec<_> = text.split('$').collect();
    fields.try_into().map_err(|_| HashError::of("a part is missing, or there is one too many"))
}

/// The values of `a=1,b=2`, in the order of the names.
pub fn named<const COUNT: usize>(text: &str, names: [&str; COUNT]) -> Result<[u32; COUNT], HashError> {
    let pairs: Vec<_> = text.split(',').filter_map(|pair| pair.split_once('=')).collect();
    if pairs.len() != COUNT || text.split(',').count() != COUNT {
        return Err(bad());
    }
    let mut values = [0; COUNT];
    for (value, name) in values.iter_mut().zip(names) {
        *value = number(pairs.iter().find(|(found, _)| *found == name).ok_or(bad())?.1)?;
    }
    Ok(values)
}

/// `{SCHEME}rest`
pub fn split_scheme(stored: &str) -> Option<(&str, &str)> {
    stored.strip_prefix('{')?.split_once('}')
}
