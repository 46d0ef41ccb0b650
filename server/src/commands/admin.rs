//! `admin create`: gives access if there is no Admin, or the only one has forgotten the password.

use std::io::Read as _;

use anyhow::Context as _;
use argon2::password_hash::phc::Salt;
use sc_auth_contract::time::UnixTime;
use secrecy::{ExposeSecret as _, SecretString};

use crate::account::{self, Problem};
use crate::auth::audit::{self, AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::hasher::{Hasher, Standing};
use crate::auth::password::policy::Policy;
use crate::auth::session::random_uuid;
use crate::config::AdminCreateArgs;
use crate::metrics::HashMetrics;
use crate::store::{Changes, Guard, NewEvent, NewUser, Role, Store};
use crate::terminal::say;

pub async fn create(args: AdminCreateArgs) -> anyhow::Result<()> {
    let policy = args.password.policy()?;
    let (password, is_generated) = if args.password_stdin {
        (from_stdin()?, false)
    } else {
        (sc_auth_contract::password::generate(policy.min_length, &mut rand::rng()), true)
    };
    let admin = Admin { username: args.name, email: args.email, password };
    admin.check(&policy)?;
    let store = super::open::migrated(&args.database, &args.deployment).await?;
    let hasher = Hasher::start(args.hash.settings(), HashMetrics::default(), &mut rand::rng())?;
    let is_new = admin.create_or_reset(&store, &hasher, crate::clock::system()).await?;
    store.close().await;
    let action = if is_new { "created" } else { "reset" };
    if is_generated {
        say(format_args!("Admin {} was {action}. Password: {}", admin.username, admin.password.expose_secret()))?;
    } else {
        say(format_args!("Admin {} was {action}.", admin.username))?;
    }
    Ok(())
}

fn from_stdin() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).context("reading the password from standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

fn refuse(what: &str, problems: &[Problem]) -> anyhow::Result<()> {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    anyhow::ensure!(problems.is_empty(), "{what}: {}", problems.join(" "));
    Ok(())
}

/// An Admin to create.
pub struct Admin {
    pub username: String,
    pub email: Option<String>,
    pub password: SecretString,
}

impl Admin {
    /// # Errors
    /// The problems of the name, the address or the password.
    pub fn check(&self, policy: &Policy) -> anyhow::Result<()> {
        refuse("the user name", &account::USERNAME.problems(&self.username))?;
        if let Some(email) = &self.email {
            refuse("the e-mail address", &account::EMAIL.problems(email))?;
        }
        let names = [self.username.as_str(), self.email.as_deref().unwrap_or_default()];
        refuse("the password", &policy.problems(&self.password, &names))
    }

    /// Creates the Admin. An existing user with that name becomes an Admin, is enabled and can log in at once. Returns
    /// whether the user is new.
    pub async fn create_or_reset(&self, store: &Store, hasher: &Hasher, now: UnixTime) -> anyhow::Result<bool> {
        let password_hash =
            hasher.hash(self.password.clone(), Salt::from_rng(&mut rand::rng()), Standing::Known).await?;
        while let Some(user) = store.user_by_username(&self.username).await? {
            let changes = Changes {
                email: self.email.clone(),
                password_hash: Some(password_hash.clone()),
                role: Some(Role::Admin),
                disabled: Some(false),
                ..Changes::default()
            };
            // If the user was deleted meanwhile, create it instead.
            let event = Self::event(&user.uuid, user.username(), "reset", now);
            if store.change_user(user.id, changes, Guard::default(), &event, now).await? {
                audit::log(&event);
                // Last, so that an attacker who guesses at the name has the least time to fail again.
                store.clear_failures_after_reset(user.id, now).await?;
                return Ok(false);
            }
        }
        self.insert(store, password_hash, None, now).await?;
        // Guesses at the name before it existed must not delay the Admin.
        if let Some(user) = store.user_by_username(&self.username).await? {
            store.clear_failures(user.id).await?;
        }
        Ok(true)
    }

    /// Creates the Admin. `secret_id` is the id of the Secret that the password comes from, if any.
    ///
    /// # Errors
    /// If the name or the address is taken.
    pub async fn create(
        &self,
        store: &Store,
        hasher: &Hasher,
        secret_id: Option<&str>,
        now: UnixTime,
    ) -> anyhow::Result<()> {
        let password_hash =
            hasher.hash(self.password.clone(), Salt::from_rng(&mut rand::rng()), Standing::Known).await?;
        self.insert(store, password_hash, secret_id, now).await
    }

    async fn insert(
        &self,
        store: &Store,
        password_hash: String,
        secret_id: Option<&str>,
        now: UnixTime,
    ) -> anyhow::Result<()> {
        let uuid = random_uuid(&mut rand::rng()).simple().to_string();
        let event = Self::event(&uuid, &self.username, "made", now);
        let user = NewUser {
            uuid,
            username: self.username.clone(),
            name: Some(self.username.clone()),
            email: self.email.clone(),
            password_hash,
            role: Role::Admin,
            ..NewUser::default()
        };
        let result = match secret_id {
            Some(secret_id) => store.create_first_admin(user, secret_id, &event, now).await,
            None => store.create_user(user, None, &event, now).await,
        };
        result.with_context(|| format!("creating the Admin {:?}", self.username))?;
        audit::log(&event);
        Ok(())
    }

    fn event(uuid: &str, username: &str, what: &str, now: UnixTime) -> NewEvent {
        let entry = Entry::new(Event::AdminMade, AuditOutcome::Success).to(uuid, Some(username));
        entry.detail(what).event(&Client::default(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::policy::Blocklist;

    fn problem(username: &str, email: Option<&str>) -> String {
        let policy = Policy { min_length: 8, max_length: 256, blocklist: Blocklist::Off, refuses_names: true };
        let password = "correct horse battery".into();
        let admin = Admin { username: username.into(), email: email.map(Into::into), password };
        admin.check(&policy).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_admin_s_names_follow_the_rules_of_every_account() {
        let (short, long) =
            ("the user name: Shorter than minimum length 3.", "the user name: Longer than maximum length 64.");
        assert_eq!(problem("root", Some("root@example.com")), "");
        assert_eq!(problem("  a  ", None), short);
        for name in [format!("root{}", " ".repeat(61)), "\u{fdfa}".repeat(20)] {
            assert_eq!(problem(&name, None), long, "{name:?}");
        }
        assert_eq!(problem("ro\0ot", None), "the user name: Not a valid string.");
        let email = format!("a@{}.com", "b.".repeat(60));
        assert!(problem("root", Some(&email)).starts_with("the e-mail address: Longer than maximum length 120."));
        assert_eq!(problem("root", Some("a@b..c")), "the e-mail address: Not a valid email address.");
    }
}
