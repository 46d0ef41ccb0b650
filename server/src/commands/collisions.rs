//! Users whose names or addresses other users have too, in another case or form, or one as the other. New ones are
//! refused; these are older than that rule, or come from the legacy service.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::account::{Field, key};
use crate::store::OldRow;

/// The users so far. A digest takes less memory than the text: there may be millions.
#[derive(Default)]
pub struct Collisions {
    names: HashMap<u64, i32>,
    addresses: HashMap<u64, i32>,
    /// The names that are addresses.
    named: HashMap<u64, i32>,
}

/// What a user collides with.
#[derive(Default)]
pub struct Found {
    /// The names and addresses that an earlier user has in another form.
    pub same: Vec<String>,
    /// The names that are another user's address, and the reverse.
    pub crossed: Vec<String>,
}

impl Collisions {
    /// Call this for each user in the order of their ids.
    pub fn add(&mut self, row: &OldRow) -> Found {
        let mut found = Found::default();
        let OldRow { id, username, email, .. } = row;
        if let Some(name) = username {
            if let Some(owner) = self.names.insert(digest(&key(Field::Username, name)), *id) {
                found.same.push(format!("{name}: the same name as the user with id {owner}"));
            }
            if name.contains('@') {
                let own = digest(&key(Field::Email, name));
                self.named.insert(own, *id);
                if let Some(owner) = self.addresses.get(&own) {
                    found.crossed.push(format!("{name}: a name that is the address of the user with id {owner}"));
                }
            }
        }
        if let Some(address) = email {
            let own = digest(&key(Field::Email, address));
            if let Some(owner) = self.addresses.insert(own, *id) {
                found.same.push(format!("{address}: the same address as the user with id {owner}"));
            }
            if let Some(owner) = self.named.get(&own).filter(|owner| *owner != id) {
                found.crossed.push(format!("{address}: an address that is the name of the user with id {owner}"));
            }
        }
        found
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i32, username: &str, email: Option<&str>) -> OldRow {
        OldRow {
            id,
            uuid: None,
            username: Some(username.to_owned()),
            email: email.map(str::to_owned),
            password: None,
            name: None,
            role_id: None,
            no_created_at: false,
            no_updated_at: false,
        }
    }

    #[test]
    fn names_and_addresses_collide_in_every_form() {
        let mut collisions = Collisions::default();
        let mut add = |id, username: &str, email| {
            let found = collisions.add(&row(id, username, email));
            (found.same.len(), found.crossed.len())
        };
        assert_eq!(add(1, "alice@example.com", Some("Alice@example.com")), (0, 0), "one user may have both");
        assert_eq!(add(2, "ΟΔΟΣ", Some("a@bücher.example")), (0, 0));
        assert_eq!(add(3, "οδοσ", Some("a@xn--bcher-kva.example")), (2, 0));
        assert_eq!(add(4, "A@xn--bcher-kva.example", None), (0, 1));
        assert_eq!(add(5, "mallory", Some("ALICE@example.com")), (1, 1));
    }
}
