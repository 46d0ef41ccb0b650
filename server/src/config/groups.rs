//! Groups of settings that several commands have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use sc_auth_contract::{places, settings};

use super::trimmed::path;
use super::values::listen;
use crate::deployment::DeploymentFile;
use crate::reloaded::Missing;

#[derive(Debug, Args)]
pub struct OpsArgs {
    /// Address and port of health, status and metrics. Do not expose it to clients.
    #[arg(long, env = settings::OPS_LISTEN.name, default_value = settings::OPS_LISTEN.default, value_parser = listen, value_name = "ADDRESS")]
    pub ops_listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// Folder with the files `username`, `password` and optionally `email` of the first Admin, who is created if
    /// there is no Admin. The folder may be missing. Without this setting, an embedded database gets an Admin
    /// `admin` with a generated password.
    #[arg(long, env = settings::BOOTSTRAP_ADMIN.name, value_parser = path(), value_name = "FOLDER")]
    pub bootstrap_admin: Option<PathBuf>,
}

/// The ScAuth that a process belongs to.
#[derive(Debug, Args)]
pub struct DeploymentArgs {
    #[command(flatten)]
    pub keys: KeysFileArgs,
    /// File that names the ScAuth and its database, written by the operator. The server refuses any other database
    /// [default: scauth.json beside the keys file, otherwise in /run/sc-auth/keys, if it exists]
    #[arg(long, env = settings::DEPLOYMENT_FILE.name, value_parser = path(), value_name = "FILE")]
    pub deployment_file: Option<PathBuf>,
}

impl DeploymentArgs {
    /// # Errors
    /// If the file exists and cannot be used.
    pub fn load(&self) -> anyhow::Result<DeploymentFile> {
        DeploymentFile::load(self.deployment_file.as_deref(), &self.keys.keys_file)
    }
}

#[derive(Debug, Args)]
pub struct DeclaredArgs {
    /// File that declares the OpenID Connect clients, reloaded when it changes. Without it, the server has no OpenID
    /// Connect endpoints and no login page [default: declared.json in /run/sc-auth/declared, if that folder exists]
    #[arg(long, env = settings::DECLARED.name, value_parser = path(), value_name = "FILE")]
    pub declared: Option<PathBuf>,
}

/// Where the declared clients are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredPlace {
    /// The file of `SC_AUTH_DECLARED`, which must exist.
    Configured(PathBuf),
    /// A key of the optional Secret that the operator mounts. It may appear later, and the operator creates the keys.
    Mounted(PathBuf),
}

impl DeclaredPlace {
    pub fn path(&self) -> &Path {
        match self {
            Self::Configured(path) | Self::Mounted(path) => path,
        }
    }

    pub fn missing(&self) -> Missing {
        match self {
            Self::Configured(_) => Missing::Problem,
            Self::Mounted(_) => Missing::NotYet,
        }
    }

    /// Whether the operator mounts it: in a pod, other containers listen on this machine.
    pub const fn is_in_pod(&self) -> bool {
        matches!(self, Self::Mounted(_))
    }

    pub fn creates_keys(&self) -> bool {
        matches!(self, Self::Configured(_))
    }
}

impl DeclaredArgs {
    pub fn place(&self) -> Option<DeclaredPlace> {
        self.declared.clone().map(DeclaredPlace::Configured).or_else(|| in_pod(Path::new(places::DECLARED.path)))
    }
}

/// A setting would keep a server of an earlier release from starting in the same pod.
fn in_pod(folder: &Path) -> Option<DeclaredPlace> {
    folder.is_dir().then(|| DeclaredPlace::Mounted(folder.join(places::DECLARED_FILE)))
}

#[derive(Debug, Args)]
pub struct KeysFileArgs {
    /// File of the signing keys, a JSON Web Key Set (RFC 7517). `serve` creates it if it does not exist, and
    /// reloads it when it changes.
    #[arg(long, env = settings::KEYS_FILE.name, default_value = settings::KEYS_FILE.default, value_parser = path(), value_name = "FILE")]
    pub keys_file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_pod_is_the_default_place_of_declared_clients() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("declared.json");
        assert_eq!(in_pod(folder.path()), Some(DeclaredPlace::Mounted(path)));
        assert_eq!(in_pod(&folder.path().join("none")), None);
        let given = DeclaredArgs { declared: Some("a.json".into()) };
        assert_eq!(given.place(), Some(DeclaredPlace::Configured("a.json".into())));
    }
}
