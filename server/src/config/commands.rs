//! The settings of the commands that run and end.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{BootstrapArgs, DatabaseArgs, HashArgs, PasswordArgs};
use crate::deployment::DeploymentFile;

#[derive(Debug, Subcommand)]
pub enum AdminAction {
    /// Make an Admin, or make an existing user one and reset the password.
    Create(AdminCreateArgs),
}

#[derive(Debug, Args)]
pub struct AdminCreateArgs {
    /// The user name.
    pub name: String,
    /// The e-mail address; without it, an existing user's stays as it is.
    #[arg(long)]
    pub email: Option<String>,
    /// Read the password from standard input instead of generating one.
    #[arg(long)]
    pub password_stdin: bool,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub hash: HashArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Print what would be done, and what may surprise, and change nothing.
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub bootstrap: BootstrapArgs,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub hash: HashArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
pub enum UsersAction {
    /// Read users from a file of JSON lines: username, and any of email, name, role, disabled, uuid, password_hash,
    /// created_at. Lines that cannot be taken are reported by their number; the others are taken.
    Import(UsersArgs),
    /// Write all users to a file of JSON lines, hashes included, that only its owner can read.
    Export(UsersArgs),
}

#[derive(Debug, Args)]
pub struct UsersArgs {
    /// The file, or - for standard input or output.
    pub file: PathBuf,
    #[command(flatten)]
    pub hash: HashArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Which ScAuth it is for.
#[derive(Debug, Args)]
pub struct DeploymentArgs {
    #[command(flatten)]
    pub keys: KeysFileArgs,
    /// Which ScAuth this is for and which database holds its data, as the operator writes it; another database is not
    /// touched [default: scauth.json beside the keys file, else in /run/sc-auth/keys, if there is one]
    #[arg(long, env = "SC_AUTH_DEPLOYMENT_FILE", value_name = "FILE")]
    pub deployment_file: Option<PathBuf>,
}

impl DeploymentArgs {
    /// # Errors
    /// Where there is such a file and it cannot be used.
    pub fn load(&self) -> anyhow::Result<DeploymentFile> {
        DeploymentFile::load(self.deployment_file.as_deref(), &self.keys.keys_file)
    }
}

#[derive(Debug, Args)]
pub struct KeysFileArgs {
    /// The signing keys, a JSON Web Key Set.
    #[arg(long, env = "SC_AUTH_KEYS_FILE", default_value = "sc-auth-keys.json", value_name = "FILE")]
    pub keys_file: PathBuf,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PurposeArg {
    Access,
    Refresh,
}

impl From<PurposeArg> for sc_auth_contract::keys::Purpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Access => Self::Access,
            PurposeArg::Refresh => Self::Refresh,
        }
    }
}

/// How access tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmArg {
    #[value(name = "EdDSA", alias = "eddsa")]
    EdDsa,
    #[value(name = "ES256", alias = "es256")]
    Es256,
    #[value(name = "RS256", alias = "rs256")]
    Rs256,
}

impl From<AlgorithmArg> for sc_auth_contract::keys::Algorithm {
    fn from(algorithm: AlgorithmArg) -> Self {
        match algorithm {
            AlgorithmArg::EdDsa => Self::EdDSA,
            AlgorithmArg::Es256 => Self::ES256,
            AlgorithmArg::Rs256 => Self::RS256,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Make a new file; never over an existing one.
    Generate {
        /// How access tokens are signed.
        #[arg(long, default_value = "EdDSA")]
        algorithm: AlgorithmArg,
        #[command(flatten)]
        file: KeysFileArgs,
    },
    /// Take the next step: publish a new key where none waits, else let the one that waits sign. Keys that were
    /// retired for long enough are dropped.
    Rotate {
        /// Which key to rotate.
        #[arg(long, default_value = "access")]
        purpose: PurposeArg,
        /// How the new key signs; without it, as the one before.
        #[arg(long)]
        algorithm: Option<AlgorithmArg>,
        /// Let the key that waits sign although some verifiers may not know it yet.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        file: KeysFileArgs,
    },
    /// Drop a key at once: every token that it signed is refused.
    Revoke {
        /// The key's identifier, as `list` shows it. One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        file: KeysFileArgs,
    },
    /// Show all keys, without their secrets.
    List {
        #[command(flatten)]
        file: KeysFileArgs,
    },
}
