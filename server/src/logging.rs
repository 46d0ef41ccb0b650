//! Logs: JSON lines on standard error, or plain lines where that is a terminal. `RUST_LOG` sets the level.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

pub fn start() {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    // sqlx would log each slow statement with its text.
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
