//! Where a database is, in a few letters: the name of one that has no identity yet.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Database;

const EMPTY: &str = "empty-";
const OLD: &str = "legacy-";

/// Twelve hexadecimal digits that stand for engine, host, port and name, or for the path of a file. Credentials are no
/// part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    /// The name of the empty database there.
    pub fn empty(&self) -> String {
        format!("{EMPTY}{}", self.0)
    }

    /// The name of the old service's database there.
    pub fn old_service(&self) -> String {
        format!("{OLD}{}", self.0)
    }

    /// Whether it is such a name, and not an identity.
    pub fn is_name(text: &str) -> bool {
        text.starts_with(EMPTY) || text.starts_with(OLD)
    }

    fn of(parts: &[&str]) -> Self {
        let digest = Sha256::digest(parts.join("\n"));
        Self(digest.iter().take(6).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}

impl Database {
    pub fn place(&self) -> Place {
        match self {
            Self::Sqlite(options) => Place::of(&["sqlite", &absolute(options.get_filename()).to_string_lossy()]),
            Self::MySql(options) => {
                let (host, port) = (options.get_host().to_lowercase(), options.get_port().to_string());
                Place::of(&["mysql", &host, &port, options.get_database().unwrap_or_default()])
            }
            Self::Postgres(options) => {
                let (host, port) = (options.get_host().to_lowercase(), options.get_port().to_string());
                // As PostgreSQL has it, the user's name is the default.
                Place::of(&["postgres", &host, &port, options.get_database().unwrap_or(options.get_username())])
            }
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::database::tests::resolved;

    fn empty(url: &str) -> String {
        resolved(&["--database-url", url]).unwrap().place().empty()
    }

    #[test]
    fn credentials_do_not_change_a_name_and_anything_else_does() {
        let name = empty("mysql://u:p@db:3306/n");
        assert!(name.len() == 18 && Place::is_name(&name), "{name}");
        assert_eq!(empty("mysql://other:secret@DB/n"), name);
        for url in ["mysql://u:p@db2/n", "mysql://u:p@db:3307/n", "mysql://u:p@db/m", "postgres://u:p@db:3306/n"] {
            assert_ne!(empty(url), name, "{url}");
        }
        assert_ne!(empty("sqlite:/a/x.db"), empty("sqlite:/b/x.db"));
    }
}
