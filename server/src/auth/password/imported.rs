//! Imported hashes, of other services: werkzeug's PBKDF2 and scrypt, bcrypt, and Argon2 with other parameters. A stored
//! hash contains its own parameters: one that would exhaust a small pod is refused before any work is done.

use std::num::NonZeroU32;

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};
use secrecy::{ExposeSecret as _, SecretString};

use super::derive::{HashError, MEMORY_KIB, Memory, PASSES, derive};

const MAX_PBKDF2_ITERATIONS: u32 = 2_000_000;
const MAX_BCRYPT_COST: u32 = 14;
const MAX_ARGON2_PASSES: u32 = 10;
const MAX_ARGON2_LANES: u32 = 64;
const MAX_SCRYPT_PARALLELISM: u32 = 8;
/// scrypt may take one part in this many more than the cap: with werkzeug's defaults it takes just over 32 MiB.
const SLACK: u64 = 32;
/// bcrypt reads this many bytes of a password, and ignores the rest.
const BCRYPT_BYTES: usize = 72;
/// The iterations of the legacy service.
const OLD_SERVICE_ITERATIONS: NonZeroU32 = NonZeroU32::new(150_000).unwrap();

/// The most that a stored hash may cost.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    pub memory_kib: u32,
}

/// A parsed hash.
pub enum Stored {
    Argon2 { algorithm: Algorithm, version: Version, params: Params, salt: Vec<u8>, expected: Output },
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: String, expected: Vec<u8> },
    Scrypt { params: scrypt::Params, salt: String, expected: Vec<u8> },
    Bcrypt { hash: String, cost: u32 },
}

impl Stored {
    pub fn parse(stored: &str) -> Result<Self, HashError> {
        if stored.starts_with("$argon2") {
            argon2(stored)
        } else if stored.starts_with("$2") {
            bcrypt(stored)
        } else if let Some((method, salt, hex)) = werkzeug(stored) {
            let expected = from_hex(hex).ok_or(HashError("the value is not hexadecimal"))?;
            match method.split(':').collect::<Vec<_>>().as_slice() {
                ["pbkdf2", digest, iterations] => pbkdf2(digest, iterations, salt, expected),
                ["scrypt", n, r, p] => scrypt([n, r, p], salt, expected),
                _ => Err(HashError("unknown algorithm")),
            }
        } else {
            Err(HashError("unknown algorithm"))
        }
    }

    /// # Errors
    /// If it costs more than allowed.
    pub fn check(&self, caps: Caps) -> Result<(), HashError> {
        let is_fine = match self {
            Self::Argon2 { params, .. } => {
                params.m_cost() <= caps.memory_kib.max(MEMORY_KIB)
                    && params.t_cost() <= MAX_ARGON2_PASSES
                    && params.p_cost() <= MAX_ARGON2_LANES
            }
            Self::Pbkdf2 { iterations, .. } => iterations.get() <= MAX_PBKDF2_ITERATIONS,
            Self::Scrypt { params, .. } => {
                let cap = u64::from(caps.memory_kib) * 1024;
                scrypt_memory(params) <= cap + cap / SLACK && params.p() <= MAX_SCRYPT_PARALLELISM
            }
            Self::Bcrypt { cost, .. } => *cost <= MAX_BCRYPT_COST,
        };
        if is_fine { Ok(()) } else { Err(HashError("costs more than this server allows")) }
    }

    pub fn matches(&self, password: &SecretString, memory: &mut Memory) -> Result<bool, HashError> {
        let bytes = password.expose_secret().as_bytes();
        match self {
            // `Output` compares in constant time.
            Self::Argon2 { algorithm, version, params, salt, expected } => {
                Ok(derive(password, salt, *algorithm, *version, params, memory)? == *expected)
            }
            Self::Pbkdf2 { algorithm, iterations, salt, expected } => {
                Ok(pbkdf2::verify(*algorithm, *iterations, salt.as_bytes(), bytes, expected).is_ok())
            }
            Self::Scrypt { params, salt, expected, .. } => {
                let mut output = vec![0; expected.len()];
                scrypt::scrypt(bytes, salt.as_bytes(), params, &mut output)
                    .map_err(|_| HashError("scrypt refused the input"))?;
                Ok(verify_slices_are_equal(&output, expected).is_ok())
            }
            // bcrypt terminates a password with a NUL and repeats it: with a NUL inside, other passwords would match
            // too.
            Self::Bcrypt { hash, .. } => Ok(!bytes.contains(&0)
                && bcrypt::verify(bytes, hash).map_err(|_| HashError("bcrypt refused the input"))?),
        }
    }

    /// Whether the whole password was compared. If not, other passwords match too, and none of them may replace the
    /// hash.
    pub fn reads_whole(&self, password: &SecretString) -> bool {
        !matches!(self, Self::Bcrypt { .. }) || password.expose_secret().len() <= BCRYPT_BYTES
    }

    /// The approximate work of a comparison, in units of one of our own hashes; independent of the machine.
    pub fn work(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => {
                let own = u64::from(MEMORY_KIB) * u64::from(PASSES);
                (u64::from(params.m_cost()) * u64::from(params.t_cost())).div_ceil(own)
            }
            Self::Pbkdf2 { iterations, .. } => u64::from(iterations.get()).div_ceil(75_000),
            // 4 for werkzeug's default, 16 MiB of work each.
            Self::Scrypt { params, .. } => {
                params.n().saturating_mul(u64::from(params.r())).saturating_mul(u64::from(params.p())).div_ceil(65_536)
            }
            // 4 for a cost of 10.
            Self::Bcrypt { cost, .. } => 1_u64.checked_shl(cost.saturating_sub(8)).unwrap_or(u64::MAX),
        }
    }

    /// The algorithm and its parameters, without salt and value: hashes of one kind take the same time.
    pub fn kind(&self) -> String {
        match self {
            Self::Argon2 { algorithm, params, .. } => {
                format!("{algorithm}:{}:{}:{}", params.m_cost(), params.t_cost(), params.p_cost())
            }
            Self::Pbkdf2 { iterations, .. } => format!("pbkdf2:{iterations}"),
            Self::Scrypt { params, .. } => format!("scrypt:{}:{}:{}", params.n(), params.r(), params.p()),
            Self::Bcrypt { cost, .. } => format!("bcrypt:{cost}"),
        }
    }
}

/// Hashes a password in the format of the legacy service.
pub fn hash_as_old_service(password: &SecretString, salt: &Salt) -> String {
    // The legacy service reads the salt as text.
    let salt = to_hex(salt.as_ref()).chars().take(16).collect::<String>();
    let mut output = [0; 32];
    let password = password.expose_secret().as_bytes();
    pbkdf2::derive(PBKDF2_HMAC_SHA256, OLD_SERVICE_ITERATIONS, salt.as_bytes(), password, &mut output);
    format!("pbkdf2:sha256:{OLD_SERVICE_ITERATIONS}${salt}${}", to_hex(&output))
}

fn argon2(stored: &str) -> Result<Stored, HashError> {
    let hash = PasswordHash::new(stored).map_err(|_| HashError("not a PHC string"))?;
    let algorithm = Algorithm::new(hash.algorithm.as_str()).map_err(|_| HashError("unknown algorithm"))?;
    let version = match hash.version {
        Some(version) => Version::try_from(version).map_err(|_| HashError("unknown version"))?,
        None => Version::V0x10,
    };
    let params = Params::try_from(&hash).map_err(|_| HashError("bad parameters"))?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Err(HashError("missing salt or value"));
    };
    Ok(Stored::Argon2 { algorithm, version, params, salt: salt.as_ref().to_vec(), expected })
}

fn bcrypt(stored: &str) -> Result<Stored, HashError> {
    if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| stored.starts_with(prefix)) {
        // $2x$ marks hashes of an old crypt_blowfish that mishandled non-ASCII characters.
        return Err(HashError("an unsupported version of bcrypt; supported are $2a$, $2b$ and $2y$"));
    }
    let parts: bcrypt::HashParts = stored.parse().map_err(|_| HashError("not a bcrypt hash"))?;
    Ok(Stored::Bcrypt { hash: stored.to_owned(), cost: parts.get_cost() })
}

fn pbkdf2(digest: &str, iterations: &str, salt: &str, expected: Vec<u8>) -> Result<Stored, HashError> {
    let (algorithm, length) = match digest {
        "sha1" => (PBKDF2_HMAC_SHA1, 20),
        "sha256" => (PBKDF2_HMAC_SHA256, 32),
        "sha512" => (PBKDF2_HMAC_SHA512, 64),
        _ => return Err(HashError("PBKDF2 with an unknown digest")),
    };
    if expected.len() != length {
        return Err(HashError("bad length"));
    }
    let iterations = iterations.parse().map_err(|_| HashError("bad parameters"))?;
    Ok(Stored::Pbkdf2 { algorithm, iterations, salt: salt.to_owned(), expected })
}

fn scrypt(numbers: [&str; 3], salt: &str, expected: Vec<u8>) -> Result<Stored, HashError> {
    let bad = HashError("bad parameters");
    let [Ok(n), Ok(r), Ok(p)] = numbers.map(str::parse::<u32>) else { return Err(bad) };
    if n < 2 || !n.is_power_of_two() || !(16..=64).contains(&expected.len()) {
        return Err(bad);
    }
    // RFC 7914, 2. The library does not check for an overflow.
    if u64::from(r) * u64::from(p) >= 1 << 30 {
        return Err(bad);
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| HashError("bad parameters"))?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashError("bad parameters"))?;
    Ok(Stored::Scrypt { params, salt: salt.to_owned(), expected })
}

/// In bytes: N blocks that are written, p that are mixed one after another, and one working block, of 128 r bytes each.
fn scrypt_memory(params: &scrypt::Params) -> u64 {
    let blocks = params.n().saturating_add(u64::from(params.p())).saturating_add(1);
    blocks.saturating_mul(128 * u64::from(params.r()))
}

/// `method$salt$value`.
fn werkzeug(stored: &str) -> Option<(&str, &str, &str)> {
    let mut parts = stored.splitn(3, '$');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Form, hash, verify};
    use super::*;

    const CAPS: Caps = Caps { memory_kib: 32 * 1024 };

    /// Made with werkzeug 3.1, bcrypt 5.0 and argon2-cffi 25.1 for the password `old passwörd`.
    const HASHES: [&str; 7] = [
        "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b",
        "scrypt:32768:8:1$ihtafvgaBuJukrg1$253d7fb581f572683a121a3bb4123cd953102deb9ac8664c3cd9a11d947aa9afc104420ff436c59e79d85012574571ffbfe89e70af10305f46ddbcd3b9a6edb3",
        "pbkdf2:sha512:1000$IpneLmJRpGD1IhlO$2400d99a231d6e41e1940696a9d1fe29fb1eb24bc88629f9951e31a08b6a4461823abe92d64ee349089645c169d0e74303a8913c7ec36f021d5f0ef443bf28aa",
        "$2b$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.",
        "$argon2i$v=19$m=8192,t=2,p=2$BxV5j31SY1d5fhagmyUBkw$lFN+qMuSMY5jn7Nx5Cv6xzSAAxaRxbKawbAktLXalcc",
        "$argon2d$v=19$m=8192,t=2,p=2$/fLoEMGxkktUyu8KCobxMg$aqvIhGdkJQBESQPyNGoeni6BZwcgxmUuLZn2xNDopfs",
        "$argon2id$v=19$m=8192,t=2,p=2$WQjZEd8v9wTaOyBWSly/Uw$YMJM7F9W3+wif4BgJ0l2Ya86o7j7MJh89f/zpG4n+i8",
    ];

    #[test]
    fn hashes_of_other_services_verify() {
        let mut memory = Memory::allocate();
        for stored in HASHES {
            let verdict = verify(&"old passwörd".into(), stored, CAPS, &mut memory).unwrap();
            assert!(verdict.matches && verdict.may_replace, "{stored}");
            assert!(!verify(&"old passwörD".into(), stored, CAPS, &mut memory).unwrap().matches, "{stored}");
        }
    }

    #[test]
    fn an_imported_hash_of_other_bytes_for_the_same_letters_verifies() {
        let mut memory = Memory::allocate();
        let decomposed = "old passwo\u{308}rd";
        assert!(verify(&decomposed.into(), HASHES[0], CAPS, &mut memory).unwrap().matches);
    }

    #[test]
    fn the_old_service_can_read_what_is_written_for_it() {
        let mut memory = Memory::allocate();
        let stored = hash(&"new".into(), &Salt::from_rng(&mut rand::rng()), Form::OldService, &mut memory).unwrap();
        assert!(stored.starts_with("pbkdf2:sha256:150000$"), "{stored}");
        assert!(verify(&"new".into(), &stored, CAPS, &mut memory).unwrap().matches);
    }

    #[test]
    fn a_stored_hash_that_exceeds_the_caps_is_refused() {
        let mut memory = Memory::allocate();
        let value = "aa".repeat(32);
        for costly in [
            "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            "$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            format!("pbkdf2:sha256:2000001$salt${value}"),
            format!("scrypt:65536:8:1$salt${value}"),
            format!("scrypt:32768:8:9$salt${value}"),
            format!("scrypt:2:131072:8$salt${value}"),
            format!("scrypt:2:262144:1$salt${value}"),
            format!("scrypt:16:8:33000$salt${value}"),
            format!("scrypt:2147483648:8:1$salt${value}"),
            "$argon2id$v=19$m=8192,t=2,p=65$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            "$2b$15$abcdefghijklmnopqrstuuG3n0bkKJBHaAqzC8UHJ5bU8jjbvJe3G".to_owned(),
        ] {
            let error = verify(&"x".into(), &costly, CAPS, &mut memory).unwrap_err();
            assert!(error.to_string().contains("costs more"), "{costly}: {error}");
        }
    }

    #[test]
    fn an_invalid_hash_is_refused() {
        let mut memory = Memory::allocate();
        let value = "aa".repeat(32);
        for bad in [
            "",
            "plain text",
            "a$b$c",
            "pbkdf2:md5:1$a$aa",
            "pbkdf2:sha256:0$a$aa",
            "scrypt:3:8:1$a$aa",
            "$2b$",
            "$2x$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.",
            &format!("scrypt:1:8:1$a${value}"),
            &format!("scrypt:2:2147483648:2$a${value}"),
            &format!("scrypt:2:4294967295:4294967295$a${value}"),
            &format!("scrypt:16384:8:0$a${value}"),
        ] {
            assert!(verify(&"x".into(), bad, CAPS, &mut memory).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pod_of_128_mib_has_room_for_the_defaults_of_werkzeug_and_little_more() {
        let value = "aa".repeat(32);
        let check = |numbers: &str| Stored::parse(&format!("scrypt:{numbers}$a${value}")).unwrap().check(CAPS);
        for fits in ["32768:8:1", "32768:8:8", "16384:16:1", "1024:256:1", "16384:8:2"] {
            assert!(check(fits).is_ok(), "{fits}");
        }
        for too_much in ["65536:8:1", "32768:9:1", "2:87000:1", "1024:8:33000"] {
            assert!(check(too_much).is_err(), "{too_much}");
        }
    }

    #[test]
    fn all_equivalent_versions_of_bcrypt_are_accepted() {
        let mut memory = Memory::allocate();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let stored = format!("{prefix}06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.");
            assert!(verify(&"old passwörd".into(), &stored, CAPS, &mut memory).unwrap().matches, "{prefix}");
            let repeated = "old passwörd\0old passwörd".into();
            assert!(!verify(&repeated, &stored, CAPS, &mut memory).unwrap().matches, "{prefix}");
        }
    }

    #[test]
    fn a_password_that_bcrypt_truncates_does_not_replace_the_hash() {
        let mut memory = Memory::allocate();
        let stored = bcrypt::hash("x".repeat(80), 4).unwrap();
        for (length, matches, may_replace) in
            [(71, false, true), (72, true, true), (73, true, false), (80, true, false)]
        {
            let verdict = verify(&"x".repeat(length).into(), &stored, CAPS, &mut memory).unwrap();
            assert_eq!(verdict.matches, matches, "{length}");
            assert_eq!(verdict.may_replace, matches && may_replace, "{length}");
        }
        // 36 characters of two bytes each, or of three if they are decomposed: only the latter are truncated.
        let stored = bcrypt::hash("ü".repeat(36), 4).unwrap();
        assert!(verify(&"ü".repeat(36).into(), &stored, CAPS, &mut memory).unwrap().may_replace);
        assert!(verify(&"u\u{308}".repeat(36).into(), &stored, CAPS, &mut memory).unwrap().may_replace);
    }

    #[test]
    fn the_work_is_estimated_from_the_parameters() {
        let work = |stored: &str| Stored::parse(stored).unwrap().work();
        let value = "aa".repeat(32);
        assert_eq!(work(HASHES[0]), 2);
        assert_eq!(work(&format!("scrypt:32768:8:1$a${value}")), 4);
        assert_eq!(work("$2b$14$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa."), 64);
        assert_eq!(work("$2b$04$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa."), 1);
        assert_eq!(
            work("$argon2id$v=19$m=19456,t=10,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"),
            5
        );
    }
}
