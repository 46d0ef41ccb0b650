//! What commands say, on standard output and standard error.

use std::fmt::Display;
use std::io::Write as _;

/// A line on standard output.
///
/// # Errors
/// Where nobody can read it: what is said may be a password that is shown once.
pub fn say(text: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

/// A line of progress, or of a report, on standard error. Whether anybody reads it makes no difference.
pub fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether an error only says that the reader has gone, such as `head` does.
pub fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
