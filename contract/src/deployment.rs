//! The deployment file, which tells a server its ScAuth. The operator writes it next to the keys file.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// The file's name, and its key in the Secret.
pub const DEPLOYMENT_FILE: &str = "scauth.json";

/// The record of a ScAuth and its database, which is the content of the file. Unknown members are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScAuthRecord {
    /// The name of the ScAuth.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// When it was created.
    pub created: UnixTime,
    /// Random; generated once with the Secret, so that servers with another Secret have another value.
    pub instance: String,
    /// The identity of the ScAuth's database, or the name of an empty one that was accepted instead; `None` until it is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

impl ScAuthRecord {
    /// Reads the file's content.
    ///
    /// # Errors
    /// If it is not JSON, or a member is missing.
    pub fn parse(content: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(content)
    }

    /// The file's content.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_release_can_be_read() {
        let content = r#"{"name":"a","uid":"u","created":7,"instance":"i","later":true}"#;
        let record = ScAuthRecord::parse(content).unwrap();
        assert_eq!((record.created.seconds(), &record.database), (7, &None));
        let accepted = ScAuthRecord { database: Some("d".into()), ..record };
        assert_eq!(ScAuthRecord::parse(&accepted.to_json().unwrap()).unwrap(), accepted);
    }
}
