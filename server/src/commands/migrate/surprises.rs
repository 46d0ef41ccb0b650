//! The report of `migrate --plan` about existing users.

use std::collections::HashMap;
use std::fmt::Display;

use crate::auth::password::{Caps, Stored};
use crate::commands::collisions::Collisions;
use crate::store::{OldRow, Origin, Plan, Role, Store, StoreError};
use crate::terminal::say;

use super::guesses::{Guessed, Guesses};

/// The number of users to read at once.
const PAGE: u64 = 1_000;
/// The most users of a kind to list.
const NAMED: usize = 20;

/// Users for whom the migration has consequences.
#[derive(Default)]
pub struct Surprises {
    users: u64,
    /// Users who cannot log in because a required column is NULL.
    incomplete: Lines,
    /// Users with another column that is NULL.
    sparse: Lines,
    /// Users whose hash cannot be read: they need a new password.
    without_login: Lines,
    /// Users whose hash costs more than the caps allow: they need a new password too.
    too_costly: Lines,
    /// Users whose name or address differs from an older user's only in case: only its exact form finds them.
    colliding: Lines,
    /// Users whose name is another user's address, or the reverse.
    crossed: Lines,
    /// Users without a role that has a name.
    without_role: Lines,
    /// Of the accounts that attackers try first.
    guessed: Guessed,
}

/// The number of users of a kind, and the lines about the first of them.
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
    pub async fn find(store: &Store, caps: Caps, plan: &Plan) -> Result<Self, StoreError> {
        let (mut found, mut seen, mut after) = (Self::default(), Collisions::default(), 0);
        let mut guesses = Guesses::default();
        let named: HashMap<i32, String> =
            store.roles().await?.into_iter().filter_map(|role| Some((role.id, role.name?))).collect();
        loop {
            let page = store.old_rows(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in &page {
                found.users += 1;
                found.check_nulls(row, plan.origin);
                found.check_hash(row, caps);
                let role = row.role_id.and_then(|role| named.get(&role));
                if row.role_id.is_some() && role.is_none() {
                    found.without_role.push(shown(row));
                }
                guesses.take(row, role.is_some_and(|role| role == Role::Admin.name()));
                let collisions = seen.add(row);
                collisions.same.iter().for_each(|line| found.colliding.push(line));
                collisions.crossed.iter().for_each(|line| found.crossed.push(line));
            }
        }
        found.guessed = guesses.check(store, plan, caps).await?;
        Ok(found)
    }

    fn check_nulls(&mut self, row: &OldRow, origin: Origin) {
        let needed = missing(&[
            ("uuid", row.uuid.is_none()),
            ("username", row.username.is_none()),
            ("password", row.password.is_none()),
        ]);
        if !needed.is_empty() {
            self.incomplete.push(format_args!("{}: {needed}", shown(row)));
        }
        // In our own tables, some of these may be NULL.
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

    fn check_hash(&mut self, row: &OldRow, caps: Caps) {
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
            "cannot log in, because a column is NULL (an Admin can set a missing password; fill in a missing uuid or \
             user name in the database)",
        )?;
        self.sparse.print("have other columns that are NULL, which are kept; users without a role are Users")?;
        self.without_role.print("have a role without a name, and are treated as Users")?;
        self.without_login.print("have a hash that cannot be used, and need a new password")?;
        self.too_costly.print(
            "have a hash that costs more than this server allows, and need a new password (SC_AUTH_IMPORTED_HASH_MEMORY \
             sets the memory limit)",
        )?;
        self.colliding.print("can log in only with the exact form of the name")?;
        self.crossed.print("have a name that is another user's address, or the reverse, and keep it")?;
        self.print_guessed()
    }

    fn print_guessed(&self) -> std::io::Result<()> {
        let Guessed { names, checked, unchecked } = &self.guessed;
        let mut lines = Lines::default();
        for name in names {
            lines.push(name);
        }
        lines.print("have a password that attackers try first, and need a new one at once")?;
        if *checked == 0 {
            return Ok(());
        }
        let others = if *unchecked == 0 { String::new() } else { format!(", but not on {unchecked} more Admins") };
        say(format_args!(
            "A few well-known passwords were tried on admin, userman and Admins: {checked} of them{others}. Other users may have \
             weak passwords too."
        ))
    }
}

/// The user's name, or the id of a user without a name.
fn shown(row: &OldRow) -> String {
    row.username.clone().unwrap_or_else(|| format!("id {}", row.id))
}

/// The names of the columns that are NULL.
fn missing(columns: &[(&str, bool)]) -> String {
    columns.iter().filter(|(_, is_null)| *is_null).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
