//! Users whose names or addresses other users have too, in another case or form, or one as the other. New ones are
//! refused; these are older than that rule, or come from the legacy service.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::store::{Names, OldRow};

/// The users so far: the forms of their names and addresses, by the rule for new ones. A digest takes less memory than the
/// text: there may be millions.
#[derive(Default)]
pub struct Collisions {
    names: HashMap<u64, i32>,
    addresses: HashMap<u64, i32>,
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
        let own = Names::of(username.as_deref(), email.as_deref());
        if let Some(name) = username {
            if let Some(owner) = owner(own.username(), &self.names) {
                found.same.push(format!("{name}: the same name as the user with id {owner}"));
            }
            if let Some(owner) = owner(own.username(), &self.addresses) {
                found.crossed.push(format!("{name}: a name that is the address of the user with id {owner}"));
            }
        }
        if let Some(address) = email {
            if let Some(owner) = owner(own.email(), &self.addresses) {
                found.same.push(format!("{address}: the same address as the user with id {owner}"));
            }
            if let Some(owner) = owner(own.email(), &self.names) {
                found.crossed.push(format!("{address}: an address that is the name of the user with id {owner}"));
            }
        }
        self.names.extend(own.username().iter().map(|form| (digest(form), *id)));
        self.addresses.extend(own.email().iter().map(|form| (digest(form), *id)));
        found
    }
}

fn owner(forms: &BTreeSet<String>, seen: &HashMap<u64, i32>) -> Option<i32> {
    forms.iter().find_map(|form| seen.get(&digest(form))).copied()
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
        assert_eq!(add(6, "a@XN--BCHER-KVA.example", None), (1, 1), "a name in another encoding of its domain");
        assert_eq!(add(5, "mallory", Some("ALICE@example.com")), (1, 1));
    }
}
