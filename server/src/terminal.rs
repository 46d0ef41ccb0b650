//! The output of commands, on standard output and standard error.

use std::fmt::Display;
use std::io::Write as _;

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written: the text may be a password that is shown only once.
pub fn say(text: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

/// Writes a line of progress, or of a report, to standard error. Errors are ignored.
pub fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether the error means only that the reader has closed the pipe, as `head` does.
pub fn is_gone(error: &anyhow::Error) -> bool {
    let is_broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let is_broken_json = |error: &serde_json::Error| error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe);
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_broken) || cause.downcast_ref().is_some_and(is_broken_json))
}
