//! What the formats of hashes are parsed to: the function, its parameters, and the value to compare with.

use std::num::NonZeroU32;

use argon2::{Algorithm, Params, Version};
use aws_lc_rs::pbkdf2;

use super::bcrypted::Bcrypt;
use super::digest::Digest;
use super::firebase::Seal;

pub enum Stored {
    Argon2 { algorithm: Algorithm, version: Version, params: Params, salt: Vec<u8>, expected: Vec<u8> },
    Pbkdf2(Pbkdf2),
    Scrypt { params: scrypt::Params, salt: Vec<u8>, expected: Vec<u8>, seal: Option<Seal> },
    Bcrypt(Bcrypt),
    ShaCrypt { hash: String, rounds: u32 },
    Digest(Digest),
}

/// A hash by PBKDF2.
pub struct Pbkdf2 {
    pub algorithm: pbkdf2::Algorithm,
    pub iterations: NonZeroU32,
    /// The value takes as many times the iterations as it has blocks.
    pub blocks: u32,
    pub salt: Vec<u8>,
    pub expected: Vec<u8>,
}
