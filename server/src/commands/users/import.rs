//! `users import`: each batch is one transaction; lines that cannot be imported are skipped and reported.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};

use anyhow::Context as _;

use super::line::Line;
use crate::auth::audit::{self, AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::password::Caps;
use crate::clock;
use crate::commands::open;
use crate::config::UsersArgs;
use crate::store::{NewUser, Store};
use crate::terminal::{say, tell};

/// The number of users in one transaction.
const BATCH: usize = 500;
/// The longest line, in bytes.
const LINE: u64 = 16 * 1024;

pub async fn run(args: &UsersArgs) -> anyhow::Result<()> {
    let store = open::migrated(&args.database, &args.deployment).await?;
    let mut import = Import { store: &store, caps: args.hash.caps(), number: 0, taken: 0, refused: 0 };
    if args.file.as_os_str() == "-" {
        import.read(&mut std::io::stdin().lock()).await?;
    } else {
        let file = File::open(&args.file).with_context(|| format!("opening {}", args.file.display()))?;
        import.read(&mut BufReader::new(file)).await?;
    }
    let Import { taken, refused, .. } = import;
    let entry = Entry::new(Event::UsersImported, AuditOutcome::Success).detail(format!("{taken} users"));
    audit::note(&store, &Client::default(), entry, clock::system()).await?;
    store.close().await;
    say(format_args!("{taken} users imported, {refused} lines refused."))?;
    anyhow::ensure!(refused == 0, "{refused} lines were refused; the others were imported");
    Ok(())
}

struct Import<'a> {
    store: &'a Store,
    caps: Caps,
    /// The number of the last line that was read.
    number: u64,
    taken: u64,
    refused: u64,
}

impl Import<'_> {
    async fn read(&mut self, source: &mut impl BufRead) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(text) = self.next_line(source)? {
            match Line::parse(&text, self.caps, &mut rand::rng()) {
                Ok(user) => batch.push((self.number, user)),
                Err(problem) => self.refuse(self.number, &problem),
            }
            if batch.len() == BATCH {
                self.take(&mut batch).await?;
            }
        }
        self.take(&mut batch).await
    }

    /// The next line that is not empty.
    fn next_line(&mut self, source: &mut impl BufRead) -> anyhow::Result<Option<String>> {
        loop {
            let mut bytes = Vec::new();
            let count = source.take(LINE).read_until(b'\n', &mut bytes)?;
            if count == 0 {
                return Ok(None);
            }
            self.number += 1;
            anyhow::ensure!(
                bytes.ends_with(b"\n") || (count as u64) < LINE,
                "line {}: longer than {LINE} bytes; the lines before it were imported",
                self.number
            );
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
    }

    async fn take(&mut self, batch: &mut Vec<(u64, NewUser)>) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let refused = self.store.import(batch, clock::system()).await?;
        let before = self.taken / 10_000;
        self.taken += (batch.len() - refused.len()) as u64;
        for (number, problem) in refused {
            self.refuse(number, &problem);
        }
        if self.taken / 10_000 > before {
            tell(format_args!("{} users so far", self.taken));
        }
        batch.clear();
        Ok(())
    }

    fn refuse(&mut self, number: u64, problem: &str) {
        self.refused += 1;
        tell(format_args!("line {number}: {problem}"));
    }
}
