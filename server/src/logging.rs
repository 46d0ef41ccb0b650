//! Logs: JSON lines on standard error, or plain lines where that is a terminal. `RUST_LOG` sets the level.

use std::error::Error;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

pub fn start() {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    // Below that, sqlx passes on every notice of the database.
    let filter = match "sqlx=warn".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        subscriber.compact().init();
    } else {
        subscriber.json().flatten_event(true).with_span_list(false).with_target(false).init();
    }
}

/// An error with its causes, in one line. Libraries often repeat a cause in the text of its effect: that is left out.
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
    fn a_cause_that_its_effect_already_tells_is_not_told_again() {
        let error = anyhow!("refused").context("it failed: refused").context("connecting");
        assert_eq!(chain(error.as_ref()), "connecting: it failed: refused");
    }
}
