//! `config check`: the settings as `serve` would use them, everything that is wrong with them, and whether the database can
//! be used.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};
use rustix::fs::Access;

use super::collisions::Collisions;
use super::declared;
use crate::auth::keys;
use crate::auth::oidc::keys as oidc_keys;
use crate::backchannel::Sender;
use crate::config::{Cli, DeclaredPlace, Parsed, ServeArgs};
use crate::deployment::DeploymentFile;
use crate::identity::{self, Decision};
use crate::logging;
use crate::reloaded::Missing;
use crate::store::{Contents, Database, Engine, Store, StoreError};
use crate::terminal::{say, tell};

/// The number of users to read at once.
const PAGE: u64 = 1_000;
/// The most lines about users.
const NAMED: usize = 20;

/// Returns whether the settings are valid, after printing each problem once.
///
/// # Errors
/// If nothing can be printed.
pub async fn run(args: &ServeArgs, parsed: &Parsed) -> anyhow::Result<bool> {
    let matches = parsed.matches.subcommand_matches("config").and_then(|config| config.subcommand_matches("check"));
    if let Some(matches) = matches {
        say(format_args!("{}", table(matches)))?;
    }
    for warning in parsed.warnings.iter().cloned().chain(args.warnings()) {
        tell(format_args!("warning: {warning}"));
    }
    let mut problems = parsed.problems.clone();
    problems.extend(args.problems());
    let deployment = note(&mut problems, args.deployment.load());
    note(&mut problems, args.password.policy());
    note(&mut problems, args.old_tokens.resolve());
    note(&mut problems, Sender::new(args.backchannel_ca_file.as_deref()));
    note(&mut problems, keys::check(&args.deployment.keys.keys_file));
    // In a pod, the file may come later.
    if let Some(place) =
        args.declared.place().filter(|place| place.missing() == Missing::Problem || place.path().exists())
    {
        check_declared(args, &place, &mut problems)?;
    }
    let database = note(&mut problems, args.database.resolve().map_err(anyhow::Error::msg));
    if let Some(deployment) = deployment.as_ref().and_then(DeploymentFile::get) {
        let database = deployment.database.as_deref().unwrap_or("not yet known");
        say(format_args!("\nThe settings are for ScAuth {}, with database identity: {database}.", deployment.name))?;
    }
    if let (Some(database), Some(deployment)) = (&database, &deployment)
        && let Some(found) = note(&mut problems, try_database(database, deployment).await)
    {
        say(format_args!("\n{found}"))?;
    }
    for problem in &problems {
        tell(format_args!("error: {problem}"));
    }
    if problems.is_empty() {
        say("\nThe settings are valid.")?;
        if let Some(database) = &database {
            compare_users(database).await?;
        }
    }
    Ok(problems.is_empty())
}

/// Adds the problem, if there is one.
fn note<T>(problems: &mut Vec<String>, result: anyhow::Result<T>) -> Option<T> {
    result.map_err(|error| problems.push(logging::chain(error.as_ref()))).ok()
}

/// Reports on the declared clients as `declared check` does.
fn check_declared(args: &ServeArgs, place: &DeclaredPlace, problems: &mut Vec<String>) -> anyhow::Result<()> {
    note(problems, oidc_keys::check(&args.deployment.keys.keys_file));
    let read = declared::read(place.path()).context("SC_AUTH_DECLARED");
    let Some(mut declared) = note(problems, read) else { return Ok(()) };
    declared.reserve_audiences(&args.own_audiences());
    if place.is_in_pod() {
        declared.refuse_own_machine();
    }
    for warning in &declared.warnings {
        tell(format_args!("warning: SC_AUTH_DECLARED: {warning}"));
    }
    let refused = declared.refused.iter();
    problems.extend(refused.map(|refused| format!("SC_AUTH_DECLARED: {}: {}", refused.client, refused.problem)));
    say(format_args!("\n{}", declared::summary(&declared)))?;
    Ok(())
}

/// Looks at the database without changing it. Returns what it is.
async fn try_database(database: &Database, deployment: &DeploymentFile) -> anyhow::Result<String> {
    if let Some(file) = database.file() {
        let folder = database.folder().unwrap_or_default();
        anyhow::ensure!(folder.is_dir(), "the database: the folder {} does not exist", folder.display());
        // SQLite creates files beside the database.
        rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)
            .with_context(|| format!("the database: no file can be created in the folder {}", folder.display()))?;
        if file.exists() {
            let result = std::fs::OpenOptions::new().append(true).open(&file);
            result.with_context(|| format!("the database: {} cannot be written", file.display()))?;
        }
    }
    let contents = Store::look_at(database).await.context("inspecting the database")?;
    let expected = deployment.expected();
    if let Decision::Hold(hold) = identity::decide(expected.as_deref(), &contents, &database.place(), String::new()) {
        let scauth = deployment.get().map(|deployment| deployment.name.clone()).unwrap_or_default();
        anyhow::bail!(identity::refusal(&hold, &scauth));
    }
    if let Some(obstacle) = obstacle(database, &contents).await.context("inspecting the database")? {
        anyhow::bail!("the database: {obstacle}");
    }
    let what = match contents {
        Contents::Empty => "is empty".to_owned(),
        Contents::OldService => "belongs to the legacy service".to_owned(),
        Contents::Ours { schema: Some(version), .. } => format!("has schema version {version}"),
        Contents::Ours { schema: None, .. } => "has no schema yet".to_owned(),
    };
    Ok(format!("The {} database can be used; it {what}.", Engine::of(database).name()))
}

async fn obstacle(database: &Database, contents: &Contents) -> Result<Option<String>, StoreError> {
    let Some(store) = Store::open_to_read(database) else { return Ok(None) };
    let obstacle = store.obstacle(contents).await;
    store.close().await;
    obstacle
}

/// Prints the users whose names or addresses other users have too.
async fn compare_users(database: &Database) -> anyhow::Result<()> {
    match colliding(database).await {
        Ok(text) if text.is_empty() => Ok(()),
        Ok(text) => say(format_args!("\n{text}")).map_err(Into::into),
        Err(error) => {
            say(format_args!("\nThe users were not compared: {}.", logging::chain(&error))).map_err(Into::into)
        }
    }
}

/// The report of users with colliding names; empty if there are none. It writes nothing to the database.
async fn colliding(database: &Database) -> Result<String, StoreError> {
    let Some(store) = Store::open_to_read(database) else { return Ok(String::new()) };
    let found = if store.contents().await? == Contents::Empty { Ok((0, Vec::new())) } else { collisions(&store).await };
    store.close().await;
    let (count, lines) = found?;
    if count == 0 {
        return Ok(String::new());
    }
    let users = if count == 1 { "user has" } else { "users have" };
    let mut text = format!("{count} {users} a name or an address that another user has too; new ones are refused:");
    for line in &lines {
        let _ = write!(text, "\n  {line}");
    }
    if lines.len() == NAMED {
        text.push_str("\n  …");
    }
    Ok(text)
}

/// The number of users who collide with earlier ones, and the lines about the first of them.
async fn collisions(store: &Store) -> Result<(u64, Vec<String>), StoreError> {
    let (mut seen, mut after, mut count, mut lines) = (Collisions::default(), 0, 0, Vec::new());
    loop {
        let page = store.old_rows(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok((count, lines)) };
        after = last.id;
        for row in &page {
            let found = seen.add(row);
            let own: Vec<_> = found.same.into_iter().chain(found.crossed).collect();
            count += u64::from(!own.is_empty());
            lines.extend(own);
            lines.truncate(NAMED);
        }
    }
}

fn table(matches: &ArgMatches) -> String {
    let command = Cli::command();
    let check = command.find_subcommand("config").and_then(|config| config.find_subcommand("check"));
    let mut rows: Vec<_> = check
        .into_iter()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|argument| {
            let name = argument.get_env()?.to_string_lossy().into_owned();
            let id = argument.get_id().as_str();
            let source = match matches.value_source(id) {
                Some(ValueSource::DefaultValue) => "default",
                Some(ValueSource::EnvVariable) => "environment",
                Some(_) => "flag",
                None => "",
            };
            let values: Vec<_> =
                matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned()).collect();
            let value = match values.join(",") {
                _ if values.is_empty() => "-".to_owned(),
                _ if argument.is_hide_env_values_set() => "(a secret)".to_owned(),
                value => value,
            };
            Some((name, value, source))
        })
        .collect();
    rows.sort();
    rows.iter().map(|(name, value, source)| format!("{name:<30} {value:<40} {source}")).collect::<Vec<_>>().join("\n")
}
