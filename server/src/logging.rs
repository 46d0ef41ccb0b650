//! Logs to standard error, as JSON lines, or as plain text on a terminal. `RUST_LOG` sets the level.

use std::error::Error;
use std::fmt;
use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock;

pub fn start() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let registry = tracing_subscriber::registry().with(filter(&wanted));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        registry.with(lines.compact().with_timer(TimeOfDay)).init();
    } else {
        registry.with(lines.json().flatten_event(true).with_span_list(false)).init();
    }
    if wanted.parse::<Targets>().is_err() {
        tracing::warn!("RUST_LOG is invalid and ignored; write a level such as debug, or info,sqlx=debug");
    }
}

/// The time of a line for people, in UTC.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let time = clock::to_rfc3339(clock::system()).map_err(|_| fmt::Error)?;
        writer.write_str(time.get("2026-01-31T".len().."2026-01-31T01:02:03".len()).unwrap_or(&time))
    }
}

/// Parses `RUST_LOG`, such as `debug` or `info,sqlx=debug`; an invalid value is ignored. Below WARN, sqlx logs every
/// notice of the database, with SQL: at INFO only if it is named.
fn filter(wanted: &str) -> Targets {
    let targets = wanted.parse::<Targets>().ok().filter(|_| !wanted.trim().is_empty()).unwrap_or_default();
    let level = targets.default_level().unwrap_or(LevelFilter::INFO);
    let names_sqlx = targets.iter().any(|(target, _)| target == "sqlx");
    let targets = targets.with_default(level);
    if names_sqlx || level > LevelFilter::INFO {
        return targets;
    }
    targets.with_target("sqlx", level.min(LevelFilter::WARN))
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
    use tracing::Level;

    use super::*;

    #[test]
    fn sqlx_is_quiet_at_info_unless_it_is_named() {
        for (wanted, shows) in [
            ("", false),
            ("info", false),
            ("INFO", false),
            ("sc_auth_server=debug", false),
            ("warn", false),
            ("not a level,,=", false),
            ("debug", true),
            ("info,sqlx=info", true),
            ("sqlx::query=debug", false),
        ] {
            let filter = filter(wanted);
            assert_eq!(filter.would_enable("sqlx::postgres::notice", &Level::INFO), shows, "{wanted:?}");
        }
        assert!(filter("").would_enable("sc_auth_server", &Level::INFO));
        assert!(!filter("warn").would_enable("sc_auth_server", &Level::INFO));
        assert!(!filter("error").would_enable("sqlx", &Level::WARN));
        assert!(filter("sqlx::query=debug").would_enable("sqlx::query", &Level::DEBUG));
    }

    #[test]
    fn a_cause_that_the_error_includes_is_not_repeated() {
        let error = anyhow!("refused").context("it failed: refused").context("connecting");
        assert_eq!(chain(error.as_ref()), "connecting: it failed: refused");
    }
}
