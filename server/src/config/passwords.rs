//! The rules for passwords, and how they are hashed.

use clap::Args;
use sc_auth_contract::limits::PASSWORD_MAX;
use sc_auth_contract::settings::{self, PasswordNames, Switch};

use super::trimmed::{text, trimmed, word};
use crate::auth::hasher::HasherSettings;
use crate::auth::password::policy::{Blocklist, Policy};
use crate::auth::password::{Caps, Form, MAX_MEMORY_MIB};

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the settings are called so")]
pub struct PasswordArgs {
    /// Minimum length of a new password, in characters. 15 is recommended if nothing else protects an account.
    #[arg(
        long,
        env = settings::PASSWORD_MIN_LENGTH.name,
        default_value = settings::PASSWORD_MIN_LENGTH.default,
        value_parser = trimmed(clap::value_parser!(u16).range(1..=i64::from(PASSWORD_MAX))),
        value_name = "COUNT"
    )]
    pub password_min_length: u16,
    /// Maximum length of a new password, in characters.
    #[arg(
        long,
        env = settings::PASSWORD_MAX_LENGTH.name,
        default_value = settings::PASSWORD_MAX_LENGTH.default,
        value_parser = trimmed(clap::value_parser!(u16).range(64..=i64::from(PASSWORD_MAX))),
        value_name = "COUNT"
    )]
    pub password_max_length: u16,
    /// Refused passwords: `common` for the built-in list of 19,640, `off`, or the path of a file with one password
    /// per line.
    #[arg(long, env = settings::PASSWORD_BLOCKLIST.name, default_value = settings::PASSWORD_BLOCKLIST.default, value_parser = text(), value_name = "LIST")]
    pub password_blocklist: String,
    /// Whether a password can be the user's own name or e-mail address.
    #[arg(long, env = settings::PASSWORD_NAMES.name, default_value = settings::PASSWORD_NAMES.default, value_parser = word::<PasswordNames>(), value_name = "WHAT")]
    pub password_names: PasswordNames,
}

impl PasswordArgs {
    /// # Errors
    /// If no password could meet the rules, or the list of refused passwords cannot be read.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        anyhow::ensure!(
            self.password_min_length <= self.password_max_length,
            "SC_AUTH_PASSWORD_MIN_LENGTH is larger than SC_AUTH_PASSWORD_MAX_LENGTH"
        );
        let blocklist = match self.password_blocklist.as_str() {
            word if word.eq_ignore_ascii_case(settings::Blocklist::COMMON) => Blocklist::Common,
            word if [settings::Blocklist::OFF, "none"].iter().any(|off| word.eq_ignore_ascii_case(off)) => {
                Blocklist::Off
            }
            file => Blocklist::read(file.as_ref())?,
        };
        Ok(Policy {
            min_length: usize::from(self.password_min_length),
            max_length: usize::from(self.password_max_length),
            blocklist,
            refuses_names: self.password_names == PasswordNames::Refused,
        })
    }
}

#[derive(Debug, Args)]
pub struct HashArgs {
    /// Number of passwords hashed at the same time [default: as many as the CPU and memory limits allow, at most
    /// 4]
    #[arg(
        long,
        env = settings::HASH_THREADS.name,
        value_parser = trimmed(clap::value_parser!(u16).range(1..=64)),
        value_name = "COUNT"
    )]
    pub hash_threads: Option<u16>,
    /// Maximum memory of an imported hash, in MiB. A memory limit of 128 MiB has room for 32.
    #[arg(
        long,
        env = settings::IMPORTED_HASH_MEMORY.name,
        default_value = settings::IMPORTED_HASH_MEMORY.default,
        value_parser = trimmed(clap::value_parser!(u32).range(1..=i64::from(MAX_MEMORY_MIB))),
        value_name = "MIB"
    )]
    pub imported_hash_memory: u32,
    /// `on` while the legacy service uses the same database: passwords are stored in its format.
    #[arg(long, env = settings::COEXIST.name, default_value = settings::COEXIST.default, value_parser = word::<Switch>(), value_name = "SWITCH")]
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
