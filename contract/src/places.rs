//! The ports, folders and files of a pod.

/// The port of the API.
pub const PORT: u16 = 8000;
/// The port of health, status and metrics.
pub const OPS_PORT: u16 = 8001;

/// The folder of all mounted Secrets.
pub const RUN: &str = "/run/sc-auth";
/// The file of the signing keys in [`KEYS`].
pub const KEYS_FILE: &str = "keys.json";
/// The file of the keys of OpenID Connect, beside the one above.
pub const OIDC_KEYS_FILE: &str = "oidc-keys.json";
/// The file of declared clients in [`DECLARED`].
pub const DECLARED_FILE: &str = "declared.json";
/// The file of the logo in [`LOGO`].
pub const LOGO_FILE: &str = "logo";
/// The file of the embedded database in [`DATA`].
pub const DATABASE_FILE: &str = "sc-auth.db";

/// The file of the first Admin's user name in [`ADMIN`], and its key in the Secret.
pub const ADMIN_USERNAME: &str = "username";
/// The file of the first Admin's password, as above.
pub const ADMIN_PASSWORD: &str = "password";
/// The file of the first Admin's e-mail address, as above. It may be missing.
pub const ADMIN_EMAIL: &str = "email";
/// The file with the identifier of the Secret, as above.
pub const ADMIN_ID: &str = "id";

/// A volume of the pods, and the folder that it is mounted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// The volume's name.
    pub volume: &'static str,
    /// The folder.
    pub path: &'static str,
}

impl Mount {
    /// The path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }
}

/// The signing keys and the deployment file.
pub const KEYS: Mount = Mount { volume: "keys", path: "/run/sc-auth/keys" };
/// The first Admin's user name and password.
pub const ADMIN: Mount = Mount { volume: "admin", path: "/run/sc-auth/admin" };
/// The database's address or credentials.
pub const DATABASE: Mount = Mount { volume: "database", path: "/run/sc-auth/database" };
/// The certificates of the authority that signed the database's certificate.
pub const DATABASE_CA: Mount = Mount { volume: "database-ca", path: "/run/sc-auth/database-ca" };
/// The legacy service's SECRET_KEY.
pub const LEGACY: Mount = Mount { volume: "legacy", path: "/run/sc-auth/legacy" };
/// The applications that log users in. The names of this volume and the next cannot be those of a user's volume by chance.
pub const DECLARED: Mount = Mount { volume: "sc-auth-declared", path: "/run/sc-auth/declared" };
/// The logo of the login page.
pub const LOGO: Mount = Mount { volume: "sc-auth-logo", path: "/run/sc-auth/logo" };
/// The embedded database.
pub const DATA: Mount = Mount { volume: "data", path: "/var/lib/sc-auth" };

/// All mounts. A pod template cannot add a volume with one of these names, or mount one at these folders.
pub const MOUNTS: [Mount; 8] = [KEYS, ADMIN, DATABASE, DATABASE_CA, LEGACY, DECLARED, LOGO, DATA];
