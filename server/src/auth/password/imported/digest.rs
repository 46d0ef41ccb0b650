//! Salted and unsalted digests of the SHA family, as directories and old web frameworks store them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};

/// A digest of a password.
pub struct Digest {
    pub function: Function,
    pub salting: Salting,
    pub salt: Vec<u8>,
    /// How often the function is applied.
    pub rounds: u32,
    pub expected: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Where the salt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Salting {
    Before,
    After,
    /// The salt is the key of an HMAC, or [`Self::Before`]: two frameworks write them alike.
    KeyOrBefore,
}

impl Function {
    /// From a name such as `sha256`, `SHA-256` or `SHA`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "sha" | "sha1" | "sha-1" => Self::Sha1,
            "sha256" | "sha-256" => Self::Sha256,
            "sha384" | "sha-384" => Self::Sha384,
            "sha512" | "sha-512" => Self::Sha512,
            _ => return None,
        })
    }

    /// In bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }

    const fn keyed(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => HMAC_SHA256,
            Self::Sha384 => HMAC_SHA384,
            Self::Sha512 => HMAC_SHA512,
        }
    }

    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = Context::new(self.algorithm());
        for part in parts {
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }

    pub fn with_key(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.keyed(), key), text).as_ref().to_vec()
    }
}

impl Digest {
    pub fn matches(&self, password: &[u8]) -> bool {
        let is_equal = |value: Vec<u8>| verify_slices_are_equal(&value, &self.expected).is_ok();
        match self.salting {
            Salting::Before => is_equal(self.repeated(&[&self.salt, password])),
            Salting::After => is_equal(self.repeated(&[password, &self.salt])),
            Salting::KeyOrBefore => {
                is_equal(self.function.with_key(&self.salt, password))
                    || is_equal(self.repeated(&[&self.salt, password]))
            }
        }
    }

    fn repeated(&self, parts: &[&[u8]]) -> Vec<u8> {
        (1..self.rounds).fold(self.function.of(parts), |value, _| self.function.of(&[&value]))
    }
}
