//! What `migrate --plan` says of the users that are there.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use crate::account::fold;
use crate::auth::password::{Caps, Stored};
use crate::store::{OldRow, Origin, Store, StoreError};
use crate::terminal::say;

/// Users that are read at once.
const PAGE: u64 = 1_000;
/// How many users of a kind are named.
const NAMED: usize = 20;

/// What may surprise after a migration.
#[derive(Default)]
pub struct Surprises {
    users: u64,
    /// Users in whose row a column is NULL without which nobody logs in.
    incomplete: Lines,
    /// Users in whose row another column is NULL.
    sparse: Lines,
    /// Users whose hash cannot be read: they need a new password.
    without_login: Lines,
    /// Users whose hash costs more than the caps allow: they too.
    too_costly: Lines,
    /// Users whose name or address is that of an older user but for its case: they are found by its exact form only.
    colliding: Lines,
    /// Users without a role that has a name.
    without_role: Lines,
}

/// The first lines about users of a kind, and how many such users there are.
#[derive(Default)]
struct Lines {
    count: u64,
    first: Vec<String>,
}

impl Lines {
    fn push(&mut self, line: impl Display) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(line.to_string());
        }
    }

    fn print(&self, what: &str) -> std::io::Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        say(format_args!("{} of them {what}:", self.count))?;
        for line in &self.first {
            say(format_args!("  {line}"))?;
        }
        let more = self.count - self.first.len() as u64;
        if more > 0 {
            say(format_args!("  and {more} more"))?;
        }
        Ok(())
    }
}

impl Surprises {
    pub async fn look(store: &Store, caps: Caps, origin: Origin) -> Result<Self, StoreError> {
        let (mut found, mut seen, mut after) = (Self::default(), HashMap::new(), 0);
        let named: HashSet<i32> =
            store.roles().await?.into_iter().filter(|role| role.name.is_some()).map(|role| role.id).collect();
        loop {
            let page = store.old_rows(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.id;
            for row in &page {
                found.users += 1;
                found.look_for_nulls(row, origin);
                found.look_at_hash(row, caps);
                if row.role_id.is_some_and(|role| !named.contains(&role)) {
                    found.without_role.push(shown(row));
                }
                for (kind, value) in [("name", &row.username), ("address", &row.email)] {
                    let Some(value) = value else { continue };
                    // A digest takes less room than the text: there may be millions.
                    if let Some(owner) = seen.insert((kind, digest(&fold(value))), row.id) {
                        found.colliding.push(format_args!("{value}: the same {kind} as the user with id {owner}"));
                    }
                }
            }
        }
    }

    fn look_for_nulls(&mut self, row: &OldRow, origin: Origin) {
        let needed = missing(&[
            ("uuid", row.uuid.is_none()),
            ("username", row.username.is_none()),
            ("password", row.password.is_none()),
        ]);
        if !needed.is_empty() {
            self.incomplete.push(format_args!("{}: {needed}", shown(row)));
        }
        // In tables of our own some of them are NULL for good reason.
        if origin != Origin::OldService {
            return;
        }
        let others = missing(&[
            ("email", row.email.is_none()),
            ("name", row.name.is_none()),
            ("role_id", row.role_id.is_none()),
            ("created_at", row.no_created_at),
            ("updated_at", row.no_updated_at),
        ]);
        if !others.is_empty() {
            self.sparse.push(format_args!("{}: {others}", shown(row)));
        }
    }

    fn look_at_hash(&mut self, row: &OldRow, caps: Caps) {
        let Some(password) = &row.password else { return };
        match Stored::parse(password) {
            Err(error) => self.without_login.push(format_args!("{}: {error}", shown(row))),
            Ok(stored) => {
                if let Err(error) = stored.check(caps) {
                    self.too_costly.push(format_args!("{}: {error}", shown(row)));
                }
            }
        }
    }

    pub fn print(&self) -> std::io::Result<()> {
        say(format_args!("{} users.", self.users))?;
        self.incomplete.print(
            "cannot log in, since a column is NULL (without a password, an Admin can set one; without a uuid or a user \
             name, fill the column in)",
        )?;
        self.sparse.print("have other columns that are NULL, and keep them; without a role they are Users")?;
        self.without_role.print("have a role without a name, and are Users")?;
        self.without_login.print("have a hash that cannot be used and need a new password")?;
        self.too_costly.print(
            "have a hash that costs more than this server allows and need a new password (SC_AUTH_IMPORTED_HASH_MEMORY \
             bounds the memory)",
        )?;
        self.colliding.print("can log in with the exact form of the name only")
    }
}

/// The user's name, or the id where there is no name.
fn shown(row: &OldRow) -> String {
    row.username.clone().unwrap_or_else(|| format!("id {}", row.id))
}

/// The names of the columns that are NULL.
fn missing(columns: &[(&str, bool)]) -> String {
    columns.iter().filter(|(_, is_null)| *is_null).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
