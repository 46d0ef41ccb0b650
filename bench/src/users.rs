//! Users with the same password.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::json;

pub const PASSWORD: &str = "correct horse battery";
/// The hash of that password, as the server writes it.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$4im/7kKPZIPbUz/9ojSSTQ$qeuQHzNnUxqRy9sBTuR/nBdGaXFv8fznYc+ycGUPFdA";
/// Each logs in with a browser of its own.
pub const COUNT: usize = 500;

pub fn name(number: usize) -> String {
    format!("user-{number}")
}

/// Imports the users with that command.
pub fn import(mut command: Command) -> anyhow::Result<()> {
    let mut import = command.args(["users", "import", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    import.stdin.take().context("standard input")?.write_all(lines().as_bytes())?;
    anyhow::ensure!(import.wait()?.success(), "could not import the users");
    Ok(())
}

/// The file of the users.
fn lines() -> String {
    (0..COUNT).fold(String::new(), |mut text, number| {
        let name = name(number);
        let email = format!("{name}@example.com");
        let user = json!({"username": name, "name": "Some Body", "email": email, "password_hash": PASSWORD_HASH});
        // Writing to a text does not fail.
        let _ = writeln!(text, "{user}");
        text
    })
}

#[cfg(test)]
mod tests {
    use argon2::Argon2;
    use argon2::password_hash::PasswordVerifier as _;

    use super::*;

    #[test]
    fn each_user_has_the_password() {
        let file = lines();
        let users: Vec<serde_json::Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(users.len(), COUNT);
        assert_eq!((&users[7]["username"], &users[7]["email"]), (&json!("user-7"), &json!("user-7@example.com")));
        assert!(users.iter().all(|user| user["password_hash"] == PASSWORD_HASH));
        assert!(Argon2::default().verify_password(PASSWORD.as_bytes(), PASSWORD_HASH).is_ok());
    }
}
