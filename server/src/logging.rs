//! Logs to standard error, as JSON lines, or as plain text on a terminal. `RUST_LOG` sets the level.

use std::error::Error;
use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub fn start() {
    let filter = filter(std::env::var("RUST_LOG").as_deref().unwrap_or_default());
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(lines.compact()).init();
    } else {
        registry.with(lines.json().flatten_event(true).with_span_list(false).with_target(false)).init();
    }
}

/// Parses `RUST_LOG`, such as `debug` or `info,sqlx=debug`; an invalid value is ignored.
fn filter(wanted: &str) -> Targets {
    // Below WARN, sqlx logs every notice of the database.
    let default = Targets::new().with_default(LevelFilter::INFO).with_target("sqlx", LevelFilter::WARN);
    match wanted.parse::<Targets>() {
        Ok(targets) if !wanted.trim().is_empty() => match targets.default_level() {
            Some(_) => targets,
            None => targets.with_default(LevelFilter::INFO),
        },
        _ => default,
    }
}

/// An error with its causes, in one line. Libraries often include a cause in the error's own text: it is not repeated.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_the_error_includes_is_not_repeated() {
        let error = anyhow!("refused").context("it failed: refused").context("connecting");
        assert_eq!(chain(error.as_ref()), "connecting: it failed: refused");
    }
}
