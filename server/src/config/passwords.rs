//! The rules for passwords, and how they are hashed.

use clap::{Args, ValueEnum};

use super::values::Switch;
use crate::auth::hasher::HasherSettings;
use crate::auth::password::policy::{Blocklist, Policy};
use crate::auth::password::{Caps, Form};

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the settings are called so")]
pub struct PasswordArgs {
    /// The fewest characters that a new password may have. 15 are advised where nothing else protects an account.
    #[arg(
        long,
        env = "SC_AUTH_PASSWORD_MIN_LENGTH",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=256),
        value_name = "COUNT"
    )]
    pub password_min_length: u16,
    /// The most characters that a new password may have.
    #[arg(
        long,
        env = "SC_AUTH_PASSWORD_MAX_LENGTH",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(64..=256),
        value_name = "COUNT"
    )]
    pub password_max_length: u16,
    /// Passwords that are refused: `common` for the built-in list, `off`, or a file with one a line.
    #[arg(long, env = "SC_AUTH_PASSWORD_BLOCKLIST", default_value = "common", value_name = "LIST")]
    pub password_blocklist: String,
    /// Whether a password may be the user's own name or e-mail address.
    #[arg(long, env = "SC_AUTH_PASSWORD_NAMES", default_value = "refused", value_name = "WHAT")]
    pub password_names: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Names {
    Refused,
    Allowed,
}

impl PasswordArgs {
    /// # Errors
    /// Where the list of refused passwords cannot be read.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        let blocklist = match self.password_blocklist.as_str() {
            "common" => Blocklist::Common,
            "off" => Blocklist::Off,
            file => Blocklist::read(file.as_ref())?,
        };
        Ok(Policy {
            min_length: usize::from(self.password_min_length),
            max_length: usize::from(self.password_max_length),
            blocklist,
            refuses_names: self.password_names == Names::Refused,
        })
    }
}

#[derive(Debug, Args)]
pub struct HashArgs {
    /// How many passwords are hashed at once [default: as many as fit the CPU and memory limits, four at most]
    #[arg(
        long,
        env = "SC_AUTH_HASH_THREADS",
        value_parser = clap::value_parser!(u16).range(1..=64),
        value_name = "COUNT"
    )]
    pub hash_threads: Option<u16>,
    /// The most memory that an imported hash may ask for, in MiB; 128 MiB have room for 32.
    #[arg(
        long,
        env = "SC_AUTH_IMPORTED_HASH_MEMORY",
        default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..=4096),
        value_name = "MIB"
    )]
    pub imported_hash_memory: u32,
    /// `on` while the old service still works on the same database: passwords are then written as it reads them.
    #[arg(long, env = "SC_AUTH_COEXIST", default_value = "off", value_name = "SWITCH")]
    pub coexist: Switch,
}

impl HashArgs {
    pub fn settings(&self) -> HasherSettings {
        HasherSettings { threads: self.hash_threads.map(usize::from), form: self.form(), caps: self.caps() }
    }

    pub fn form(&self) -> Form {
        if self.coexist.is_on() { Form::OldService } else { Form::Argon2id }
    }

    pub const fn caps(&self) -> Caps {
        Caps { memory_kib: self.imported_hash_memory * 1024 }
    }
}
