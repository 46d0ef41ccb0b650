//! What a hash costs, and the most that it may cost.

use super::super::derive::{HashError, MEMORY_KIB, PASSES};
use super::stored::{Pbkdf2, Stored};

const MAX_PBKDF2_ROUNDS: u64 = 2_000_000;
const MAX_BCRYPT_COST: u64 = 14;
const MAX_ARGON2_PASSES: u64 = 10;
const MAX_ARGON2_LANES: u64 = 64;
const MAX_SCRYPT_PARALLELISM: u64 = 8;
const MAX_SHA_CRYPT_ROUNDS: u64 = 1_000_000;
/// scrypt may take one part in this many more than the cap: with werkzeug's defaults it takes just over 32 MiB.
const SLACK: u64 = 32;
/// The setting of the memory, which alone can be configured.
const SETTING: &str = "SC_AUTH_IMPORTED_HASH_MEMORY";
/// The most MiB that the setting can have.
pub const MAX_MEMORY_MIB: u32 = 4_096;

/// The rounds of each algorithm that take as long as one of our own hashes.
const PBKDF2_ROUNDS: u64 = 75_000;
const SHA_CRYPT_ROUNDS: u64 = 30_000;
/// Blocks of scrypt: N times r times p. 4 for werkzeug's default, 16 MiB of work each.
const SCRYPT_BLOCKS: u64 = 65_536;
/// The cost of bcrypt, whose work is 2 to its power.
const BCRYPT_COST: u32 = 8;

/// The most that a stored hash may cost.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    pub memory_kib: u32,
}

impl Pbkdf2 {
    pub fn rounds(&self) -> u64 {
        u64::from(self.iterations.get()) * u64::from(self.blocks)
    }
}

impl Stored {
    /// # Errors
    /// If it costs more than allowed: what it costs, and the limit.
    pub fn check(&self, caps: Caps) -> Result<(), HashError> {
        match self {
            Self::Argon2 { params, .. } => {
                let allowed = caps.memory_kib.max(MEMORY_KIB);
                if params.m_cost() > allowed {
                    return Err(too_large(u64::from(params.m_cost()).div_ceil(1024), caps));
                }
                at_most("passes of Argon2", params.t_cost().into(), MAX_ARGON2_PASSES)?;
                at_most("lanes of Argon2", params.p_cost().into(), MAX_ARGON2_LANES)
            }
            Self::Pbkdf2(pbkdf2) => at_most("rounds of PBKDF2", pbkdf2.rounds(), MAX_PBKDF2_ROUNDS),
            Self::Scrypt { params, .. } => {
                let (cap, memory) = (u64::from(caps.memory_kib) * 1024, scrypt_memory(params));
                if memory > cap + cap / SLACK {
                    return Err(too_large(memory.saturating_sub(memory / (SLACK + 1)).div_ceil(1 << 20), caps));
                }
                at_most("parallel parts (p) of scrypt", params.p().into(), MAX_SCRYPT_PARALLELISM)
            }
            Self::Bcrypt(bcrypt) => at_most("as the cost of bcrypt", bcrypt.cost.into(), MAX_BCRYPT_COST),
            Self::ShaCrypt { rounds, .. } => at_most("rounds of SHA-crypt", (*rounds).into(), MAX_SHA_CRYPT_ROUNDS),
            Self::Digest(_) => Ok(()),
        }
    }

    /// The approximate work of a comparison, in units of one of our own hashes; independent of the machine.
    pub fn work(&self) -> u64 {
        let (work, unit) = self.work_in_units();
        work.div_ceil(unit).max(1)
    }

    /// Whether it takes less time than one of our own hashes.
    pub fn is_quick(&self) -> bool {
        let (work, unit) = self.work_in_units();
        work < unit
    }

    /// The work, and how much of it one of our own hashes is.
    fn work_in_units(&self) -> (u64, u64) {
        match self {
            Self::Argon2 { params, .. } => {
                let own = u64::from(MEMORY_KIB) * u64::from(PASSES);
                (u64::from(params.m_cost()) * u64::from(params.t_cost()), own)
            }
            Self::Pbkdf2(pbkdf2) => (pbkdf2.rounds(), PBKDF2_ROUNDS),
            Self::Scrypt { params, .. } => {
                let blocks = params.n().saturating_mul(u64::from(params.r())).saturating_mul(u64::from(params.p()));
                (blocks, SCRYPT_BLOCKS)
            }
            Self::Bcrypt(bcrypt) => (1_u64.checked_shl(bcrypt.cost).unwrap_or(u64::MAX), 1 << BCRYPT_COST),
            Self::ShaCrypt { rounds, .. } => (u64::from(*rounds), SHA_CRYPT_ROUNDS),
            Self::Digest(_) => (0, 1),
        }
    }
}

fn at_most(what: &str, value: u64, limit: u64) -> Result<(), HashError> {
    if value <= limit {
        return Ok(());
    }
    Err(HashError(format!("costs more than this server allows: {value} {what}, at most {limit}").into()))
}

/// `mib` is the value of the setting with which the hash would be allowed.
fn too_large(mib: u64, caps: Caps) -> HashError {
    let allowed = caps.memory_kib / 1024;
    let advice = if mib <= u64::from(MAX_MEMORY_MIB) {
        format!("{SETTING}={mib} allows it")
    } else {
        format!("{SETTING} can be at most {MAX_MEMORY_MIB}; import the user without a hash, and set a new password")
    };
    HashError(format!("costs more than this server allows: {mib} MiB of memory, at most {allowed}; {advice}").into())
}

/// In bytes: N blocks that are written, p that are mixed one after another, and one working block, of 128 r bytes each.
fn scrypt_memory(params: &scrypt::Params) -> u64 {
    let blocks = params.n().saturating_add(u64::from(params.p())).saturating_add(1);
    blocks.saturating_mul(128 * u64::from(params.r()))
}
