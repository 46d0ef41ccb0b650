//! The settings of the commands other than `serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sc_auth_contract::keys::{AccessAlgorithm, Purpose};

use super::database::DatabaseArgs;
use super::groups::{BootstrapArgs, DeploymentArgs, KeysFileArgs};
use super::passwords::{HashArgs, PasswordArgs};

#[derive(Debug, Subcommand)]
pub enum AdminAction {
    /// Create an Admin, or make an existing user an Admin and reset the password.
    Create(AdminCreateArgs),
}

#[derive(Debug, Args)]
pub struct AdminCreateArgs {
    /// The user name.
    pub name: String,
    /// E-mail address; without it, an existing user keeps the current one.
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
    /// Print what the migration would do and what may surprise you, and change nothing.
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
    /// Import users from a file of JSON lines, or of one JSON array: username, and any of email, name, role, disabled,
    /// uuid, groups, password_hash, created_at, email_verified. Invalid lines are reported by their number; the others
    /// are imported.
    Import(UsersArgs),
    /// Export all users, including their hashes, to a file of JSON lines that only its owner can read.
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

#[derive(Debug, Subcommand)]
pub enum DeclaredAction {
    /// Report the problems in a file of declared clients, which can have 1,000 clients and 1 MiB. Exits with 0 if all
    /// clients are valid. It knows no settings: `config check` also refuses audiences that are the issuer or in
    /// SC_AUTH_AUDIENCE, and in a cluster a backchannelLogoutUri on this machine.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Print the hash of a client secret, which is read from standard input.
    HashSecret {
        /// Generate a secret instead, and print it before its hash.
        #[arg(long)]
        generate: bool,
    },
}

/// Which keys a command is about.
#[derive(Debug, Args)]
pub struct KeySetArgs {
    /// The keys that sign for applications: those in oidc-keys.json beside the keys file.
    #[arg(long)]
    pub openid: bool,
    #[command(flatten)]
    pub file: KeysFileArgs,
}

#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Create a keys file; never overwrites an existing one.
    Generate {
        /// Algorithm of access tokens.
        #[arg(long, default_value = "ES256", conflicts_with = "openid")]
        algorithm: AccessAlgorithm,
        #[command(flatten)]
        set: KeySetArgs,
    },
    /// Take the next step of a rotation: publish a new key if no key is waiting, otherwise start to sign with the
    /// waiting key. Keys that have been retired long enough are deleted.
    Rotate {
        /// Which key to rotate.
        #[arg(long, default_value = "access", conflicts_with = "openid")]
        purpose: Purpose,
        /// Algorithm of the new key [default: that of the current key; with --openid, each that has a key]
        #[arg(long)]
        algorithm: Option<AccessAlgorithm>,
        /// Sign with another key at once, the waiting one or a new one, although some verifiers may not know it yet.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        set: KeySetArgs,
    },
    /// Delete a key immediately: tokens that it signed are refused.
    Revoke {
        /// The key's identifier, as `list` shows it. One in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        set: KeySetArgs,
    },
    /// List all keys, without their secrets.
    List {
        #[command(flatten)]
        set: KeySetArgs,
    },
}
