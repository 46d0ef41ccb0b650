//! `users import`: each batch is one transaction; lines that cannot be imported are skipped and reported.

mod source;

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::Context as _;

use super::line::{Line, Parsed};
use crate::auth::audit::{self, AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::password::Caps;
use crate::clock;
use crate::commands::open;
use crate::config::UsersArgs;
use crate::store::{NewUser, Store};
use crate::terminal::{say, tell};
use source::Source;

/// The number of users in one transaction.
const BATCH: usize = 500;

pub async fn run(args: &UsersArgs) -> anyhow::Result<()> {
    let store = open::migrated(&args.database, &args.deployment).await?;
    let mut import = Import { store: &store, caps: args.hash.caps(), taken: 0, refused: 0 };
    if args.file.as_os_str() == "-" {
        import.read(&mut std::io::stdin().lock()).await?;
    } else {
        let file = File::open(&args.file).with_context(|| format!("opening {}", args.file.display()))?;
        import.read(&mut BufReader::new(file)).await?;
    }
    let Import { taken, refused, .. } = import;
    store.close().await;
    say(format_args!("{} imported, {} refused.", users(taken), users(refused)))?;
    anyhow::ensure!(refused == 0, "{} refused; the others were imported", users(refused));
    Ok(())
}

fn users(count: u64) -> String {
    format!("{count} {}", if count == 1 { "user" } else { "users" })
}

struct Import<'a> {
    store: &'a Store,
    caps: Caps,
    taken: u64,
    refused: u64,
}

impl Import<'_> {
    async fn read(&mut self, file: &mut impl BufRead) -> anyhow::Result<()> {
        let mut source = Source::new(file)?;
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(item) = source.next()? {
            match item.text.and_then(|text| Line::parse(&text, self.caps, &mut rand::rng())) {
                Ok(parsed) => batch.push((item.number, Self::accept(item.number, parsed))),
                Err(problem) => self.refuse(item.number, &problem),
            }
            if batch.len() == BATCH {
                self.take(&mut batch).await?;
            }
        }
        self.take(&mut batch).await
    }

    /// The user, after a note about what else the line has.
    fn accept(number: u64, parsed: Parsed) -> NewUser {
        if parsed.is_odd {
            tell(format_args!("line {number}: note: the user name has characters that a new user's name cannot have"));
        }
        parsed.user
    }

    async fn take(&mut self, batch: &mut Vec<(u64, NewUser)>) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let now = clock::system();
        let event = Entry::new(Event::UsersImported, AuditOutcome::Success).event(&Client::default(), now);
        let refused = self.store.import(batch, &event, now).await?;
        let before = self.taken / 10_000;
        let taken = (batch.len() - refused.len()) as u64;
        if taken > 0 {
            audit::log(&event.about(taken, "user"));
        }
        self.taken += taken;
        for (number, problem) in refused {
            self.refuse(number, &problem);
        }
        if self.taken / 10_000 > before {
            tell(format_args!("{} so far", users(self.taken)));
        }
        batch.clear();
        Ok(())
    }

    fn refuse(&mut self, number: u64, problem: &str) {
        self.refused += 1;
        tell(format_args!("line {number}: {problem}"));
    }
}
