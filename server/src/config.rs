//! Every setting, with its default, its meaning and its environment variable. Each setting has a flag and a variable; a
//! secret can also be read from a file, whose path is the variable with the suffix `_FILE`.

mod address;
mod commands;
mod database;
mod groups;
mod login;
mod names;
mod origin;
#[cfg(test)]
mod page;
mod passwords;
mod serve;
mod service_links;
mod trimmed;
mod values;

use clap::builder::Resettable;
use clap::{ArgMatches, Command, Parser, Subcommand};
use std::ffi::OsString;

pub use commands::{
    AdminAction, AdminCreateArgs, DeclaredAction, KeySetArgs, KeysAction, MigrateArgs, UsersAction, UsersArgs,
};
pub use database::{DatabaseArgs, read_secret};
pub use groups::{DeclaredPlace, DeploymentArgs, OpsArgs};
pub use login::LoginArgs;
pub use serve::ServeArgs;
pub use service_links::Environment;

/// Accounts, sessions, roles and tokens over HTTP.
#[derive(Debug, Parser)]
#[command(name = "sc-auth-server", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Serve the API until SIGTERM. Needs no settings: by default, data and keys are stored in the current folder.
    Serve(Box<ServeArgs>),
    /// Migrate the database to the schema of this version, create the first Admin if one is configured, and exit.
    /// A database of the legacy service is taken over in place.
    Migrate(MigrateArgs),
    /// Manage Admins.
    Admin {
        #[command(subcommand)]
        action: AdminAction,
    },
    /// Import users from a file, or export them.
    Users {
        #[command(subcommand)]
        action: UsersAction,
    },
    /// Manage the signing keys. A running server reloads a changed file within seconds.
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Check declared clients, or hash a client secret.
    Declared {
        #[command(subcommand)]
        action: DeclaredAction,
    },
    /// Inspect the settings.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Check whether the server on this machine is alive; the exit code is 0 if it is.
    Healthcheck {
        #[command(flatten)]
        ops: OpsArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Print the settings that `serve` would use, without secrets, and report what is wrong with them.
    Check(Box<ServeArgs>),
}

/// The environment names of all settings.
pub fn known_names(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_env()).map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<_> = own.chain(command.get_subcommands().flat_map(known_names)).collect();
    names.sort();
    names.dedup();
    names
}

/// The environment name of the setting that a command line error is about, if it has one.
pub fn name_of_invalid(command: &Command, error: &clap::Error) -> Option<String> {
    let shown = error.get(clap::error::ContextKind::InvalidArg)?.to_string();
    let flag = shown.split_whitespace().next()?.trim_start_matches('-').to_owned();
    find_env(command, &flag)
}

fn find_env(command: &Command, flag: &str) -> Option<String> {
    let own = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(flag))
        .and_then(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned());
    own.or_else(|| command.get_subcommands().find_map(|sub| find_env(sub, flag)))
}

/// Makes clap ignore these variables: they describe a Service and are not meant as settings.
fn without(command: Command, ignored: &[&str]) -> Command {
    let own = command.get_arguments().filter(|arg| {
        let name = arg.get_env().and_then(|name| name.to_str());
        name.is_some_and(|name| ignored.contains(&name))
    });
    let own: Vec<_> = own.map(|arg| arg.get_id().clone()).collect();
    let command = own.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.env(Resettable::Reset)));
    command.mut_subcommands(|sub| without(sub, ignored))
}

/// The command line and the environment.
#[derive(Debug)]
pub struct Parsed {
    pub cli: Cli,
    pub matches: ArgMatches,
    /// Invalid settings, only for `config check`, which reports all problems; they have their defaults.
    pub problems: Vec<String>,
    /// Variables that are probably misspelt settings.
    pub warnings: Vec<String>,
}

/// Parses the command line and the environment.
///
/// # Errors
/// A message in one line that names every invalid setting: the status of a ScAuth shows the last line of a pod's log.
pub fn parse(
    command: Command,
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> Result<Parsed, clap::Error> {
    use clap::FromArgMatches as _;
    use clap::error::ErrorKind;

    let links = service_links::names(environment);
    let command = without(command, &links);
    let names: Vec<_> = environment.keys().map(String::as_str).filter(|name| !links.contains(name)).collect();
    let (matches, mut problems) = matches(command.clone(), &arguments.collect::<Vec<_>>(), &names)?;
    let known = known_names(&command);
    problems.extend(names::unknown(&known, &names));
    let is_check = matches.subcommand_name() == Some("config");
    if !problems.is_empty() && !is_check {
        return Err(clap::Error::raw(ErrorKind::InvalidValue, format!("{}\n", problems.join("; "))));
    }
    let warnings = names::misspelt(&known, &names);
    let cli = Cli::from_arg_matches(&matches)?;
    Ok(Parsed { cli, matches, problems, warnings })
}

/// Parses again without each variable that is invalid, to find all of them.
fn matches(
    mut command: Command,
    arguments: &[OsString],
    names: &[&str],
) -> Result<(ArgMatches, Vec<String>), clap::Error> {
    let mut problems = Vec::new();
    let mut left_out = Vec::new();
    loop {
        let error = match command.clone().try_get_matches_from_mut(arguments) {
            Ok(matches) => return Ok((matches, problems)),
            Err(error) => error,
        };
        let Some(name) = name_of_invalid(&command, &error) else { return Err(error) };
        problems.push(format!("{name}: {}", in_one_line(&error)));
        if !names.contains(&name.as_str()) || left_out.contains(&name) {
            return Err(clap::Error::raw(error.kind(), format!("{}\n", problems.join("; "))));
        }
        command = without(command, &[&name]);
        left_out.push(name);
    }
}

/// The problem and the possible values, without clap's hint about `--help`.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use sc_auth_contract::settings;

    use super::*;

    fn parsed(arguments: &[&str], environment: &[&str]) -> Result<Cli, String> {
        let arguments = arguments.iter().map(Into::into);
        let pair = |variable: &&str| variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = environment.iter().filter_map(pair).collect();
        parse(Cli::command(), arguments, &environment).map(|parsed| parsed.cli).map_err(|error| error.to_string())
    }

    fn serve(arguments: &[&str]) -> ServeArgs {
        match parsed(&[&["sc-auth-server", "serve"], arguments].concat(), &[]).unwrap().command {
            Action::Serve(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_settings_are_required() {
        let args = serve(&[]);
        assert_eq!(args.listen.to_string(), "0.0.0.0:8000");
        assert_eq!(args.audience(), ["http://localhost:8000"]);
        let lifetimes = args.lifetimes();
        assert_eq!(lifetimes.access.as_secs(), 3_600);
        assert_eq!((lifetimes.refresh.as_secs(), lifetimes.session.as_secs()), (30 * 86_400, 90 * 86_400));
        assert_eq!(args.refresh_tokens(false), settings::RefreshTokens::Rotating);
        assert_eq!(args.refresh_tokens(true), settings::RefreshTokens::Reusable);
        assert_eq!(args.check(), Ok(()));
    }

    #[test]
    fn audiences_are_separated_by_commas() {
        assert_eq!(serve(&["--audience", "orders,billing"]).audience(), ["orders", "billing"]);
    }

    #[test]
    fn an_unknown_name_is_refused_and_named() {
        let error = parsed(&["sc-auth-server", "serve"], &["SC_AUTH_ISSUER=", "SC_AUTH_ISUER=", "PATH="]).unwrap_err();
        assert!(
            error.contains(
                "unknown settings: SC_AUTH_ISUER (did you mean SC_AUTH_ISSUER?); the settings are SC_AUTH_ACCESS_TOKEN_TTL"
            ),
            "{error}"
        );
    }

    #[test]
    fn service_links_are_no_settings_and_look_alikes_are_refused() {
        let service = ["SC_AUTH_SVC_SERVICE_HOST=10.0.0.1", "SC_AUTH_SVC_SERVICE_PORT=8000"];
        for command in [&["sc-auth-server", "serve"][..], &["sc-auth-server", "migrate"]] {
            parsed(command, &[&service[..], &["SC_AUTH_SVC_PORT=tcp://10.0.0.1:8000"]].concat()).unwrap();
        }
        for (name, value) in [("SC_AUTH_LISTEN_PORT", "8000"), ("SC_AUTH_SVC_PORT", "8000"), ("SC_AUTH_SVC_HOST", "x")]
        {
            let variable = format!("{name}={value}");
            let error = parsed(&["sc-auth-server", "serve"], &[&service[..], &[&variable]].concat()).unwrap_err();
            assert!(error.contains(&format!("unknown settings: {name}")), "{error}");
        }
    }

    /// Those of a Service `db`. A new setting with such a name is ignored beside a Service of its own name too.
    #[test]
    fn a_setting_with_the_name_of_a_service_link_is_not_read_from_it() {
        let ignored = ["DB_PORT"];
        let (before, after) = (known_names(&Cli::command()), known_names(&without(Cli::command(), &ignored)));
        assert_eq!(before.into_iter().filter(|name| !after.contains(name)).collect::<Vec<_>>(), ignored);
    }

    #[test]
    fn an_invalid_value_is_reported_with_its_environment_variable() {
        for (flag, value, name) in [
            ("--listen", "here", "SC_AUTH_LISTEN"),
            ("--ops-listen", "8001", "SC_AUTH_OPS_LISTEN"),
            ("--access-token-ttl", "2d", "SC_AUTH_ACCESS_TOKEN_TTL"),
            ("--refresh-token-ttl", "soon", "SC_AUTH_REFRESH_TOKEN_TTL"),
            ("--drain", "10m", "SC_AUTH_DRAIN"),
            ("--issuer", "auth.example.com", "SC_AUTH_ISSUER"),
            ("--audience", "a b", "SC_AUTH_AUDIENCE"),
            ("--password-min-length", "0", "SC_AUTH_PASSWORD_MIN_LENGTH"),
            ("--trusted-proxies", "proxy", "SC_AUTH_TRUSTED_PROXIES"),
            ("--cors-origins", "https://a.test/path", "SC_AUTH_CORS_ORIGINS"),
            ("--refresh-tokens", "sometimes", "SC_AUTH_REFRESH_TOKENS"),
            ("--rate-limits", "maybe", "SC_AUTH_RATE_LIMITS"),
        ] {
            let error = parsed(&["sc-auth-server", "serve", flag, value], &[]).unwrap_err();
            assert!(error.starts_with(&format!("error: {name}: invalid value '{value}' for '{flag} ")), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn blanks_around_the_value_of_any_setting_do_not_count() {
        let command = Cli::command();
        let settings = command.find_subcommand("serve").unwrap().get_arguments();
        let with = |flag: &str, value: &str| {
            let args = parsed(&["sc-auth-server", "serve", flag, value], &[])?;
            Ok::<_, String>(format!("{args:?}"))
        };
        // The blanks of a secret may belong to it.
        for setting in settings.filter(|setting| setting.get_env().is_some() && !setting.is_hide_env_values_set()) {
            let flag = format!("--{}", setting.get_long().unwrap());
            let mut values: Vec<_> =
                setting.get_default_values().iter().map(|value| value.to_str().unwrap().to_owned()).collect();
            values.extend(setting.get_possible_values().iter().map(|value| value.get_name().to_owned()));
            values.extend(["1", "80", "2m", "1h", "40d", "direct", "https://a.test"].map(str::to_owned));
            values.extend(["#0b57d0", "#8ab4f8"].map(str::to_owned));
            let value = values.into_iter().find(|value| !value.is_empty() && with(&flag, value).is_ok());
            let value = value.unwrap_or_else(|| panic!("{flag}"));
            assert_eq!(with(&flag, &format!(" {value} ")), with(&flag, &value), "{flag}");
        }
    }

    #[test]
    fn the_minimum_length_of_a_password_is_not_above_the_maximum() {
        let policy =
            |min: &str| serve(&["--password-min-length", min, "--password-max-length", "64"]).password.policy();
        assert!(policy("64").is_ok());
        let error = policy("65").unwrap_err().to_string();
        assert_eq!(error, "SC_AUTH_PASSWORD_MIN_LENGTH is larger than SC_AUTH_PASSWORD_MAX_LENGTH");
    }

    #[test]
    fn a_session_outlasts_its_access_tokens() {
        let args = serve(&["--refresh-token-ttl", "30m"]);
        assert!(args.check().unwrap_err().contains("SC_AUTH_REFRESH_TOKEN_TTL"));
        assert!(serve(&["--session-ttl", "29d"]).check().unwrap_err().contains("SC_AUTH_SESSION_TTL"));
        assert_eq!(serve(&["--refresh-token-ttl", "100d"]).check(), Ok(()), "the session's default follows");
    }
}
