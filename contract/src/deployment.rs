//! What a server knows of the ScAuth that it belongs to: a file beside the keys' file, written by the operator.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// The file's name, and its key in the Secret.
pub const DEPLOYMENT_FILE: &str = "scauth.json";

/// Which ScAuth this is, and which database its data is in. Unknown members are tolerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The name of the ScAuth.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// When it was created.
    pub created: UnixTime,
    /// Random; made once with the Secret, so that a server of another Secret has another one.
    pub instance: String,
    /// The identity of the database that holds the data, or the name of an empty one that was accepted in its place;
    /// `None` until one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

impl Deployment {
    /// Reads the file's content.
    ///
    /// # Errors
    /// Where it is no JSON, or a member is missing.
    pub fn parse(content: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(content)
    }

    /// The file's content.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_release_is_read_too() {
        let content = r#"{"name":"a","uid":"u","created":7,"instance":"i","later":true}"#;
        let deployment = Deployment::parse(content).unwrap();
        assert_eq!((deployment.created.seconds(), &deployment.database), (7, &None));
        let accepted = Deployment { database: Some("d".into()), ..deployment };
        assert_eq!(Deployment::parse(&accepted.to_json().unwrap()).unwrap(), accepted);
    }
}
