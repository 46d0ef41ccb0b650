//! Whether the accounts that attackers try first have a password that attackers try first: those that the legacy service
//! creates with a published password, and Admins. Each try costs a hash, so both the accounts and the passwords are few.

use secrecy::SecretString;

use crate::account::fold;
use crate::auth::password::{Caps, Memory, verify};
use crate::store::{OldRow, Plan, Store, StoreError};

/// The accounts that the legacy service creates.
const SEEDED: [&str; 2] = ["admin", "userman"];
/// The passwords to try, besides the user name, with and without `123` behind it.
const PASSWORDS: [&str; 6] = ["admin", "userman", "password", "changeme", "secret", "123456"];
/// The most accounts to try them on: with hashes of the legacy service, that takes about ten seconds.
const MOST: usize = 12;

/// The accounts to check.
#[derive(Default)]
pub struct Guesses {
    accounts: Vec<Account>,
    unchecked: usize,
}

struct Account {
    name: String,
    uuid: Option<String>,
    hash: String,
}

/// What was found.
#[derive(Default)]
pub struct Guessed {
    /// The names of the accounts whose password was guessed.
    pub names: Vec<String>,
    pub checked: usize,
    /// The number of Admins beyond the limit.
    pub unchecked: usize,
}

impl Guesses {
    /// Takes a user in, if it is one to check. One without a name or a password cannot log in.
    pub fn take(&mut self, row: &OldRow, is_admin: bool) {
        let (Some(name), Some(hash)) = (&row.username, &row.password) else { return };
        let is_seeded = SEEDED.contains(&fold(name).as_str());
        if !is_admin && !is_seeded {
            return;
        }
        // The seeded ones first, whatever the number of Admins.
        let place = if is_seeded { 0 } else { self.accounts.len() };
        self.accounts.insert(place, Account { name: name.clone(), uuid: row.uuid.clone(), hash: hash.clone() });
        if self.accounts.len() > MOST {
            self.accounts.pop();
            self.unchecked += 1;
        }
    }

    /// Tries the passwords on those accounts that are not disabled.
    pub async fn check(mut self, store: &Store, plan: &Plan, caps: Caps) -> Result<Guessed, StoreError> {
        let mut enabled = Vec::new();
        for account in std::mem::take(&mut self.accounts) {
            if !is_disabled(store, plan, &account).await? {
                enabled.push(account);
            }
        }
        let checked = enabled.len();
        // In this thread: the command does nothing else meanwhile.
        Ok(Guessed { names: guessed(enabled, caps), checked, unchecked: self.unchecked })
    }
}

/// The legacy service cannot disable users, and a table that has no version yet may lack the column.
async fn is_disabled(store: &Store, plan: &Plan, account: &Account) -> Result<bool, StoreError> {
    let (Some(uuid), Some(_)) = (&account.uuid, plan.from) else { return Ok(false) };
    Ok(store.user_by_uuid(uuid).await?.is_some_and(|user| user.disabled))
}

fn guessed(accounts: Vec<Account>, caps: Caps) -> Vec<String> {
    let mut memory = Memory::allocate();
    let mut is_guessed = |account: &Account| {
        let mut passwords = passwords(&account.name).into_iter().map(SecretString::from);
        // A hash that cannot be verified is reported elsewhere.
        passwords.any(|password| verify(&password, &account.hash, caps, &mut memory).is_ok_and(|found| found.matches))
    };
    accounts.into_iter().filter(|account| is_guessed(account)).map(|account| account.name).collect()
}

fn passwords(name: &str) -> Vec<String> {
    let mut passwords = vec![name.to_owned(), format!("{name}123")];
    passwords.extend(PASSWORDS.iter().filter(|password| **password != name).map(ToString::to_string));
    passwords
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i32, name: &str) -> OldRow {
        OldRow {
            id,
            uuid: None,
            username: Some(name.to_owned()),
            email: None,
            password: Some("hash".to_owned()),
            name: None,
            role_id: None,
            no_created_at: false,
            no_updated_at: false,
        }
    }

    #[test]
    fn the_accounts_are_few_and_the_seeded_ones_among_them() {
        let mut guesses = Guesses::default();
        for id in 0..20 {
            guesses.take(&row(id, &format!("admin-{id}")), true);
            guesses.take(&row(100 + id, &format!("user-{id}")), false);
        }
        guesses.take(&row(200, "Userman"), false);
        guesses.take(&OldRow { password: None, ..row(201, "admin") }, true);
        assert_eq!((guesses.accounts.len(), guesses.unchecked), (MOST, 9));
        assert_eq!(guesses.accounts[0].name, "Userman");
    }

    #[test]
    fn each_password_is_tried_once() {
        assert_eq!(passwords("admin"), ["admin", "admin123", "userman", "password", "changeme", "secret", "123456"]);
        assert_eq!(passwords("alice").len(), PASSWORDS.len() + 2);
    }
}
