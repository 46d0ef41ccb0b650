//! `config check`: the settings as `serve` would use them.

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use crate::config::{Cli, ServeArgs};
use crate::terminal::say;

/// # Errors
/// The first problem of the settings, after they are printed.
pub fn run(args: &ServeArgs, matches: &ArgMatches) -> anyhow::Result<()> {
    if let Some(matches) = matches.subcommand_matches("config").and_then(|config| config.subcommand_matches("check")) {
        say(format_args!("{}", table(matches)))?;
    }
    args.check().map_err(anyhow::Error::msg)?;
    args.database.resolve().map_err(anyhow::Error::msg)?;
    args.password.policy()?;
    args.old_tokens.resolve()?;
    if let Some(deployment) = args.deployment.load()?.get() {
        let database = deployment.database.as_deref().unwrap_or("not yet known");
        say(format_args!("\nThe settings are for ScAuth {}, with database identity: {database}.", deployment.name))?;
    }
    say("\nThe settings are valid.")?;
    Ok(())
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
